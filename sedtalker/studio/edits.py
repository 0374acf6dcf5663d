"""The edits of a document, as the page sends them: each is a small model with a pure function, and undo is a history.

A stretch of time that gets another label also gets an intensity that fits: one that becomes neutral falls to 0; one
that leaves neutral, or whose emotion a person names, rises to ``USUAL`` where it was weak and nothing is drawn. Going
back to a strong emotion of the base, or to its neutral, brings the base's own intensity back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, Field

from sedtalker.animation.performance import UNCHANGED
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, one_of
from sedtalker.reading import checked
from sedtalker.studio.document import (
    SHORTEST,
    Base,
    Document,
    IntensitySpan,
    Points,
    Span,
    check_points,
    checked_settings,
    fitted,
    meet,
)

NEUTRAL = CATEGORIES[0]
"""The category without emotion."""
USUAL = 0.6
"""Intensity of a stretch that leaves neutral."""
WEAK = 0.45
"""Mean intensity below which it is raised."""
EASE = 0.15
"""Seconds at both ends over which it rises and falls."""


class _Edit(BaseModel, extra="forbid", allow_inf_nan=False, frozen=True):
    def apply(self, base: Base, document: Document) -> Document:
        """The document after the edit."""
        raise NotImplementedError


class Split(_Edit):
    """One segment becomes two; nothing sounds or looks different yet."""

    op: Literal["split"]
    t: float

    def apply(self, base: Base, document: Document) -> Document:
        for index, segment in enumerate(document.segments):
            if segment.start + SHORTEST <= self.t <= segment.end - SHORTEST:
                return _with(document, index, 1, replace(segment, end=self.t), replace(segment, start=self.t))
        raise InputError(f"a segment cannot be split at {self.t:.2f} s: too near its edge, or outside the recording")


class Merge(_Edit):
    """A segment and the next become one, with the label of the longer."""

    op: Literal["merge"]
    index: int

    def apply(self, base: Base, document: Document) -> Document:
        first, second = _segment(document, self.index), _segment(document, self.index + 1)
        longer, shorter = (first, second) if first.end - first.start >= second.end - second.start else (second, first)
        merged = _with(document, self.index, 2, Span(first.start, second.end, longer.label))
        return _settled(base, document, merged, shorter.start, shorter.end)


class MoveEdge(_Edit):
    """The edge between a segment and the next moves, as far as both have room."""

    op: Literal["move_edge"]
    index: int
    t: float

    def apply(self, base: Base, document: Document) -> Document:
        first, second = _segment(document, self.index), _segment(document, self.index + 1)
        edge = float(np.clip(self.t, first.start + SHORTEST, second.end - SHORTEST))
        if second.end - first.start < 2 * SHORTEST:
            return document
        moved = _with(document, self.index, 2, replace(first, end=edge), replace(second, start=edge))
        return _settled(base, document, moved, min(edge, first.end), max(edge, first.end))


class MoveSegment(_Edit):
    """A segment moves between its neighbours, which give and take; those at the ends of the clip stay."""

    op: Literal["move_segment"]
    index: int
    delta: float

    def apply(self, base: Base, document: Document) -> Document:
        moved = _segment(document, self.index)
        if not 0 < self.index < len(document.segments) - 1:
            return document
        before, after = document.segments[self.index - 1], document.segments[self.index + 1]
        least, most = before.start + SHORTEST - moved.start, after.end - SHORTEST - moved.end
        delta = float(np.clip(self.delta, min(least, 0.0), max(most, 0.0)))
        start, end = moved.start + delta, moved.end + delta
        made = _with(
            document,
            self.index - 1,
            3,
            replace(before, end=start),
            Span(start, end, moved.label),
            replace(after, start=end),
        )
        for a, b in ((moved.start, start), (moved.end, end)):
            made = _settled(base, document, made, min(a, b), max(a, b))
        return made


class Relabel(_Edit):
    """A segment gets another category."""

    op: Literal["relabel"]
    index: int
    label: str

    def apply(self, base: Base, document: Document) -> Document:
        segment = _segment(document, self.index)
        if self.label not in CATEGORIES:
            raise InputError(f"unknown emotion '{self.label}': {one_of(self.label, CATEGORIES)}")
        made = _with(document, self.index, 1, replace(segment, label=self.label))
        return _settled(base, document, made, segment.start, segment.end, named=True)


class SetIntensity(_Edit):
    """Intensity is drawn over a stretch of time."""

    op: Literal["set_intensity"]
    points: Points

    def apply(self, base: Base, document: Document) -> Document:
        check_points(self.points)
        if self.points[-1][0] > document.duration + SHORTEST:
            raise InputError("intensity is drawn beyond the end of the recording")
        return document.with_intensity(IntensitySpan(self.points))


class RemoveBurst(_Edit):
    """A vocal burst of the base is taken for none: a laugh that was no laugh."""

    op: Literal["remove_burst"]
    index: int

    def apply(self, base: Base, document: Document) -> Document:
        if self.index not in [k for k, _ in base.bursts(document)]:
            raise InputError(f"there is no vocal burst {self.index} to remove")
        return replace(document, removed_bursts=tuple(sorted({*document.removed_bursts, self.index})))


class Reset(_Edit):
    """A segment's stretch of time, or everything but the settings, becomes as it was before any edit."""

    op: Literal["reset"]
    index: int | None = None

    def apply(self, base: Base, document: Document) -> Document:
        if self.index is None:
            return replace(document, segments=base.segments, intensity=(), removed_bursts=())
        gone = _segment(document, self.index)
        own = fitted(base.segments, gone.start, gone.end, [gone])
        made = _with(document, self.index, 1, *own).without_intensity(gone.start, gone.end)
        back = {k for k, burst in enumerate(base.track.bursts) if meet(burst, gone)}  # in part is enough
        return replace(made, removed_bursts=tuple(k for k in made.removed_bursts if k not in back))


class ChangeSettings(_Edit):
    """Some settings get other values; of numbers by name those given change, and an empty table removes all."""

    op: Literal["settings"]
    settings: dict[str, Any]

    def apply(self, base: Base, document: Document) -> Document:
        held = asdict(document.settings)
        given = dict(self.settings)
        for name in UNCHANGED.keys() & given.keys():
            if isinstance(given[name], dict) and given[name]:
                given[name] = {**held[name], **given[name]}
        return replace(document, settings=checked_settings({**held, **given}))


Edit = Annotated[
    Split | Merge | MoveEdge | MoveSegment | Relabel | SetIntensity | RemoveBurst | Reset | ChangeSettings,
    Field(discriminator="op"),
]
"""Any of them, distinguished by ``op``."""


def parse_edit(values: Mapping[str, Any]) -> _Edit:
    """The edit that the page sends; the values of ``settings`` stand beside its ``op``."""
    if values.get("op") == "settings" and "settings" not in values:
        values = {"op": "settings", "settings": {k: v for k, v in values.items() if k != "op"}}
    edit: _Edit = checked(Edit, dict(values))
    return edit


def _segment(document: Document, index: int) -> Span:
    if not 0 <= index < len(document.segments):
        raise InputError(f"there is no segment {index}: there are {len(document.segments)}")
    return document.segments[index]


def _with(document: Document, index: int, count: int, *segments: Span) -> Document:
    """The document with ``count`` segments from ``index`` on replaced."""
    return replace(document, segments=(*document.segments[:index], *segments, *document.segments[index + count :]))


def _settled(base: Base, old: Document, new: Document, start: float, end: float, *, named: bool = False) -> Document:
    """``new`` with the intensity that fits its label from ``start`` to ``end``, where ``old`` had another.

    ``named``: a person has named the emotion there, which takes away the doubt that had made it weak.
    """
    inside = (base.track.times >= start) & (base.track.times < end)
    if not inside.any():
        return new
    middle = np.array([(start + end) / 2])
    before, after = (CATEGORIES[int(document.labels_at(middle)[0])] for document in (old, new))
    if not named and (before == after or NEUTRAL not in (before, after)):
        return new
    if after == NEUTRAL:
        if (base.labels[inside] == 0).all():
            return new.without_intensity(start, end)
        return new.with_intensity(IntensitySpan(((start, 0.0), (end, 0.0))))
    shown = base.intensity(new)
    drawn = any(span.start < end and span.end > start for span in new.intensity)
    if shown[inside].mean() >= WEAK or (drawn and before != NEUTRAL):
        return new
    if base.track.intensity[inside].mean() >= WEAK:
        return new.without_intensity(start, end)
    whole = next(segment for segment in new.segments if segment.start <= middle[0] < segment.end)
    # where the segment goes on, what eased there eases no longer
    begin, finish = max(whole.start, start - EASE), min(whole.end, end + EASE)
    first, last = (float(np.interp(t, base.track.times, shown)) for t in (begin, finish))
    ease = min(EASE, (end - start) / 3)
    points = ((begin, first), (start + ease, USUAL), (end - ease, USUAL), (finish, last))
    return new.with_intensity(IntensitySpan(points))


T = TypeVar("T")
"""What a history has steps of: documents, or the speakers of a session with a document each."""


@dataclass
class History(Generic[T]):
    """Documents, one after another, without limit.

    Edits that carry the same ``gesture`` one after another are one step: each begins from the document before the
    first of them, so that a drag of a hundred messages is undone at once.
    """

    present: T
    past: list[T] = field(default_factory=list)
    future: list[T] = field(default_factory=list)
    gesture: str = ""

    def change(self, edited: Callable[[T], T], gesture: str = "") -> None:
        """Go on to what a function makes of the present, or of what was before the same gesture.

        Raises:
            InputError: from the function, which cannot do it; nothing has changed.
        """
        again = bool(gesture) and gesture == self.gesture and bool(self.past)
        before = self.past[-1] if again else self.present
        after = edited(before)
        if after == before and not again:
            return
        if again:
            self.past.pop()
        if after != before:
            self.past.append(before)
        self.gesture = gesture if after != before else ""
        self.present, self.future = after, []

    def go_on(self, after: T) -> None:
        """Go on to a document that no edit made, where it is another one."""
        if after != self.present:
            self.past.append(self.present)
            self.present, self.future, self.gesture = after, [], ""

    def undo(self) -> None:
        """Back to the document before, where there is one."""
        if self.past:
            self.future.append(self.present)
            self.present, self.gesture = self.past.pop(), ""

    def redo(self) -> None:
        """Forward again, where an edit was undone."""
        if self.future:
            self.past.append(self.present)
            self.present, self.gesture = self.future.pop(), ""
