"""Tracks from files or from a word on the command line."""

from __future__ import annotations

from pathlib import Path

from sedtalker.emotion.formats.json import constant_track, densify, track_from_json, track_to_json
from sedtalker.emotion.formats.keys import track_to_keys
from sedtalker.emotion.formats.labels import (
    segments_from_audacity,
    segments_from_csv,
    segments_from_rttm,
    segments_from_textgrid,
    segments_to_audacity,
    segments_to_csv,
    segments_to_rttm,
    segments_to_textgrid,
)
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.storage import whole_file

READERS = {
    ".rttm": segments_from_rttm,
    ".csv": segments_from_csv,
    ".txt": segments_from_audacity,
    ".textgrid": segments_from_textgrid,
}
SUFFIXES = ".json, .keys.json, .rttm, .csv, .txt (Audacity) or .TextGrid"
KEYS = ".keys.json"


def read_track(path: Path, duration: float | None = None) -> EmotionTrack:
    """A track from a file; JSON is dense, a short list or keys, the other formats hold segments, which are densified.

    Args:
        path: one of ``SUFFIXES``.
        duration: seconds of the recording; default: what the file says, or the last segment's end.

    Raises:
        InputError: no such file, another format, or damaged.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such track; give a {SUFFIXES} file, or a label such as happy:0.8")
    if suffix != ".json" and suffix not in READERS:
        raise InputError(f"{path}: tracks are read from {SUFFIXES}")
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read as text") from None
    if suffix == ".json":
        return track_from_json(text, duration, str(path))
    segments = READERS[suffix](text, str(path))
    try:
        return densify(segments, duration or max(s.end for s in segments))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_emotion(text: str, duration: float) -> EmotionTrack:
    """What ``--emotion`` takes: a track file, or a constant such as ``happy`` or ``happy:0.8``."""
    if known_category(text.partition(":")[0]) is not None and not Path(text).is_file():
        return constant_track(text, duration)
    return read_track(Path(text), duration)


def check_track_name(path: Path) -> None:
    """Raise ``InputError`` when no track is written under such a name."""
    if path.suffix.lower() != ".json" and path.suffix.lower() not in READERS:
        raise InputError(f"{path}: tracks are written as {SUFFIXES}")


def write_track(path: Path, track: EmotionTrack) -> None:
    """Write a track, whole or not at all: JSON is lossless, ``.keys.json`` holds ten keys a second, the
    other formats of ``SUFFIXES`` its segments."""
    check_track_name(path)
    suffix = path.suffix.lower()
    if path.name.lower().endswith(KEYS):
        text = track_to_keys(track)
    elif suffix == ".json":
        text = track_to_json(track)
    elif suffix == ".rttm":
        text = segments_to_rttm(track.segments(), path.stem)
    elif suffix == ".csv":
        text = segments_to_csv(track.segments())
    elif suffix == ".txt":
        text = segments_to_audacity(track.segments())
    else:
        text = segments_to_textgrid(track.segments(), track.duration)
    try:
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
