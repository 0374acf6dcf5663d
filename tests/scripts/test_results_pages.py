"""The pages that scripts write from figures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

from sedtalker.training.corpora.manifest import Clip

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_seeds_are_shown_with_mean_and_standard_deviation() -> None:
    script = load("make_results")
    seeds = [{"uar_ravdess": 0.62, "eder7": 0.34}, {"uar_ravdess": 0.64, "eder7": 0.34}]
    text = script.page({"diarizer": {"uar_ravdess": 0.6, "eder7": 0.34, "odd": 1.25}, "diarizer_seeds": seeds})
    assert "| `uar_ravdess` | 0.600 | 0.630 ± 0.014 | unweighted average recall" in text
    assert "| `eder7` | 0.340 | 0.340 ± 0.000 |" in text
    assert "odd" not in text
    assert "## Decoder" not in text


def test_the_pages_and_cards_that_ship_are_what_the_script_writes() -> None:
    script, root = load("make_results"), SCRIPTS.parent
    results = json.loads((root / "docs" / "results.json").read_text(encoding="utf-8"))
    assert (root / "docs" / "results.md").read_text(encoding="utf-8") == script.page(results)
    for name, card in script.cards(results, root / "checkpoints").items():
        assert (root / "checkpoints" / name / "README.md").read_text(encoding="utf-8") == card, name
    held_out = json.loads((root / "checkpoints/diarizer/config.json").read_text(encoding="utf-8"))["held_out"]
    assert held_out["uar_ravdess"] == results["diarizer"]["uar_ravdess"]


def test_one_run_has_no_deviation() -> None:
    text = load("make_results").page({"decoder": {"lip_r": 0.9}})
    assert "| `lip_r` | 0.900 | inner-lip height" in text
    assert "±" not in text


def test_smaller_parts_of_the_speakers_are_within_the_larger(tmp_path: Path) -> None:
    script = load("learning_curve")
    every = [Clip("c", tmp_path, "en", f"s{i % 9}", "f", "happy", "", "", 1.0, "train") for i in range(40)]
    every += [Clip("c", tmp_path, "en", "t", "f", "happy", "", "", 1.0, "test")]
    first, again = (script.speakers_by_corpus(every, ["c"]) for _ in range(2))
    assert first == again
    assert sorted(first["c"]) == [f"s{i}" for i in range(9)]


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    script = load("learning_curve")
    rows = [
        (f"{hours}", {"hours": hours, "speakers": 3.0, **dict.fromkeys(script.METRICS, value)})
        for hours, value in ((1.0, 0.3), (4.0, 0.6))
    ]
    script.plot(rows, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert script.table(rows).count("\n") == 4
    assert "0.600" in script.table(rows)
