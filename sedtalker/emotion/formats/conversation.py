"""Files of conversations: JSON without loss, and RTTM, tables, subtitles and tiers of who expresses what, and when.

``FORMATS`` has the suffixes; only the JSON is read back. A loaded conversation has silence for its sounds.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, FailFast, Field

from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats import check_duration
from sedtalker.emotion.formats.files import MOST_TRACK_BYTES
from sedtalker.emotion.formats.json import CONVERSATION, rounded_segment, track_from_plain, track_to_json
from sedtalker.emotion.formats.labels import CSV_COLUMNS, intervals, text_cell
from sedtalker.emotion.track import UNCERTAIN, UNSURE, Segment
from sedtalker.errors import InputError, said_of
from sedtalker.reading import Interval, checked, eaf, labelled, parse_json, read_text, srt, vtt
from sedtalker.speakers.separation import Speakers
from sedtalker.speakers.turns import MOST_SPEAKERS, MOST_TURNS, NOT_GIVEN, Turn, Turns, one_word_each, rttm_lines
from sedtalker.storage import write_text

VERSION = 1
"""Version of the JSON that is written and read."""
MOST_BYTES = 4 * MOST_TRACK_BYTES[".json"]
"""Largest conversation, bytes: four hours of tracks."""


# --- JSON.


class WrittenTurn(BaseModel, extra="forbid", allow_inf_nan=False):
    """A turn, seconds."""

    start: float = Field(ge=0)
    end: float
    speaker: str


class WrittenConversation(BaseModel, extra="forbid", allow_inf_nan=False):
    """The schema. ``segments`` is a summary for readers; turns and tracks decide."""

    format: str
    version: int
    duration: float = Field(gt=0)
    speakers: list[str] = Field(min_length=1, max_length=MOST_SPEAKERS)
    turns: Annotated[list[WrittenTurn], FailFast()] = Field(max_length=MOST_TURNS)
    segments: Annotated[list[dict[str, Any]], FailFast()] = []
    tracks: dict[str, dict[str, Any]]


def conversation_to_json(conversation: Conversation) -> str:
    """JSON text; each speaker's track in it is what ``track_to_json`` writes, and reads back bit for bit."""
    head = {
        "format": CONVERSATION,
        "version": VERSION,
        "duration": conversation.duration,
        "speakers": list(conversation.names),
    }
    turns = [json.dumps(turn._asdict(), ensure_ascii=False) for turn in conversation.turns.turns]
    segments = [
        json.dumps({"speaker": name, **rounded_segment(segment)}, ensure_ascii=False)
        for name, segment in conversation.segments()
    ]
    tracks = [
        f"{json.dumps(name, ensure_ascii=False)}: {track_to_json(conversation.tracks[name]).strip()}"
        for name in conversation.names
    ]
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    for key, rows in (("turns", turns), ("segments", segments)):
        lines.append(f'  "{key}": [\n    ' + ",\n    ".join(rows) + "\n  ]")
    lines.append('  "tracks": {\n' + ",\n".join(tracks) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def conversation_from_json(text: str, name: str = "conversation") -> Conversation:
    """What ``conversation_to_json`` wrote, with sounds that are silent, see ``Conversation.load``.

    Raises:
        InputError: not JSON, or no conversation.
    """
    data = parse_json(text, name)
    if not isinstance(data, dict) or data.get("format") != CONVERSATION:
        raise InputError(f"{name}: no conversation; sedtalker diarize --speakers writes them")
    held: WrittenConversation = checked(WrittenConversation, data, name)
    if held.version != VERSION:
        raise InputError(f"{name}: this version reads {CONVERSATION} version {VERSION}, not {held.version}")
    check_duration(held.duration, name)
    if not {turn.speaker for turn in held.turns} <= set(held.speakers) or set(held.tracks) != set(held.speakers):
        raise InputError(f"{name}: every speaker needs a track, and turns and tracks need a speaker")
    if any(turn.start >= min(turn.end, held.duration) for turn in held.turns):
        raise InputError(f"{name}: a turn begins after its end, or after the recording")
    listed = tuple(Turn(turn.start, turn.end, turn.speaker) for turn in held.turns)
    with said_of(name):
        turns = Turns(listed, held.duration, tuple(held.speakers))
    tracks = {who: track_from_plain(held.tracks[who], f"{name}: {who}") for who in held.speakers}
    if any(abs(track.duration - held.duration) > 1.0 / SAMPLE_RATE for track in tracks.values()):
        raise InputError(f"{name}: a track is not as long as the recording")
    silence = Audio(np.broadcast_to(np.float32(0.0), round(held.duration * SAMPLE_RATE)))
    return Conversation(Speakers(silence, turns, dict.fromkeys(turns.speakers, silence)), tracks)


def read_conversation(path: Path) -> Conversation:
    """A conversation from its JSON, see ``conversation_from_json``."""
    return conversation_from_json(read_text(path, "a conversation", MOST_BYTES), str(path))


# --- Who expresses what, and when.


def conversation_to_rttm(conversation: Conversation, name: str) -> str:
    """RTTM of the turns, ``SPEAKER <name> 1 <start> <duration> <NA> <label>:<intensity> <speaker> <confidence> <NA>``.

    The name of the speaker is where diarization tools look for it; the emotion is in the field of the subtype, which
    they skip. A turn in which the emotion changes has a line for each; those of one speaker touch, so that together
    they say who speaks when. The two fields are ``<NA>`` in a turn without any emotion.
    """
    names = one_word_each(conversation.names)
    segments = {who: track.segments() for who, track in conversation.tracks.items()}
    rows = list[tuple[float, float, str, tuple[str, str]]]()
    for turn in conversation.turns.turns:
        rows += [(start, end, names[turn.speaker], said) for start, end, said in _parts(turn, segments[turn.speaker])]
    return rttm_lines(rows, name)


def _parts(turn: Turn, segments: list[Segment]) -> Iterator[tuple[float, float, tuple[str, str]]]:
    """Stretches of a turn with what is expressed in each: label and intensity, and confidence; they cover all of it."""
    shared = {s: min(s.end, turn.end) - max(s.start, turn.start) for s in segments}
    # seconds: less gets no line
    inside = [s for s in segments if shared[s] >= 0.1] or [s for s in segments if shared[s] > 0][:1]
    if not inside:
        yield turn.start, turn.end, NOT_GIVEN
    edges = [turn.start, *(s.start for s in inside[1:]), turn.end]
    for segment, (start, end) in zip(inside, pairwise(edges), strict=False):
        yield start, end, (labelled(segment.label, segment.intensity), f"{segment.confidence:.3f}")


def conversation_to_csv(conversation: Conversation, name: str = "") -> str:
    """A table of all segments in order of time: start, end, speaker, label, intensity, confidence."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS[:2], "speaker", *CSV_COLUMNS[2:]])
    for who, segment in conversation.segments():
        start, end, label, intensity, confidence = rounded_segment(segment).values()
        writer.writerow([f"{start:.3f}", f"{end:.3f}", text_cell(who), label, f"{intensity:.3f}", f"{confidence:.3f}"])
    return stream.getvalue()


def conversation_to_srt(conversation: Conversation, name: str = "") -> str:
    """Subtitles (SRT), ``ANN (angry)``: one for each segment, without its words."""
    return srt((start, end, said) for start, end, _, said in _cues(conversation))


def conversation_to_vtt(conversation: Conversation, name: str = "") -> str:
    """Subtitles (WebVTT), likewise; each is in a voice span of its speaker, which a page can style."""
    spans = (
        (a, b, html.escape(who, quote=False), html.escape(said, quote=False)) for a, b, who, said in _cues(conversation)
    )
    return vtt((start, end, f"<v {who}>{said}") for start, end, who, said in spans)


def conversation_to_eaf(conversation: Conversation, name: str = "") -> str:
    """ELAN's annotations: a tier for each speaker, ``angry:0.812``, label and intensity."""
    spans: dict[str, list[Interval]] = {who: [] for who in conversation.names}
    for who, segment in conversation.segments():
        spans[who] += intervals([segment])
    return eaf(spans, speakers=True)


def _cues(conversation: Conversation) -> Iterator[tuple[float, float, str, str]]:
    """Subtitles in order of time: beginning, end, speaker and text; neutral and uncertain speech has the name alone."""
    plain = {track.labels[0] for track in conversation.tracks.values()} | {UNCERTAIN}
    for who, segment in conversation.segments():
        unsaid = segment.label in plain or segment.confidence < UNSURE
        emotion = "" if unsaid else f" ({segment.label})"
        yield segment.start, segment.end, who, who.upper() + emotion


# --- The table.

FORMATS: dict[str, Callable[[Conversation, str], str]] = {
    ".json": lambda conversation, name: conversation_to_json(conversation),
    ".rttm": conversation_to_rttm,
    ".csv": conversation_to_csv,
    ".srt": conversation_to_srt,
    ".vtt": conversation_to_vtt,
    ".eaf": conversation_to_eaf,
}
"""By suffix: (conversation, name of the recording) → text."""


def check_conversation_name(path: Path) -> Callable[[Conversation, str], str]:
    """What writes a conversation under such a name.

    Raises:
        InputError: no format has such a suffix.
    """
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path}: conversations are written as {', '.join(FORMATS)}")
    return write


def write_conversation(path: Path, conversation: Conversation, recording: str | None = None) -> None:
    """Write a conversation, whole or not at all; the format follows the name (see ``FORMATS``)."""
    write_text(path, check_conversation_name(path)(conversation, recording or path.name.partition(".")[0]))
