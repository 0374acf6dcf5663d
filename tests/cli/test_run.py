"""What the program says when it cannot go on, whatever it was doing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sedtalker.cli import short_of_memory
from sedtalker.errors import INTERRUPTED

CODE = """
import signal, sys
from sedtalker.cli import run
import sedtalker.cli.main as main

@main.app.command("end")
def end(how: str) -> None:
    if how in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.raise_signal(getattr(signal, how))
    raise {"memory": MemoryError(), "bug": RuntimeError("a bug")}[how]

sys.argv = ["sedtalker", "end", sys.argv[1]]
run()
"""
"""A command that ends as its argument says, beyond what ``fail_clearly`` sees."""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("SIGINT", 130, f"{INTERRUPTED}\n"),
        ("SIGTERM", 130, f"{INTERRUPTED}\n"),
        ("SIGHUP", 130, f"{INTERRUPTED}\n"),
        ("memory", 1, "error: there is not enough memory\n"),
    ],
)
def test_every_early_end_is_one_line(how: str, code: int, said: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_nohup_goes_on() -> None:
    code = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{CODE}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, "SIGHUP"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, ["KeyError: 'SIGHUP'"])


def test_a_lack_of_memory_is_known_by_its_words() -> None:
    torch = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    assert short_of_memory(torch) == short_of_memory(MemoryError()) == "there is not enough memory"
    library = ImportError("libtorch_cpu.so: failed to map segment from shared object")
    assert "libtorch_cpu.so" in (short_of_memory(library) or "")
    assert short_of_memory(RuntimeError("a bug")) is None
    assert short_of_memory(ModuleNotFoundError("No module named 'nothing'")) is None
