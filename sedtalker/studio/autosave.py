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

from sedtalker.batch.settings import path_sha256
from sedtalker.errors import InputError
from sedtalker.processes import try_lock
from sedtalker.reading import is_folder, is_there, read_json
from sedtalker.storage import temporary_folder, whole_file, write_text
from sedtalker.studio.project import SUFFIX, Project, names_from, project_text, read_project, write_project

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
    import platformdirs

    try:
        return platformdirs.user_state_path("sedtalker", appauthor=False) / "studio"
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
        saved_at: seconds since 1970.
        audio: name of the recording.
    """

    folder: Path
    lock: IO[bytes]
    saved_at: float
    audio: str

    @property
    def project(self) -> Path:
        return self.folder / AUTOSAVE

    def drop(self) -> None:
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

    def keep(self, project: Project | None) -> None:
        """Keep edits that are only here; None: they are saved elsewhere.

        Raises:
            InputError: the disk is full.
        """
        if project is None:
            for name in (AUTOSAVE, SUMMARY):
                (self.path / name).unlink(missing_ok=True)
            return
        write_text(self.path / AUTOSAVE, project_text(project, names_from(self.path)))
        write_text(self.path / SUMMARY, json.dumps({"saved_at": time.time(), "audio": project.audio.name}))

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
    """What lies in a folder; where the summary of its edits cannot be read, the edits are still there."""
    try:
        saved_at, audio = (folder / AUTOSAVE).stat().st_mtime, "an unknown recording"
    except OSError:
        return None
    with suppress(InputError, KeyError, TypeError, ValueError, OverflowError):
        said = read_json(folder / SUMMARY, "a summary of edits")
        audio = str(said["audio"])
        if 0.0 <= (said_at := float(said["saved_at"])) <= time.time():
            saved_at = said_at
    return Left(folder, lock, saved_at, audio)


def _remove(folder: Path, lock: IO[bytes] | None) -> None:
    if lock is not None and os.name == "nt":
        lock.close()  # an open file cannot be removed there
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        lock.close()


def project_path(text: str, own: Path | None, force: bool) -> Path:
    """Where a project is saved that the user calls ``text``.

    Args:
        text: a path, ``~`` and a missing suffix allowed; empty: where it was saved before.
        own: where it was saved before, or None.
        force: another project there is overwritten.

    Raises:
        InputError: no name, not the name of a project, no such folder, or another project is there.
    """
    if not text.strip():
        if own is None:
            raise InputError(f"name a file that ends in {SUFFIX}")
        return own
    try:
        path = Path(text.strip()).expanduser()
    except RuntimeError:
        raise InputError(f"{text}: no such user") from None
    path = (path if path.suffix else path.with_suffix(SUFFIX)).absolute()
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path.name}: a project is saved as a file that ends in {SUFFIX}")
    if "\0" in text or not is_folder(path.parent):
        raise InputError(f"{path.parent}: no such folder")
    if is_there(path) and path != own and not force:
        raise InputError(f"{path} exists; save under another name, or overwrite it")
    return path


def save(path: Path, project: Project, folder: Path) -> None:
    """Write a project; what was dropped on the page and lies in the studio's ``folder`` is copied beside it."""
    write_project(path, project.with_files(lambda file: _beside(path, file, folder)))


def _beside(project: Path, file: Path, folder: Path) -> Path:
    """A file that stays where it is, or its copy beside a project."""
    if not file.resolve().is_relative_to(folder.resolve()):
        return file
    number, place = 1, project.parent / file.name
    while place.exists() and path_sha256(place) != path_sha256(file):
        number += 1
        place = project.parent / f"{file.stem}-{number}{file.suffix}"
    if not place.exists():
        with whole_file(place) as temporary:
            shutil.copyfile(file, temporary)
    return place


def downloaded(project: Project, folder: Path) -> str:
    """A project for the browser's downloads: absolute paths, and plain names for what was dropped on the page."""

    def name_of(path: Path) -> str:
        whole = path.resolve()
        return path.name if whole.is_relative_to(folder.resolve()) else whole.as_posix()

    return project_text(project, name_of)


def recovered(left: Left, uploads: Path) -> Project:
    """What a studio that ended had not saved; its uploads become ours.

    Raises:
        InputError: it cannot be read, or its recording is gone.
    """
    return read_project(left.project).with_files(lambda file: _ours(file, left.folder, uploads))


def _ours(file: Path, theirs: Path, uploads: Path) -> Path:
    if not file.resolve().is_relative_to(theirs.resolve()):
        return file.resolve()
    place = uploads / "recovered" / file.parent.name / file.name  # heads of two speakers may have one name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    return place
