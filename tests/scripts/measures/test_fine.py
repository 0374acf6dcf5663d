"""Figures of the fine-grained emotions, on clips whose curves are made, and on sounds of a corpus made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measures import fine
from measures.fine import (
    agreement,
    burst_figures,
    evaluate_fine,
    fine_table,
    plot_fine,
    rating_figures,
    reliability_of,
    vote_figures,
)

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.transfer_recipe import Votes
from sedtalker.training.evaluation.measures import TEST, find_measure
from sedtalker.training.tasks.fine_emotions import BURSTS, VOTED
from tests.support.bursts import write_bursts

CLIP = Clip("emogator", Path("000001-01-1.wav"), "nonverbal", "1", "", "", "", "", 1.0, "test")


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine, "RESAMPLES", 20)


def bursts() -> list[Clip]:
    """Two speakers with a burst of every kind each."""
    return [
        replace(CLIP, path=Path(f"{speaker:06d}-{number:02d}-1.wav"), speaker=str(speaker))
        for speaker in (1, 2)
        for number in range(1, 31)
    ]


def test_agreement_by_hand() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert agreement(x, 2 * x) == pytest.approx({"pearson": 1.0, "spearman": 1.0, "mae": 2.5})
    assert agreement(x, np.exp(x))["spearman"] == pytest.approx(1.0)
    assert agreement(x, -(x**3))["spearman"] == pytest.approx(-1.0)
    assert agreement(np.array([0.0, 0.0, 1.0, 1.0]), x)["spearman"] == pytest.approx(2 / np.sqrt(5)), "ties share"
    assert agreement(x, np.ones(4))["pearson"] == 0.0


def test_perfect_and_random_curves_of_bursts() -> None:
    truth = np.concatenate([np.eye(30), np.eye(30)])
    perfect = burst_figures(bursts(), dict(zip(BURSTS, truth.T, strict=True)))
    assert perfect["fine_pearson"] == pytest.approx(1.0)
    assert perfect["fine_auc"] == perfect["fine_accuracy"] == 1.0
    assert perfect["fine_mae"] == pytest.approx(0.0)
    assert perfect["fine_mae_of_share"] == pytest.approx(2 * (1 / 30) * (29 / 30))
    assert (perfect["fine_clips"], perfect["fine_speakers"]) == (60.0, 2.0)
    noise = np.random.default_rng(0).random((60, 30))
    random = burst_figures(bursts(), dict(zip(BURSTS, noise.T, strict=True)))
    assert abs(random["fine_pearson"]) < 0.1
    assert random["fine_pearson_low"] < random["fine_pearson"] < random["fine_pearson_high"]
    table = fine_table(perfect)
    assert table.count("\n") == 32
    assert "| awe | 1.00 |" in table
    for key in random:
        assert find_measure(TEST["fine"], key), key


def test_votes_are_met_by_the_kinds_that_stand_for_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [replace(CLIP, corpus="cremad", path=Path(f"{k}.wav"), emotion="sad") for k in range(40)]
    votes, curves = {}, {kind: np.zeros(40) for kind in BURSTS}
    for k, clip in enumerate(clips):
        share = np.zeros(7, np.float32)
        share[[CATEGORIES.index(c) for c in VOTED]] = rng.dirichlet(np.ones(6))
        votes[f"cremad/{clip.path.stem}"] = Votes(share, 50.0, 10)
        for category, kinds in VOTED.items():
            for kind in kinds:
                curves[kind][k] = 0.5 * share[CATEGORIES.index(category)] / len(kinds)
    found = vote_figures(clips, votes, curves)
    assert found["vote_pearson"] == pytest.approx(1.0)
    assert found["vote_pearson_low"] == pytest.approx(1.0)
    assert found["vote_pearson_high"] == pytest.approx(1.0)
    assert found["vote_mae"] == pytest.approx(0.0, abs=1e-6)
    assert 0 < found["vote_ceiling"] < 1
    for key in found:
        assert find_measure(TEST["fine"], key), key
    every = found | burst_figures(bursts(), {kind: np.random.default_rng(1).random(60) for kind in BURSTS})
    assert "| sad | 1.00 |" in fine_table(every)
    plot_fine({"built-in": every}, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_the_reliability_of_shares() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000)
    assert reliability_of(rng.binomial(10, truth) / 10, np.full(4000, 10)) == pytest.approx(
        truth.var() / (truth.var() + np.mean(truth * (1 - truth)) / 10), abs=0.02
    )
    assert reliability_of(rng.binomial(10, 0.5, 4000) / 10, np.full(4000, 10)) < 0.1
    assert reliability_of(np.ones(5), np.full(5, 10)) == 0.0


def test_ratings_on_the_published_scale() -> None:
    clips = [replace(CLIP, corpus="emonet_voice", emotion="other:awe", intensity=f"{k % 3}") for k in range(9)]
    found = rating_figures(clips, {"awe": np.arange(9) % 3 / 2})
    assert found["rated_pearson"] == found["rated_pearson_awe"] == pytest.approx(1.0)
    assert found["rated_mae"] == pytest.approx(0.0)
    assert rating_figures(clips, {"pain": np.zeros(9)}) == {}


def test_bursts_of_a_folder_are_scored(tmp_path: Path) -> None:
    (tmp_path / "audio" / "emogator").mkdir(parents=True)
    with pytest.raises(InputError):
        evaluate_fine(tmp_path)
    write_bursts(tmp_path)
    found = evaluate_fine(tmp_path)
    assert found["fine_clips"] == 4
    assert {"fine_pearson_amusement", "fine_pearson_neutral"} <= set(found)
