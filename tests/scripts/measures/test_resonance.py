"""SERE's parts on made-up clips whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measures.curved_space import Clips, clips_of
from measures.resonance import (
    Resonance,
    ResonanceSettings,
    label_shares,
    resonance_scores,
    train_resonance,
)
from numpy.typing import NDArray

SMALL = ResonanceSettings(width=8, rounds=25, unlabelled=12, rate=1e-2, ramp=5)


def made(seed: int, count: int) -> tuple[Clips, NDArray[np.int64]]:
    """Clips of eight moments, of which two tell the category; the others are noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    frames = []
    for label in labels:
        values = rng.standard_normal((8, 6))
        values[rng.choice(8, 2, replace=False), label] += 6.0
        frames.append(values)
    return clips_of(frames, 8), labels


def test_the_field_is_the_soft_maximum_over_pairs_of_moments() -> None:
    settings = ResonanceSettings(width=3, temperature=0.01)
    network = Resonance(4, 1, settings)
    a = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    b = torch.tensor([[[0, 0, 1.0], [0, 1.0, 0]], [[0, 0, 1.0], [0, 0, 1.0]]])
    even = torch.full((1, 2), 0.5)
    found = network.field((a, even), (b, even.expand(2, 2)))
    assert found[0, 0].item() == pytest.approx(1.0 + 0.01 * np.log(0.25), abs=1e-4)
    assert found[0, 1].item() == pytest.approx(0.0, abs=1e-4)
    back = network.field((b, even.expand(2, 2)), (a, even))
    assert torch.allclose(found, back.T)


def test_shares_follow_resonance() -> None:
    field = torch.tensor([[1.0, 0.8, 0.0], [0.5, 0.5, 0.5]])
    shares, sure = label_shares(field, torch.tensor([0, 0, 1]), 2, 0.1)
    assert shares[0, 0] > 0.99
    assert shares[1, 0].item() == pytest.approx(0.5)
    assert sure[0] > 0.9
    assert sure[1].item() == pytest.approx(0.0, abs=1e-5)


def test_five_shots_are_enough_where_moments_tell() -> None:
    shots, labels = made(0, 15)
    near, _ = made(1, 30)
    far, _ = made(2, 30)
    scored, truth = made(3, 30)
    network, means = train_resonance(shots, labels, (near, far), SMALL)
    scores = resonance_scores(network, means, shots, labels, scored, 1)
    assert np.allclose(scores.sum(1), 1.0, atol=1e-5)
    assert (scores.argmax(1) == truth).mean() > 0.6  # chance: a third
    again, _ = train_resonance(shots, labels, (near, far), SMALL)
    assert np.array_equal(resonance_scores(again, means, shots, labels, scored, 1), scores)


def test_moments_after_the_end_weigh_nothing() -> None:
    torch.manual_seed(0)
    network = Resonance(6, 2, SMALL)
    clips = clips_of([np.ones((2, 6)), np.ones((5, 6))], 8)
    z = network(clips, 1)
    means = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    for given in (None, means):
        weights = network.weights(z, clips.valid, given)
        assert (weights[0, 2:] == 0).all()
        assert torch.allclose(weights.sum(1), torch.ones(2))
