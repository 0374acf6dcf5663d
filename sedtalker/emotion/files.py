"""Tracks from files or from a word on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from sedtalker.emotion.densify import constant_track
from sedtalker.emotion.rttm import read_rttm, segments_to_rttm
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import EmotionTrack
from sedtalker.emotion.track_json import read_track_json, track_to_json
from sedtalker.errors import InputError


def read_track(path: Path, duration: float | None = None) -> EmotionTrack:
    """A track from a ``.json`` or ``.rttm`` file.

    Raises:
        InputError: no such file, another format, or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such track; give a .json or .rttm file, or a label such as happy:0.8")
    if path.suffix.lower() == ".json":
        return read_track_json(path, duration)
    if path.suffix.lower() == ".rttm":
        return read_rttm(path, duration)
    raise InputError(f"{path}: tracks are read from .json or .rttm files")


def parse_emotion(text: str, duration: float) -> EmotionTrack:
    """What ``--emotion`` takes: a track file, or a constant such as ``happy`` or ``happy:0.8``."""
    if known_category(text.partition(":")[0]) is not None and not Path(text).is_file():
        return constant_track(text, duration)
    return read_track(Path(text), duration)


def write_track(path: Path, track: EmotionTrack) -> None:
    """Write a ``.json`` (lossless) or ``.rttm`` (segments) file, whole or not at all."""
    suffix = path.suffix.lower()
    if suffix not in (".json", ".rttm"):
        raise InputError(f"{path}: tracks are written as .json or .rttm")
    text = track_to_json(track) if suffix == ".json" else segments_to_rttm(track.segments(), path.stem)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
