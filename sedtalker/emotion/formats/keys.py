"""Timestamped emotion keys, as NVIDIA's Audio2Face-3D takes them: strengths of emotions at moments, interpolated.

``{"emotion_with_timecode_list": [{"time_code": 0.0, "emotion": {"joy": 0.8}}, …]}``: the JSON form of its
``EmotionWithTimeCode`` messages. Its words are mapped to the categories and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, FailFast, Field

from sedtalker.emotion.formats import LONGEST_SECONDS, TrackFormat, check_duration
from sedtalker.emotion.shown import from_strengths
from sedtalker.emotion.taxonomy import FAMILIES, category, known_category, valence_arousal
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError, said_of
from sedtalker.reading import checked, parse_json
from sedtalker.speech.features import FRAME_CLOCK

LIST = "emotion_with_timecode_list"
"""The name its keys stand under."""
WORDS: dict[str, str] = {
    "happy": "joy",
    "sad": "sadness",
    "angry": "anger",
    "fear": "fear",
    "disgust": "disgust",
    "surprise": "amazement",
}
"""Audio2Face's word for each category; it has none for neutral, which is where nothing else is."""
READ: dict[str, Mapping[str, float]] = {
    **{word: {name: 1.0} for name, word in WORDS.items()},
    "grief": {"sad": 1.0},
    "cheekiness": {"happy": 1.0},
    "outofbreath": FAMILIES["tiredness"].shares,
    "pain": FAMILIES["pain"].shares,
}
"""Shares of the categories in each of its words."""
KEY_FRAMES = 5
"""A key is written every so many frames of 20 ms, at the frame's own time."""

MOST_KEYS = round(LONGEST_SECONDS * FRAME_CLOCK.rate / KEY_FRAMES)
"""In one file: ten a second over half a day."""


class Key(BaseModel, extra="forbid", allow_inf_nan=False):
    """One moment: seconds, and the strength in [0, 1] of each emotion that is there."""

    time_code: float = Field(ge=0)
    emotion: dict[str, float]


def are_keys(data: object) -> bool:
    """Whether JSON data is a list of keys, bare or under its name."""
    entries = data.get(LIST) if isinstance(data, dict) else data
    return isinstance(entries, list) and bool(entries) and isinstance(entries[0], dict) and "time_code" in entries[0]


def track_to_keys(track: EmotionTrack) -> str:
    """Keys of a track as JSON text: the strength of an emotion is its posterior times the intensity."""
    sampled = track
    if len(track):
        count = FRAME_CLOCK.frames(max(track.duration, float(track.times[-1])))
        sampled = track.at(FRAME_CLOCK.times(count)[::KEY_FRAMES])
    labels, keys = [known_category(name) or name for name in track.labels], []
    shares = sampled.posterior @ np.array([[label == name for name in WORDS] for label in labels], np.float32)
    for time, share, intensity in zip(sampled.times, shares, sampled.intensity, strict=True):
        strengths = {word: float(p * intensity) for word, p in zip(WORDS.values(), share, strict=True)}
        emotion = {word: round(strength, 4) for word, strength in strengths.items() if strength >= 5e-5}
        keys.append(json.dumps({"time_code": round(float(time), 4), "emotion": emotion}))
    return f'{{"{LIST}": [\n  ' + ",\n  ".join(keys) + "\n]}\n"


def track_from_keys(data: Any, duration: float | None = None, name: str = "keys") -> EmotionTrack:
    """A track of 50 frames a second from keys, in any order, linear between them and held beyond both ends.

    Args:
        duration: seconds of the recording; default: the last key's time.

    Raises:
        InputError: an entry is no key, an unknown emotion, a strength outside [0, 1], or two keys at one time.
    """
    given = data[LIST] if isinstance(data, dict) and LIST in data else data
    keys: list[Key] = checked(Annotated[list[Key], FailFast(), Field(min_length=1)], given, name)
    if len(keys) > MOST_KEYS:
        raise InputError(f"{name}: {len(keys)} keys are over the limit of {MOST_KEYS}")
    keys.sort(key=lambda key: key.time_code)
    times = np.array([key.time_code for key in keys])
    if (np.diff(times) <= 0).any():
        raise InputError(f"{name}: two keys have the same time_code")
    strengths = np.array([strengths_of(key.emotion, f"{name}: at {key.time_code:g} s") for key in keys])
    length = duration or float(times[-1]) or 1 / FRAME_CLOCK.rate
    check_duration(length, name)
    frames = FRAME_CLOCK.times(FRAME_CLOCK.frames(length))
    values = np.column_stack([np.interp(frames, times, column) for column in strengths.T])
    posterior, intensity = from_strengths(values)
    return EmotionTrack(frames, posterior, intensity, *valence_arousal(posterior, intensity), duration=length)


def strengths_of(emotion: Mapping[str, float], name: str) -> list[float]:
    """Strength of every category from those of words; neutral has none.

    Raises:
        InputError: an unknown word, or a strength outside [0, 1]; ``name`` begins the line.
    """
    out = [0.0] * len(CATEGORIES)
    for word, strength in emotion.items():
        if not 0.0 <= strength <= 1.0:
            raise InputError(f"{name}: the strength of {word} must lie between 0 and 1")
        plain = word.strip().lower()
        with said_of(name):
            shares = READ[plain] if plain in READ else {category(plain): 1.0}
        for known, share in shares.items():
            out[CATEGORIES.index(known)] += share * strength
    return [0.0, *out[1:]]


KEYS = TrackFormat(
    ".keys.json",
    "emotion keys, ten a second, as Audio2Face-3D takes them",
    lambda text, duration, name: track_from_keys(parse_json(text, name), duration, name),
    lambda track, stem: track_to_keys(track),
)
"""See ``sedtalker.emotion.formats.files``."""
