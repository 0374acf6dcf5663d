"""Sound that is like speech, of any length, from a formula: a benchmark needs no recordings."""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE

SYLLABLES = 4.0
"""A second."""
PHRASE, PAUSE = 2.4, 0.5
"""Seconds of speaking, and of the pause after it."""
PITCH = 130.0
"""Hz; it moves by a fifth up and down."""
FORMANTS = ((500.0, 90.0), (1500.0, 120.0), (2500.0, 180.0))
"""Centre and width in Hz of the resonances of a neutral vowel."""


def speech_like(seconds: float) -> NDArray[np.float32]:
    """Voiced syllables in phrases with pauses, (n,) in [-1, 1] at 16 kHz; a longer one begins like a shorter one."""
    return np.resize(_four_phrases(), round(seconds * SAMPLE_RATE))


@cache
def _four_phrases() -> NDArray[np.float32]:
    """What is said again and again."""
    count = round(4 * (PHRASE + PAUSE) * SAMPLE_RATE)
    times = np.arange(count) / SAMPLE_RATE
    pitch = PITCH * 2.0 ** (0.3 * np.sin(2 * np.pi * 0.31 * times) + 0.1 * np.sin(2 * np.pi * 1.7 * times))
    angle = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    opening = np.clip(np.sin(np.pi * SYLLABLES * times) ** 2 * 1.4 - 0.2, 0.0, 1.0)
    speaking = (times % (PHRASE + PAUSE)) < PHRASE
    voice = np.zeros(count)
    for harmonic in range(1, 25):
        frequency = harmonic * pitch
        gain = sum(1.0 / (1.0 + ((frequency - centre) / width) ** 2) for centre, width in FORMANTS)
        voice += gain * np.sin(harmonic * angle) / np.sqrt(harmonic)
    breath = np.random.default_rng(0).standard_normal(count)
    sound = speaking * opening * (0.12 * voice + 0.01 * breath) + 1e-4 * breath
    return np.asarray(np.clip(sound, -0.95, 0.95), np.float32)


def write_speech(path: Path, seconds: float) -> Path:
    """The same as a 16-bit WAV file, written part by part: its writer must not be what takes the memory."""
    phrases = np.round(32767 * _four_phrases()).astype("<i2")
    count = round(seconds * SAMPLE_RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for start in range(0, count, len(phrases)):
            file.writeframesraw(phrases[: count - start].tobytes())
    return path
