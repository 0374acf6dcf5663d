"""What Python makes of a sample recording, for the tests of the JavaScript in ``web/``: one file that it must equal.

    python scripts/make_web_reference.py            # writes web/tests/reference/four_moods.json

Outputs of the networks are there for every frame, so that all around them is tested without them too; of what follows,
every so many frames. Arrays are float32 in base64.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.animator import Animator
from sedtalker.animation.decoder import Decoder
from sedtalker.animation.performance import Motion, StreamSettings
from sedtalker.audio import Audio, load_audio
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.track import EmotionTrack
from sedtalker.export.model_constants import model_constants
from sedtalker.nn import torch_threads
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import EMOTION, SPEECH, Analysis, analyse

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"
WRITTEN = ROOT / "web" / "tests" / "reference" / "four_moods.json"
FPS = 30.0
"""Frames a second of the animations."""
STILL = Motion(blinks=False, gaze=False, head=False, liveliness=0.0, fps=FPS)
"""A recording's options, without what is drawn at random."""
STILL_STREAM = StreamSettings(blinks=False, gaze=False, head=False, fps=FPS)
"""A stream's options."""
STREAM_SECONDS = 9.0
"""How much of the recording is streamed."""
PIECE = 1000
"""Samples that a stream is given at a time: no hop is a multiple of it."""


def main() -> None:
    """Write the file."""
    with torch_threads(1):
        reference = make(load_audio(SAMPLE))
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_text(json.dumps(reference, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{WRITTEN.relative_to(ROOT)}: {WRITTEN.stat().st_size / 1e6:.2f} MB")


def make(sound: Audio) -> dict[str, Any]:
    """Everything that is compared, by section."""
    animator, analysis = Animator.from_pretrained(), analyse(torch.from_numpy(sound.samples))
    decoder = animator.decoder
    assert isinstance(decoder, Decoder)
    lips, emotion = (open_encoder(name)(sound) for name in (SPEECH, EMOTION))
    found = frame_emotions(animator.diarizer.network, emotion)
    animation = animator(sound, motion=STILL)
    track = animator.track(sound, lips)
    hidden = torch.from_numpy(lips.hidden)
    motion = decoder.motion(lips, track)
    with torch.no_grad():
        phones = {"lips": decoder.lip_posteriors(hidden), "tongue": decoder.tongue_posteriors(hidden)}
    return {
        "constants": model_constants(),
        "features": _features(analysis),
        "hidden": {"speech": _rows(lips.hidden, 40), "emotion": _rows(emotion.hidden, 40)},
        "phones": {name: _rows(values.numpy(), 1) for name, values in phones.items()},
        "frames": {name: _rows(np.asarray(values, np.float32), 1) for name, values in asdict(found).items()},
        "track": _track(track),
        "motion": _rows(motion[0].numpy(), 1),
        "moved": _rows(decoder.predict(lips, track), 4),
        "animation": _animation(animation),
        "stream": _stream(sound),
    }


def _features(analysis: Analysis) -> dict[str, Any]:
    prosody, speech = analysis.frames
    return {
        "mel": _rows(analysis.mel.numpy(), 20),
        "means": _rows(analysis.means.numpy()[None], 1),
        "prosody": _rows(prosody.numpy(), 4),
        "speech": _rows(speech.float().numpy(), 1),
    }


def _track(track: EmotionTrack) -> dict[str, Any]:
    assert track.predicted is not None
    recognised = {name: _rows(values, 4) for name, values in track.predicted._asdict().items()}
    shown = {"posterior": _rows(track.posterior, 4), "intensity": _rows(track.intensity, 4)}
    return {**shown, "recognised": recognised, "segments": [asdict(segment) for segment in track.segments()]}


def _animation(animation: Animation) -> dict[str, Any]:
    shapes = animation.face.shapes
    names = [*model_constants()["arkit"]["names"]]
    tongue = [shapes.index(name) for name in model_constants()["tongue"]["names"]]
    weights = animation.coefficients[:, [shapes.index(name) for name in names]]
    return {"fps": FPS, "weights": _rows(weights, 5), "tongue": _rows(animation.coefficients[:, tongue], 5)}


def _stream(sound: Audio) -> dict[str, Any]:
    """What comes out, and after how many samples each frame did."""
    streamer = Animator.from_pretrained("streaming").open_stream(STILL_STREAM)
    samples = sound.samples[: round(STREAM_SECONDS * sound.rate)]
    frames: list[StreamedFrame] = []
    counts = []
    for start in range(0, len(samples), PIECE):
        frames += streamer.push(samples[start : start + PIECE])
        counts.append(len(frames))
    frames += streamer.flush()
    return {
        "fps": FPS,
        "seconds": STREAM_SECONDS,
        "piece": PIECE,
        "counts": counts,
        "frames": len(frames),
        "weights": _rows(np.array([frame.weights for frame in frames]), 5),
        "tongue": _rows(np.array([frame.tongue for frame in frames]), 5),
        "intensity": _rows(np.array([frame.intensity for frame in frames]), 5),
        "emotion": [frame.emotion for frame in frames[::5]],
    }


def _rows(values: NDArray[np.floating], every: int) -> dict[str, Any]:
    """Every so many rows of an array: its shape before that, and the values."""
    chosen = np.ascontiguousarray(values[::every], np.float32)
    return {"shape": values.shape, "every": every, "values": base64.b64encode(chosen.tobytes()).decode()}


if __name__ == "__main__":
    main()
