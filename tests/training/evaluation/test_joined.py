"""Errors of joined recordings on made-up frames."""

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.emotion.inference import FrameEmotions, TrackRule
from sedtalker.training.corpora.joined_speech import SILENCE, Recording
from sedtalker.training.evaluation.clips import FOUR, among, changes, recording_metrics, set_scores

LABELS = np.array([1] * 50 + [SILENCE] * 20 + [3] * 50)


def frames(guess: np.ndarray, speech: np.ndarray) -> FrameEmotions:
    posterior = np.full((len(guess), 7), 0.05)
    posterior[np.arange(len(guess)), guess] = 0.7
    return FrameEmotions(posterior, np.zeros(len(guess)), speech, np.ones(len(guess)))


def test_a_perfect_track_has_no_error():
    guess = np.where(np.arange(120) < 60, 1, 3)
    figures = recording_metrics(LABELS, guess, frames(guess, LABELS != SILENCE))
    assert figures[""] == figures["_speech"] == 0.0
    assert figures["boundary_f1"] == 1.0
    assert figures["_neutral"] == pytest.approx(100 / 120)


def test_wrong_segments_wrong_frames_and_wrong_silence_are_told_apart():
    best, decoded = np.full(120, 1), np.where(np.arange(120) < 80, 1, 3)
    figures = recording_metrics(LABELS, decoded, frames(best, np.ones(120, bool)))
    assert figures[""] == pytest.approx(30 / 120)
    assert figures["_speech"] == pytest.approx(10 / 100)
    assert figures["boundary_f1"] == 0.0, "0.4 s late"


def test_emotions_change_in_the_middle_of_a_pause():
    assert changes(LABELS) == [pytest.approx(60 / 50)]
    assert changes(np.array([SILENCE, 2, 2, SILENCE, 2])) == []


def test_other_categories_are_never_answered():
    some = frames(np.array([4, 4, 1]), np.ones(3, bool))
    only = among(some, FOUR)
    assert only.posterior.sum(1) == pytest.approx(1.0)
    assert (only.posterior[:, [4, 5, 6]] == 0).all()
    assert only.boundary is some.boundary
    assert among(some, None) is some


def test_recordings_count_alike_and_frames_together():
    def made(labels: np.ndarray) -> Recording:
        return Recording(np.zeros(len(labels) * 320, np.float32), labels, "made", "a")

    right = (made(LABELS), frames(LABELS.clip(max=6), LABELS != SILENCE))
    wrong = (made(np.full(50, 1)), frames(np.full(50, 3), np.ones(50, bool)))
    means, macro = set_scores([right, wrong], None)
    assert means[""] == pytest.approx(0.5)
    assert means["_speech"] == pytest.approx(0.5)
    assert macro == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert means["_shown"] == pytest.approx(0.5)


def test_users_get_the_segments_of_what_is_shown():
    loud = frames(np.full(100, 3), np.ones(100, bool))
    loud = replace(loud, intensity=np.repeat(np.array([0.6, 0.1], np.float32), 50))
    recording = Recording(np.zeros(32_000, np.float32), np.repeat([3, 0], 50), "made", "a")
    means, _ = set_scores([(recording, loud)], None, TrackRule(visible=(0.2, 0.55, 0.7)))
    assert (means[""], means["boundary_f1"]) == (0.5, 0.0), "angry throughout, by the categories alone"
    assert (means["_shown"], means["boundary_f1_shown"]) == (pytest.approx(0.0, abs=0.05), 1.0)
