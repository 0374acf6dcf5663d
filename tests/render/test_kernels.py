"""Compiled code that is kept: what was damaged is compiled anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest

from sedtalker.arrays import Floats
from sedtalker.render.kernels import inner_kernel


def made() -> Callable[[Floats], None]:
    """A small function, compiled or read as a new process would."""

    def double(values: Floats) -> None:
        for i in range(len(values)):
            values[i] *= 2.0

    return inner_kernel(double)


def ran(function: Callable[[Floats], None]) -> tuple[float, int]:
    """What it makes of 1.5, and how often it was read from the cache."""
    values = np.array([1.5], np.float32)
    function(values)
    return float(values[0]), sum(function.stats.cache_hits.values())  # type: ignore[attr-defined]


def fill(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def fifo(path: Path, data: bytes) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, data: bytes) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path, bytes], None]] = {
    "half": lambda path, data: fill(path, data[: len(data) // 2]),
    "nothing": lambda path, data: fill(path, b""),
    "zeros": lambda path, data: fill(path, bytes(len(data))),
    "text": lambda path, data: fill(path, b"hello"),
    "a bit": lambda path, data: fill(path, data[:-9] + bytes([data[-9] ^ 64]) + data[-8:]),
    "gone": lambda path, data: path.unlink(),
    "folder": folder,
    "fifo": fifo,
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_code_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path, bytes], None], suffix: str
) -> None:
    if damage is fifo and os.name == "nt":
        pytest.skip("there are none")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert ran(made()) == (3.0, 0)
    assert ran(made()) == (3.0, 1)
    for path in [*tmp_path.rglob(f"*{suffix}")]:
        damage(path, path.read_bytes())
    assert ran(made()) == (3.0, 0)
    assert ran(made()) == (3.0, 0 if damage is folder else 1)
