from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.conditioning import HALF_ONSET, ease_cuts


def _cut(at=50, frames=120):
    posterior = np.zeros((frames, 7), np.float32)
    posterior[:at, 1] = posterior[at:, 3] = 1.0
    return posterior, np.ones(frames, np.float32)


def test_a_cut_is_half_way_at_the_cut_and_done_within_a_sixth_of_a_second():
    posterior, intensity = ease_cuts(*_cut())
    assert abs(posterior[49:51, 3].mean() - 0.5) < 0.01
    assert posterior[50 + 5, 3] > 0.8  # 100 ms after the edit
    assert np.allclose(posterior[50 + HALF_ONSET :, 3], 1.0)
    assert np.allclose(posterior[: 50 - HALF_ONSET, 1], 1.0)
    assert np.allclose(posterior.sum(1), 1.0, atol=1e-5)
    assert np.allclose(intensity, 1.0)
    assert np.abs(np.diff(posterior, axis=0)).max() < 0.13


def test_eased_changes_stay_as_they_are():
    times = np.arange(100) / 50
    share = (0.5 - 0.5 * np.cos(np.pi * np.clip((times - 0.5) / 0.4, 0, 1))).astype(np.float32)
    posterior = np.zeros((100, 7), np.float32)
    posterior[:, 0], posterior[:, 2] = 1 - share, share
    eased, intensity = ease_cuts(posterior, np.ones(100, np.float32))
    assert np.array_equal(eased, posterior)
    assert np.array_equal(intensity, np.ones(100))


@settings(max_examples=30)
@given(st.integers(1, 118), st.floats(0.0, 1.0))
def test_cuts_anywhere_keep_the_bounds(at, level):
    posterior, intensity = _cut(at)
    intensity[at:] = level
    eased, strength = ease_cuts(posterior, intensity)
    assert eased.shape == posterior.shape
    assert eased.min() >= 0
    assert eased.max() <= 1 + 1e-6
    assert strength.min() >= min(level, 1.0) - 1e-6
    assert strength.max() <= 1 + 1e-6
