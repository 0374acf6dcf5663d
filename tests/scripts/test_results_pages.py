"""The pages that scripts write from figures."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from sedtalker.training.corpora.manifest import Clip

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their types
    spec.loader.exec_module(module)
    return module


def test_a_zero_shot_table_says_what_each_corpus_is() -> None:
    corpora = {"tess": {"role": "headline", "clips": 120, "uar": 0.31, "angry_as_happy": 0.02, "ece": 0.1}}
    results = {"transfer": {"limit": 120, "summary": {"zero_shot_uar": 0.3, "odd": 1.25}, "corpora": corpora}}
    text = load("make_results").page(results)
    assert "| `zero_shot_uar` | 0.300 | recall over own categories" in text
    assert "| tess | headline | 120 | 0.31 | 0.02 | 0.10 |" in text
    assert "odd" not in text
    assert "## Decoder" not in text


def test_the_pages_and_cards_that_ship_are_what_the_script_writes() -> None:
    script, root = load("make_results"), SCRIPTS.parent
    results = json.loads((root / "docs" / "results.json").read_text(encoding="utf-8"))
    assert (root / "docs" / "results.md").read_text(encoding="utf-8") == script.page(results)
    for name, card in script.cards(results, root / "checkpoints").items():
        assert (root / "checkpoints" / name / "README.md").read_text(encoding="utf-8") == card, name
    held_out = json.loads((root / "checkpoints/diarizer/config.json").read_text(encoding="utf-8"))["held_out"]
    assert held_out["zero_shot_uar"] == results["transfer"]["summary"]["zero_shot_uar"]


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
