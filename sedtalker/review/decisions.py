"""Decisions: kept in a file beside the track, with who and when; and the track that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.reading import parse_json, read_text

SUFFIX = ".decisions.jsonl"
"""After the name of the recording."""
SAME = 0.05
"""Seconds by which a segment may differ and still be the one that was decided."""
USUAL, WEAK = 0.6, 0.45
"""Intensity of a segment that is given an emotion, where it was weaker than the second; as in the studio."""

Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""A time."""


@dataclass(frozen=True)
class Decision:
    """A line of the file.

    Attributes:
        time: when it was decided, ISO 8601.
        who: ``person:NAME``, ``rules:HASH`` or ``llm:MODEL``.
        start: of the segment, seconds.
        end: of the segment, seconds.
        was: the diarizer's label.
        label: the one that was decided; None: left as it is, undecided.
        reason: why.
        candidates: what could be answered, with the diarizer's probabilities.
        doubt: margin, entropy, and distance where it is known.
        description: the numbers that it was decided by; empty where there was no sound.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    time: str
    who: str
    start: Seconds
    end: Seconds
    was: str
    label: str | None
    reason: str = ""
    candidates: tuple[tuple[str, float], ...] = ()
    doubt: dict[str, float | None] | None = None
    description: dict[str, float] | None = None

    @property
    def by_person(self) -> bool:
        """Whether a person decided."""
        return self.who.startswith("person:")

    def about(self, start: float, end: float) -> bool:
        """Whether it is about this segment."""
        return abs(self.start - start) <= SAME and abs(self.end - end) <= SAME


def decisions_file(track: Path) -> Path:
    """Where the decisions on a track are kept."""
    name = track.name
    for suffix in (".emotion.json", ".keys.json"):
        if name.lower().endswith(suffix):
            return track.with_name(name[: -len(suffix)] + SUFFIX)
    return track.with_name(track.stem + SUFFIX)


def append_decision(path: Path, decision: Decision) -> None:
    """Add a line; what is there stays.

    Raises:
        InputError: it cannot be written there.
    """
    line = json.dumps(asdict(decision), ensure_ascii=False) + "\n"
    try:
        with path.open("ab") as stream:
            stream.write(line.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def read_decisions(path: Path) -> list[Decision]:
    """All lines, in order; none where there is no file. A last line that was cut off is passed over.

    Raises:
        InputError: another line is no decision.
    """
    if not path.exists():
        return []
    lines = read_text(path, "decisions").split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            decision: Decision = TypeAdapter(Decision).validate_python(parse_json(line, "a decision"))
        except (InputError, ValidationError):
            if number == len(lines):
                break
            raise InputError(f"{path}: line {number} is no decision") from None
        known = (decision.was, *([] if decision.label is None else [decision.label]))
        if not set(known) <= set(CATEGORIES) or decision.end <= decision.start:
            raise InputError(f"{path}: line {number}: unknown emotion, or a segment without length")
        found.append(decision)
    return found


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """Those that count, in order of time: the last on each segment, a person's before any other."""
    kept: list[Decision] = []
    for decision in decisions:
        earlier = [k for k in kept if k.about(decision.start, decision.end)]
        if any(k.by_person for k in earlier) and not decision.by_person:
            continue
        kept = [k for k in kept if k not in earlier] + [decision]
    return sorted(kept, key=lambda d: d.start)


def edited(track: EmotionTrack, decisions: Sequence[Decision]) -> EmotionTrack:
    """The track with what was decided: the label is certain there, and the intensity fits it.

    A segment that becomes neutral has no intensity; one that becomes an emotion, ``USUAL`` where it was weak. What is
    left as it is, or confirmed, keeps its frames' intensity.

    Raises:
        InputError: the track has other categories.
    """
    if track.labels != CATEGORIES:
        raise InputError(f"the track has other categories than {', '.join(CATEGORIES)}: it cannot be edited")
    posterior, intensity = track.posterior.copy(), track.intensity.copy()
    touched = np.zeros(len(track), bool)
    for decision in standing(decisions):
        inside = (track.times >= decision.start) & (track.times < decision.end)
        if decision.label is None or not inside.any():
            continue
        touched |= inside
        posterior[inside] = np.eye(len(CATEGORIES), dtype=np.float32)[CATEGORIES.index(decision.label)]
        if decision.label == CATEGORIES[0]:
            intensity[inside] = 0.0
        elif decision.label != decision.was and intensity[inside].mean() < WEAK:
            intensity[inside] = USUAL
    if not touched.any():
        return track
    valence, arousal = valence_arousal(posterior, intensity)
    return replace(
        track,
        posterior=posterior,
        intensity=intensity,
        valence=np.where(touched, valence, track.valence),
        arousal=np.where(touched, arousal, track.arousal),
    )


def as_plain(decision: Decision) -> dict[str, Any]:
    """A decision for JSON."""
    return asdict(decision)
