"""What is measured with: a process of its own for each measurement, clocks, memory, and the machine in words."""

from __future__ import annotations

import logging
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from sedtalker.errors import InputError

Result = TypeVar("Result")
"""What a measurement gives."""
Times = dict[str, dict[str, float]]
"""Seconds of named stages: ``{"decoder": {"seconds": wall clock, "cpu_seconds": of all threads}}``."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What libraries read when they are loaded."""
LIBRARIES = ("torch", "numpy", "scipy", "numba")
"""Whose versions are stated."""
GIGABYTE = 1e9
"""Bytes in the unit of memory here."""


def isolated(measure: Callable[..., Result], *arguments: Any, threads: int = 1) -> Result:
    """``measure(*arguments)`` in a new process that may use so many threads; nothing is warm in it.

    Raises:
        InputError: the process was killed, most likely for memory.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=without_notes) as pool:
            return pool.submit(measure, *arguments).result()
    except BrokenProcessPool:
        raise InputError(f"{measure.__name__} was killed: is there too little memory?") from None
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def without_notes() -> None:
    """No notes on the sound that is measured: it comes from a formula and is unlike any speech."""
    logging.getLogger("sedtalker").setLevel(logging.ERROR)


class Stopwatch:
    """Times stages by their names; the same name again adds up."""

    def __init__(self) -> None:
        self.times: Times = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        row = self.times.setdefault(name, {"seconds": 0.0, "cpu_seconds": 0.0})
        row["seconds"] += time.perf_counter() - wall
        row["cpu_seconds"] += time.process_time() - cpu


def peak_memory() -> float:
    """The most memory that this process ever held, bytes; nan on Windows, which Python does not ask.

    Linux counts a new program's peak from that of the one that started it (``ru_maxrss``), so its status is read.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
    except (OSError, StopIteration):
        try:
            import resource
        except ImportError:
            return math.nan
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(most if sys.platform == "darwin" else 1024 * most)


def machine() -> dict[str, Any]:
    """Processor, cores, memory and versions, as plain data."""
    found = {"cpu": _processor(), "cores": os.cpu_count() or 1, "system": platform.platform(terse=True)}
    found["python"] = platform.python_version()
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def load() -> float | None:
    """Programs that wanted to run during the last minute; None where the system does not count them."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
