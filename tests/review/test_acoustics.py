"""Numbers of sounds whose pitch, level and course are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sedtalker.audio import SAMPLE_RATE
from sedtalker.review.acoustics import NAMES, Acoustics, measure_acoustics, usual_of
from sedtalker.speech.features import SpeechFeatures, analyse


def features(samples: np.ndarray) -> SpeechFeatures:
    analysis = analyse(torch.from_numpy(samples.astype(np.float32)))
    return analysis.features(np.zeros((len(samples) // 320, 1), np.float32))


def voice(hertz: np.ndarray | float, seconds: float, harmonics: int = 10) -> np.ndarray:
    count = int(seconds * SAMPLE_RATE)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, count)) / SAMPLE_RATE
    return sum(np.sin(k * phase) / k for k in range(1, harmonics + 1)) * 0.1


def measured(samples: np.ndarray, **options: float) -> Acoustics:
    found = measure_acoustics(features(samples), **options)
    assert found is not None
    return found


def test_pitch_in_semitones() -> None:
    low, high = measured(voice(150.0, 1.0)), measured(voice(300.0, 1.0))
    assert low.pitch == pytest.approx(0.0, abs=0.3)
    assert high.pitch == pytest.approx(12.0, abs=0.3)
    assert abs(low.pitch_range) < 0.5
    assert abs(low.pitch_slope) < 0.5


def test_rising_pitch_and_growing_level() -> None:
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    rising = measured(voice(150.0 * 2 ** (seconds * 4 / 12), 2.0))
    assert rising.pitch_slope == pytest.approx(4.0, abs=0.6)
    assert rising.pitch_range == pytest.approx(0.8 * 8, abs=0.8)
    growing = measured(voice(150.0, 2.0) * 10 ** (6 * seconds / 20))
    assert growing.level_slope == pytest.approx(6.0, abs=0.8)
    assert growing.level_range == pytest.approx(0.8 * 12, abs=1.5)


def test_brightness_rate_and_pauses() -> None:
    assert measured(voice(150.0, 1.0, 40)).brightness > measured(voice(150.0, 1.0, 4)).brightness + 5
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    syllables = voice(150.0, 3.0) * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * seconds))
    assert measured(syllables).rate == pytest.approx(4.0, abs=0.5)
    silence = np.zeros(SAMPLE_RATE)
    assert measured(np.concatenate([voice(150.0, 1.0), silence])).pauses == pytest.approx(0.5, abs=0.08)


def test_a_stretch_and_a_level() -> None:
    samples = np.concatenate([voice(150.0, 1.0), np.zeros(SAMPLE_RATE), voice(300.0, 1.0)])
    first, second = measured(samples, end=1.0), measured(samples, start=2.0)
    assert second.pitch - first.pitch == pytest.approx(12.0, abs=0.5)
    assert second.minus(first).pitch == second.pitch - first.pitch
    assert measured(samples, end=1.0, level=10.0) == replace(first, level=first.level + 10.0)
    assert measure_acoustics(features(samples), 1.3, 1.7) is None


def test_what_is_usual() -> None:
    rows = [Acoustics(**dict.fromkeys(NAMES, value)) for value in (1.0, 2.0, 30.0)]
    assert usual_of(rows) == rows[1]
