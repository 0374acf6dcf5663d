"""Quantiles and mean spectra of sound that has left the buffer of a stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.speech.level_history import BandHistory, LevelHistogram, quantiles_with, with_gain, without_gain


@settings(max_examples=30)
@given(
    st.lists(st.floats(-35, 35), min_size=1, max_size=50), st.lists(st.floats(-35, 35), max_size=50), st.floats(0, 1)
)
def test_quantiles_of_history_and_present(old, recent, share):
    history = LevelHistogram()
    history.add(np.array(old))
    expected = np.quantile([*old, *recent], [share, 0.5])
    for _ in range(2):
        assert quantiles_with(history, np.array(recent), share, 0.5) == pytest.approx(expected, abs=1e-4)
    assert len(history) == len(old)


def test_a_history_takes_memory_for_the_levels_that_came():
    """The range of all levels is 200 MB; speech needs a part of it, wherever that lies."""
    rng = np.random.default_rng(5)
    quantiles, bands = LevelHistogram(), BandHistory(80, 1e-6, (0.05, 1e3))
    for middle in (-8.0, -2.0, -11.0):
        levels = rng.uniform(middle - 1.0, middle + 1.0, 50)
        quantiles.add(levels)
        bands.add(np.exp(levels)[:, None] * np.ones((1, 80)), levels)
    assert len(quantiles) == bands.above(-40.0, 1.0)[0] == 150
    assert quantiles.counts.nbytes < 1.1 * 4 * 11.0 / quantiles.WIDTH
    assert bands.sums.nbytes < 1.1 * 4 * 80 * len(bands.grid) * 11.0 / bands.LEVEL_WIDTH


@settings(max_examples=20)
@given(st.integers(0, 100), st.floats(1e-3, 1e3), st.floats(-12, 2))
def test_mean_spectrum_above_a_level_under_any_gain(seed, gain, level):
    rng = np.random.default_rng(seed)
    power, levels = np.exp(rng.uniform(-25, 5, (60, 4))), np.round(rng.uniform(-15, 5, 60), 2) + 0.005
    history = BandHistory(4, 1e-6, (1e-3, 1e3))
    history.add(power[:30], levels[:30])
    history.add(power[30:], levels[30:])
    above = levels > np.round(level, 2)
    count, total = history.above(np.round(level, 2), gain)
    assert count == pytest.approx(above.sum(), abs=1e-3)
    assert np.allclose(total, np.log(gain**2 * power[above] + 1e-6).sum(0), atol=0.01 * max(1, above.sum()))


def test_mean_spectrum_of_many_frames_of_one_level():
    """Sums are in single precision: the means are near enough for hours of one and the same silence."""
    rng = np.random.default_rng(7)
    history, total = BandHistory(2, 1e-6, (1e-3, 1e3)), np.zeros(2)
    for _ in range(40):
        power = np.exp(rng.uniform(-3, 1, (1000, 2)))
        history.add(power, np.full(1000, -5.0))
        total += np.log(4.0 * power + 1e-6).sum(0)
    count, found = history.above(-6.0, 2.0)
    assert count == 40_000
    assert np.allclose(found / count, total / count, atol=5e-3)


def test_levels_without_gain_and_back():
    power = np.array([1e-8, 1e-3, 2.0])
    level = np.log(9.0 * power + 1e-5)
    back = with_gain(without_gain(level, 1e-5, 3.0), 1e-5, 3.0)
    assert np.allclose(back, level)
    assert np.allclose(with_gain(without_gain(level, 1e-5, 3.0), 1e-5, 6.0), np.log(36.0 * power + 1e-5))
