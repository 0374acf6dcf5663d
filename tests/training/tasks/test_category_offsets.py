"""Offsets of the categories."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sedtalker.emotion.network import DiarizerConfig, DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import own_recall
from sedtalker.training.tasks.category_offsets import fit_offsets, shift_categories

HAPPY, SAD, ANGRY = (CATEGORIES.index(name) for name in ("happy", "sad", "angry"))


def shifted(seed: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of three categories that are right but for a constant that favours happy."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([HAPPY, SAD, ANGRY], 60)
    scores = rng.normal(0, 0.5, (180, len(CATEGORIES)))
    scores[np.arange(180), labels] += 1.5
    scores[:, HAPPY] += shift
    return scores, labels


def test_a_shift_that_corpora_share_is_undone() -> None:
    corpora = [shifted(0, 2.0), shifted(1, 1.6)]
    offsets = fit_offsets(corpora)
    assert offsets[HAPPY] < -0.8
    assert all(offsets[CATEGORIES.index(name)] == 0 for name in ("neutral", "fear", "disgust", "surprise"))
    unseen, labels = shifted(2, 1.8)
    assert own_recall(labels, unseen + offsets) > own_recall(labels, unseen) + 0.15


def test_nothing_is_shifted_without_need() -> None:
    assert np.abs(fit_offsets([shifted(0, 0.0), shifted(1, 0.0)])).max() <= 0.2


def test_offsets_end_in_the_logits() -> None:
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=4, members=2, width=3))
    before = [member[-1].bias.detach().clone() for member in network.members]
    shift_categories(network, np.arange(len(CATEGORIES), dtype=float))
    for bias, member in zip(before, network.members, strict=True):
        change = (member[-1].bias.detach() - bias).numpy()
        assert change[: len(CATEGORIES)] == pytest.approx(np.arange(len(CATEGORIES)))
        assert change[len(CATEGORIES) :] == pytest.approx(0.0)
    assert torch.isfinite(network.members[0][-1].bias).all()
