"""The parts of the mutation tests that can be checked without running any."""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import sys
import tomllib
from collections.abc import Generator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from mutant_sources import draw, meaning

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


def test_annotations_are_no_program() -> None:
    assert meaning("def f(x: int | None) -> int: ...") == meaning("def f(x: int & None) -> str: ...")
    assert meaning("x: int = 1") != meaning("x: int = 2")


def finish(hook: Generator[None, Any, Any]) -> None:
    """Go on with a wrapper after what it wraps."""
    with pytest.raises(StopIteration, match="done"):
        hook.send("done")


def test_what_a_fixture_calls_is_of_all_tests_that_use_it(script: ModuleType) -> None:
    calls = script.Calls()
    calls.note("at import")
    calls.pytest_collection_finish()
    for name, fixtures in (("one", ["shared"]), ("two", ["shared"]), ("three", [])):
        test = calls.pytest_runtest_protocol(SimpleNamespace(nodeid=f"tests/a.py::{name}", fixturenames=fixtures))
        next(test)
        if name == "one":
            fixture = calls.pytest_fixture_setup(SimpleNamespace(argname="shared"))
            next(fixture)
            calls.note("in the fixture")
            finish(fixture)
        calls.note(name)
        finish(test)
    found = {test.name: test.calls for test in calls.tests()}
    assert found == {
        "tests/a.py::one": {"at import", "in the fixture", "one"},
        "tests/a.py::two": {"at import", "in the fixture", "two"},
        "tests/a.py::three": {"at import", "three"},
    }


def test_the_tests_of_a_mutant_are_those_that_call_its_function(script: ModuleType) -> None:
    path = "sedtalker/metrics/emotion.py"
    source = (ROOT / path).read_text(encoding="utf-8")
    line = next(n for n, text in enumerate(source.splitlines(), 1) if text.startswith("def boundary_f1"))
    mutant = script.Mutant(path, "", source, line, "", "")
    calls = frozenset({f"{path}:{line}"})
    tests = [
        script.TestCase("tests/metrics/test_motion.py::slow", script.OTHERS, calls),
        script.TestCase("tests/metrics/test_emotion.py::slow", 99.0, calls),
        script.TestCase("tests/metrics/test_motion.py::quick", 0.1, calls),
        script.TestCase("tests/metrics/test_emotion.py::quick", 0.1, calls),
        script.TestCase("tests/metrics/test_emotion.py::of another", 0.1, frozenset({f"{path}:1"})),
    ]
    mirrors, others = script._order(mutant, tests)
    assert [test.name for test in mirrors] == [
        "tests/metrics/test_emotion.py::quick",
        "tests/metrics/test_emotion.py::slow",
    ]
    assert [test.name for test in others] == ["tests/metrics/test_motion.py::quick"]


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
    drawn = [draw(files, 6, random.Random(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 6
    assert {mutant.module for mutant in drawn[0]} == {"sedtalker.metrics.emotion", "sedtalker.metrics.motion"}
    for mutant in drawn[0]:
        assert mutant.before != mutant.after
        ast.parse(mutant.source)
