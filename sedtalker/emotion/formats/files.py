"""Tracks from files, to files, or from a word on the command line.

``FORMATS`` names the row of each format; other distributions add rows by entry points (``sedtalker.plugins``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sedtalker.emotion.formats import TrackFormat, constant_track
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError, one_of
from sedtalker.plugins import load, parts_of_others
from sedtalker.reading import is_file, read_text
from sedtalker.storage import write_text

MOST_TRACK_BYTES = {".json": 128 * 2**20, ".keys.json": 128 * 2**20}
"""Largest dense track, bytes; an hour takes about 25 MiB."""
MOST_LABEL_BYTES = 8 * 2**20
"""Largest file of segments, bytes."""

FORMATS = (
    "sedtalker.emotion.formats.json:JSON",
    "sedtalker.emotion.formats.keys:KEYS",
    "sedtalker.emotion.formats.labels:AUDACITY",
    "sedtalker.emotion.formats.labels:CSV",
    "sedtalker.emotion.formats.labels:TEXTGRID",
    "sedtalker.emotion.formats.labels:RTTM",
    "sedtalker.emotion.formats.labels:EAF",
    "sedtalker.emotion.formats.labels:SRT",
    "sedtalker.emotion.formats.labels:VTT",
)
"""The formats of this package, a ``TrackFormat`` each."""


@cache
def track_formats() -> dict[str, TrackFormat]:
    """All formats by suffix, the longest suffix first."""
    rows: list[TrackFormat] = [*map(load, FORMATS), *parts_of_others("sedtalker.track_formats").values()]
    return {row.suffix: row for row in sorted(rows, key=lambda row: -len(row.suffix))}


def suffixes() -> str:
    """The suffixes, for messages."""
    return ", ".join(sorted(track_formats()))


def read_track(path: Path, duration: float | None = None) -> EmotionTrack:
    """A track from a file; JSON is dense, a short list or keys, the other formats hold segments, which are made dense.

    Args:
        path: one of ``track_formats``.
        duration: seconds of the recording; default: what the file says, or the last segment's end.

    Raises:
        InputError: no such file, another format, or damaged.
    """
    if not is_file(path):
        label = one_of(str(path).partition(":")[0], CATEGORIES)
        raise InputError(f"{path}: no such track or emotion: {label} as LABEL:INTENSITY, or a file ({suffixes()})")
    row = check_track_name(path, "read from")
    text = read_text(path, "an emotion track", MOST_TRACK_BYTES.get(row.suffix, MOST_LABEL_BYTES))
    return row.read(text, duration, str(path))


def parse_emotion(text: str, duration: float | None = None) -> EmotionTrack:
    """Read a value of ``--emotion``: a track file, or a constant such as ``happy`` or ``happy:0.8``.

    Args:
        text: a file's name or LABEL[:INTENSITY].
        duration: seconds of the recording; None where it is not known yet.
    """
    if known_category(text.partition(":")[0]) is not None and not is_file(Path(text)):
        return constant_track(text, 1.0 if duration is None else duration)
    return read_track(Path(text), duration)


def check_track_name(path: Path, done: str = "written as") -> TrackFormat:
    """The format of a track under such a name.

    Raises:
        InputError: no format has such a suffix.
    """
    name = path.name.lower()
    for suffix, row in track_formats().items():
        if name.endswith(suffix):
            return row
    raise InputError(f"{path}: tracks are {done} {suffixes()}")


def write_track(path: Path, track: EmotionTrack, recording: str | None = None) -> None:
    """Write a track, whole or not at all; the format follows the name (see ``track_formats``).

    What the format has no place for is left out, and said in a line of the log. Formats that name the recording call
    it ``recording``, or as the file.
    """
    row = check_track_name(path)
    row.note_left_out(track)
    write_text(path, row.write(track, recording or path.stem))
