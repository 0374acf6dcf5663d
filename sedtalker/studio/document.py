"""What a person edits in the studio: segments, intensity, vocal bursts and settings, and the track that follows.

The dense track is never edited. It is rendered from what somebody else found (``Base``) and from a ``Document``, a few
numbers that say what is different; so an edit is small, undo is a list of documents, and an unedited document renders
the track it began with, bit for bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from sedtalker.animation.performance import UNCHANGED, Light, Motion, Performance
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, Burst, EmotionTrack
from sedtalker.errors import InputError, one_of
from sedtalker.reading import checked
from sedtalker.render.light import light_names

SHORTEST = 0.02
"""Seconds of a segment: a frame of the track."""
AROUND_BURST = 0.7
"""Seconds on either side of a vocal burst in which the face can show it: the breath before a sigh takes .6 s."""


@dataclass(frozen=True)
class Span:
    """A segment: seconds and a category."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    start: Annotated[float, Field(allow_inf_nan=False)]
    end: Annotated[float, Field(allow_inf_nan=False)]
    label: str


Point = tuple[
    Annotated[float, Field(ge=0.0, allow_inf_nan=False)], Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
]
"""Seconds and intensity."""
Points = Annotated[tuple[Point, ...], Field(min_length=2, max_length=20_000)]
"""Points of intensity that one edit may hold."""


@dataclass(frozen=True)
class IntensitySpan:
    """Intensity over a stretch of time, linear between points; at least two, at increasing times."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    points: Points

    @property
    def start(self) -> float:
        return self.points[0][0]

    @property
    def end(self) -> float:
        return self.points[-1][0]

    def at(self, times: Reals | float) -> Doubles:
        """Intensity at some times inside."""
        seconds, values = zip(*self.points, strict=True)
        return np.asarray(np.interp(times, seconds, values))

    def part(self, start: float, end: float) -> IntensitySpan | None:
        """The stretch from ``start`` to ``end`` of it; None where that is nothing."""
        start, end = max(start, self.start), min(end, self.end)
        if end - start < 1e-6:
            return None
        inner = [point for point in self.points if start + 1e-9 < point[0] < end - 1e-9]
        return IntensitySpan(((start, float(self.at(start))), *inner, (end, float(self.at(end)))))


@dataclass(frozen=True)
class ClipSettings(Motion):
    """What holds for the whole clip: how the face moves, and the light of the video and of the stage."""

    light: Light = Performance.light


def checked_settings(values: Mapping[str, Any]) -> ClipSettings:
    """Settings from plain data.

    Raises:
        InputError: an unknown name, a value out of range, or a style or light that is a file: settings come from the
            page or from a project, and neither may have files opened.
    """
    settings: ClipSettings = checked(ClipSettings, with_one_gain(values))
    if settings.style.endswith(".json") or settings.light.endswith(".json"):
        raise InputError("a style or light from a file cannot be used here: give a name, or values of the style")
    if settings.light not in light_names():
        raise InputError(f"there is no light '{settings.light}': {one_of(settings.light, light_names())}")
    settings.check_names()
    kept = dict[str, Any]()
    for option, unchanged in UNCHANGED.items():
        kept[option] = {name: value for name, value in sorted(getattr(settings, option).items()) if value != unchanged}
    return replace(settings, **kept)


def with_one_gain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a project of an older version, which held the factors of ``gain`` as ``regions`` and ``shapes``."""
    older = {name: values[name] for name in ("regions", "shapes") if isinstance(values.get(name), Mapping)}
    kept = {name: value for name, value in values.items() if name not in older}
    merged = {name: value for factors in older.values() for name, value in factors.items()}
    return {**kept, "gain": {**kept.get("gain", {}), **merged}} if older else kept


@dataclass(frozen=True)
class Document:
    """What a person has decided.

    Attributes:
        segments: one after another over the whole clip, none shorter than ``SHORTEST``.
        intensity: stretches whose intensity is drawn, in order of time, apart from each other.
        settings: of the whole clip.
        removed_bursts: which of the base's vocal bursts are none, by their index, in order.
        base: which of the session's bases it is an edit of; a project has only one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    segments: tuple[Span, ...]
    intensity: tuple[IntensitySpan, ...] = ()
    settings: ClipSettings = field(default_factory=ClipSettings)
    removed_bursts: tuple[Annotated[int, Field(ge=0)], ...] = ()
    base: int = 0

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.segments[-1].end

    def labels_at(self, times: Reals) -> NDArray[np.int64]:
        """(T,) index in ``CATEGORIES`` of the segment at each time."""
        starts = [segment.start for segment in self.segments[1:]]
        labels = np.array([CATEGORIES.index(segment.label) for segment in self.segments])
        return np.asarray(labels[np.searchsorted(starts, times, side="right")])

    def without_intensity(self, start: float, end: float) -> Document:
        """The same document with nothing drawn from ``start`` to ``end``."""
        whole = [span for span in self.intensity if span.end <= start or span.start >= end]
        cut = [span for span in self.intensity if span not in whole]
        kept = [part for span in cut for part in (span.part(-1.0, start), span.part(end, np.inf)) if part]
        return replace(self, intensity=tuple(sorted([*whole, *kept], key=lambda span: span.start)))

    def with_intensity(self, span: IntensitySpan) -> Document:
        """The same document with a stretch drawn; older ones give way."""
        rest = self.without_intensity(span.start, span.end)
        return replace(rest, intensity=tuple(sorted([*rest.intensity, span], key=lambda span: span.start)))


class Base:
    """A track that somebody else made (the diarizer, or a file) and its segments: what documents are edits of.

    Args:
        track: with the categories of ``CATEGORIES``.
        duration: seconds of the recording.
        corrections: segments labelled by hand that the diarizer had learned before it made the track.

    Raises:
        InputError: the track has other categories, or no frames.
    """

    def __init__(self, track: EmotionTrack, duration: float, corrections: Sequence[Span] = ()):
        if track.labels != CATEGORIES:
            raise InputError(f"the track has other categories than {', '.join(CATEGORIES)}: it cannot be edited here")
        if not len(track):
            raise InputError("the track has no frames")
        self.track, self.duration, self.corrections = track, duration, tuple(corrections)
        found = [Span(s.start, s.end, s.label) for s in track.confident(0.0).segments() if s.start < duration]
        one = found[:1] or [Span(0.0, duration, CATEGORIES[0])]
        self.segments = tuple(fitted(found, 0.0, duration, one))
        self.labels = self.document().labels_at(track.times)

    def document(self) -> Document:
        """The document without an edit."""
        return Document(self.segments, (), ClipSettings(min_confidence=self.track.min_confidence))

    def by_hand(self, document: Document) -> tuple[Span, ...]:
        """Segments of a document that mostly have another label than here, and those corrections that still hold."""
        times = self.track.times
        other = document.labels_at(times) != self.labels
        inside = [(span, other[(times >= span.start) & (times < span.end)]) for span in document.segments]
        named = [span for span, differs in inside if len(differs) and differs.mean() > 0.5]
        middles = document.labels_at(np.array([(span.start + span.end) / 2 for span in self.corrections]))
        still = [span for span, label in zip(self.corrections, middles, strict=True) if CATEGORIES[label] == span.label]
        held = [span for span in still if not any(meet(span, new) for new in named)]
        return tuple(sorted([*named, *held], key=lambda s: s.start))

    def render(self, document: Document) -> EmotionTrack:
        """The track of a document, on the times of the base.

        Where a segment's label is the base's, the base's posterior stays; elsewhere the label is certain. Intensity is
        the base's where nothing is drawn. Valence and arousal follow where either has changed. Vocal bursts that were
        removed are gone.
        """
        track = self.track
        intensity = self.intensity(document)
        labels = document.labels_at(track.times)
        relabelled = labels != self.labels
        touched = relabelled | (intensity != track.intensity)
        if touched.any():
            posterior = track.posterior.copy()
            posterior[relabelled] = np.eye(len(CATEGORIES), dtype=np.float32)[labels[relabelled]]
            valence, arousal = valence_arousal(posterior, intensity)
            predicted = track.predicted
            if predicted is not None:  # a label given by hand is certain
                known = np.where(relabelled[:, None], posterior, predicted.posterior)
                predicted = predicted._replace(posterior=known.astype(np.float32))
            track = replace(
                track,
                predicted=predicted,
                posterior=posterior,
                intensity=intensity,
                valence=np.where(touched, valence, track.valence),
                arousal=np.where(touched, arousal, track.arousal),
            )
        if document.removed_bursts:
            track = replace(track, bursts=tuple(burst for _, burst in self.bursts(document)))
        confident = document.settings.min_confidence
        return track if track.min_confidence == confident else track.confident(confident)

    def bursts(self, document: Document) -> list[tuple[int, Burst]]:
        """The vocal bursts of a document, with their index among those of the base."""
        return [(k, burst) for k, burst in enumerate(self.track.bursts) if k not in document.removed_bursts]

    def intensity(self, document: Document) -> Floats:
        """(T,) the intensity of a document on the times of the base."""
        if not document.intensity:
            return self.track.intensity
        times, values = self.track.times, self.track.intensity.copy()
        for span in document.intensity:
            inside = (times >= span.start) & (times <= span.end)
            values[inside] = span.at(times[inside])
        return values


def meet(a: Span | Burst, b: Span | Burst) -> bool:
    """Whether two have some time in common."""
    return a.start < b.end and b.start < a.end


def painted(segments: Sequence[Span], over: Sequence[Span]) -> tuple[Span, ...]:
    """Segments of a whole recording with others in their place; pieces shorter than ``SHORTEST`` go with them."""
    made: list[Span] = list(over)
    for segment in segments:
        start = segment.start
        for other in [*(o for o in over if meet(o, segment)), None]:
            end = segment.end if other is None else min(other.start, segment.end)
            if end - start >= SHORTEST:
                made.append(Span(start, end, segment.label))
            start = segment.end if other is None else max(start, other.end)
    made.sort(key=lambda span: span.start)
    edges = [segments[0].start, *(span.start for span in made[1:]), segments[-1].end]
    return tuple(Span(a, b, span.label) for a, b, span in zip(edges, edges[1:], made, strict=False))


def fitted(segments: Sequence[Span], start: float, end: float, otherwise: Sequence[Span]) -> list[Span]:
    """Segments made to cover [start, end], none too short; where all are, others."""
    kept = [s for s in segments if min(s.end, end) - max(s.start, start) >= SHORTEST] or otherwise
    edges = [start, *(s.start for s in kept[1:]), end]
    return [Span(a, b, s.label) for a, b, s in zip(edges, edges[1:], kept, strict=False)]


def to_the_end(document: Document, duration: float) -> Document:
    """The last segment made to end with the recording, to a sample."""
    *before, last = document.segments
    return replace(document, segments=(*before, replace(last, end=duration)))


def changed(old: Document, new: Document, bursts: Sequence[Burst] = ()) -> tuple[float, float] | None:
    """From where to where two documents can differ in their tracks, or in what a face shows of their vocal bursts.

    Args:
        bursts: of their base.

    Returns:
        Seconds; None: nowhere. Other settings: the whole clip.
    """
    if old.settings != new.settings or old.base != new.base:
        return 0.0, new.duration
    touched = [
        (max(a.start, b.start), min(a.end, b.end))
        for a in old.segments
        for b in new.segments
        if a.label != b.label and b.start < a.end and b.end > a.start
    ]
    touched += [(span.start, span.end) for span in {*old.intensity} ^ {*new.intensity}]
    moved = [bursts[k] for k in {*old.removed_bursts} ^ {*new.removed_bursts} if k < len(bursts)]
    touched += [(max(0.0, b.start - AROUND_BURST), min(new.duration, b.end + AROUND_BURST)) for b in moved]
    return (min(a for a, _ in touched), max(b for _, b in touched)) if touched else None


def as_plain(document: Document) -> dict[str, Any]:
    """A document as plain data, for JSON; without a removed burst as versions that know none read it, too."""
    removed = {"removed_bursts": list(document.removed_bursts)} if document.removed_bursts else {}
    return {
        **removed,
        "segments": [asdict(segment) for segment in document.segments],
        "intensity": [{"points": [list(point) for point in span.points]} for span in document.intensity],
        "settings": asdict(document.settings),
    }


def from_plain(values: Any, duration: float) -> Document:
    """The document that ``as_plain`` took apart.

    Raises:
        InputError: it is none, or does not cover ``duration`` seconds.
    """
    if isinstance(values, Mapping) and isinstance(values.get("settings"), Mapping):
        values = {**values, "settings": with_one_gain(values["settings"])}
    document: Document = checked(Document, values)
    document = replace(document, settings=checked_settings(asdict(document.settings)), base=0)
    segments = document.segments
    if not segments or segments[0].start != 0.0 or abs(segments[-1].end - duration) > SHORTEST:
        raise InputError(f"the segments do not cover the {duration:.2f} s of the recording")
    if any(a.end != b.start for a, b in itertools.pairwise(segments)):
        raise InputError("the segments do not follow on each other")
    if any(s.label not in CATEGORIES or not s.end > s.start for s in segments):
        raise InputError("a segment is empty, or its label is not one of " + ", ".join(CATEGORIES))
    for span in document.intensity:
        check_points(span.points)
    if any(a.end > b.start for a, b in zip(document.intensity, document.intensity[1:], strict=False)):
        raise InputError("drawn stretches of intensity overlap")
    return document


def check_points(points: Sequence[Point]) -> None:
    """Raise ``InputError`` where the times of points do not increase."""
    if any(a[0] >= b[0] for a, b in itertools.pairwise(points)):
        raise InputError("the points of a drawn intensity must be at increasing times")
