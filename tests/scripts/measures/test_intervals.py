"""Intervals over speakers and their clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measures.intervals import interval_over, with_ends

from sedtalker.metrics.emotion import Draws, bootstrap_interval


def speakers(count: int, clips: int) -> list[str]:
    return [f"s{i}" for i in range(count) for _ in range(clips)]


@settings(max_examples=15)
@given(count=st.integers(1, 6), clips=st.integers(1, 5), value=st.floats(-5, 5))
def test_what_is_the_same_for_all_has_no_width(count: int, clips: int, value: float) -> None:
    values = np.full(count * clips, value)
    low, high = bootstrap_interval(lambda drawn: float(values[drawn[0]].mean()), [speakers(count, clips)], rounds=20)
    assert low == pytest.approx(value)
    assert high == pytest.approx(value)


def test_as_many_clips_are_drawn_of_each_corpus_and_only_its_own() -> None:
    seen: list[Draws] = []
    bootstrap_interval(lambda drawn: float(seen.append(drawn) or 0), [speakers(3, 4), speakers(1, 5)], rounds=10)
    assert len(seen) == 10
    for first, second in seen:
        assert (len(first), len(second)) == (12, 5)
        assert set(first) <= set(range(12))
        assert set(second) <= set(range(5))


def test_speakers_who_differ_make_it_wider_than_their_clips_do() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 50)

    def mean(drawn: Draws) -> float:
        return float(values[drawn[0]].mean())

    few = bootstrap_interval(mean, [speakers(4, 50)], rounds=300)
    many = bootstrap_interval(mean, [speakers(200, 1)], rounds=300)
    assert few == (0.0, 1.0)
    assert 0.4 < many[0] < 0.5 < many[1] < 0.6
    assert bootstrap_interval(mean, [speakers(4, 50)], rounds=300) == few, "the same every time"


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.floats(-1, 1))
def test_the_interval_over_corpora_holds_the_mean_and_moves_with_it(values: list[float], by: float) -> None:
    low, high = interval_over(values, rounds=500)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    moved = interval_over([value + by for value in values], rounds=500)
    assert moved == pytest.approx((low + by, high + by), abs=1e-6)
    assert interval_over(values, rounds=500) == (low, high)


def test_an_interval_of_a_normal_sample_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    low, high = interval_over(values.tolist())
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_ends_stand_behind_their_figure() -> None:
    made = with_ends({"gain": [0.5, 0.5]})
    assert made == {"gain": 0.5, "gain_low": 0.5, "gain_high": 0.5}
