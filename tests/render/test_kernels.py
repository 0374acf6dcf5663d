"""Compiled code that is kept: what was damaged is compiled anew, and it draws what code just compiled draws."""

from __future__ import annotations

import os
import subprocess
import sys
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


DRAWN = """
import hashlib
import numpy as np
from sedtalker import Animation, Face
from sedtalker.render.video import render_frames

face = Face.builtin()
phase = np.arange(60)[:, None] / 5.0 + np.arange(len(face.shapes))
moved = np.float32(0.25 + 0.25 * np.sin(phase))
turned = np.float32(0.1 * np.sin(phase[:, :3]))
pictures = render_frames(Animation(moved, 30.0, face, turned), backend="numba")
print(hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest())
"""


@pytest.mark.slow
def test_the_first_pictures_are_those_of_later_runs(tmp_path: Path) -> None:
    """With ``fastmath`` a few bytes of them were others: the compiler may take sums in any order, each time it runs."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", DRAWN]
    done = [subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600) for _ in range(2)]
    assert all(run.returncode == 0 for run in done), done[0].stderr
    assert any(tmp_path.rglob("*.nbi"))
    assert done[0].stdout == done[1].stdout
