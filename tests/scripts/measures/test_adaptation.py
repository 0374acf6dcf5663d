"""What adaptation gains, on a made-up corpus whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from measures.adaptation import (
    EncodedCorpus,
    adaptation_table,
    evaluate_adaptation,
    figures_of_corpus,
    gain_interval,
    speaker_halves,
    without_unread,
)
from measures.keys import KEYS

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.evaluation.measures import find_measure
from tests.support.tracks import two_units


def test_a_shifted_corpus_is_brought_back() -> None:
    """The first functional tells happy from angry by its sign; the corpus has it 4 higher, so all sounds happy."""
    network, first, last = two_units()
    happy, angry = CATEGORIES.index("happy"), CATEGORIES.index("angry")
    with torch.no_grad():
        first.weight[0, 0], first.weight[1, 0] = 1.0, -1.0
        last.weight[happy, 0], last.weight[angry, 1] = 5.0, 5.0
    rng, size = np.random.default_rng(0), functional_count(network.config)
    labels = np.array([happy, angry] * 20)
    speech = []
    for label in labels:
        rows = 0.1 * rng.standard_normal((6, size)).astype(np.float32)
        rows[:, 0] += (1.0 if label == happy else -1.0) + 4.0
        speech.append((torch.from_numpy(rows),))
    speakers = np.array(["a", "b", "c", "d"])[np.arange(40) // 10]
    figures, scored = figures_of_corpus(network, EncodedCorpus("made", labels, speakers, tuple(speech)), 1.0)
    assert figures["source_uar"] == 0.5
    assert figures["adapted_uar"] == figures["adapted_few"] == 1.0
    assert figures["adapt_gain"] == 0.5
    assert (figures["source_angry_as_happy"], figures["adapted_angry_as_happy"]) == (1.0, 0.0)
    assert figures["adapted_one_emotion"] < 1.0
    assert gain_interval([scored], "norm") == (0.5, 0.5)
    assert figures["adapt_gain_low"] == figures["adapt_gain_high"] == 0.5
    assert scored.gain("pseudo", 0, np.arange(40)) == pytest.approx(figures["gain_pseudo"], abs=0.2)
    table = adaptation_table({f"{key}_made": value for key, value in figures.items()})
    assert "| made | 40 | 0.50 | 1.00 | +0.50 | +0.50 |" in table
    for key in figures:
        assert find_measure(KEYS["adaptation"], f"{key}_made"), key


def test_functionals_that_nothing_reads_may_be_dropped() -> None:
    torch.manual_seed(0)
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=0, windows=(1.0,), width=4, members=2)).eval()
    with torch.no_grad():
        for member in network.members:
            member[1].weight[:, 5:] = 0.0  # type: ignore[index]
    rows = torch.randn(9, functional_count(network.config))
    columns, lean = without_unread(network)
    assert columns.tolist() == [0, 1, 2, 3, 4]
    assert torch.allclose(lean(rows[:, columns]).logits, network(rows).logits, atol=1e-5)
    assert network.mean.shape == (functional_count(network.config),)


def test_nothing_to_evaluate_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(InputError, match="no corpus in it"):
        evaluate_adaptation(tmp_path)


def test_no_speaker_is_in_both_halves() -> None:
    speakers = np.array(list("aabbbccdde"))
    for seed in range(5):
        one, other = speaker_halves(speakers, np.random.default_rng(seed))
        assert sorted([*one, *other]) == list(range(10))
        assert not set(speakers[one]) & set(speakers[other])
        assert len(set(speakers[one])) == 2
    one, other = speaker_halves(np.array(["a"] * 7), np.random.default_rng(0))
    assert sorted([*one, *other]) == list(range(7))
    assert len(one) == 3
