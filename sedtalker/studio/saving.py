"""Where projects go: to a place the user names, to the browser's downloads, and back from what a crash has left."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from sedtalker.errors import InputError
from sedtalker.storage import whole_file
from sedtalker.studio.autosave import Left
from sedtalker.studio.project import SUFFIX, Project, file_sha256, project_text, read_project, write_project
from sedtalker.studio.session import Snapshot


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
    path = Path(text.strip()).expanduser()
    path = (path if path.suffix else path.with_suffix(SUFFIX)).absolute()
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path.name}: a project is saved as a file that ends in {SUFFIX}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    if path.exists() and path != own and not force:
        raise InputError(f"{path} exists; save under another name, or overwrite it")
    return path


def save(path: Path, snapshot: Snapshot, folder: Path) -> None:
    """Write a project; what was dropped on the page and lies in the studio's ``folder`` is copied beside it.

    Raises:
        InputError: it cannot be written there.
    """
    project = snapshot.project
    kept = Project(
        _beside(path, project.audio, folder),
        None if project.mesh is None else _beside(path, project.mesh, folder),
        project.face,
        project.track,
        project.document,
        project.landmarks,
    )
    write_project(path, kept)


def _beside(project: Path, file: Path, folder: Path) -> Path:
    """A file that stays where it is, or its copy beside a project."""
    if not file.resolve().is_relative_to(folder.resolve()):
        return file
    number, place = 1, project.parent / file.name
    while place.exists() and file_sha256(place) != file_sha256(file):
        number += 1
        place = project.parent / f"{file.stem}-{number}{file.suffix}"
    if not place.exists():
        with whole_file(place) as temporary:
            shutil.copyfile(file, temporary)
    return place


def downloaded(snapshot: Snapshot, folder: Path) -> str:
    """A project for the browser's downloads: absolute paths, and plain names for what was dropped on the page."""

    def name_of(path: Path) -> str:
        whole = path.resolve()
        return path.name if whole.is_relative_to(folder.resolve()) else whole.as_posix()

    return project_text(snapshot.project, name_of)


def recovered(left: Left, uploads: Path) -> Project:
    """What a studio that ended had not saved; its uploads become ours.

    Raises:
        InputError: it cannot be read, or its recording is gone.
    """
    project = read_project(left.project)
    return Project(
        _ours(project.audio, left.folder, uploads),
        None if project.mesh is None else _ours(project.mesh, left.folder, uploads),
        project.face,
        project.track,
        project.document,
        project.landmarks,
    )


def _ours(file: Path, theirs: Path, uploads: Path) -> Path:
    if not file.resolve().is_relative_to(theirs.resolve()):
        return file.resolve()
    place = uploads / "recovered" / file.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    return place


def attachment(name: str) -> dict[str, str]:
    """The header that has a browser save an answer as a file."""
    return {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
