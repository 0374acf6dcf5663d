"""The choice of enrolled clips in evaluation, and the trust in segments' confidence."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.emotion.functionals import Voice
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import EncodedClip, enrolled_voice
from sedtalker.training.evaluation.diarizer_measures import confidence_metrics


def heard(speaker: str, category: int, frames: float | None) -> EncodedClip:
    clip = Clip("made", Path(), "en", speaker, "f", "happy", "", "", 1.0, "test")
    voice = None if frames is None else Voice(torch.full((1, 2), frames), torch.zeros(1, 60), torch.ones(1, 60))
    return EncodedClip(clip, None, category, -1, voice)  # type: ignore[arg-type]


CLIPS = [heard("a", 0, 1.0), heard("a", 1, 10.0), heard("a", 2, 100.0), heard("a", 3, None), heard("b", 0, 1e4)]


def test_only_other_clips_of_the_speaker():
    voice = enrolled_voice(CLIPS, "a", 10, False, np.random.default_rng(0), scored=1)
    assert voice.weight.flatten().tolist() == [101.0, 101.0]


def test_neutral_ones_if_there_are_any():
    assert enrolled_voice(CLIPS, "a", 3, True, np.random.default_rng(0)).weight[0, 0] == 1.0
    assert enrolled_voice(CLIPS, "a", 3, True, np.random.default_rng(0), scored=0).weight[0, 0] == 110.0
    assert enrolled_voice(CLIPS, "b", 3, False, np.random.default_rng(0), scored=4) is None
    assert enrolled_voice(CLIPS, "a", 0, False, np.random.default_rng(0)) is None


def test_confidence_metrics_by_hand():
    figures = confidence_metrics(np.array([[0.35, 0.2, 100], [0.85, 1.0, 300]]))
    assert figures["segment_ece"] == pytest.approx((0.15 * 100 + 0.15 * 300) / 400)
    assert figures["uncertain_0.4"] == 0.25
    assert figures["certain_0.4"] == 1.0
    assert figures["certain_0.0"] == pytest.approx(0.8)
