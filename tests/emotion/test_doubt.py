"""How much a label is in doubt, and which are handed on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.emotion.doubt import (
    MEASURES,
    Doubt,
    adjusted_doubt,
    doubts,
    has_speech,
    judge_segments,
    most_doubtful,
    posterior_doubt,
    share_for_accuracy,
)
from sedtalker.emotion.formats import densify
from sedtalker.emotion.track import CATEGORIES, Segment
from sedtalker.errors import InputError


def test_margin_and_entropy() -> None:
    assert posterior_doubt(np.array([0.5, 0.3, 0.2])).margin == pytest.approx(0.2)
    assert posterior_doubt(np.full(7, 1 / 7)) == Doubt(pytest.approx(0.0), pytest.approx(1.0))
    certain = posterior_doubt(np.eye(7)[2], 0.8)
    assert (certain.margin, certain.entropy, certain.distance) == (1.0, 0.0, 0.8)
    assert posterior_doubt(np.array([0.5, 0.5])).entropy == pytest.approx(1.0)
    assert [certain.by(measure) for measure in ("margin", "entropy", "distance")] == [0.0, 0.0, 0.8]
    with pytest.raises(InputError, match="the distance needs the recording"):
        Doubt(0.1, 0.2).by("distance")


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=7))
def test_both_lie_between_0_and_1(values: list[float]) -> None:
    found = posterior_doubt(np.array(values))
    assert -1e-9 <= found.margin <= 1.0
    assert -1e-9 <= found.entropy <= 1.0 + 1e-9


def test_segments_of_a_track() -> None:
    track = densify([Segment(0, 2, "happy", 0.5, 0.9), Segment(2, 4, "sad", 0.5, 0.6)], 4.0, ease=0.02)
    first, second = judge_segments(track, np.where(track.times < 2, 0.5, 1.5))
    assert (first.segment.label, second.segment.label) == ("happy", "sad")
    assert second.doubt.margin == pytest.approx(0.2, abs=0.02)
    assert second.candidates(CATEGORIES, 2) == ("sad", "neutral")
    assert (first.doubt.distance, second.doubt.distance) == (0.5, 1.5)
    assert judge_segments(track)[0].doubt.distance is None
    silent = replace(track, speech=track.times < 2)
    assert [has_speech(silent, s) for s in (first.segment, second.segment)] == [True, False]
    assert has_speech(track, second.segment)


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0, 1))
def test_the_share_is_the_share_and_the_most_doubtful(values: list[float], share: float) -> None:
    chosen = most_doubtful(np.array(values), share)
    assert chosen.sum() == round(share * len(values))
    if 0 < chosen.sum() < len(values):
        assert np.array(values)[chosen].min() >= np.array(values)[~chosen].max()


def test_no_share() -> None:
    with pytest.raises(InputError, match="is none: give 0 to 1"):
        most_doubtful(np.zeros(3), 1.5)


def test_a_share_for_an_accuracy() -> None:
    doubt, right = np.array([0.4, 0.1, 0.2, 0.3]), np.array([False, True, True, False])
    assert share_for_accuracy(doubt, right, 1.0) == 0.5
    assert share_for_accuracy(doubt, right, 2 / 3) == 0.25
    assert share_for_accuracy(doubt, right, 0.5) == 0.0
    assert share_for_accuracy(doubt, ~right, 0.9) == 1.0


def test_an_answer_that_is_given_everywhere_is_trusted_less() -> None:
    posterior = np.tile([0.6, 0.3, 0.1], (40, 1))
    posterior[0] = [0.1, 0.1, 0.8]
    posterior[1] = [0.45, 0.5, 0.05]
    found = adjusted_doubt(posterior)
    assert found[0] < found[1] < found[2], "what is rarely answered stands out"
    assert posterior_doubt(posterior[1]).margin < posterior_doubt(posterior[2]).margin


def test_of_a_single_segment_nothing_is_usual() -> None:
    alone = adjusted_doubt(np.array([[0.5, 0.3, 0.2]]))
    assert alone[0] == pytest.approx(0.5, abs=0.06)
    assert adjusted_doubt(np.empty((0, 7))).shape == (0,)


@given(st.lists(st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7), min_size=1, max_size=20), st.integers(0, 99))
def test_adjusted_doubt_does_not_depend_on_the_order(rows: list[list[float]], seed: int) -> None:
    posterior = np.array(rows)
    posterior /= posterior.sum(1, keepdims=True)
    order = np.random.default_rng(seed).permutation(len(rows))
    np.testing.assert_allclose(adjusted_doubt(posterior[order]), adjusted_doubt(posterior)[order], atol=1e-9)
    assert ((adjusted_doubt(posterior) >= 0) & (adjusted_doubt(posterior) <= 1)).all()


def test_doubts_by_every_measure() -> None:
    track = densify([Segment(0, 2, "happy", 0.5, 0.9), Segment(2, 4, "sad", 0.5, 0.6)], 4.0, ease=0.02)
    judged = judge_segments(track, np.ones(len(track)))
    for measure in MEASURES:
        values = doubts(judged, measure)
        assert values.shape == (2,)
        assert measure == "distance" or values[1] > values[0]
