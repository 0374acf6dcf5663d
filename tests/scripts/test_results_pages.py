"""The pages that scripts write from figures."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

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
    assert script.asked_table(results).strip() in (root / "docs" / "emotion.md").read_text(encoding="utf-8")
    for name, card in script.cards(results, root / "checkpoints").items():
        assert (root / "checkpoints" / name / "README.md").read_text(encoding="utf-8") == card, name
    held_out = json.loads((root / "checkpoints/diarizer/config.json").read_text(encoding="utf-8"))["held_out"]
    assert held_out["zero_shot_uar"] == results["transfer"]["summary"]["zero_shot_uar"]


def test_fewer_actors_are_among_more_of_them() -> None:
    script = load("learning_curve")
    names = {f"s{k}" for k in range(9)}
    few, more, others = (script.drawn(names, count, seed) for count, seed in ((3, 1), (6, 1), (3, 2)))
    assert few < more < names
    assert (len(few), len(more)) == (3, 6)
    assert few != others
    assert script.drawn(names, 9, 5) == names


def test_windows_of_some_actors_keep_those_of_other_corpora(tmp_path: Path) -> None:
    script = load("learning_curve")
    clips = [
        Clip(c, tmp_path, "en", s, "f", "happy", "", "", 1.0, "train") for c, s in (("cremad", "a"), ("cremad", "b"))
    ]
    clips.append(Clip("emogator", tmp_path, "en", "c", "f", "happy", "", "", 1.0, "train"))
    values = [np.arange(5.0)[:, None] + k for k in range(len(script.Described._fields))]
    part = script.windows_of(script.ClipWindows(script.Described(*values), np.array([0, 0, 1, 2, 2]), clips), {"b"})
    assert part.clip.tolist() == [1, 2, 2]
    assert [v[:, 0].tolist() for v in part.described] == [[2.0 + k, 3.0 + k, 4.0 + k] for k in range(len(values))]


def test_the_curve_says_what_a_doubling_brings(tmp_path: Path) -> None:
    script = load("learning_curve")
    draw = dict.fromkeys((*script.UNSEEN, script.SEEN), 0.3)
    curve = {n: script.collected([{k: v + 0.02 * i for k, v in draw.items()}]) for i, n in enumerate((8, 16, 32))}
    assert script.gain_of_doubling(curve) == pytest.approx(0.02)
    script.plot(curve, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert script.table(curve).count("\n") == 5
    text = script.section(curve)
    assert "bring 0.020 of\nrecall. From 0.34 to .50 it is 8 doublings" in text
    assert "| 32 | 0.340 ± 0.000 |" in text
