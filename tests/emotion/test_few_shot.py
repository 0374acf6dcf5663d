"""Learning from a handful of labels: the head does what it says, and contradictory labels change little."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.arrays import softmax
from sedtalker.emotion.adaptation import SpokenRecording, log_posterior
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.few_shot import (
    Descriptions,
    LearnedHead,
    descriptions,
    fitted_head,
    learned,
    with_head,
    with_linear_path,
)
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError

CLASSES = 7


@pytest.fixture(scope="module")
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    config = DiarizerConfig(hidden_channels=4, windows=(0.5, 2.0), width=16, members=2, calm=(0.5, -0.3))
    made = DiarizerNetwork(config).eval()
    made.scale *= 0.5
    return made


def recordings(network: DiarizerNetwork, count: int, seed: int, cue: float = 0.0) -> list[SpokenRecording]:
    """Recordings of "happy" and "sad" in turn, of 20 rows; ``cue`` is how far some functionals differ."""
    given = torch.Generator().manual_seed(seed)
    rows = 0.5 * torch.randn(count, 20, functional_count(network.config), generator=given)
    rows += torch.randn(count, 1, rows.shape[-1], generator=given)
    rows[::2, :, :40] += cue
    return [SpokenRecording((part,), ("happy", "sad")[k % 2]) for k, part in enumerate(rows)]


def recall(network: DiarizerNetwork, given: list[SpokenRecording]) -> float:
    found = [network.config.labels[int(log_posterior(network, *one.speech).argmax())] for one in given]
    return float(np.mean([name == one.label for name, one in zip(found, given, strict=True)]))


def logits(head: LearnedHead, of: Descriptions) -> np.ndarray:
    """What ``LearnedHead`` says, (N, C) of recordings."""
    parts = zip(of.parts, head.weights, strict=True)
    return head.share * of.logits + sum((part @ weight.T for part, weight in parts), head.bias)


def test_the_network_answers_as_the_head(network: DiarizerNetwork) -> None:
    given = recordings(network, 10, 1, cue=1.5)
    described = descriptions(network, given)
    head = fitted_head(described, np.arange(10) % 2 + 1, np.array([""] * 10))
    changed = with_head(network, head)
    answered = torch.stack([log_posterior(changed, *one.speech) for one in given]).exp().numpy()
    np.testing.assert_allclose(answered, softmax(logits(head, described), -1), atol=1e-4)
    rows = given[0].speech[0]
    assert torch.allclose(changed(rows).intensity, network(rows).intensity, atol=1e-5), "the intensity stays as it is"


def test_what_was_shown_five_times_is_recognised(network: DiarizerNetwork) -> None:
    """Another draw of the same two kinds, which the network itself cannot tell apart."""
    taught, asked = recordings(network, 10, 2, cue=2.0), recordings(network, 60, 3, cue=2.0)
    assert recall(network, asked) < 0.4
    made = learned(network, taught)
    assert recall(made, asked) > 0.9
    again = learned(made, taught)  # an adapted diarizer is one that can be adapted
    assert recall(again, asked) > 0.75


def test_labels_without_a_cue_leave_the_answers_nearly_as_they_are(network: DiarizerNetwork) -> None:
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(40, 30)), rng.normal(size=(40, 50))
    truth = rng.integers(0, CLASSES, 40)
    right = 5.0 * np.eye(CLASSES)[truth] + rng.normal(size=(40, CLASSES))  # heads that are nearly always right
    head = fitted_head(Descriptions(parts, right), truth, np.array([""] * 40))
    fresh = Descriptions((rng.normal(size=(200, 30)), rng.normal(size=(200, 50))), 3 * rng.normal(size=(200, CLASSES)))
    same = logits(head, fresh).argmax(1) == fresh.logits.argmax(1)
    assert same.mean() > 0.85


def test_what_only_holds_within_a_speaker_is_not_learned() -> None:
    """Each speaker gives one category, so voices could stand for categories: leaving speakers out shows that."""
    rng = np.random.default_rng(1)
    truth = np.arange(40) % 4
    voice = rng.normal(size=(4, 30))
    speakers = truth.astype(str)
    rows = voice[truth] + 0.1 * rng.normal(size=(40, 30))
    logits = np.eye(CLASSES)[truth] + 0.5 * rng.normal(size=(40, CLASSES))
    given = Descriptions((rows, rows), logits)
    named, unnamed = (fitted_head(given, truth, who) for who in (speakers, np.array([""] * 40)))
    sizes = [np.abs(head.weights[0]).max() / head.share for head in (named, unnamed)]
    assert sizes[0] < 0.5 * sizes[1]


@given(seed=st.integers(0, 300), members=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_the_linear_path_is_linear(seed: int, members: int) -> None:
    torch.manual_seed(seed)
    config = DiarizerConfig(hidden_channels=2, windows=(0.5,), width=8, members=members, temperature=1.7)
    made = DiarizerNetwork(config).eval()
    rows = torch.randn(5, functional_count(config))
    weight = 0.1 * torch.randn(CLASSES, rows.shape[1])
    changed = with_linear_path(made, weight)
    more = (changed(rows).logits - made(rows).logits).mean(0) / 1.7
    assert torch.allclose(more, rows.clamp(-5.0, 5.0) @ weight.T, atol=1e-4)
    assert DiarizerNetwork(changed.config).load_state_dict(changed.state_dict()).missing_keys == []


def test_what_cannot_be_learned_is_refused(network: DiarizerNetwork) -> None:
    given = recordings(network, 4, 4)
    with pytest.raises(InputError, match="labels of fewer than two categories"):
        learned(network, given[::2])
    with pytest.raises(InputError, match="the label 'cross' is no category: use one of neutral"):
        learned(network, [SpokenRecording(given[0].speech, "cross"), *given])
