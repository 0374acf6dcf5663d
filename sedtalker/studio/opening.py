"""Work that brings something into a session: a recording, a head, landmarks, a project. Each is one job.

A job is two functions: ``work(hook)`` runs in the jobs' thread, touches nothing and may be cancelled; ``then(made)``
runs in the session's thread and takes what was made over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animator import Animator
from sedtalker.arrays import Doubles
from sedtalker.audio import Audio
from sedtalker.emotion.formats.files import track_formats
from sedtalker.emotion.formats.labels import are_emotions
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError, called, one_of
from sedtalker.face import Face
from sedtalker.face.given_landmarks import NAMES
from sedtalker.nn import torch_threads
from sedtalker.phonetics.words import READERS
from sedtalker.progress import Hook, one_step
from sedtalker.reading import read_text
from sedtalker.speakers.turns import Turns
from sedtalker.studio.cast import Cast, Role, SpeakerVoice
from sedtalker.studio.decoding import Decoding
from sedtalker.studio.document import Document, to_the_end
from sedtalker.studio.project import Project, parse_project
from sedtalker.studio.session import Session, Subject, base_on
from sedtalker.studio.sound import OpenClip, analyse

MESHES = (".obj", ".glb", ".gltf", ".vrm", ".ply", ".stl", ".off", ".usd", ".usda", ".usdc", ".usdz", ".sedface")
"""Endings of files that are taken as a head."""

SUFFIXES = {"track": tuple(track_formats()), "words": tuple(READERS), "mesh": MESHES}
"""Endings of files that a track, words with times, and a head are read from; some hold a track or words."""

Work = Callable[[Hook], Any]
"""See the module."""
Then = Callable[[Any], Any]
"""See the module; what it gives goes to the page."""


def is_track(path: Path) -> bool:
    """Whether a file is a track and not words: by its ending, or where that says either, by what is in it.

    Raises:
        InputError: it cannot be read.
    """
    ends = {sort: path.name.lower().endswith(SUFFIXES[sort]) for sort in ("track", "words")}
    if not (ends["track"] and ends["words"]) or path.suffix.lower() == ".json":
        return ends["track"]
    return are_emotions(read_text(path, "an emotion track or words"), tiers=path.suffix.lower() == ".textgrid")


def recording(session: Session, path: Path, folder: Path) -> tuple[Work, Then]:
    """Another recording, analysed."""

    def work(hook: Hook) -> OpenClip:
        with one_step(hook, "opening the networks"):
            animator = session.models.animator()
        with called(path):
            return analyse(animator, path, folder, hook)

    def then(clip: OpenClip) -> dict[str, Any]:
        session.open_clip(clip)
        return {"audio": clip.path.name}

    return work, then


def head(session: Session, path: Path, landmarks: Doubles | None = None) -> tuple[Work, Then]:
    """Another head from a file, registered; ``landmarks`` (68, 3) in its coordinates where a person has given any.

    Raises:
        InputError: the file's name is none of a mesh.
    """
    if path.suffix.lower() not in MESHES:
        raise InputError(f"{path.name}: a head is read from {', '.join(MESHES)}")

    def work(hook: Hook) -> Subject:
        with called(path):
            face = Face.from_mesh(path, landmarks=landmarks, hook=hook)
        return _ready(Subject(face, path.name, path, landmarks), hook)

    return work, _taking(session)


def builtin_face(session: Session, name: str) -> tuple[Work, Then]:
    """A built-in face."""
    return partial(built, name), _taking(session)


def built(name: str, hook: Hook) -> Subject:
    """A built-in face with its GLB made."""
    with one_step(hook, f"building the face {name}"):
        face = Face.builtin(name)
    return _ready(Subject(face, name), hook)


def _ready(subject: Subject, hook: Hook) -> Subject:
    with one_step(hook, "preparing the head"):
        _ = subject.glb
    return subject


def _taking(session: Session) -> Then:
    """A face is for the speaker who is worked on when it is asked for."""
    seat = session.seat

    def then(subject: Subject) -> dict[str, Any]:
        session.open_subject(subject, seat)
        return {"face": subject.name}

    return then


# --- Speakers.


@dataclass(frozen=True, eq=False)
class NewSpeaker:
    """A speaker who is to be taken into the session.

    Attributes:
        subject: the face; None: that which the session has in this place.
        document: the edits; None: none yet.
    """

    name: str
    voice: SpeakerVoice
    track: EmotionTrack
    subject: Subject | None = None
    document: Document | None = None


def voice_of(animator: Animator, name: str, sound: Audio, channel: int | None, hook: Hook) -> SpeakerVoice:
    """The voice of a speaker whose sound is known."""
    with one_step(hook, f"encoding the speech of {name}"), torch_threads(1):
        return SpeakerVoice(Decoding(animator, sound, animator.encoder(sound)), channel)


def _found(held: Project, animator: Animator, clip: OpenClip, hook: Hook) -> NewSpeaker:
    """A speaker of a project; one without a name has the whole recording."""
    face = held.open_face(hook)
    name = held.mesh.name if held.mesh else held.face or "builtin"
    subject = _ready(Subject(face, name, held.mesh, held.landmarks), hook)
    if held.turns is None:
        voice = SpeakerVoice(Decoding(animator, clip.sound, clip.features))
    else:
        voice = voice_of(animator, held.name, held.sound(), held.channel, hook)
    voice.extras = dict(held.track.extras)
    if held.track.words:
        voice.decoding.place(held.track, hook)
    return NewSpeaker(held.name, voice, held.track, subject, held.document)


def take_in(session: Session, clip: OpenClip, turns: Turns, found: Sequence[NewSpeaker]) -> Cast:
    """The cast of speakers whose faces and tracks the session now has.

    Raises:
        InputError: another recording has been opened since.
    """
    if session.clip is not clip:
        raise InputError("another recording was opened before its speakers were found")
    settings, parts = session.document.settings, list[Role]()
    for k, speaker in enumerate(found):
        base, document = base_on(clip, speaker.track), speaker.document
        if document is None:  # heads whose idle motion differs
            own = replace(settings, seed=settings.seed + k, min_confidence=speaker.track.min_confidence)
            document = replace(base.document(), settings=own)
        held = session.added(base, to_the_end(document, base.duration))
        parts.append(Role(speaker.name, k, speaker.voice, held))
        if speaker.subject is not None:
            session.subjects[k : k + 1] = [speaker.subject]
    return Cast(tuple(parts), replace(turns, duration=clip.sound.duration, speakers=tuple(p.name for p in parts)))


# --- Projects.


def project(session: Session, read: Callable[[], Project], folder: Path, path: Path | None) -> tuple[Work, Then]:
    """A project: its recording, its head, and its document; or those of each speaker.

    Args:
        read: gives the project; raises ``InputError``.
        path: of the project file, to save to again; None where it is only a copy.
    """

    def work(hook: Hook) -> tuple[Project, OpenClip, list[NewSpeaker]]:
        with one_step(hook, "reading the project"):
            held = read()
        with one_step(hook, "opening the networks"):
            animator = session.models.animator()
        clip = analyse(animator, held.audio, folder, hook, held.track)
        return held, clip, [_found(one, animator, clip, hook) for one in held.everybody]

    def then(made: tuple[Project, OpenClip, list[NewSpeaker]]) -> dict[str, Any]:
        held, clip, found = made
        session.open_clip(clip, held.track, held.document)
        if held.turns is None:
            assert found[0].subject is not None
            session.open_subject(found[0].subject)
            own, other = session.cast.part.voice.decoding, found[0].voice.decoding
            own.phones, own.unspoken = other.phones, other.unspoken
        else:
            cast = take_in(session, clip, held.turns, found)
            session.restart(replace(cast, active=cast.index(held.name)))
        session.saved_to(path)
        return {"audio": clip.path.name, "project": None if path is None else str(path)}

    return work, then


def dropped_project(session: Session, data: bytes, name: str, uploads: Path) -> Callable[[], Project]:
    """Reads a project whose place is not known: its paths may be relative to uploads, what is open, or where we are."""
    folders = [Path.cwd(), *uploads.glob("*")]
    if session.project is not None:
        folders.append(session.project.parent)
    if session.clip is not None:
        folders.append(session.clip.path.parent)
    folders += [subject.path.parent for subject in session.subjects if subject.path is not None]
    return lambda: parse_project(data, name, folders, "open that file here, then the project again")


# --- Landmarks, which the page has on the head at rest and files in coordinates of their own.


def landmark_points(subject: Subject) -> list[dict[str, Any]]:
    """The landmarks that a person can move: names, and places on the head in metres."""
    marks = subject.face.landmarks
    if marks is None or len(marks) != 68:
        return []
    places = subject.face.mesh.vertices[marks].astype(float)
    given = subject.landmarks
    if given is not None and subject.face.report is not None:
        known = np.isfinite(given).all(axis=1)
        report = subject.face.report
        in_metres = report.scale * given @ np.asarray(report.rotation).T + np.asarray(report.translation)
        places[known] = in_metres[known]
    return [{"name": name, "position": places[index].tolist()} for name, index in NAMES.items()]


def movable(subject: Subject) -> bool:
    """Whether its landmarks can be moved: a mesh file of the user's own, registered here."""
    mesh = subject.path
    return mesh is not None and mesh.suffix.lower() != ".sedface" and subject.face.report is not None


def moved_landmarks(subject: Subject, values: Mapping[str, Any]) -> Doubles:
    """(68, 3) landmarks in the file's coordinates: those of the page, the others where they are.

    Raises:
        InputError: the head is not from a mesh file, an unknown name, or no point.
    """
    if not movable(subject):
        raise InputError("landmarks are moved on a head of your own: drop its mesh file (not a .sedface)")
    places = np.full((68, 3), np.nan)
    for point in landmark_points(subject):
        places[NAMES[point["name"]]] = point["position"]
    for name, value in values.items():
        if name not in NAMES:
            raise InputError(f"there is no landmark '{name}': {one_of(name, NAMES)}")
        try:
            place = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            place = np.zeros(0)
        if place.shape != (3,) or not np.isfinite(place).all():
            raise InputError(f"the landmark {name} is not a point [x, y, z]")
        places[NAMES[name]] = place
    report = subject.face.report
    assert report is not None
    return np.asarray((places - np.asarray(report.translation)) @ np.asarray(report.rotation) / report.scale)
