"""The table of measures describes everything that is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from measures.keys import KEYS

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.training.evaluation.measures import TEST, VALIDATION, Measure, find_measure

ROOT = Path(__file__).parents[3]


def test_every_published_metric_is_described() -> None:
    results = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    for part, measures in (("speed", KEYS["speed"]), ("decoder", TEST["decoder"])):
        unknown = [key for key in results[part] if find_measure(measures, key) is None]
        assert unknown == []


@pytest.mark.parametrize("name", ["decoder", "landmarks", "speech_encoder"])
def test_every_metric_of_shipped_weights_is_described(name: str) -> None:
    config = read_config(builtin_checkpoint(name))
    assert [key for key in config.metrics if find_measure(VALIDATION[config.kind], key) is None] == []


def test_what_is_asked_for_is_reached_and_points_the_better_way() -> None:
    results = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    for part, measures in (("speed", KEYS["speed"]), ("decoder", TEST["decoder"])):
        for measure in measures:
            if measure.asked is not None:
                value = results[part][measure.key]
                assert value >= measure.asked if measure.better == "higher" else value <= measure.asked


def test_a_key_with_a_blank_stands_for_a_family() -> None:
    family = Measure("uar_<group>", "recall")
    assert family.describes("uar_ravdess_women")
    assert not family.describes("n_ravdess")
    exact = Measure("uar_x", "of x")
    assert find_measure([family, exact], "uar_x") is exact
