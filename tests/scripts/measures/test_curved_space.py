"""NOVA-ARC on made-up clips whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measures.curved_space import Clips, NovaArc, NovaArcSettings, clips_of, train_nova_arc
from numpy.typing import NDArray

SMALL = NovaArcSettings(width=8, codes=6, rounds=10, batch=16, rate=1e-2, transport_labels=1.0)


def made(seed: int, count: int, moved: float) -> tuple[Clips, NDArray[np.int64]]:
    """Clips of 3 to 7 frames; the first channel tells the category by its sign, and all channels are moved."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    frames = []
    for label in labels:
        values = 0.3 * rng.standard_normal((int(rng.integers(3, 8)), 4)) + moved
        values[:, 0] += 1.5 * (2 * label - 1)
        frames.append(values)
    return clips_of(frames, 6), labels


def accuracy(network: NovaArc, clips: Clips, labels: NDArray[np.int64]) -> float:
    with torch.no_grad():
        return float((network(clips).logits.argmax(1).numpy() == labels).mean())


@pytest.mark.parametrize("geometry", ["ball", "flat"])
def test_it_learns_and_keeps_what_it_learned_where_the_target_lies_elsewhere(geometry: str) -> None:
    settings = NovaArcSettings(**{**SMALL.__dict__, "geometry": geometry})
    source, labels = made(0, 48, 0.0)
    target, truth = made(1, 48, 1.3)
    plain = train_nova_arc(source, labels, None, settings)
    adapted = train_nova_arc(source, labels, target, settings)
    assert accuracy(plain, source, labels) > 0.95
    assert accuracy(adapted, source, labels) > 0.95
    assert accuracy(adapted, target, truth) >= accuracy(plain, target, truth)
    assert accuracy(adapted, target, truth) > 0.9
    again = train_nova_arc(source, labels, target, settings)
    assert all(torch.equal(a, b) for a, b in zip(adapted.parameters(), again.parameters(), strict=True))


def test_the_twins_differ_in_nothing_but_the_space() -> None:
    ball, flat = (NovaArc(4, 3, NovaArcSettings(geometry=name)) for name in ("ball", "flat"))
    assert [p.shape for p in ball.parameters()] == [p.shape for p in flat.parameters()]


def test_what_comes_after_the_end_of_a_clip_changes_nothing() -> None:
    torch.manual_seed(0)
    network = NovaArc(4, 2, SMALL)
    clips, _ = made(2, 6, 0.0)
    longer = Clips(
        torch.cat([clips.frames, torch.full((6, 3, 4), 9.0)], 1),
        torch.cat([clips.valid, torch.zeros(6, 3, dtype=torch.bool)], 1),
    )
    assert torch.allclose(network(clips).logits, network(longer).logits, atol=1e-6)


def test_codes_that_nothing_uses_begin_again_on_frames() -> None:
    torch.manual_seed(0)
    network = NovaArc(4, 2, SMALL)
    clips, _ = made(3, 8, 0.0)
    with torch.no_grad():
        network.codes[2:] += 5.0
    used = network(clips).used
    assert (used[2:] == 0).all()
    assert network.restart_codes(used, clips, torch.Generator().manual_seed(0)) == int((used == 0).sum())
    assert (network(clips).used > 0).sum() > 2
    assert network.restart_codes(torch.ones(6), clips, torch.Generator()) == 0


def test_of_longer_clips_the_middle_counts() -> None:
    frames = [np.arange(10.0)[:, None], np.ones((2, 1))]
    clips = clips_of(frames, 4)
    assert clips.frames[0, :, 0].tolist() == [3.0, 4.0, 5.0, 6.0]
    assert clips.valid.sum(1).tolist() == [4, 2]
