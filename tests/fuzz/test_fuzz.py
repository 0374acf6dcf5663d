"""A few bad inputs of each kind, the same every time; and that faults are found where there are some."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError, one_line
from tests.fuzz import run
from tests.fuzz.child import inputs
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

SLOW = ("mesh .usda", "mesh .usdc", "foreign weights .pth", "options of training", "preset", "landmarks")
"""Readers of which one input takes a good part of a second."""


@pytest.mark.parametrize(
    "target",
    [pytest.param(t, id=t.name, marks=[pytest.mark.slow] if t.name in SLOW else []) for t in TARGETS],
)
def test_accepted_or_refused_in_one_line(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    good, said = len(target.good()), []
    for data in islice(inputs(target, 7, hostile=False), good + (2 if target.name in SLOW else 6)):
        try:
            target.read(data)
            said.append("")
        except InputError as error:
            said.append(str(error))
    assert "" in said
    assert said == [one_line(line) for line in said]


def crash(data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(data: bytes) -> None:
    while True:
        pass


def trace(data: bytes) -> None:
    raise KeyError("x")


def ask(data: bytes) -> None:
    try:
        np.ones(2**40)
    except MemoryError:
        raise InputError("too much") from None


def leave(data: bytes) -> None:
    tempfile.mkdtemp()


def several(data: bytes) -> None:
    error = InputError("a")
    error.args = ("a\nb",)
    raise error


@pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read as Linux has them")
@pytest.mark.parametrize(
    ("read", "kind"),
    [(crash, "crash"), (hang, "hang"), (trace, "exception"), (ask, "memory"), (leave, "leftover"), (several, "lines")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_kind_of_fault_is_found(
    read: Callable[[bytes], object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LONGEST", 0.3)
    monkeypatch.setattr(run, "MOST_DEATHS", 1)
    found = run.fuzz(Target("bad", lambda: [b"good"], read), 20.0, 3, 0, tmp_path)
    assert found.outcomes[kind] >= 1
    assert any(fault.kind == kind for fault in found.found)
    assert any(path.name.startswith(f"bad-{kind}-") for path in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    target = next(target for target in TARGETS if target.name == "style")
    first, second = (list(islice(inputs(target, 3, hostile=False), 50)) for _ in range(2))
    assert first == second
    began = time.monotonic()
    tally = run.fuzz(target, 30.0, 50, 3, tmp_path, hostile=False)
    assert tally.inputs == 50
    assert tally.found == []
    assert time.monotonic() - began < 30.0
