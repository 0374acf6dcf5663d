"""Enrolment in training: only clips of the same speaker, only where the recording was not altered."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.emotion.functionals import SPOKEN, VOICED
from sedtalker.training.corpora.emotion_features import EmotionFeatures
from sedtalker.training.corpora.window_statistics import SpeakerVoices, WindowStatistics
from sedtalker.training.tasks.diarizer import unaltered_recordings


@pytest.fixture(scope="module")
def rows() -> WindowStatistics:
    speakers, category = np.array(list("aaaab")), np.array([0, 1, 2, -1, 0], np.int8)
    count, starts = 5, np.arange(6) * 10
    rng = np.random.default_rng(0)
    features = EmotionFeatures(
        mel=np.zeros((100, 80), np.float16),
        prosody=np.tile(np.float16([0, 0, 0.9, 0]), (50, 1)),
        speech=np.repeat([True, True, True, True, False], 10),
        labels=np.zeros(50, np.int8),
        levels=np.zeros(50, np.int8),
        starts=starts,
        corpus=np.full(count, "made"),
        speaker=speakers,
        category=category,
        level=category,
        folder=Path(),
    )
    values = rng.random((10, 2 * 2 * (SPOKEN + VOICED))).astype(np.float16) + 1
    owner = np.repeat(np.arange(5), 2).astype(np.int32)
    return WindowStatistics(values, owner, category[owner], category[owner], features)


def test_only_other_single_clips_of_the_speaker(rows):
    voices = SpeakerVoices(rows, np.arange(5))
    assert sorted(voices.choose(0, 9, np.random.default_rng(0))) == [1, 2]
    assert voices.choose(1, 9, np.random.default_rng(0), neutral=True).tolist() == [0]
    assert len(voices.choose(4, 3, np.random.default_rng(0))) == 0
    assert voices.weight[:, 0].tolist() == [10, 10, 10, 10, 0]


def test_pooled_by_frames_and_empty_where_there_is_none(rows):
    voices = SpeakerVoices(rows, np.arange(5))
    voice = voices.pool([np.array([0, 1]), np.array([], np.int64)])
    assert voice.weight.tolist() == [[20, 20], [0, 0]]
    assert torch.allclose(voice.mean[0], torch.from_numpy(voices.mean[:2].mean(0)), atol=1e-5)
    assert not voice.mean[1].any()


def test_unaltered_recordings():
    class Ten:
        def __len__(self) -> int:
            return 10

    assert unaltered_recordings(Ten(), copies=2, joined=4).tolist() == [True] * 2 + [False] * 4 + [True, False] * 2
    assert unaltered_recordings(Ten(), copies=0, joined=4).all()
