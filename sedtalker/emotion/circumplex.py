"""Valence and arousal from categories and intensity, by rated coordinates or by measured ones of one's own.

Russell's circumplex (J. Personality and Social Psychology 39 (1980) 1161-1178) lays emotions out on valence and
arousal; where a corpus has measured coordinates for them, a file with those takes the place of the ratings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sedtalker.emotion.taxonomy import category
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError

COORDINATES: Mapping[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fear": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "surprise": (0.40, 0.67),
}
"""(valence, arousal) in [-1, 1]: mean ratings of happy, sad, angry, fearful (terrified), disgusted and surprised in
Russell & Mehrabian, "Evidence for a three-factor theory of emotions", J. Research in Personality 11 (1977) 273-294.
Neutral is the origin by definition."""


def valence_arousal(
    posterior: NDArray[np.floating],
    intensity: NDArray[np.floating],
    labels: tuple[str, ...] = CATEGORIES,
    coordinates: Mapping[str, tuple[float, float]] = COORDINATES,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Expected coordinates, moved towards the origin where the expression is weak.

    ``v = sqrt(i) · Σ_c p_c v_c``: strong expressions lie at the rated coordinates, a normal one (0.5) at 71 % of the
    way. The square root is our choice: it keeps weak expressions apart from neutral.

    Args:
        posterior: (T, C), rows sum to 1.
        intensity: (T,) in [0, 1].
        labels: (C,) category names.
        coordinates: (valence, arousal) of each category at full strength, from ``read_coordinates`` or the ratings.

    Returns:
        valence (T,) and arousal (T,) in [-1, 1].
    """
    points = np.array([coordinates[name] for name in labels])
    scaled = np.sqrt(np.clip(intensity, 0.0, 1.0))[:, None] * (posterior @ points)
    return scaled[:, 0].astype(np.float32), scaled[:, 1].astype(np.float32)


def project(track: EmotionTrack, coordinates: Mapping[str, tuple[float, float]]) -> EmotionTrack:
    """The same track with the valence and arousal that other coordinates give its categories and intensity."""
    valence, arousal = valence_arousal(track.posterior, track.intensity, track.labels, coordinates)
    return replace(track, valence=valence, arousal=arousal)


def read_coordinates(path: Path) -> dict[str, tuple[float, float]]:
    """Measured coordinates from JSON such as ``{"happy": [0.7, 0.4], "anger": [-0.4, 0.8]}``.

    Any word of the taxonomy will do; categories that are not in the file keep their ratings.

    Raises:
        InputError: no such file, not of this form, an unknown or repeated emotion, or a number outside [-1, 1].
    """
    try:
        text = path.read_text(encoding="utf-8")
        given = TypeAdapter(dict[str, tuple[float, float]]).validate_python(json.loads(text))
    except OSError:
        raise InputError(f"{path}: no such file of coordinates") from None
    except (ValueError, ValidationError):
        raise InputError(f'{path}: give {{"happy": [valence, arousal], …}} as JSON') from None
    measured: dict[str, tuple[float, float]] = {}
    for word, point in given.items():
        name = category(word)
        if name in measured:
            raise InputError(f"{path}: {name} is there twice")
        if not all(-1.0 <= value <= 1.0 for value in point):
            raise InputError(f"{path}: {word} lies outside [-1, 1]")
        measured[name] = point
    return {**COORDINATES, **measured}
