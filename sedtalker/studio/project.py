"""Project files (``.sedproject``): which recording and face, the track somebody began with, and what was edited.

JSON, checked against a schema. Files are named by their path relative to the project and by a hash of their bytes; they
are only ever opened as a recording and as a mesh.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from sedtalker.audio import Audio, load_audio
from sedtalker.audio.audio import LARGEST_BYTES
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import is_file, parse_json, problem_of
from sedtalker.storage import whole_file
from sedtalker.studio.document import Base, Document, as_plain, from_plain
from sedtalker.version import __version__

SUFFIX = ".sedproject"
"""How project files end."""
FORMAT, VERSION = "sedproject", 1
"""What they call themselves."""
MOST_PROJECT_BYTES = 128 * 2**20
"""Larger files are refused; an hour of speech takes 30 MB, with fine-grained emotions 95 MB."""


class NamedFile(BaseModel, extra="forbid"):
    """A file that a project uses."""

    path: str = Field(min_length=1, max_length=4096)
    """Relative to the project file, with ``/``; absolute where there is no relative one."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Hash of its bytes."""


class ProjectFile(BaseModel, extra="forbid", allow_inf_nan=False):
    """The schema."""

    format: Literal["sedproject"]
    version: int
    sedtalker: str = Field(max_length=100)
    audio: NamedFile
    mesh: NamedFile | None = None
    face: str | None = Field(None, max_length=200)
    landmarks: list[tuple[float, float, float] | None] | None = Field(None, min_length=68, max_length=68)
    document: dict[str, Any]
    base: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Project:
    """A project, opened.

    Attributes:
        audio: the recording; mesh: the head, or None.
        face: name of the built-in face where there is no mesh.
        track: what the document is an edit of.
        document: the edits.
        landmarks: (68, 3) in the mesh's coordinates, NaN where a person has given none, or None.
    """

    audio: Path
    mesh: Path | None
    face: str | None
    track: EmotionTrack
    document: Document
    landmarks: NDArray[np.float64] | None = None

    @property
    def rendered(self) -> EmotionTrack:
        """The track of the document, which conditions the motion."""
        return Base(self.track, self.document.duration).render(self.document)

    def open_face(self, hook: Hook = no_progress) -> Face:
        """The face.

        Raises:
            InputError: the mesh cannot be registered, or there is no such built-in face.
        """
        if self.mesh is None:
            return Face.builtin(self.face)
        return Face.from_mesh(self.mesh, landmarks=self.landmarks, hook=hook)

    def sound(self, longest: float = 3600.0) -> Audio:
        """The recording."""
        return load_audio(self.audio, longest)


def project_text(project: Project, name_of: Callable[[Path], str]) -> str:
    """A project as the text of its file.

    Args:
        name_of: how the project names a file, see ``names_from``.
    """

    def named(path: Path) -> dict[str, str]:
        return {"path": name_of(path), "sha256": file_sha256(path)}

    marks = None
    if project.landmarks is not None:
        marks = [[float(x) for x in p] if np.isfinite(p).all() else None for p in project.landmarks]
    held = {
        "format": FORMAT,
        "version": VERSION,
        "sedtalker": __version__,
        "audio": named(project.audio),
        "mesh": None if project.mesh is None else named(project.mesh),
        "face": project.face,
        "landmarks": marks,
        "document": as_plain(project.document),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in held.items()]
    return "{\n" + ",\n".join([*lines, f' "base": {_track_text(project.track)}']) + "}\n"


@lru_cache(maxsize=4)
def _track_text(track: EmotionTrack) -> str:
    """The base does not change while it is edited, and is the bulk of the file."""
    return track_to_json(track)


def names_from(folder: Path) -> Callable[[Path], str]:
    """Paths relative to a folder, with ``/``; absolute on another drive."""

    def name_of(path: Path) -> str:
        try:
            return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
        except ValueError:
            return path.resolve().as_posix()

    return name_of


def write_project(path: Path, project: Project) -> None:
    """Write a project; the file appears whole or not at all.

    Raises:
        InputError: its name does not end in ``.sedproject``, or it cannot be written there.
    """
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path}: a project is saved as a file that ends in {SUFFIX}")
    text = project_text(project, names_from(path.parent))
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_project(path: Path) -> Project:
    """The project in a file.

    Raises:
        InputError: not such a file, or one that it names is missing or has changed.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such project")
    if path.stat().st_size > MOST_PROJECT_BYTES:
        raise InputError(f"{path}: too large for a project")
    return parse_project(path.read_bytes(), str(path), [path.parent])


def parse_project(data: bytes, name: str, folders: Sequence[Path]) -> Project:
    """The project in the bytes of a file.

    Args:
        name: what to call it in messages.
        folders: what its paths may be relative to; the first where a file is found counts.

    Raises:
        InputError: see ``read_project``.
    """
    held = _schema(data, name)
    if held.version != VERSION:
        raise InputError(f"{name}: project version {held.version} is not known to this version of sedtalker")
    audio = _found(held.audio, "recording", name, folders)
    mesh = None if held.mesh is None else _found(held.mesh, "mesh", name, folders)
    track = track_from_json(json.dumps(held.base), name=f"{name}: base")
    try:
        Base(track, track.duration)
        document = from_plain(held.document, track.duration)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    marks = None
    if held.landmarks is not None:
        marks = np.array([(np.nan,) * 3 if point is None else point for point in held.landmarks], np.float64)
    return Project(audio, mesh, held.face, track, document, marks)


def _schema(data: bytes, name: str) -> ProjectFile:
    try:
        values = parse_json(data, name)
    except InputError as error:
        raise InputError(f"{error}: not a project of sedtalker studio, or damaged") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(f"{name}: not a project of sedtalker studio")
    try:
        return ProjectFile.model_validate(values)
    except ValidationError as error:
        where, problem = problem_of(error)
        raise InputError(f"{name}: {where}: {problem}") from None


def _found(named: NamedFile, what: str, name: str, folders: Sequence[Path]) -> Path:
    """The file that a project names.

    Raises:
        InputError: it is not there, or is not the same any more.
    """
    places = [folder / named.path for folder in folders]
    for path in filter(is_file, places):
        if path.stat().st_size <= LARGEST_BYTES and file_sha256(path) == named.sha256:
            return path
    # one message for both: a project must not learn which files exist
    raise InputError(
        f"{name}: its {what} {named.path} is missing or has changed since the project was saved: put it back"
    )


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    held = path.stat()
    return _sha256(path, held.st_mtime_ns, held.st_size)


@lru_cache(maxsize=16)
def _sha256(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
