"""Tracks against ratings: of one recording, of a folder of them, or one track against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sedtalker.batch.tracks import own_name, track_files
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.taxonomy import project
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.reading import read_text
from sedtalker.review.agreement import (
    AXES,
    Agreement,
    Rating,
    agreement,
    ratings_of,
    read_ratings,
    segment_means,
)

Coordinates = Mapping[str, tuple[float, float]]
"""Coordinates on the circumplex, see ``sedtalker.emotion.taxonomy``."""
TITLES = {"spearman": "Spearman", "pearson": "Pearson", "ccc": "CCC"}
"""Coefficients as the table names them."""


def evaluate_valence(
    tracks: Path,
    against: Path,
    scale: tuple[float, float] = (-1.0, 1.0),
    coordinates: Coordinates | None = None,
) -> list[Agreement]:
    """How far valence, arousal and intensity agree, each where it is rated.

    Args:
        tracks: a track, or a folder of them, whose ratings then name the recording.
        against: a CSV file of ratings, or another track of the same recording, compared over the first's segments.
        scale: see ``read_ratings``.
        coordinates: valence and arousal of each emotion; default: what the tracks have.

    Raises:
        InputError: a file cannot be read, a recording has no track, or there are too few ratings.
    """
    if tracks.is_dir():
        opened = {str(own_name(path.relative_to(tracks).as_posix())): path for path in track_files(tracks)}
    else:
        opened = {"": tracks}
    held = {name: _projected(read_track(path), coordinates) for name, path in opened.items()}
    if against.suffix.lower() == ".csv" and _has_ratings(against):
        ratings = read_ratings(against, scale)
    elif tracks.is_dir():
        raise InputError(f"{against}: a folder of tracks is compared with a CSV file of ratings")
    else:
        own = [(s.start, s.end) for s in held[""].confident(0.0).segments()]
        ratings = ratings_of(_projected(read_track(against), coordinates), own)
    by_recording: dict[str, list[Rating]] = {}
    for rating in ratings:
        by_recording.setdefault(rating.recording if tracks.is_dir() else "", []).append(rating)
    missing = sorted(by_recording.keys() - held.keys())
    if missing:
        raise InputError(f"{against}: there is no track of '{missing[0]}' in {tracks}")
    found = []
    for axis in AXES:
        pairs = [
            (segment_means(held[name], some, axis), [r.values.get(axis, np.nan) for r in some])
            for name, some in by_recording.items()
        ]
        rated = np.concatenate([y for _, y in pairs])
        if np.isfinite(rated).any():
            found.append(agreement(axis, np.concatenate([x for x, _ in pairs]), rated))
    return found


def agreement_table(found: Sequence[Agreement]) -> str:
    """A line an axis with coefficients and their p-values, then the verdicts."""
    names = ("spearman", "spearman_p", "pearson", "pearson_p", "ccc", "ccc_p")
    lines = [f"{'':<10}{'n':>5}" + "".join(f"{name.partition('_')[2] or TITLES[name]:>10}" for name in names)]
    for each in found:
        lines.append(f"{each.axis:<10}{each.n:>5}" + "".join(f"{each.figures[name]:>10.2g}" for name in names))
    return "\n".join([*lines, *(each.verdict for each in found)]) + "\n"


def _has_ratings(path: Path) -> bool:
    """Whether a CSV file has ratings and not the labels of a track."""
    return "label" not in read_text(path, "ratings").partition("\n")[0].lower()


def _projected(track: EmotionTrack, coordinates: Coordinates | None) -> EmotionTrack:
    return track if coordinates is None else project(track, coordinates)
