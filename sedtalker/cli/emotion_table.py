"""Emotion as a table: what ``animate`` and ``diarize`` print of a track and of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sedtalker.emotion.conversation import Conversation
    from sedtalker.emotion.track import Burst, EmotionTrack, Segment

COLUMNS = ("start", "end", "emotion", "intensity", "confidence")
"""Headings of the table."""
NUMBERS = frozenset(COLUMNS) - {"emotion"}
"""Columns that are flush right."""
MOST_ROWS = 40
"""On stderr, where the table is no result: an hour has 400, among which nothing else is seen."""


def print_emotions(track: EmotionTrack, stderr: bool = False) -> None:
    """The segments as a table, vocal bursts below it; an emotion that is hardly surer than a guess has a question mark.

    Beside a predicted one stands the next likeliest.

    Args:
        stderr: where, instead of stdout; the first ``MOST_ROWS`` alone.
    """
    from rich.console import Console
    from rich.markup import escape

    from sedtalker.emotion.emotion_stream import strongest_kinds
    from sedtalker.phonetics.pronunciation import joined

    console, rows = Console(stderr=stderr, highlight=False), list[list[str]]()
    guesses = track.predicted is not None and not track.extras  # which would not fit beside them
    segments = track.segments()
    left = max(0, len(segments) - MOST_ROWS) if stderr else 0
    for s in segments[: len(segments) - left]:
        rows.append(_cells(s, track.labels[0]))
        if guesses:
            rows[-1].append(_second_guess(track, s))
        if track.extras:
            rows[-1].append(", ".join(strongest_kinds(tuple(track.extras), track.extras_in(s.start, s.end))))
        if track.words:
            rows[-1].append(escape(joined(word for *_, word in track.words_in(s.start, s.end))))
    held = (("or", guesses), ("fine-grained emotions", track.extras), ("words", track.words))
    more = [name for name, present in held if present]
    _print_table(console, [*COLUMNS, *more], rows)
    if left:
        return console.print(f"… and {left} more until {segments[-1].end:.2f} s: they are in the track")
    for burst in track.bursts:
        console.print(_burst_line(burst))


def print_conversation(conversation: Conversation) -> None:
    """The segments of all speakers as a table, in order of time, marked as in ``print_emotions``, and their bursts."""
    from rich.console import Console

    rows = []
    for who, segment in conversation.segments():
        start, end, *emotion = _cells(segment, (track := conversation.tracks[who]).labels[0])
        rows.append([start, end, who, *emotion, _second_guess(track, segment)])
    console = Console(highlight=False, markup=False)
    _print_table(console, [*COLUMNS[:2], "speaker", *COLUMNS[2:], "or"], rows)
    bursts = [(burst, who) for who, track in conversation.tracks.items() for burst in track.bursts]
    for burst, who in sorted(bursts, key=lambda row: row[0].start):
        console.print(f"{who}: {_burst_line(burst)}")


def _second_guess(track: EmotionTrack, segment: Segment) -> str:
    second = track.second_guess(segment.start, segment.end, segment.label)
    return "{} {:.2f}".format(*second) if second else ""


def _burst_line(burst: Burst) -> str:
    return f"{burst.kind} {burst.start:.2f} to {burst.end:.2f} s, confidence {burst.confidence:.2f}"


def _cells(segment: Segment, neutral: str) -> list[str]:
    """What the table says of a segment, by ``COLUMNS``."""
    from sedtalker.emotion.track import UNCERTAIN, UNSURE

    unsure = segment.confidence < UNSURE and segment.label not in (UNCERTAIN, neutral)
    label = f"{UNCERTAIN} ({segment.label}?)" if unsure else segment.label
    numbers = (segment.start, segment.end, segment.intensity, segment.confidence)
    start, end, intensity, confidence = (f"{number:.2f}" for number in numbers)
    return [start, end, label, intensity, confidence]


def _print_table(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows below headings, or a line that nothing was found."""
    from rich.table import Column, Table

    if not rows:
        console.print("no voiced speech: in silence, whispers and music there is no emotion to be found")
        return
    columns = (Column(heading, justify="right" if heading in NUMBERS else "left") for heading in headings)
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
