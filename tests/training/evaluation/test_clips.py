"""Figures of made-up clip results, worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from sedtalker.audio import from_samples
from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.emotion_speech import NEUTRAL_LEVEL, NORMAL_LEVEL, SOME_LEVEL, STRONG_LEVEL
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import (
    ClipResult,
    clip_metrics,
    clip_reliability,
    group_metrics,
    level_equalised,
    strength_auc,
)
from sedtalker.training.evaluation.clips import test_clips as clips_to_score
from sedtalker.training.evaluation.diarizer_measures import plot_reliability


def result(corpus, speaker, gender, truth, guess, level=SOME_LEVEL, intensity=0.5, language="en", confidence=0.8):
    clip = Clip(corpus, Path(), language, speaker, gender, CATEGORIES[truth], "", "", 1.0, "test")
    posterior = np.full(7, (1 - confidence) / 6)
    posterior[guess] = confidence
    return ClipResult(clip, truth, level, posterior, intensity)


ROWS = [
    result("ravdess", "a", "f", 0, 0, NEUTRAL_LEVEL, 0.1),
    result("ravdess", "a", "f", 1, 1, NORMAL_LEVEL, 0.4),
    result("ravdess", "a", "f", 1, 0, STRONG_LEVEL, 0.9),
    result("ravdess", "b", "m", 0, 1, NEUTRAL_LEVEL, 0.2),
    result("ravdess", "b", "m", 1, 0, NORMAL_LEVEL, 0.5),
    result("ravdess", "b", "m", 1, 1, STRONG_LEVEL, 0.45),
    result("emotiontts_ko", "k", "f", 3, 3, language="ko"),
    result("tess", "t", "f", 3, 2),
]


def test_groups_count_their_own_clips():
    figures = group_metrics(ROWS)
    assert figures["uar_ravdess_women"] == pytest.approx((1 + 1 / 2) / 2)
    assert figures["uar_ravdess_men"] == pytest.approx((0 + 1 / 2) / 2)
    assert figures["uar_ravdess_normal"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert figures["n_ravdess_strong"] == 4
    assert figures["uar_ravdess_worst_speaker"] == figures["uar_ravdess_men"]
    assert figures["uar_language_ko"] == 1.0
    assert figures["n_language_en"] == 6, "a corpus that was never trained on says nothing of its language"


def test_figures_of_all_clips():
    figures = clip_metrics(ROWS)
    assert figures["uar_ko"] == 1.0
    assert figures["uar_tess"] == 0.0
    assert figures["ece"] == pytest.approx(0.8 - 4 / 7)
    assert figures["intensity_auc"] == pytest.approx(3 / 4)
    assert clip_reliability(ROWS).share == pytest.approx([1.0])


def test_no_pairs_of_strengths_no_figure():
    assert np.isnan(strength_auc(ROWS[-2:], np.array([0.1, 0.2])))


@pytest.mark.parametrize("gain", [0.01, 0.3, 2.0])
def test_levels_are_equal_whatever_they_were(gain):
    wave = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    wave[:8000] *= 0.05
    once, again = (level_equalised(from_samples(wave * g, 16_000)).samples for g in (1.0, gain))
    assert np.abs(once - again).max() < 2e-3
    assert 0.08 < np.sqrt(np.mean(once[8000:] ** 2)) < 0.12


def test_clips_of_the_split_and_every_fifth_of_a_corpus_never_trained_on(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()

    def clip(corpus, split, emotion="happy", where=path):
        return Clip(corpus, where, "en", "s", "f", emotion, "", "", 1.0, split)

    every = [clip("ravdess", "test"), clip("ravdess", "train"), clip("ravdess", "test", "other:awe")]
    every += [clip("nemo", "test"), clip("ravdess", "test", where=tmp_path / "no")] + 10 * [clip("tess", "train")]
    assert [c.corpus for c in clips_to_score(every, ["ravdess"], "test")] == ["ravdess", "nemo", "tess", "tess"]


def test_the_picture_is_the_same_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        plot_reliability(clip_reliability(ROWS), tmp_path / name, 0.1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
