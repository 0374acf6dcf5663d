"""Locks that go with the process that holds them, however it ends: the kernel drops them.

On POSIX ``flock``, on Windows ``msvcrt.locking``. A file system without locks (some of a network) says so: ``None``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.02
"""Seconds between two attempts to take a lock."""


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
        time.sleep(PAUSE)
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
