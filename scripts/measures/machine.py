"""What is measured with: synthetic speech, a process of its own for each measurement, clocks, memory, the machine."""

from __future__ import annotations

import logging
import math
import os
import platform
import sys
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE
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


SYLLABLES = 4.0
"""A second."""
PHRASE, PAUSE = 2.4, 0.5
"""Seconds of speaking, and of the pause after it."""
PITCH = 130.0
"""Hz; it moves by a fifth up and down."""
FORMANTS = ((500.0, 90.0), (1500.0, 120.0), (2500.0, 180.0))
"""Centre and width in Hz of the resonances of a neutral vowel."""


def speech_like(seconds: float) -> NDArray[np.float32]:
    """Voiced syllables in phrases with pauses, (n,) in [-1, 1] at 16 kHz; a longer one begins like a shorter one."""
    return np.resize(_four_phrases(), round(seconds * SAMPLE_RATE))


@cache
def _four_phrases() -> NDArray[np.float32]:
    """What is said again and again."""
    count = round(4 * (PHRASE + PAUSE) * SAMPLE_RATE)
    times = np.arange(count) / SAMPLE_RATE
    pitch = PITCH * 2.0 ** (0.3 * np.sin(2 * np.pi * 0.31 * times) + 0.1 * np.sin(2 * np.pi * 1.7 * times))
    angle = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    opening = np.clip(np.sin(np.pi * SYLLABLES * times) ** 2 * 1.4 - 0.2, 0.0, 1.0)
    speaking = (times % (PHRASE + PAUSE)) < PHRASE
    voice = np.zeros(count)
    for harmonic in range(1, 25):
        frequency = harmonic * pitch
        gain = sum(1.0 / (1.0 + ((frequency - centre) / width) ** 2) for centre, width in FORMANTS)
        voice += gain * np.sin(harmonic * angle) / np.sqrt(harmonic)
    breath = np.random.default_rng(0).standard_normal(count)
    sound = speaking * opening * (0.12 * voice + 0.01 * breath) + 1e-4 * breath
    return np.asarray(np.clip(sound, -0.95, 0.95), np.float32)


def write_speech(path: Path, seconds: float) -> Path:
    """The same as a 16-bit WAV file, written part by part: its writer must not be what takes the memory."""
    phrases = np.round(32767 * _four_phrases()).astype("<i2")
    count = round(seconds * SAMPLE_RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for start in range(0, count, len(phrases)):
            file.writeframesraw(phrases[: count - start].tobytes())
    return path
