"""The studio's own folder: uploads, and the edits that are not saved yet, which survive a crash.

Each running studio has a folder of its own below the user's state folder, and holds a lock in it. A folder whose lock
is free belonged to a studio that is gone: what it had not saved is offered to the next studio, which locks it too.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sedtalker.locks import try_lock
from sedtalker.storage import temporary_folder, whole_file
from sedtalker.studio.project import Project, names_from, project_text

log = logging.getLogger(__name__)

AUTOSAVE = "autosave.sedproject"
"""Name of the unsaved edits in a studio's folder."""
SUMMARY = "autosave.json"
"""Name of what is said of them."""
LOCK = "lock"
"""Name of the file that a running studio has locked."""
KEPT_SECONDS = 30 * 24 * 3600.0
"""Unsaved edits older than this are dropped."""


def state_folder() -> Path:
    """Where studios have their folders."""
    if os.name == "nt":
        root = os.environ.get("LOCALAPPDATA")
        return (Path(root) if root else Path.home() / "AppData" / "Local") / "sedtalker" / "studio"
    root = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(root) if root else Path.home() / ".local" / "state") / "sedtalker" / "studio"
    except RuntimeError:  # a user without a home: unsaved edits do not survive a crash
        return Path(os.devnull) / "sedtalker"


def _lock(path: Path) -> IO[bytes] | None:
    """The file, open and locked; None where somebody else has the lock. The lock goes with the process."""
    file = path.open("a+b")
    if not try_lock(file.fileno()):
        file.close()
        return None
    return file


@dataclass(eq=False)
class Left:
    """What a studio that is gone has not saved.

    Attributes:
        folder: its folder, locked by us.
        lock: the lock.
        saved_at: seconds since 1970.
        audio: name of the recording.
    """

    folder: Path
    lock: IO[bytes]
    saved_at: float
    audio: str

    @property
    def project(self) -> Path:
        """The file of the edits."""
        return self.folder / AUTOSAVE

    def drop(self) -> None:
        """Remove it."""
        _remove(self.folder, self.lock)


class StudioFolder:
    """The folder of this studio; a context manager.

    On leaving it is removed, unless edits in it are not saved: they wait for the next studio.
    """

    def __init__(self, root: Path | None = None):
        self.root = root or state_folder()
        self._lock: IO[bytes] | None = None
        self._temporary = ExitStack()

    def __enter__(self) -> StudioFolder:
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.root))
            self._lock = _lock(self.path / LOCK)
        except OSError as error:
            log.warning(f"{self.root}: cannot be written ({error.strerror}): unsaved edits will not survive a crash")
            self.path = self._temporary.enter_context(temporary_folder())
        return self

    def __exit__(self, *error: object) -> None:
        if self.unsaved and self._lock is not None:
            log.warning("unsaved edits are kept: the next studio offers them")
            self._lock.close()
            return
        _remove(self.path, self._lock)
        self._temporary.close()

    @property
    def unsaved(self) -> bool:
        """Whether there are edits that are only here."""
        return (self.path / AUTOSAVE).exists()

    def save(self, project: Project, audio: str) -> None:
        """Keep the edits.

        Raises:
            InputError: the disk is full.
        """
        with whole_file(self.path / AUTOSAVE) as temporary:
            temporary.write_text(project_text(project, names_from(self.path)), encoding="utf-8")
        with whole_file(self.path / SUMMARY) as temporary:
            temporary.write_text(json.dumps({"saved_at": time.time(), "audio": audio}), encoding="utf-8")

    def clear(self) -> None:
        """The edits are saved elsewhere."""
        for name in (AUTOSAVE, SUMMARY):
            (self.path / name).unlink(missing_ok=True)

    def left_by_others(self) -> Left | None:
        """The newest edits of a studio that is gone; folders without any are removed."""
        found = sorted(self._abandoned(), key=lambda left: left.saved_at)
        for older in found[:-1]:
            older.lock.close()
        return found[-1] if found else None

    def _abandoned(self) -> Iterator[Left]:
        if not self.root.is_dir():
            return
        for folder in sorted(self.root.iterdir()):
            lock = None
            if folder == self.path or not folder.is_dir():
                continue
            with suppress(OSError):
                lock = _lock(folder / LOCK)
            if lock is None:
                continue
            left = _left(folder, lock)
            if left is None or time.time() - left.saved_at > KEPT_SECONDS:
                _remove(folder, lock)
            else:
                yield left


def _left(folder: Path, lock: IO[bytes]) -> Left | None:
    try:
        said = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return (
            Left(folder, lock, float(said["saved_at"]), str(said["audio"])) if (folder / AUTOSAVE).is_file() else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(folder: Path, lock: IO[bytes] | None) -> None:
    if lock is not None and os.name == "nt":
        lock.close()  # an open file cannot be removed there
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        lock.close()
