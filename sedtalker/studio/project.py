"""Project files (``.sedproject``): which recording and face, the track somebody began with, and what was edited.

Of a recording with several speakers a project has these of each, and who speaks when; its version is then 2. What
reads one face from a project gets that of the speaker who was worked on.

JSON, checked against a schema. Files are named by their path relative to the project and by a hash of their bytes; they
are only ever opened as a recording and as a mesh.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from sedtalker.arrays import Doubles
from sedtalker.audio import Audio, load_audio, load_channels
from sedtalker.audio.audio import LARGEST_BYTES
from sedtalker.batch.settings import path_sha256
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, said_of
from sedtalker.face import Face
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import checked, is_file, parse_json, read_bytes, relative_name
from sedtalker.speakers.separation import sound_of
from sedtalker.speakers.turns import LATEST_SECONDS, LONGEST_NAME, MOST_SPEAKERS, MOST_TURNS, Turn, Turns
from sedtalker.storage import write_text
from sedtalker.studio.document import SHORTEST, Base, Document, as_plain, from_plain
from sedtalker.version import __version__

SUFFIX = ".sedproject"
"""How project files end."""
FORMAT, VERSION, VERSION_OF_SPEAKERS = "sedproject", 1, 2
"""What they call themselves: of a recording as a whole, and of one with speakers."""
MOST_PROJECT_BYTES = 128 * 2**20
"""Larger files are refused; an hour of speech takes 30 MB, with fine-grained emotions 95 MB."""


Seconds = Annotated[float, Field(ge=0.0, le=LATEST_SECONDS)]
"""Time of a turn, from the beginning of the recording."""


class NamedFile(BaseModel, extra="forbid"):
    """A file that a project uses."""

    path: str = Field(min_length=1, max_length=4096)
    """Relative to the project file, with ``/``; absolute where there is no relative one."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Hash of its bytes."""


class SpeakerOfFile(BaseModel, extra="forbid", allow_inf_nan=False):
    """Face, document and track of a speaker."""

    mesh: NamedFile | None = None
    face: str | None = Field(None, max_length=200)
    landmarks: list[tuple[float, float, float] | None] | None = Field(None, min_length=68, max_length=68)
    speaker: int = Field(0, ge=0, lt=MOST_SPEAKERS)
    """Place of the name in ``speakers``."""
    channel: int | None = Field(None, ge=0, lt=MOST_SPEAKERS)
    document: dict[str, Any]
    base: dict[str, Any]


class ProjectFile(SpeakerOfFile):
    """The schema: the speaker who was worked on, and where there are several, the others and the turns."""

    format: Literal["sedproject"]
    version: int
    sedtalker: str = Field(max_length=100)
    audio: NamedFile
    speakers: list[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] | None = Field(
        None, min_length=1, max_length=MOST_SPEAKERS
    )
    turns: list[tuple[Seconds, Seconds, int]] = Field([], max_length=MOST_TURNS)
    others: list[SpeakerOfFile] = Field([], max_length=MOST_SPEAKERS)


@dataclass(frozen=True, eq=False)
class Project:
    """A project, opened.

    Attributes:
        audio: the recording; mesh: the head, or None.
        face: name of the built-in face where there is no mesh.
        track: what the document is an edit of.
        landmarks: (68, 3) in the mesh's coordinates, NaN where a person has given none, or None.
        name: of the speaker; empty where the recording is not taken apart.
        channel: of the recording that the speaker's sound is cut from; None: all together.
        turns: who speaks when, in a recording that is taken apart.
        others: the same of the other speakers.
    """

    audio: Path
    mesh: Path | None
    face: str | None
    track: EmotionTrack
    document: Document
    landmarks: Doubles | None = None
    name: str = ""
    channel: int | None = None
    turns: Turns | None = None
    others: tuple[Project, ...] = ()

    @property
    def everybody(self) -> list[Project]:
        """This and the others, in the order of ``turns.speakers``."""
        names = () if self.turns is None else self.turns.speakers
        return sorted([self, *self.others], key=lambda one: names.index(one.name)) if names else [self]

    def with_files(self, place: Callable[[Path], Path]) -> Project:
        """The same with its files in other places."""
        mesh = None if self.mesh is None else place(self.mesh)
        others = tuple(other.with_files(place) for other in self.others)
        return replace(self, audio=place(self.audio), mesh=mesh, others=others)

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

    def sound(self) -> Audio:
        """The recording; of one that is taken apart the speaker's own sound."""
        if self.turns is None:
            return load_audio(self.audio)
        if self.channel is None:
            return sound_of(load_audio(self.audio), self.turns, self.name)
        channels = load_channels(self.audio)
        if self.channel >= len(channels):
            raise InputError(f"{self.audio}: no channel {self.channel + 1}, which {self.name} speaks in")
        return sound_of(channels[self.channel], self.turns, self.name)


def project_text(project: Project, name_of: Callable[[Path], str]) -> str:
    """A project as the text of its file; ``name_of``: how the project names a file, see ``names_from``."""

    def named(path: Path) -> dict[str, str]:
        return {"path": name_of(path), "sha256": path_sha256(path)}

    several = project.turns is not None
    held = {
        "format": FORMAT,
        "version": VERSION_OF_SPEAKERS if several else VERSION,
        "sedtalker": __version__,
        "audio": named(project.audio),
    }
    if project.turns is not None:
        names = project.turns.speakers
        held["speakers"] = names
        held["turns"] = [[start, end, names.index(name)] for start, end, name in project.turns.turns]
    lines = _lines(held)
    if project.others:
        others = ["  {\n" + ",\n".join(_speaker_lines(other, named)) + "}" for other in project.others]
        lines.append(' "others": [\n' + ",\n".join(others) + "]")
    return "{\n" + ",\n".join([*lines, *_speaker_lines(project, named)]) + "}\n"


def _lines(held: Mapping[str, Any]) -> list[str]:
    return [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in held.items()]


def _speaker_lines(project: Project, named: Callable[[Path], dict[str, str]]) -> list[str]:
    marks = None
    if project.landmarks is not None:
        marks = [[float(x) for x in p] if np.isfinite(p).all() else None for p in project.landmarks]
    held: dict[str, Any] = {
        "mesh": None if project.mesh is None else named(project.mesh),
        "face": project.face,
        "landmarks": marks,
    }
    if project.turns is not None:
        held |= {"speaker": project.turns.speakers.index(project.name), "channel": project.channel}
    held["document"] = as_plain(project.document)
    return [*_lines(held), f' "base": {_track_text(project.track)}']


_track_text = lru_cache(maxsize=4)(track_to_json)
"""The base does not change while it is edited, and is the bulk of the file."""


def names_from(folder: Path) -> Callable[[Path], str]:
    """Paths relative to a folder, see ``relative_name``."""
    return lambda path: relative_name(path.resolve(), folder.resolve())


def write_project(path: Path, project: Project) -> None:
    """Write a project; the file appears whole or not at all.

    Raises:
        InputError: its name does not end in ``.sedproject``, or it cannot be written there.
    """
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path}: a project is saved as a file that ends in {SUFFIX}")
    text = project_text(project, names_from(path.parent))
    write_text(path, text)


def read_project(path: Path) -> Project:
    """The project in a file.

    Raises:
        InputError: not such a file, or one that it names is missing or has changed.
    """
    return parse_project(read_bytes(path, "a project", MOST_PROJECT_BYTES), str(path), [path.parent])


def parse_project(
    data: bytes, name: str, folders: Sequence[Path], missing: str = "put it back, or beside the project"
) -> Project:
    """The project in the bytes of a file.

    Args:
        name: what to call it in messages.
        folders: what its paths may be relative to; the first where a file is found counts.
        missing: what to do about a file that is not found.

    Raises:
        InputError: see ``read_project``.
    """
    held = _schema(data, name)
    if held.version != (VERSION if held.speakers is None else VERSION_OF_SPEAKERS):
        raise InputError(f"{name}: project version {held.version} is not known to this version of sedtalker")
    find = partial(_found, name=name, folders=folders, missing=missing)
    audio = find(held.audio, "recording")
    own = _speaker(held, audio, name, find)
    if held.speakers is None:
        return own
    names, duration = held.speakers, own.track.duration
    if any(not start < end or not 0 <= k < len(names) for start, end, k in held.turns):
        raise InputError(f"{name}: turns: one has no length, or no speaker")
    turns = Turns(tuple(Turn(start, end, names[k]) for start, end, k in held.turns), duration, tuple(names))
    places = [one.speaker for one in (held, *held.others)]
    if sorted(places) != list(range(len(names))) or len(set(names)) != len(names):
        raise InputError(f"{name}: speakers: each needs a name of its own, a document and a track")
    others = [_speaker(other, audio, name, find) for other in held.others]
    if any(abs(other.track.duration - duration) > SHORTEST for other in others):
        raise InputError(f"{name}: the tracks of its speakers are not of one length")
    taken = [
        replace(one, name=names[k], channel=part.channel, turns=turns)
        for one, part, k in zip([own, *others], [held, *held.others], places, strict=True)
    ]
    return replace(taken[0], others=tuple(taken[1:]))


def _speaker(held: SpeakerOfFile, audio: Path, name: str, find: Callable[[NamedFile, str], Path]) -> Project:
    """What is of one speaker."""
    mesh = None if held.mesh is None else find(held.mesh, "mesh")
    track = track_from_json(json.dumps(held.base), name=f"{name}: base")
    with said_of(name):
        Base(track, track.duration)
        document = from_plain(held.document, track.duration)
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
    held: ProjectFile = checked(ProjectFile, values, name)
    return held


def _found(named: NamedFile, what: str, name: str, folders: Sequence[Path], missing: str) -> Path:
    """The file that a project names: where it was, or of the same name beside the project, which may have moved.

    Raises:
        InputError: it is not there, or is not the same any more.
    """
    places = [folder / place for place in (named.path, PurePosixPath(named.path).name) for folder in folders]
    for path in filter(is_file, places):
        if path.stat().st_size <= LARGEST_BYTES and path_sha256(path) == named.sha256:
            return path
    # one message for both: a project must not learn which files exist
    raise InputError(
        f"{name}: its {what} {named.path} is missing or has changed since the project was saved: {missing}"
    )
