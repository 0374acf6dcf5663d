"""Diarization errors on cases worked out by hand."""

from __future__ import annotations

import pytest

from sedtalker.speakers.turns import Turn, Turns
from sedtalker.training.evaluation.conversation import diarization_errors, paired

TRUTH = Turns((Turn(0.0, 4.0, "ann"), Turn(4.0, 8.0, "bob")), 10.0)


def test_the_same_turns_under_other_names_are_right() -> None:
    renamed = TRUTH.renamed({"ann": "x", "bob": "y"})
    assert diarization_errors(TRUTH, renamed).rate == 0.0
    assert paired(TRUTH, renamed) == {"ann": "x", "bob": "y"}


def test_each_kind_of_error_is_a_share_of_the_speech() -> None:
    found = Turns((Turn(0.0, 3.0, "x"), Turn(3.0, 7.0, "y"), Turn(9.0, 10.0, "y")), 10.0)
    errors = diarization_errors(TRUTH, found, collar=0.0)
    assert errors.confusion == pytest.approx(1 / 8)  # from 3 to 4 s
    assert errors.missed == pytest.approx(1 / 8)  # from 7 to 8 s
    assert errors.false_alarm == pytest.approx(1 / 8)  # from 9 to 10 s
    assert errors.rate == pytest.approx(3 / 8)


def test_one_speaker_for_two_confuses_the_shorter_one() -> None:
    truth = Turns((Turn(0.0, 6.0, "ann"), Turn(6.0, 8.0, "bob")), 8.0)
    assert diarization_errors(truth, Turns((Turn(0.0, 8.0, "x"),), 8.0), 0.0).confusion == pytest.approx(2 / 8)


def test_overlapping_speech_counts_for_each_speaker() -> None:
    truth = Turns((Turn(0.0, 4.0, "ann"), Turn(2.0, 4.0, "bob")), 4.0)
    errors = diarization_errors(truth, Turns((Turn(0.0, 4.0, "x"),), 4.0), 0.0)
    assert errors == (pytest.approx(2 / 6), 0.0, 0.0)


def test_a_collar_forgives_borders() -> None:
    found = Turns((Turn(0.2, 4.2, "x"), Turn(4.2, 8.2, "y")), 10.0)
    assert diarization_errors(TRUTH, found, 0.25).rate == 0.0
    assert diarization_errors(TRUTH, found, 0.0).rate > 0.05


def test_nobody_found_misses_everything() -> None:
    assert diarization_errors(TRUTH, Turns((), 10.0)).missed == 1.0
