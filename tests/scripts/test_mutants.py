"""The parts of the mutation tests that can be checked without running any."""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="mutants run in forked processes")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


def test_every_judged_mutant_is_of_a_line_that_is_there() -> None:
    judged = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text(encoding="utf-8"))["equivalent"]
    assert len(judged) >= 5
    for row in judged:
        lines = [line.strip() for line in (ROOT / "sedtalker" / row["module"]).read_text(encoding="utf-8").splitlines()]
        assert row["line"] in lines, row
        assert row["becomes"] != row["line"]
        assert row["why"]


def test_the_interval_is_wilsons(script: ModuleType) -> None:
    assert script.interval(45, 50) == pytest.approx((0.786, 0.957), abs=1e-3)
    assert script.interval(0, 10)[0] == pytest.approx(0.0, abs=1e-9)
    assert script.interval(0, 0) == (0.0, 1.0)


def test_annotations_are_no_program(script: ModuleType) -> None:
    assert script._meaning("def f(x: int | None) -> int: ...") == script._meaning("def f(x: int & None) -> str: ...")
    assert script._meaning("x: int = 1") != script._meaning("x: int = 2")


def test_functions_say_that_they_are_called(script: ModuleType) -> None:
    called: set[str] = set()
    tree = script._noting_calls("sedtalker/metrics/emotion.py")
    space = {script.CALLED: called.add, "__name__": "copy"}
    sys.modules["copy_of_emotion"] = ModuleType("copy_of_emotion")
    space["__name__"] = "copy_of_emotion"
    exec(compile(tree, "emotion.py", "exec"), space)
    assert not called
    assert space["boundary_f1"]([], []) == 1.0
    source = ast.parse((ROOT / "sedtalker/metrics/emotion.py").read_text(encoding="utf-8"))
    (line,) = (f.lineno for f in ast.walk(source) if isinstance(f, ast.FunctionDef) and f.name == "boundary_f1")
    assert called == {f"sedtalker/metrics/emotion.py:{line}"}


def test_a_sample_is_spread_over_modules_and_the_same_for_a_seed(script: ModuleType) -> None:
    pytest.importorskip("cosmic_ray")
    files = script._sources("metrics", ["*"])
    drawn = [script.draw(files, 6, random.Random(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 6
    assert {mutant.module for mutant in drawn[0]} == {"sedtalker.metrics.emotion", "sedtalker.metrics.motion"}
    for mutant in drawn[0]:
        assert mutant.before != mutant.after
        ast.parse(mutant.source)
