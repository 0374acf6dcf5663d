"""The table within and beyond the training corpus, on made-up corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from measures.keys import KEYS
from measures.ser_evals import (
    ROWS,
    ReadCorpus,
    best_constant,
    evaluate_ser_evals,
    macro_f1_pair,
    ser_evals_figures,
    ser_evals_summary,
    ser_evals_table,
    svm_logits,
)

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError
from sedtalker.training.evaluation.measures import find_measure


def made(name: str, network: DiarizerNetwork, count: int = 24) -> ReadCorpus:
    """Clips of four speakers; functionals that a plane divides, and speech the network says random things of."""
    rng = np.random.default_rng(len(name))
    labels = np.arange(count) % 2 * 2 + 1
    functionals = rng.standard_normal((count, 3)) + np.where(labels == 1, 3.0, -3.0)[:, None]
    rows = rng.standard_normal((count, 4, functional_count(network.config))).astype(np.float32)
    speech = tuple((torch.from_numpy(row),) for row in rows)
    return ReadCorpus(name, labels, np.array(list("abcd"))[np.arange(count) % 4], speech, functionals)


def test_every_row_and_every_corpus() -> None:
    torch.manual_seed(0)
    network = DiarizerNetwork(DiarizerConfig(members=1, width=4, windows=(1.0, 2.0, 4.0))).eval()
    network.mean.fill_(0.1)
    corpora = [made("crema_d", network), made("nemo", network), made("tess", network)]
    found = ser_evals_figures(network, corpora, (corpora[0].functionals, corpora[0].labels))
    assert found["f1_svm_within"] == found["f1_svm_beyond"] == 1.0
    assert found["f1_as_is_beyond"] == pytest.approx(np.mean([found["f1_as_is_nemo"], found["f1_as_is_tess"]]))
    assert found["f1_as_is_beyond_low"] <= found["f1_as_is_beyond"] <= found["f1_as_is_beyond_high"]
    assert found["f1_gain_norm"] == pytest.approx(found["f1_norm_beyond"] - found["f1_as_is_beyond"])
    assert ser_evals_summary(found).items() <= found.items()
    assert found["constant_beyond"] == pytest.approx(best_constant(corpora[1].labels)) == pytest.approx(1 / 3)
    table = ser_evals_table(found)
    assert table.count("\n") == len(ROWS) + 3
    assert "| functionals + SVM | 1.000 / 1.000 | 1.000 / 1.000 | 1.00 / 1.00 |" in table
    for key in found:
        assert find_measure(KEYS["ser-evals"], key), key


def test_adjusting_helps_where_one_category_is_frequent() -> None:
    labels = np.array([1] * 18 + [3] * 2)
    logits = np.full((20, 7), -9.0)
    logits[:, 1], logits[:, 3] = 0.0, 0.5
    logits[18:, 3] = 3.0
    plain, adjusted = macro_f1_pair(labels, logits)
    assert plain < 0.2
    assert adjusted == 1.0


def test_a_category_that_was_never_trained_on_is_never_answered() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    scores = svm_logits(rng.standard_normal((60, 2)) + 3.0 * labels[:, None], labels)(rng.standard_normal((5, 2)))
    assert np.isneginf(scores[:, 3:]).all()
    assert np.isfinite(scores[:, :3]).all()
    assert macro_f1_pair(np.array([0, 1, 2, 6, 6]), scores)[0] < 0.8


def test_nothing_to_evaluate_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(InputError, match="no corpus in it"):
        evaluate_ser_evals(tmp_path)
