"""What the studio holds: a recording, faces, base tracks, the documents of its history, and what is shown of them.

Most recordings have a cast of one; in others, everything here is about the speaker who is worked on.

A session knows nothing of the server. All its methods run in one thread, one after another, so nothing is locked; long
work (``analyse``, ``Face.from_mesh``, exports) is done elsewhere and its result handed in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Models
from sedtalker.arrays import Doubles, Floats
from sedtalker.audio import resample_frames
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.phonetics.words import Word
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.studio.cast import Cast, Role, SpeakerVoice
from sedtalker.studio.decoding import Decoding
from sedtalker.studio.document import Base, Document, changed, painted, to_the_end
from sedtalker.studio.edits import History, parse_edit
from sedtalker.studio.head import head_glb, weight_rows
from sedtalker.studio.project import Project
from sedtalker.studio.sound import OpenClip


@dataclass(frozen=True, eq=False)
class Subject:
    """Whose face it is.

    Attributes:
        name: of the built-in face, or of the file.
        path: the mesh file, or None: it is a built-in one.
        landmarks: points (68, 3) in the file's coordinates that a person has given, NaN elsewhere, or None.
        key: of no other subject.
    """

    face: Face
    name: str
    path: Path | None = None
    landmarks: Doubles | None = None
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @cached_property
    def glb(self) -> bytes:
        """The head for the page."""
        return head_glb(self.face)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The session at one moment, for work elsewhere.

    Attributes:
        project: what is saved of it; its base has its further curves.
        track: what the document renders, with the same curves.
        face: whose face it is.
        others: the same of the other speakers.
        held: what is saved with it, to compare.
    """

    project: Project
    track: EmotionTrack
    voice: SpeakerVoice
    clip: OpenClip
    face: Face
    others: tuple[Snapshot, ...] = ()
    held: tuple[object, ...] = ()


@dataclass(eq=False)
class _Shown:
    """One variant: a document, the track it renders, and its motion."""

    document: Document
    track: EmotionTrack
    decoding: Decoding


class Session:
    """See the module.

    Attributes:
        clip: the recording, or None before one is opened.
        subjects: the faces, by the seats of the cast.
        extras_number: another one where ``extras`` are others.
        history: the casts, each with its documents.
        revision: grows with everything that changes what the page shows.
        project: the project file, where there is one.
    """

    def __init__(self, models: Models, subject: Subject):
        self.models, self.subjects = models, [subject]
        self.clip: OpenClip | None = None
        self._bases: list[Base] = []
        self.extras_number = 0
        self.history: History[Cast] | None = None
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
        base = base_on(clip, track)
        self.clip, self.project = clip, None
        self._bases, subject = [base], self.subject
        document = base.document() if document is None else to_the_end(document, base.duration)
        voice = SpeakerVoice(Decoding(self.models.animator(), clip.sound, clip.features), extras=dict(track.extras))
        self.restart(Cast((Role("", 0, voice, replace(document, base=0)),)))
        self.subjects = [subject]
        self.saved_to(None)

    def open_track(self, track: EmotionTrack) -> dict[str, Any]:
        """Another track of the same recording, or speaker, which ``undo`` takes back; the settings stay. See ``moved``.

        Raises:
            InputError: no recording is open, or the track cannot be edited.
        """
        clip, history = self.opened()
        before = self.base_of(history.present.document).track
        track = track if track.words else replace(track, words=before.words, language=before.language)
        cast, base = history.present, base_on(clip, track)
        settings = replace(cast.document.settings, min_confidence=track.min_confidence)
        document = self.added(base, replace(base.document(), settings=settings))
        voice = SpeakerVoice(cast.part.voice.decoding, cast.part.voice.channel, dict(track.extras))
        return self.go_on(cast.with_document(document, voice))

    def open_subject(self, subject: Subject, seat: int | None = None) -> None:
        """Another face; ``seat`` is that of the speaker who gets it, by default of the one who is worked on."""
        self.subjects[self.seat if seat is None or seat >= len(self.subjects) else seat] = subject
        self.revision += 1

    def open_extras(self, extras: Mapping[str, Floats]) -> None:
        """Other further curves (T,) of the same base; the documents, and what is saved, stay as they are."""
        self.opened()[1].present.part.voice.extras = dict(extras)
        self.extras_number += 1

    def open_learned(self, began: Base, learned: Base) -> None:
        """Go on with what a diarizer found that has learned from corrections, and with these; ``undo`` goes back.

        Raises:
            InputError: something else has been opened, or undone, since.
        """
        _, history = self.opened()
        cast = history.present
        if self.base is not began:
            raise InputError("something else was opened before the corrections were learned")
        segments = painted(learned.segments, learned.corrections)
        self.go_on(cast.with_document(self.added(learned, replace(cast.document, segments=segments))))

    def added(self, base: Base, document: Document) -> Document:
        """A document as an edit of another base, which is kept."""
        self._bases.append(base)
        return replace(document, base=len(self._bases) - 1)

    @property
    def cast(self) -> Cast:
        """Who speaks, with a document each."""
        return self.opened()[1].present

    @property
    def seat(self) -> int:
        """Which of the faces is shown."""
        return self.history.present.part.seat if self.history is not None else 0

    @property
    def subject(self) -> Subject:
        """The face of the speaker who is worked on."""
        return self.subjects[self.seat]

    @property
    def words(self) -> list[Word]:
        """What is said, where that is known."""
        return [] if self.base is None else [Word(*word) for word in self.base.track.words]

    @property
    def extras(self) -> Mapping[str, Floats]:
        """Further curves (T,) of the base, such as fine-grained emotions, by name; no edit changes them."""
        return self.history.present.part.voice.extras if self.history is not None else {}

    @property
    def base(self) -> Base | None:
        """What the present document is an edit of, without its further curves."""
        return self.base_of(self.history.present.document) if self.history is not None else None

    def base_of(self, document: Document) -> Base:
        """What a document is an edit of."""
        return self._bases[document.base]

    def subject_of(self, part: Role) -> Subject:
        return self.subjects[part.seat]

    def restart(self, cast: Cast) -> None:
        """A history that begins with a cast, whose documents are edits of bases that are kept (``added``)."""
        self.history = History(cast)
        self.extras_number += 1
        self._show(cast)
        self._b = None
        self.revision += 1

    def _show(self, cast: Cast) -> None:
        self._a = _Shown(cast.document, self.base_of(cast.document).render(cast.document), cast.part.voice.decoding)

    def saved_to(self, project: Path | None, snapshot: Snapshot | None = None) -> None:
        """What ``snapshot`` holds, or what there is now, is saved (or has just been opened)."""
        self._saved, self.project = snapshot.held if snapshot else self.holding(), project

    def unsaved(self) -> None:
        """What there is now is saved nowhere."""
        self._saved = ()

    @property
    def dirty(self) -> bool:
        """Whether there is something that is not saved."""
        return self.clip is not None and self._saved != self.holding()

    def holding(self) -> tuple[object, ...]:
        """What a project keeps, to compare."""
        return (*self.cast.held, *(self.subject_of(part) for part in self.cast.parts))

    def snapshot(self) -> Snapshot:
        cast = self.cast
        others = tuple(self._snapshot_of(part) for part in cast.parts if part is not cast.part)
        own = self._snapshot_of(cast.part)
        project = replace(own.project, others=tuple(other.project for other in others))
        return replace(own, project=project, others=others, held=self.holding())

    def _snapshot_of(self, part: Role) -> Snapshot:
        clip, history = self.opened()
        base, voice, subject = self.base_of(part.document), part.voice, self.subject_of(part)
        tracks = base.track, base.render(part.document)
        if voice.extras:  # else the base is the same object, whose text is kept
            tracks = replace(tracks[0], extras=voice.extras), replace(tracks[1], extras=voice.extras)
        project = Project(
            clip.path,
            subject.path,
            subject.name if subject.path is None else None,
            tracks[0],
            part.document,
            subject.landmarks,
            part.name,
            voice.channel,
            history.present.turns,
        )
        return Snapshot(project, tracks[1], voice, clip, subject.face)

    def opened(self) -> tuple[OpenClip, History[Cast]]:
        if self.clip is None or self.history is None:
            raise InputError("no recording is open: drop an audio file first")
        return self.clip, self.history

    @property
    def document(self) -> Document:
        return self.cast.document

    # --- Edits.

    def edit(self, values: dict[str, Any]) -> dict[str, Any]:
        """Apply an edit of the page.

        Returns:
            What changed, see ``moved``.
        """
        gesture = str(values.pop("gesture", "") or "")[:200]
        edit = parse_edit(values)

        def edited(cast: Cast) -> Cast:
            return cast.with_document(edit.apply(self.base_of(cast.document), cast.document))

        return self.moved(lambda history: history.change(edited, gesture))

    def go_on(self, cast: Cast) -> dict[str, Any]:
        """Another cast, which ``undo`` takes back."""
        return self.moved(lambda history: history.go_on(cast))

    def activate(self, name: str) -> dict[str, Any]:
        """Work on another speaker; no step of the history."""

        def chosen(history: History[Cast]) -> None:
            history.present, history.gesture = replace(history.present, active=history.present.index(name)), ""

        return self.moved(chosen)

    def undo(self) -> dict[str, Any]:
        """One step back, and to the speaker that it is about."""
        return self._step(History.undo)

    def redo(self) -> dict[str, Any]:
        """One step forward, and to the speaker that it is about."""
        return self._step(History.redo)

    def _step(self, step: Callable[[History[Cast]], None]) -> dict[str, Any]:
        before = self.cast

        def focused(history: History[Cast]) -> None:
            step(history)
            history.present = history.present.focused(before)

        return self.moved(focused)

    def moved(self, change: Callable[[History[Cast]], None]) -> dict[str, Any]:
        """Change the history, and show where it then is: seconds whose track changed, and whose motion did."""
        _, history = self.opened()
        before = history.present
        change(history)
        after = history.present
        if after != before:
            self.revision += 1
        self._show(after)
        assert self._a is not None
        if after.part.voice is not before.part.voice:
            self._b = None
            self.extras_number += 1
            touched: tuple[float, float] | None = (0.0, after.document.duration)
        else:
            touched = changed(before.document, after.document, self.base_of(after.document).track.bursts)
        affected = None if touched is None else self._a.decoding.affected(*touched)
        return {"changed": touched, "decoded": affected}

    def compare(self, on: bool) -> None:
        """Keep the present document beside those that follow, or let it go."""
        self.opened()
        assert self._a is not None
        self._b = replace(self._a, decoding=copy(self._a.decoding)) if on else None
        self.revision += 1

    @property
    def comparing(self) -> bool:
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
        columns = [shown.posterior, shown.intensity, shown.valence, shown.arousal, shown.confidence]
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


def base_on(clip: OpenClip, track: EmotionTrack) -> Base:
    """A track as the base of documents of a recording, without its further curves.

    Raises:
        InputError: the track cannot be edited.
    """
    duration = clip.sound.duration
    return Base(replace(track, duration=duration, extras={}), duration)


def _between(start: float, end: float, rate: float, count: int) -> tuple[int, int]:
    """First and last + 1 of ``count`` frames from ``start`` to ``end`` seconds."""
    if not (start == start and end == end):  # not numbers
        return 0, count
    first = int(np.clip(np.floor(start * rate), 0, count))
    last = count if end * rate >= count else int(np.clip(np.ceil(end * rate) + 1, first, count))
    return first, last
