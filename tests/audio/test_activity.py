"""Voice activity on sounds whose speech is known."""

import numpy as np
import pytest

from sedtalker.audio.activity import spans, speech_activity
from sedtalker.speech.features import level_gain, pair_means, prosody

RATE = 16000


def buzz(seconds: float, level: float = 0.1) -> np.ndarray:
    """A voice-like sound: harmonics of 120 Hz with a slow tremor."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    return level * wave * (1 + 0.3 * np.sin(2 * np.pi * 4 * time))


def activity(samples: np.ndarray) -> np.ndarray:
    wave = samples.astype(np.float32)
    tracks = pair_means(prosody(wave * np.float32(level_gain(wave))))
    return speech_activity(tracks[:, 0], tracks[:, 2], 50.0)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3e-3])
@pytest.mark.parametrize("level", [0.01, 0.3])
def test_finds_two_utterances(noise, level):
    rng = np.random.default_rng(0)
    parts = [np.zeros(RATE), buzz(1.0, level), np.zeros(RATE), buzz(0.6, level), np.zeros(RATE // 2)]
    samples = np.concatenate(parts) + noise * level / 0.3 * rng.standard_normal(sum(map(len, parts)))
    found = spans(activity(samples), 50.0)
    assert len(found) == 2
    for (start, end), (a, b) in zip(found, [(1.0, 2.0), (3.0, 3.6)], strict=True):
        assert abs(start - a) < 0.12
        assert abs(end - b) < 0.12


def test_silence_and_hiss_hold_no_speech():
    assert not activity(np.zeros(RATE)).any()
    assert activity(0.01 * np.random.default_rng(0).standard_normal(3 * RATE)).mean() < 0.05


def test_unbroken_speech_is_all_speech():
    assert activity(buzz(3.0)).mean() > 0.95


def test_short_gaps_are_filled_and_clicks_dropped():
    gap = np.concatenate([buzz(0.5), np.zeros(RATE // 10), buzz(0.5)])
    assert len(spans(activity(gap), 50.0)) == 1
    click = np.zeros(2 * RATE)
    click[RATE : RATE + 200] = 0.5
    assert not activity(click).any()


def test_spans_of_a_mask():
    assert spans(np.array([0, 1, 1, 0, 1], bool), 10.0) == [(0.1, 0.3), (0.4, 0.5)]
    assert spans(np.zeros(0, bool), 10.0) == []
