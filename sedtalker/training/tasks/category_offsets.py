"""Offsets of the categories' logits, fitted on corpora that were never trained on.

Where a network meets recordings of another kind, its posteriors shift as a whole: the free diarizer called most
shouting happy. A constant for each category undoes that part of the shift that all corpora share (bias-corrected
calibration: Alexandari et al. 2020, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift
adaptation").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import own_recall

Scores = NDArray[np.float64]
"""Log-posteriors (N, C)."""

RIDGE = 0.06
"""Recall that an offset of 1 has to bring; small offsets cost less, by their square."""
STEPS = (-0.4, -0.2, -0.1, 0.1, 0.2, 0.4)
"""Changes of one offset that are tried."""
ROUNDS = 6
"""Through all categories, at most."""


def fit_offsets(corpora: Sequence[tuple[Scores, NDArray[np.int64]]]) -> NDArray[np.float64]:
    """Offsets (C,) that raise the mean recall over corpora, found one at a time; categories nobody has keep 0.

    Args:
        corpora: log-posteriors and labels of the clips of each.
    """
    present = sorted({int(label) for _, labels in corpora for label in labels})
    offsets = np.zeros(len(CATEGORIES))

    def worth(trial: NDArray[np.float64]) -> float:
        recall = np.mean([own_recall(labels, scores + trial) for scores, labels in corpora])
        return float(recall) - RIDGE * float(np.square(trial).sum())

    best = worth(offsets)
    for _ in range(ROUNDS):
        before = best
        for category in present:
            for step in STEPS:
                trial = offsets.copy()
                trial[category] += step
                value = worth(trial)
                if value > best + 1e-4:
                    best, offsets = value, trial
        if best == before:
            break
    return offsets.round(2)


@torch.no_grad()
def shift_categories(network: DiarizerNetwork, offsets: NDArray[np.float64]) -> None:
    """Add offsets (C,) to the categories' logits of every member: its last layer has them first, then intensity."""
    for member in network.members:
        assert isinstance(member, nn.Sequential)
        last = member[-1]
        assert isinstance(last, nn.Linear)
        last.bias[: len(offsets)] += torch.from_numpy(offsets).to(last.bias)
