"""Cuts of the sample recording."""

from __future__ import annotations

from pathlib import Path

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
"""18 s of speech in four moods."""


def cut_sample(path: Path, start: float, end: float) -> Path:
    """Write some seconds of it as a wav; the path."""
    import soundfile

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(path, samples[int(start * rate) : int(end * rate)], rate)
    return path
