"""Python programs of our own that run beside this one, because a library in them may crash or never come back.

They import nothing from the working directory, and they end with the program that started them, also when that one is
killed: on Linux at once, elsewhere on POSIX when their time is up.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], object]
"""What Python calls at a signal."""
_BEGIN = """
import signal, sys
seconds = int(sys.argv.pop(1))
if hasattr(signal, "alarm"):
    signal.alarm(seconds)
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
"""
"""How they begin: the alarm ends a process that is busy in C++ too; 1 is PR_SET_PDEATHSIG, see prctl(2)."""


def run_beside(
    program: str, arguments: Sequence[str] = (), seconds: int = 60, isolated: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Args:
        arguments: ``sys.argv[1:]`` in it.
        seconds: that it may take.
        isolated: without ``PYTHONPATH`` and the user's own packages too (``python -I``, else ``-P``).

    Returns:
        its exit code and what it printed.

    Raises:
        subprocess.TimeoutExpired: it takes longer.
        OSError: it cannot be started.
    """
    command = [sys.executable, "-I" if isolated else "-P", "-c", _BEGIN + program, str(seconds), *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds
    )


# --- Several processes that train together.


def is_main_process() -> bool:
    """Whether this process speaks for all that ``torchrun`` or Fabric may have started."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or "0") == 0


def end_with_torchrun() -> None:
    """Let this process get SIGTERM where the ``torchrun`` that started it is killed, which ends its others so; on
    Linux.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def left_to_the_trainer(worker: int) -> None:
    """Signals to all processes of a training end the one that trains, which ends the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


# --- Signals.


@contextmanager
def handled(handler: Handler, replaced: Callable[[Any], bool]) -> Iterator[None]:
    """Let a handler have SIGINT and SIGTERM during a block, where ``replaced`` is true of theirs; of the main thread
    alone, as Python has it.
    """
    here = threading.current_thread() is threading.main_thread()
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if here}
    before = {number: usual for number, usual in found.items() if replaced(usual)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


@contextmanager
def signals_kept() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C or SIGTERM of a block wait: what is given says whether one came.

    The second one ends the program as usual; under ``torchrun``, which passes each on once more, it does nothing.
    """
    came = list[int]()

    def keep(number: int, frame: FrameType | None) -> None:
        if came and "TORCHELASTIC_RUN_ID" not in os.environ:
            raise KeyboardInterrupt
        with suppress(RuntimeError):  # it came while another line was printed
            if not came:
                log.info("ends after this step; once more: at once")
        came.append(number)

    with handled(keep, lambda usual: usual is signal.default_int_handler):
        yield lambda: bool(came)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM during the block are delivered after it."""
    came = list[int]()
    try:
        with handled(lambda number, frame: came.append(number), lambda usual: usual is not None):  # None: not Python's
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


# --- Locks.


def try_lock(descriptor: int) -> bool | None:
    """Take the lock of an open file: False where another process has it, None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def wait_for_lock(descriptor: int, seconds: float) -> bool:
    """Take the lock of an open file within so many seconds; processes that were killed may need a moment to be gone."""
    deadline = time.monotonic() + seconds
    while try_lock(descriptor) is False:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def open_locked(path: Path) -> tuple[int, bool] | None:
    """A lock file, made where it is missing, open and locked by us; None where another process has it.

    A file that its last owner removed in the meantime is no lock any more; symbolic links are not followed.

    Returns:
        its descriptor, whose closing ends the lock, and whether there are locks here at all.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    locked = try_lock(descriptor)
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        same = False
    if locked is False or not same:
        os.close(descriptor)
        return None
    return descriptor, locked is True


_held = set[int]()
"""Descriptors of locks that are held by ``file_lock``."""


def _let_go() -> None:
    """In a process that was just forked: it would keep the locks of the one that it comes from, and may outlive it."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing, as soon as no other process has it.

    Processes that are forked meanwhile do not have it. Where there are no locks, there is nobody to wait for.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    _held.add(descriptor)
    try:
        if not wait_for_lock(descriptor, 0.0):
            log.info("%s: another process is at it; waiting until it is done", path.parent)
            wait_for_lock(descriptor, math.inf)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


@contextmanager
def folder_lock(folder: Path, seconds: float) -> Iterator[bool]:
    """Hold the lock of a folder itself, which leaves no file behind; gives whether it was had within that time.

    Where folders have no locks (Windows, some file systems) there is nobody to wait for.
    """
    try:
        descriptor = None if os.name == "nt" else os.open(folder, os.O_RDONLY)
    except OSError:
        descriptor = None
    try:
        yield descriptor is None or wait_for_lock(descriptor, seconds)
    finally:
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)
