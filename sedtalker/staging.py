"""Atomic results: files are written to a staging folder beside their destination and moved when they are complete.

Such a folder is called ``.sedtalker-`` and eight letters. It holds ``lock``, which the program at work has locked, and
``new/``, where the files are made. When they are whole, they appear in one of two ways:

- One file, or a folder that was not there before: one renaming, which the system does whole or not at all.
- Several files in a folder that has others: ``new`` is renamed to ``whole``, then the files are moved one by one.
  Ctrl-C and SIGTERM wait until that is done. After SIGKILL, the folder's name says that all files are complete: the
  next program that works in the folder moves the remaining ones.

The kernel drops the lock of a program that is gone, however it ended. So the next program that writes to the folder
knows what was left behind, finishes or removes it, and never touches what a living program is making.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sedtalker.errors import InputError
from sedtalker.processes import folder_lock, open_locked, signals_wait

LEFT_OVER = ".sedtalker-"
"""How the names of these folders begin."""
LOCK, NEW, WHOLE = "lock", "new", "whole"
"""What is in them."""
ABANDONED = 24 * 3600.0
"""Where a file system has no locks: seconds after which such a folder is that of a program that was killed."""
PATIENCE = 10.0
"""Seconds that a program waits for another one that is moving its files into the same folder."""


class Staging:
    """A folder of work in progress, locked by this process until ``close``.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, place: Path) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=LEFT_OVER, dir=place))
            try:
                held = open_locked(self.path / LOCK)
            except FileNotFoundError:  # another program took it for a leftover before it was locked
                continue
            except BaseException:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
            if held is not None:
                self._descriptor: int | None = held[0]
                break
        self.new = self.path / NEW
        try:
            self.new.mkdir()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove it with all that is still in it."""
        _remove(self.path, self._descriptor)
        self._descriptor = None

    def become(self, folder: Path) -> bool:
        """Let the files appear as a whole folder; False where there are files in it by now."""
        try:
            os.rename(self.new, folder)
        except OSError:
            return False
        return True

    def move_to(self, folder: Path) -> None:
        """Let the files appear in a folder among others.

        Raises:
            OSError: one cannot be moved; ``filename2`` is its place.
        """
        inside = folder / self.path.name
        if inside != self.path:  # where the next program looks for it
            os.rename(self.path, inside)
            self.path = inside
        os.rename(inside / NEW, inside / WHOLE)
        for name in sorted(os.listdir(inside / WHOLE)):
            os.replace(inside / WHOLE / name, folder / name)


def is_staged(path: Path) -> bool:
    """Whether a path lies in work in progress, where nobody looks for whole files."""
    return any(parent.name.startswith(LEFT_OVER) for parent in path.parents)


def clear_left_over(folder: Path) -> None:
    """Finish or remove what programs of this user that were killed have left in a folder; living ones keep theirs."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.path for entry in entries if entry.name.startswith(LEFT_OVER) and _is_ours(entry)]
    except (OSError, ValueError):  # ValueError: no name that a system could know
        return
    for left in map(Path, found):
        with suppress(OSError):
            held = open_locked(left / LOCK)
            if held is None:
                continue
            descriptor, certain = held
            if not certain and time.time() - left.stat().st_mtime < ABANDONED:
                os.close(descriptor)
                continue
            try:
                with signals_wait(), folder_lock(folder.resolve().parent, PATIENCE) as alone:
                    if alone:
                        _finish(left / WHOLE, folder)
            finally:
                _remove(left, descriptor)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, and no link to one, that belongs to this user."""
    owned = not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()
    return owned and entry.is_dir(follow_symlinks=False)


def _finish(whole: Path, folder: Path) -> None:
    """Move the files that a killed program did not come to; newer ones in their place stay.

    Plain files alone: the folder may be from elsewhere, and a link in it may lead anywhere.
    """
    if whole.is_symlink() or not whole.is_dir():
        return
    with os.scandir(whole) as entries:
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    for file in files:
        place = folder / file.name
        with suppress(OSError):
            if place.is_file() and place.lstat().st_mtime_ns > file.stat().st_mtime_ns:
                continue
            os.replace(file.path, place)


def _remove(folder: Path, descriptor: int | None) -> None:
    """Remove a folder of work in progress, then let its lock go."""
    if descriptor is not None and os.name == "nt":
        os.close(descriptor)  # an open file cannot be removed there
        descriptor = None
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def appear(
    staging: Staging, folder: Path, fresh: bool, force: bool, outdated: Callable[[str], bool] | None = None
) -> None:
    """Let the files of a staging folder appear in their place, all or none, one program after the other.

    Args:
        fresh: whether that folder was made for them and is still empty.
        outdated: whether a file of this name in the folder vanishes, where it is none of them.

    Raises:
        InputError: another program has put results there meanwhile and ``force`` is off, or is at it for long.
        OSError: one cannot be moved.
    """
    with signals_wait(), folder_lock(folder.resolve().parent, PATIENCE) as alone:
        if not alone:
            raise InputError(f"{folder}: another program is writing there; try again")
        if fresh and staging.become(folder):
            return
        names = os.listdir(staging.new)
        for name in names:
            if (folder / name).is_dir():
                raise InputError(f"{folder / name} is a folder where a result would go: name another place")
            if not force and (folder / name).exists():
                raise InputError(f"{folder / name} exists by now: another program wrote it; use --force to overwrite")
        staging.move_to(folder)
        if outdated is not None:
            for name in filter(outdated, os.listdir(folder)):
                if name not in names and (folder / name).is_file():
                    (folder / name).unlink(missing_ok=True)
