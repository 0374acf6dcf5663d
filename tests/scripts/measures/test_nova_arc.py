"""The comparison of NOVA-ARC's variants, on made-up corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measures.curved_space import NovaArcSettings
from measures.keys import KEYS
from measures.nova_arc import (
    FrameCorpus,
    evaluate_nova_arc,
    nova_arc_figures,
    nova_arc_summary,
    nova_arc_table,
)

from sedtalker.errors import InputError
from sedtalker.training.evaluation.measures import find_measure


def made(name: str, seed: int, moved: float, categories: tuple[int, ...]) -> FrameCorpus:
    """32 clips of four speakers; two channels tell the category, all are moved."""
    rng = np.random.default_rng(seed)
    labels = np.array([categories[k % len(categories)] for k in range(32)])
    frames = []
    for label in labels:
        values = 0.3 * rng.standard_normal((5, 4)) + moved
        values[:, 0] += 2.0 * (label == 1) - 2.0 * (label == 3)
        frames.append(values.astype(np.float32))
    return FrameCorpus(name, tuple(frames), labels, np.array(["a", "b", "c", "d"])[np.arange(32) // 8])


def test_figures_of_every_variant() -> None:
    settings = NovaArcSettings(width=8, codes=6, rounds=6, batch=16, rate=1e-2, warm_up=1)
    source, target = made("cremad", 0, 0.0, (1, 3)), made("other", 1, 0.4, (1, 3, 6))
    found = nova_arc_figures(source, [target], settings, seeds=1)
    assert found["nova_source"] == found["nova_source_other"] > 0.8  # clips of category 6 are left out
    assert found["nova_ball"] > 0.8
    assert found["nova_gain_ball"] == pytest.approx(found["nova_ball"] - found["nova_source"])
    assert found["nova_gain_ball_low"] == found["nova_gain_ball"] == found["nova_gain_ball_high"]  # of one corpus
    assert found["nova_ball_over_flat"] == pytest.approx(found["nova_ball"] - found["nova_flat"])
    assert found["nova_seeds"] == 1
    assert nova_arc_summary(found).items() <= found.items()
    assert "| other | " in nova_arc_table(found)
    for key in found:
        assert find_measure(KEYS["nova-arc"], key), key


def test_nothing_to_evaluate_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(InputError, match="no corpus in it"):
        evaluate_nova_arc(tmp_path)
