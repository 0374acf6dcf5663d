"""Strengths of made-up clips, told apart within each emotion."""

from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.joined_speech import NEUTRAL_LEVEL, NORMAL_LEVEL, SOME_LEVEL, STRONG_LEVEL
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import ClipResult, strength_auc


def result(truth: int, level: int, intensity: float) -> ClipResult:
    clip = Clip("ravdess", Path(), "en", "a", "f", CATEGORIES[truth], "", "", 1.0, "test")
    return ClipResult(clip, truth, level, np.eye(7)[truth], intensity)


ROWS = [
    result(0, NEUTRAL_LEVEL, 0.1),
    result(1, NORMAL_LEVEL, 0.4),
    result(1, STRONG_LEVEL, 0.9),
    result(1, NORMAL_LEVEL, 0.5),
    result(1, STRONG_LEVEL, 0.45),
    result(3, SOME_LEVEL, 0.5),
]


def test_strong_against_normal_within_an_emotion() -> None:
    assert strength_auc(ROWS, np.array([r.intensity for r in ROWS])) == pytest.approx(3 / 4)


def test_no_pairs_of_strengths_no_figure() -> None:
    assert np.isnan(strength_auc(ROWS[-1:], np.array([0.1])))
