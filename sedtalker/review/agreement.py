"""How far a track's valence and arousal agree with ratings of the same segments, and whether to trust them.

Acoustic valence is the weak side of speech emotion recognition; in political speech it did not go with the pathos that
people judged (Spearman .097, p = .499: Dietrich, arXiv 2605.22732). So the answer has a verdict, not only numbers.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import concordance, mean_absolute_error, pearson, spearman
from sedtalker.reading import read_text

Axis = Literal["valence", "arousal", "intensity"]
"""What can be rated."""
AXES: tuple[Axis, ...] = ("valence", "arousal", "intensity")
"""All of them."""
FEWEST = 5
"""Rated segments without which there is no correlation to speak of."""
TRUSTED, CHANCE = 0.3, 0.05
"""Least rank correlation, and greatest probability of it by chance, that a track is trusted with."""
RESAMPLES = 2000
"""Resamples for intervals and permutation tests."""


@dataclass(frozen=True)
class Rating:
    """What somebody judged of a segment.

    Attributes:
        start: seconds.
        end: seconds.
        values: by axis.
        recording: its name, empty where there is one recording only.
    """

    start: float
    end: float
    values: dict[Axis, float]
    recording: str = ""


def read_ratings(path: Path, scale: tuple[float, float] = (-1.0, 1.0)) -> list[Rating]:
    """Ratings from a CSV file: columns ``start``, ``end``, some of ``AXES``, and perhaps ``recording``.

    Args:
        path: the file.
        scale: lowest and highest rating of valence and arousal there, brought to [-1, 1]; intensity is in [0, 1].

    Raises:
        InputError: no such file, a column is missing, or a cell is none of that.
    """
    if not scale[0] < scale[1]:
        raise InputError(f"a scale from {scale[0]:g} to {scale[1]:g} is none: give the lowest, then the highest rating")
    reader = csv.DictReader(io.StringIO(read_text(path, "ratings")))
    columns = reader.fieldnames or []
    axes = [axis for axis in AXES if axis in columns]
    if not {"start", "end"} <= set(columns) or not axes:
        raise InputError(f"{path}: ratings need the columns start, end, and valence, arousal or intensity")
    ratings = []
    for number, row in enumerate(reader, 2):
        try:
            start, end = float(row["start"]), float(row["end"])
            given = {axis: float(row[axis]) for axis in axes if (row[axis] or "").strip()}
        except (TypeError, ValueError):
            raise InputError(f"{path}: line {number}: a cell is no number") from None
        if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
            raise InputError(f"{path}: line {number}: the end must come after the start")
        values = {axis: _scaled(axis, value, scale) for axis, value in given.items()}
        if not all(-1.0 <= value <= 1.0 for value in values.values()):
            low, high = scale
            raise InputError(f"{path}: line {number}: a rating lies outside {low:g} to {high:g}: give --scale LOW HIGH")
        if values:
            ratings.append(Rating(start, end, values, row.get("recording") or ""))
    if not ratings:
        raise InputError(f"{path}: there is no rating in it")
    return ratings


def _scaled(axis: Axis, value: float, scale: tuple[float, float]) -> float:
    if axis == "intensity":
        return value
    low, high = scale
    return 2.0 * (value - low) / (high - low) - 1.0


def segment_means(track: EmotionTrack, ratings: Iterable[Rating], axis: Axis) -> NDArray[np.float64]:
    """The track's mean over each rated segment, over its speech where there is some; not a number outside the track."""
    column, means = getattr(track, axis), []
    for rating in ratings:
        inside = (track.times >= rating.start) & (track.times < rating.end)
        if track.speech is not None and (inside & track.speech).any():
            inside &= track.speech
        means.append(float(column[inside].mean()) if inside.any() else math.nan)
    return np.array(means)


def ratings_of(other: EmotionTrack, segments: Sequence[tuple[float, float]], recording: str = "") -> list[Rating]:
    """Another track's means over segments, as ratings."""
    blank = [Rating(start, end, {}, recording) for start, end in segments]
    means = {axis: segment_means(other, blank, axis) for axis in AXES}
    return [
        Rating(r.start, r.end, {a: float(m[k]) for a, m in means.items() if not math.isnan(m[k])}, recording)
        for k, r in enumerate(blank)
    ]


@dataclass(frozen=True)
class Agreement:
    """Agreement on one axis.

    Attributes:
        axis: which.
        n: segments.
        figures: ``spearman``, ``pearson``, ``ccc``, their ``_p``, the interval of the first, and ``mae``.
        trusted: whether the track may be used for what was rated.
        verdict: one sentence.
    """

    axis: Axis
    n: int
    figures: dict[str, float]
    trusted: bool
    verdict: str


def agreement(axis: Axis, predicted: NDArray[np.floating], rated: NDArray[np.floating], seed: int = 0) -> Agreement:
    """How far predictions (N,) agree with ratings (N,).

    Args:
        axis: what is rated.
        predicted: of the track.
        rated: of people, or of another track.
        seed: of intervals and permutations.

    Raises:
        InputError: too few segments.
    """
    both = np.isfinite(predicted) & np.isfinite(rated)
    x, y = np.asarray(predicted, np.float64)[both], np.asarray(rated, np.float64)[both]
    if len(x) < FEWEST:
        raise InputError(f"{len(x)} segments with {axis} in both are too few: {FEWEST} or more are needed")
    constant = x.std() == 0 or y.std() == 0
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(x), size=(RESAMPLES, len(x)))
    low, high = np.percentile([spearman(x[d], y[d]) for d in draws], [2.5, 97.5])
    ccc = concordance(x, y)
    shuffled = [concordance(x, y[rng.permutation(len(y))]) for _ in range(RESAMPLES)]
    figures = {
        "spearman": spearman(x, y),
        "spearman_p": 1.0 if constant else float(stats.spearmanr(x, y).pvalue),
        "spearman_low": float(low),
        "spearman_high": float(high),
        "pearson": pearson(x, y),
        "pearson_p": 1.0 if constant else float(stats.pearsonr(x, y).pvalue),
        "ccc": ccc,
        "ccc_p": (1 + int(np.sum(np.abs(shuffled) >= abs(ccc)))) / (1 + RESAMPLES),
        "mae": mean_absolute_error(x, y),
    }
    trusted = figures["spearman"] >= TRUSTED and figures["spearman_p"] <= CHANCE
    said = f"Spearman {figures['spearman']:.2f}, n = {len(x)}, p = {figures['spearman_p']:.2g}"
    verdict = (
        f"{axis} goes with the ratings ({said})"
        if trusted
        else f"do not trust {axis} here: it does not go with the ratings ({said}; asked: {TRUSTED:g} at p ≤ {CHANCE:g})"
    )
    return Agreement(axis, len(x), figures, trusted, verdict)
