"""The comparison of SERE with its controls, on made-up corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measures.keys import KEYS
from measures.nova_arc import FrameCorpus
from measures.resonance import ResonanceSettings
from measures.sere import (
    METHODS,
    SHOTS,
    drawn_task,
    evaluate_sere,
    resonance_figures,
    resonance_summary,
    resonance_table,
)

from sedtalker.errors import InputError
from sedtalker.training.evaluation.measures import find_measure


def made(name: str, seed: int, categories: tuple[int, ...], moved: float) -> FrameCorpus:
    """48 clips of four speakers, every channel moved; a channel of its own tells each category."""
    rng = np.random.default_rng(seed)
    labels = np.array([categories[k % len(categories)] for k in range(48)])
    frames = []
    for label in labels:
        values = 0.5 * rng.standard_normal((6, 5)) + moved
        values[:, label] += 2.0
        frames.append(values.astype(np.float32))
    return FrameCorpus(name, tuple(frames), labels, np.array(["a", "b", "c", "d"])[np.arange(48) // 12])


def test_a_task_keeps_speakers_and_shots_apart() -> None:
    task = drawn_task(made("ravdess", 0, (0, 1, 3), 0.0), made("nemo", 1, (1, 3, 4), 5.0), 0)
    assert np.bincount(task.labels).tolist() == [SHOTS, SHOTS]  # two categories are shared
    assert len(task.near.frames) == 32 - 2 * SHOTS
    assert len(task.far.frames) + len(task.scored.frames) == 32
    assert set(task.truth) == {0, 1}


def test_figures_of_every_method() -> None:
    corpora = [made("ravdess", 0, (0, 1, 3), 0.0), made("nemo", 1, (0, 1, 3), 5.0)]
    settings = ResonanceSettings(width=8, rounds=12, unlabelled=10, rate=1e-2, ramp=4)
    found = resonance_figures(corpora, settings, draws=1)
    for method in METHODS:
        assert found[f"{method}_uar"] > 0.6, method  # chance: a third
        assert found[f"{method}_uar_low"] <= found[f"{method}_uar"] <= found[f"{method}_uar_high"]
    assert found["sere_over_nearest"] == pytest.approx(found["sere_uar"] - found["nearest_uar"])
    assert found["sere_draws"] == 1
    assert resonance_summary(found).items() <= found.items()
    for key in found:
        assert find_measure(KEYS["sere"], key), key
    table = resonance_table(found)
    assert "| ravdess → nemo |" in table
    assert table.splitlines()[-1].startswith("| mean |")


def test_nothing_to_evaluate_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(InputError, match="no corpus in it"):
        evaluate_sere(tmp_path)
