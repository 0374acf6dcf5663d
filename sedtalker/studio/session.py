"""What the studio holds: a recording, a face, a base track, the documents of its history, and what is shown of them.

A session knows nothing of the server. All its methods run in one thread, one after another, so nothing is locked; long
work (``analyse``, ``Face.from_mesh``, exports) is done elsewhere and its result handed in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Floats
from sedtalker.audio import resample_frames
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.phonetics.words import Word
from sedtalker.server.models import Models
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.studio.decoding import Decoding
from sedtalker.studio.document import Base, Document, changed, painted
from sedtalker.studio.edits import History, parse_edit
from sedtalker.studio.head import head_glb, weight_rows
from sedtalker.studio.project import Project
from sedtalker.studio.sound import OpenClip


@dataclass(frozen=True, eq=False)
class Subject:
    """Whose face it is.

    Attributes:
        face: the face.
        kind: ``builtin`` or ``mesh``.
        name: of the built-in face, or of the file.
        path: the mesh file, or None.
        landmarks: points (68, 3) in the file's coordinates that a person has given, NaN elsewhere, or None.
        key: of no other subject.
    """

    face: Face
    kind: str
    name: str
    path: Path | None = None
    landmarks: NDArray[np.float64] | None = None
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @cached_property
    def glb(self) -> bytes:
        """The head for the page."""
        return head_glb(self.face)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The session at one moment, for work elsewhere.

    Attributes:
        clip: the recording.
        subject: whose face it is.
        base: the track that the document is an edit of, with its further curves.
        document: the edits.
        track: what the document renders, with the same curves.
        began: what the document is an edit of, the same object until something else is opened.
    """

    clip: OpenClip
    subject: Subject
    base: EmotionTrack
    document: Document
    track: EmotionTrack
    began: Base

    @property
    def project(self) -> Project:
        """The same for a project file."""
        subject = self.subject
        name = subject.name if subject.path is None else None
        return Project(self.clip.path, subject.path, name, self.base, self.document, subject.landmarks)


@dataclass(eq=False)
class _Shown:
    """One variant: a document, the track it renders, and its motion."""

    document: Document
    track: EmotionTrack
    decoding: Decoding


class Session:
    """See the module.

    Attributes:
        models: the networks.
        subject: the face.
        clip: the recording, or None before one is opened.
        extras: further curves (T,) of the base, such as fine-grained emotions, by name; no edit changes them.
        extras_number: another one where ``extras`` are others.
        history: the documents.
        words: the text, where given.
        revision: grows with everything that changes what the page shows.
        project: the project file, where there is one.
    """

    def __init__(self, models: Models, subject: Subject):
        self.models, self.subject = models, subject
        self.clip: OpenClip | None = None
        self._bases: list[Base] = []
        self.extras: Mapping[str, Floats] = {}
        self.extras_number = 0
        self.history: History | None = None
        self.words: tuple[Word, ...] = ()
        self.revision = 1
        self.project: Path | None = None
        self._saved: tuple[object, ...] = ()
        self._a: _Shown | None = None
        self._b: _Shown | None = None

    # --- What is opened.

    def open_clip(self, clip: OpenClip, track: EmotionTrack | None = None, document: Document | None = None) -> None:
        """Another recording; its track is the diarizer's unless one is given.

        Raises:
            InputError: the track cannot be edited; nothing has changed.
        """
        track = track or clip.track
        base = _base(clip, track)
        self.clip, self.words, self.project = clip, (), None
        document = base.document() if document is None else _to_the_end(document, base.duration)
        self._restart(base, document, track.extras)
        self.saved_to(None)

    def open_track(self, track: EmotionTrack) -> None:
        """Another track of the same recording; the settings stay.

        Raises:
            InputError: no recording is open, or the track cannot be edited.
        """
        clip, history = self.opened()
        base = _base(clip, track)
        settings = replace(history.present.settings, min_confidence=track.min_confidence)
        self._restart(base, replace(base.document(), settings=settings), track.extras)

    def open_subject(self, subject: Subject) -> None:
        """Another face."""
        self.subject = subject
        self.revision += 1

    def open_extras(self, extras: Mapping[str, Floats]) -> None:
        """Other further curves (T,) of the same base; the documents, and what is saved, stay as they are."""
        self.opened()
        self.extras, self.extras_number = dict(extras), self.extras_number + 1

    def open_learned(self, began: Base, learned: Base) -> None:
        """Go on with what a diarizer found that has learned from corrections, and with these; ``undo`` goes back.

        Raises:
            InputError: something else has been opened, or undone, since.
        """
        _, history = self.opened()
        before = history.present
        if self.base is not began:
            raise InputError("something else was opened before the corrections were learned")
        self._bases.append(learned)
        segments = painted(learned.segments, learned.corrections)
        history.go_on(replace(before, segments=segments, base=len(self._bases) - 1))
        self.moved(before)

    @property
    def base(self) -> Base | None:
        """What the present document is an edit of, without its further curves."""
        return self._bases[self.history.present.base] if self.history is not None else None

    def _restart(self, base: Base, document: Document, extras: Mapping[str, Floats]) -> None:
        assert self.clip is not None
        self._bases, self.history = [base], History(replace(document, base=0))
        self.open_extras(extras)
        decoding = Decoding(self.models.animator(), self.clip.sound, self.clip.features)
        self._a, self._b = _Shown(document, base.render(document), decoding), None
        self.revision += 1

    def saved_to(self, project: Path | None, snapshot: Snapshot | None = None) -> None:
        """What ``snapshot`` holds, or what there is now, is saved (or has just been opened)."""
        held = (snapshot.document, snapshot.began, snapshot.subject) if snapshot else self._holding()
        self._saved, self.project = held, project

    def unsaved(self) -> None:
        """What there is now is saved nowhere."""
        self._saved = ()

    @property
    def dirty(self) -> bool:
        """Whether there is something that is not saved."""
        return self.clip is not None and self._saved != self._holding()

    def _holding(self) -> tuple[object, ...]:
        assert self.base is not None
        return self.document, self.base, self.subject

    def snapshot(self) -> Snapshot:
        """The session as it is."""
        clip, history = self.opened()
        assert self.base is not None
        track, whole = (replace(each, extras=self.extras) for each in (self.track, self.base.track))
        return Snapshot(clip, self.subject, whole, history.present, track, self.base)

    def opened(self) -> tuple[OpenClip, History]:
        """The recording and its history."""
        if self.clip is None or self.history is None:
            raise InputError("no recording is open: drop an audio file first")
        return self.clip, self.history

    @property
    def document(self) -> Document:
        """The present one."""
        return self.opened()[1].present

    # --- Edits.

    def edit(self, values: dict[str, Any]) -> dict[str, Any]:
        """Apply an edit of the page.

        Returns:
            What changed, see ``moved``.
        """
        _, history = self.opened()
        assert self.base is not None
        gesture = str(values.pop("gesture", "") or "")[:200]
        before = history.present
        history.edit(self.base, parse_edit(values), gesture)
        return self.moved(before)

    def undo(self) -> dict[str, Any]:
        """One step back."""
        _, history = self.opened()
        before = history.present
        history.undo()
        return self.moved(before)

    def redo(self) -> dict[str, Any]:
        """One step forward."""
        _, history = self.opened()
        before = history.present
        history.redo()
        return self.moved(before)

    def moved(self, before: Document) -> dict[str, Any]:
        """Take the present document over from ``before``: seconds whose track changed, and whose motion did."""
        assert self._a is not None
        after = self.document
        if after != before:
            self.revision += 1
        assert self.base is not None
        touched = changed(before, after, self.base.track.bursts)
        self._a.document, self._a.track = after, self.base.render(after)
        affected = None if touched is None else self._a.decoding.affected(*touched)
        return {"changed": touched, "decoded": affected}

    def compare(self, on: bool) -> None:
        """Keep the present document beside those that follow, or let it go."""
        clip, _ = self.opened()
        assert self._a is not None
        if on:
            decoding = Decoding(self._a.decoding.animator, clip.sound, clip.features)
            decoding.emotional, decoding.neutral = self._a.decoding.emotional, self._a.decoding.neutral
            self._b = _Shown(self._a.document, self._a.track, decoding)
        else:
            self._b = None
        self.revision += 1

    @property
    def comparing(self) -> bool:
        """Whether a document is kept beside."""
        return self._b is not None

    # --- What is shown.

    @property
    def track(self) -> EmotionTrack:
        """The rendered track of the present document, without further curves."""
        self.opened()
        assert self._a is not None
        return self._a.track

    def track_rows(self, start: float, end: float) -> tuple[int, Floats]:
        """Index of the first frame, and (t, 11) posterior, intensity, valence, arousal and confidence, 50 a second."""
        clip, _ = self.opened()
        count = FRAME_CLOCK.frames(clip.sound.duration)
        first, last = _between(start, end, FRAME_CLOCK.rate, count)
        shown = self.track.at(FRAME_CLOCK.times(count)[first:last])
        columns = [shown.posterior, shown.intensity, shown.valence, shown.arousal, shown.posterior.max(axis=1)]
        return first, np.ascontiguousarray(np.column_stack(columns), dtype="<f4")

    def extra_rows(self, start: float, end: float) -> tuple[int, Floats]:
        """Index of the first frame, and (t, K) the further curves in their order, 50 frames a second."""
        clip, _ = self.opened()
        assert self.base is not None
        count = FRAME_CLOCK.frames(clip.sound.duration)
        first, last = _between(start, end, FRAME_CLOCK.rate, count)
        curves = np.zeros((len(self.base.track), 0)) if not self.extras else np.column_stack([*self.extras.values()])
        rows = resample_frames(curves, self.base.track.times, FRAME_CLOCK.times(count)[first:last])
        return first, np.ascontiguousarray(rows, dtype="<f4")

    def weight_rows(self, start: float, end: float, variant: str = "a") -> tuple[int, Floats, float]:
        """Index of the first frame, rows of ``head.weight_rows`` from ``start`` to ``end`` seconds, frames a second."""
        animation = self.animation(start, end, variant)
        first, last = _between(start, end, animation.fps, len(animation))
        return first, weight_rows(animation, first, last), animation.fps

    def animation(self, start: float = 0.0, end: float = np.inf, variant: str = "a") -> Animation:
        """What is shown, good from ``start`` to ``end`` seconds.

        Raises:
            InputError: no recording is open, or there is nothing to compare with.
        """
        self.opened()
        shown = self._b if variant == "b" else self._a
        if shown is None:
            raise InputError("there is no second variant: switch the comparison on first")
        settings, face = shown.document.settings, self.subject.face
        return shown.decoding.animation(shown.track, settings, face, start, end)

    def inexact(self) -> tuple[Callable[[], Any], Callable[[Any], None]] | None:
        """How a long recording is decoded in one pass, and how that is taken over; None where it is exact already."""
        shown = self._a
        if shown is None or shown.decoding.emotional is None or shown.decoding.is_exact(shown.document.settings):
            return None
        track, settings, decoding = shown.track, shown.document.settings, shown.decoding

        def take(made: tuple[Floats, Floats | None]) -> None:
            if self._a is shown and shown.track is track and shown.document.settings == settings:
                decoding.take_exact(track, settings, made)

        return lambda: decoding.exact_motion(track, settings), take


def _to_the_end(document: Document, duration: float) -> Document:
    """The last segment made to end with the recording, to a sample."""
    *before, last = document.segments
    return replace(document, segments=(*before, replace(last, end=duration)))


def _base(clip: OpenClip, track: EmotionTrack) -> Base:
    duration = clip.sound.duration
    return Base(replace(track, duration=duration, extras={}), duration)


def _between(start: float, end: float, rate: float, count: int) -> tuple[int, int]:
    """First and last + 1 of ``count`` frames from ``start`` to ``end`` seconds."""
    if not (start == start and end == end):  # not numbers
        return 0, count
    first = int(np.clip(np.floor(start * rate), 0, count))
    last = count if end * rate >= count else int(np.clip(np.ceil(end * rate) + 1, first, count))
    return first, last
