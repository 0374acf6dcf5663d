"""EmotionTrack as JSON: the dense track without loss, or a short list of segments written by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Sized
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, FailFast, Field, field_validator

from sedtalker.arrays import Floats
from sedtalker.emotion.formats import (
    BEYOND,
    DEFAULT_INTENSITY,
    MOST_EXTRAS,
    TrackFormat,
    check_count,
    check_duration,
    dense_from,
)
from sedtalker.emotion.formats.keys import are_keys, track_from_keys
from sedtalker.emotion.taxonomy import category, check_label
from sedtalker.emotion.track import Burst, EmotionTrack, Prediction, Segment
from sedtalker.errors import InputError, said_of
from sedtalker.phonetics.words import MOST_WORDS
from sedtalker.reading import checked, parse_json

log = logging.getLogger(__name__)

FORMAT, VERSION = "sedtalker-emotion-track", 1
"""What the lossless schema calls itself."""
CONVERSATION = "sedtalker-conversation"
"""What the tracks of several speakers in one file call themselves, see ``sedtalker.emotion.formats.conversation``."""
BURST_NUMBERS = ("start", "end", "confidence")
"""What is rounded of a vocal burst."""
Seconds = Annotated[float, Field(ge=0)]
"""A time."""
Numbers = Annotated[list[float], FailFast()]
"""A column; the first wrong value ends the reading, or a long wrong file would give a million messages."""


class HandSegment(BaseModel, extra="forbid", allow_inf_nan=False):
    """One entry of a hand-written list, seconds; ``confidence`` is optional."""

    start: float = Field(ge=0)
    end: float
    label: str
    intensity: float = Field(DEFAULT_INTENSITY, ge=0, le=1)
    confidence: float = Field(1.0, ge=0, le=1)

    @field_validator("label")
    @classmethod
    def _known(cls, label: str) -> str:
        check_label(label)
        return label


class WrittenBurst(BaseModel, extra="forbid", allow_inf_nan=False):
    """A vocal burst, seconds."""

    start: float = Field(ge=0)
    end: float
    kind: Literal["laugh", "cry", "sigh", "other"]
    confidence: float = Field(1.0, ge=0, le=1)


class WrittenPrediction(BaseModel, extra="forbid", allow_inf_nan=False):
    """What a diarizer predicted, a row and a number a frame."""

    posterior: Annotated[list[Numbers], FailFast()]
    intensity: Numbers


class DenseTrack(BaseModel, extra="forbid", allow_inf_nan=False):
    """The lossless schema. ``segments`` is a summary for readers; the frames decide, and a note says if it differs."""

    format: str
    version: int
    duration: float
    labels: list[str]
    segments: Annotated[list[dict[str, Any]], FailFast()] = []
    times: Numbers = Field(min_length=1)
    posterior: Annotated[list[Numbers], FailFast()]
    intensity: Numbers
    valence: Numbers
    arousal: Numbers
    speech: list[int] | None = Field(None, fail_fast=True)
    min_confidence: float = Field(0.0, ge=0, le=1)
    bursts: Annotated[list[WrittenBurst], FailFast()] = []
    extras: dict[str, Numbers] = Field({}, max_length=MOST_EXTRAS)
    predicted: WrittenPrediction | None = None
    words: Annotated[list[tuple[Seconds, Seconds, str]], FailFast()] = Field([], max_length=MOST_WORDS)
    language: str | None = Field(None, max_length=40)


def track_to_json(track: EmotionTrack) -> str:
    """The track as JSON text, one frame a line; reading it back gives the same arrays bit for bit."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "duration": track.duration,
        "labels": list(track.labels),
    }
    if track.min_confidence:
        head["min_confidence"] = track.min_confidence
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    segments = [json.dumps(rounded_segment(segment)) for segment in track.segments()]
    lines.append('  "segments": [\n    ' + ",\n    ".join(segments) + "\n  ]")
    if track.bursts:
        rounded = [replace(b, **{name: round(getattr(b, name), 3) for name in BURST_NUMBERS}) for b in track.bursts]
        bursts = [json.dumps(asdict(burst)) for burst in rounded]
        lines.append('  "bursts": [\n    ' + ",\n    ".join(bursts) + "\n  ]")
    if track.words:
        lines += [f'  "language": {json.dumps(track.language)}'] if track.language else []
        words = [json.dumps([round(a, 3), round(b, 3), said], ensure_ascii=False) for a, b, said in track.words]
        lines.append('  "words": [\n    ' + ",\n    ".join(words) + "\n  ]")
    lines.append(f'  "times": {json.dumps([float(t) for t in track.times])}')
    lines.append(f'  "posterior": {_written_rows(track.posterior)}')
    for name in ("intensity", "valence", "arousal"):
        lines.append(f'  "{name}": [' + ", ".join(_shortest(getattr(track, name))) + "]")
    if track.speech is not None:
        lines.append(f'  "speech": {json.dumps([int(s) for s in track.speech])}')
    if track.predicted is not None:
        posterior, intensity = track.predicted
        written = f'"posterior": {_written_rows(posterior)},\n    "intensity": [{", ".join(_shortest(intensity))}]'
        lines.append('  "predicted": {\n    ' + written + "\n  }")
    if track.extras:
        curves = [f"{json.dumps(name)}: [{', '.join(_shortest(curve))}]" for name, curve in track.extras.items()]
        lines.append('  "extras": {\n    ' + ",\n    ".join(curves) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def track_from_json(text: str, duration: float | None = None, name: str = "track") -> EmotionTrack:
    """A track from the lossless schema, a list of segments (bare, or under ``"segments"``), or emotion keys.

    Args:
        duration: seconds of the recording; needed for lists of segments, else their last end is taken.

    Raises:
        InputError: not JSON, or not a track.
    """
    data = parse_json(text, name)
    if isinstance(data, dict) and "posterior" in data:
        track = track_from_plain(data, name)
        if duration is not None and abs(track.duration - duration) > BEYOND:
            log.warning(
                f"{name} is of {track.duration:.2f} s, the recording of {duration:.2f} s: is it of another one?"
            )
        if duration is not None and data.get("segments") and not _summarises(data["segments"], track):
            log.warning(
                f"{name}: its segments do not say what its frames do, and the frames count; to edit segments, keep the "
                "list of them alone, or edit them as .csv"
            )
        return track
    if isinstance(data, dict) and data.get("format") == CONVERSATION:
        raise InputError(f"{name}: holds the tracks of several speakers; Conversation.load and report read it")
    if are_keys(data):
        return track_from_keys(data, duration, name)
    if isinstance(data, dict) and isinstance(data.get("duration"), int | float):
        duration = duration or float(data["duration"])
    return _from_list(data.get("segments") if isinstance(data, dict) else data, duration, name)


def _from_list(entries: object, duration: float | None, name: str) -> EmotionTrack:
    segments: list[HandSegment] = checked(Annotated[list[HandSegment], FailFast()], entries, name)
    if not segments:
        raise InputError(f"{name}: the list of segments is empty")
    check_count(len(segments), name)
    made = [Segment(s.start, s.end, s.label, s.intensity, s.confidence) for s in segments]
    return dense_from(sorted(made, key=lambda s: s.start), duration, name)


def track_from_plain(data: dict[str, Any], name: str) -> EmotionTrack:
    """A track from plain data of the lossless schema, see ``track_from_json``."""
    dense: DenseTrack = checked(DenseTrack, data, name)
    if dense.format != FORMAT or dense.version != VERSION:
        raise InputError(f"{name}: this version reads {FORMAT} version {VERSION}, not {dense.format} {dense.version}")
    count, classes = len(dense.times), len(dense.labels)
    columns: list[Sized] = [dense.posterior, dense.intensity, dense.valence, dense.arousal, *dense.extras.values()]
    columns += [] if dense.speech is None else [dense.speech]
    rows, predicted = list(dense.posterior), dense.predicted
    if predicted is not None:
        columns += [predicted.posterior, predicted.intensity]
        rows += predicted.posterior
    if any(len(column) != count for column in columns) or any(len(row) != classes for row in rows):
        raise InputError(
            f"{name}: times, posterior, intensity, valence, arousal, speech, predicted and extras must have one entry "
            "a frame"
        )
    spans = [*((b.start, b.end, b.kind) for b in dense.bursts), *dense.words]
    for start, end, what in spans:
        if end < start:
            raise InputError(f"{name}: {what[:40]} {start} to {end} s: its end must come after its start")
    check_duration(dense.duration, name)
    check_duration(max(dense.times), name)
    times, posterior, every = np.array(dense.times), np.array(dense.posterior, np.float32), np.array(rows, np.float32)
    if (np.diff(times) <= 0).any() or (every < 0).any() or (np.abs(every.sum(1) - 1) > 1e-3).any():
        raise InputError(f"{name}: times must increase and each row of the posterior must sum to 1")
    ranges = [("intensity", dense.intensity, 0.0), ("valence", dense.valence, -1.0), ("arousal", dense.arousal, -1.0)]
    ranges += [("predicted intensity", predicted.intensity, 0.0)] if predicted is not None else []
    ranges += [(f"extras {name}", curve, 0.0) for name, curve in dense.extras.items()]
    for key, values, lowest in ranges:
        if not all(lowest <= value <= 1.0 for value in values):
            raise InputError(f"{name}: {key} must lie between {lowest:g} and 1")
    with said_of(name):
        for label in dense.labels:
            category(label)
    return EmotionTrack(
        times=times,
        posterior=posterior,
        intensity=np.array(dense.intensity, np.float32),
        valence=np.array(dense.valence, np.float32),
        arousal=np.array(dense.arousal, np.float32),
        labels=tuple(dense.labels),
        duration=dense.duration,
        speech=None if dense.speech is None else np.array(dense.speech, bool),
        min_confidence=dense.min_confidence,
        bursts=tuple(Burst(b.start, b.end, b.kind, b.confidence) for b in dense.bursts),
        extras={name: np.array(curve, np.float32) for name, curve in dense.extras.items()},
        predicted=None
        if predicted is None
        else Prediction(np.array(predicted.posterior, np.float32), np.array(predicted.intensity, np.float32)),
        words=tuple(dense.words),
        language=dense.language,
    )


def _summarises(segments: list[dict[str, Any]], track: EmotionTrack) -> bool:
    """Whether segments as a file holds them are those of its frames."""
    numbers = "start", "end", "intensity"
    found = [rounded_segment(segment) for segment in track.segments()]
    return [one.get("label") for one in segments] == [one["label"] for one in found] and all(
        isinstance(one.get(key), int | float) and abs(one[key] - own[key]) < 0.02  # less is rounding
        for one, own in zip(segments, found, strict=True)
        for key in numbers
    )


def _written_rows(posterior: Floats) -> str:
    """Rows (T, C), one a line."""
    numbers, wide = _shortest(posterior.ravel()), posterior.shape[1]
    rows = ["[" + ", ".join(numbers[at : at + wide]) + "]" for at in range(0, len(numbers), wide)]
    return "[\n    " + ",\n    ".join(rows) + "\n  ]"


def rounded_segment(segment: Segment) -> dict[str, Any]:
    """A segment for a summary, to thousandths."""
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "label": segment.label,
        "intensity": round(segment.intensity, 3),
        "confidence": round(segment.confidence, 3),
    }


def _shortest(values: Floats) -> list[str]:
    """Shortest decimals that read back as the same float32."""
    return list(map(str, values.astype(np.float32)))


JSON = TrackFormat(
    ".json",
    "the dense track without loss; reads a list of segments and emotion keys too",
    track_from_json,
    lambda track, stem: track_to_json(track),
    frozenset({"extras", "bursts"}),
)
"""See ``sedtalker.emotion.formats.files``."""
