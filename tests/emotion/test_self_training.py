"""Self-training: what it is linear in, what evening out does, and that it finds what a planted shift hides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sedtalker.emotion import adaptation as a
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.emotion.track import CATEGORIES
from tests.support.tracks import two_units


@pytest.fixture(scope="module")
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    config = DiarizerConfig(hidden_channels=4, windows=(0.5, 2.0), width=16, members=2, temperature=1.3)
    return DiarizerNetwork(config).eval()


def recordings(network: DiarizerNetwork, count: int, seed: int) -> list[Tensor]:
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(5 + k % 4, functional_count(network.config), generator=made) for k in range(count)]


@given(seed=st.integers(0, 500), classes=st.integers(2, 7), spread=st.floats(0.1, 4.0))
@settings(max_examples=25)
def test_balance_makes_the_shares_even(seed: int, classes: int, spread: float) -> None:
    scores = spread * torch.randn(60, classes, generator=torch.Generator().manual_seed(seed))
    offsets = a.balance(scores)
    assert offsets.sum().item() == pytest.approx(0.0, abs=1e-4)
    assert torch.allclose((scores + offsets).softmax(1).mean(0), torch.full((classes,), 1 / classes), atol=0.02)
    assert torch.allclose(a.balance(scores, 0.5), offsets / 2, atol=1e-6)


def test_the_linear_part_is_the_mean_log_posterior(network: DiarizerNetwork) -> None:
    rows = recordings(network, 6, 1)
    network.config = network.config.model_copy(update={"calm": (0.7, 0.2), "temperature": 1.5})
    inputs, weight, bias = a.linear_part(network, rows)
    for part, logits in zip(rows, inputs @ weight.T + bias, strict=True):
        scores = network(part)
        log = scores.logits.log_softmax(-1).mean(0)
        log[:, 0] += 0.7 * (0.2 - scores.intensity.mean(0))
        wanted = (log / 1.5).log_softmax(-1).mean(0).log_softmax(0)
        assert torch.allclose(logits.log_softmax(0), wanted, atol=1e-5)
        assert torch.allclose(a.log_posterior(network, part), wanted, atol=1e-5)


def test_what_is_written_back_is_what_was_asked(network: DiarizerNetwork) -> None:
    rows = recordings(network, 6, 2)
    inputs, weight, bias = a.linear_part(network, rows)
    more, shift = 0.1 * torch.randn_like(weight), torch.randn_like(bias)
    changed = a.with_linear_part(network, more, shift)
    by_network = torch.stack([a.log_posterior(changed, part).softmax(0) for part in rows])
    assert torch.allclose((inputs @ (weight + more).T + bias + shift).softmax(1), by_network, atol=1e-5)
    strengths = [n(rows[0]).intensity for n in (network, changed)]
    assert torch.equal(*strengths), "the intensity stays as it is"


def test_it_finds_a_second_cue_in_recordings_without_labels(
    network: DiarizerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two groups differ much in a functional that the network hardly weighs: their answers become surer and evener."""
    made, first, last = two_units()
    happy, angry = CATEGORIES.index("happy"), CATEGORIES.index("angry")
    with torch.no_grad():
        first.weight[0, 0], first.weight[1, 1] = 1.0, 1.0
        last.weight[happy, 0], last.weight[angry, 0], last.weight[angry, 1] = 0.6, -0.6, 0.05
        last.bias[happy], last.bias[angry] = 3.0, 3.0
    given_ = torch.Generator().manual_seed(0)
    rows = [0.5 * torch.randn(4, functional_count(made.config), generator=given_) for _ in range(80)]
    truth = torch.tensor([happy, angry] * 40)
    for k, part in enumerate(rows):
        part[:, 0] += 0.4 if k % 2 == 0 else -0.4
        part[:, 1] += -2.0 if k % 2 == 0 else 2.0
    monkeypatch.setattr(a, "HOLD", 1e-3)
    monkeypatch.setattr(a, "ROUNDS", 4)
    trained = a.self_trained(made, rows, 0.0)
    right = [
        float((torch.stack([a.log_posterior(n, p).argmax() for p in rows]) == truth).float().mean())
        for n in (made, trained)
    ]
    assert right[1] > right[0]
    assert right[1] > 0.95
