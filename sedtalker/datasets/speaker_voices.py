"""The voices of the clips of a pool, to enrol a speaker by other clips than the one at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sedtalker.datasets.emotion_rows import EmotionRows
from sedtalker.emotion.enrolment import Voice, moments
from sedtalker.emotion.functionals import SPOKEN, VOICED, VOICED_ABOVE


class SpeakerVoices:
    """Each clip's statistics in the longest window, and which clips are of one speaker.

    Attributes:
        weight: (R, 2) float32 frames of speech and of voiced speech of every recording.
    """

    def __init__(self, rows: EmotionRows, recordings: NDArray[np.integer]):
        """Statistics of the single clips among ``recordings``."""
        features = rows.features
        self.weight = _counts(rows)
        owner = np.asarray(rows.recording)
        hidden = 0 if features.hidden is None else features.hidden.shape[1]
        size = 2 * (SPOKEN + hidden + VOICED)
        starts = np.searchsorted(owner, np.arange(len(features) + 1))
        singles = recordings[(features.category[recordings] >= 0) & (np.diff(starts)[recordings] > 0)]
        self.mean = np.zeros((len(features), size // 2), np.float32)
        self.square = np.zeros_like(self.mean)
        for r in singles:
            last = np.asarray(rows.values[starts[r] : starts[r + 1], -size:], np.float32)
            mean, square = moments(torch.from_numpy(last))
            self.mean[r], self.square[r] = mean.mean(0), square.mean(0)
        self.speaker = list(zip(features.corpus.tolist(), features.speaker.tolist(), strict=True))
        members: dict[tuple[str, str], list[int]] = {}
        for r in singles:
            members.setdefault(self.speaker[r], []).append(int(r))
        self.clips = {speaker: np.array(clips) for speaker, clips in members.items()}
        self.neutral = features.category == 0

    def choose(self, recording: int, count: int, rng: np.random.Generator, neutral: bool = False) -> NDArray[np.int64]:
        """Up to ``count`` other clips of the recording's speaker; neutral ones if asked for and if there are any."""
        others = self.clips.get(self.speaker[recording], np.zeros(0, np.int64))
        others = others[others != recording]
        calm = others[self.neutral[others]]
        pool = calm if neutral and len(calm) else others
        return rng.choice(pool, min(count, len(pool)), replace=False) if len(pool) else pool

    def pool(self, chosen: Sequence[NDArray[np.integer]]) -> Voice:
        """The pooled voice of each choice of clips, leading dimension N."""
        weights, means, squares = [], [], []
        for clips in chosen:
            each = np.repeat(self.weight[clips], (self.mean.shape[1] - VOICED, VOICED), axis=1)
            total = each.sum(0).clip(1e-6)
            weights.append(self.weight[clips].sum(0))
            means.append((each * self.mean[clips]).sum(0) / total)
            squares.append((each * self.square[clips]).sum(0) / total)
        width = self.mean.shape[1]
        return Voice(_stacked(weights, 2), _stacked(means, width), _stacked(squares, width))


def _stacked(parts: list[NDArray[np.floating]], width: int) -> Tensor:
    return torch.from_numpy(np.array(parts, np.float32).reshape(-1, width))


def _counts(rows: EmotionRows) -> NDArray[np.float32]:
    """Frames of speech and of voiced speech (R, 2) of every recording."""
    features = rows.features
    speech = np.asarray(features.speech)
    voiced = speech & (np.asarray(features.prosody[:, 2], np.float32) > VOICED_ABOVE)
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(np.stack([speech, voiced], 1), 0)])
    return np.diff(total[features.starts], axis=0).astype(np.float32)
