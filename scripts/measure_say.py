"""How often lips are closed in p, b and m of synthesised speech, and in open vowels.

    python scripts/measure_say.py -o say.json --voices af_heart,am_adam

Writes JSON: a row a voice with the shares, how far the engine's times of words are from those that the aligner finds in
the sound, and the seconds that speaking and animating took.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animator import Animator
from sedtalker.animation.known_phones import gap_of
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.saying import say
from sedtalker.face.builtin import load_face
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.synthesis import Synthesizer
from sedtalker.speech.features import BILABIAL

TEXT = (
    "Maybe we should stop playing games. My brother Bob bought a big apple pie for my mother. "
    "The problem is simple, but people keep making it complicated. Please put the paper back on top of the map. "
    "A small boat came up to the beach before lunch. Everybody remembers the summer when the bus broke down. "
    "I am happy to help, but I cannot promise a miracle. Could you bring me a cup of warm apple tea tomorrow?"
)
"""Eight sentences with some fifty closures."""
OPEN = ("AA", "AE", "AO", "AY", "AW")
"""Vowels in which the mouth is open."""


def closed_share(times: np.ndarray, closed: np.ndarray, spans: list[tuple[float, float]], margin: float) -> float:
    """Share of spans in which there is a frame with closed lips."""
    found = [closed[(times >= start - margin) & (times <= end + margin)].any() for start, end in spans]
    return float(np.mean(found))


def measure(animator: Animator, synthesizer: Synthesizer, voice: str, fps: float) -> dict[str, Any]:
    """The row of a voice."""
    began, face = time.perf_counter(), load_face()
    speech, animation = say(animator, TEXT, synthesizer, voice=voice, emotion="neutral", face=face, fps=fps)
    seconds = time.perf_counter() - began
    times = animation.clock.times(len(animation))
    closed = gap_of(face, animation.coefficients[:, :52]) < RULES.closed_gap
    assert isinstance(animation.phones, Alignment)
    aligned = [p for p in animation.phones.phones if p.word is not None]
    lips = [(p.start, p.end) for p in aligned if p.phone in BILABIAL]
    middles = [((p.start + p.end) / 2,) * 2 for p in aligned if p.phone in OPEN]
    begins = {p.word: p.start for p in reversed(aligned)}
    apart = [word.within[0] - begins[k] for k, word in enumerate(speech.words) if word.within is not None]
    return {
        "voice": voice,
        "seconds_of_speech": speech.sound.duration,
        "closures": len(lips),
        "closed": closed_share(times, closed, lips, 0.5 / fps),
        "open_vowels": len(middles),
        "open_vowels_closed": closed_share(times, closed, middles, 0.5 / fps),
        "engine_minus_aligner_median": float(np.median(apart)),
        "engine_minus_aligner_p90": float(np.percentile(np.abs(apart), 90)),
        "fit": animation.phones.fit,
        "seconds": seconds,
    }


def main() -> None:
    """Measure the voices that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--voices", default="", help="names with commas between; default: the first two")
    parser.add_argument("--voice-model", type=Path)
    parser.add_argument("--voices-file", type=Path)
    parser.add_argument("--fps", type=float, default=60.0)
    given = parser.parse_args()
    synthesizer, animator = Synthesizer(given.voice_model, given.voices_file), Animator.from_pretrained()
    names = given.voices.split(",") if given.voices else synthesizer.names[:2]
    rows = [measure(animator, synthesizer, name, given.fps) for name in names]
    given.output.write_text(json.dumps({"text": TEXT, "fps": given.fps, "voices": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
