"""Segments of a folder's emotion tracks that meet some conditions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.tracks import Tracks
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, Segment
from sedtalker.errors import InputError

FEW_SEGMENTS = 10
"""Segments with even posteriors that are added before the frequencies of the categories are counted."""


@dataclass(frozen=True)
class Wanted:
    """Conditions, all of which a segment meets.

    Attributes:
        emotions: its label is one of these, or of their synonyms; none: any. Others raise ``InputError``.
        least_intensity: of its mean intensity, 0 to 1.
        least_seconds: that it lasts.
        said: words that are spoken in it, in any case; None: any.
        uncertain: share of all segments with speech, the most uncertain ones; None: all of them.
    """

    emotions: tuple[str, ...] = ()
    least_intensity: float = 0.0
    least_seconds: float = 0.0
    said: str | None = None
    uncertain: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "emotions", tuple(map(_label, self.emotions)))


@dataclass(frozen=True)
class Hit:
    """A segment that was found.

    Attributes:
        recording: its name below the folder.
        file: of its track.
        segment: label, times in seconds, intensity and confidence.
        words: what was said there; empty where no words are known.
        speaker: who said it; empty where the recording has one track.
    """

    recording: str
    file: Path
    segment: Segment
    words: str
    speaker: str = ""


def search(tracks: Tracks, wanted: Wanted) -> list[Hit]:
    """The segments that meet the conditions, by recording, in order of time."""
    every = [
        (Hit(summary.name, summary.file, segment, words, summary.speaker), posterior)
        for summary in tracks.summaries
        for segment, words, posterior in zip(summary.segments, summary.words, summary.posteriors, strict=True)
    ]
    if wanted.uncertain is not None:
        every = [(hit, posterior) for hit, posterior in every if posterior is not None]
        posteriors = np.array([posterior for _, posterior in every]).reshape(len(every), -1)
        chosen = most_uncertain(uncertainty(posteriors), wanted.uncertain)
        every = [each for each, kept in zip(every, chosen, strict=True) if kept]
    order = {summary.file: k for k, summary in enumerate(tracks.summaries)}
    hits = [hit for hit, _ in every if _meets(hit, wanted)]
    return sorted(hits, key=lambda hit: (order[hit.file], hit.segment.start))


def uncertainty(posterior: NDArray[np.floating]) -> NDArray[np.float64]:
    """One minus the probability (N,) of each answer, once all categories are equally likely over the rows (N, C).

    So a category that is predicted nearly everywhere counts for less (Saerens, Latinne and Decaestecker 2002,
    "Adjusting the outputs of a classifier to new a priori probabilities").
    """
    p = np.asarray(posterior, np.float64)
    if not p.size:
        return np.zeros(len(p))
    even = p / (p.sum(0) + FEW_SEGMENTS / p.shape[1])
    even /= even.sum(1, keepdims=True)
    return np.asarray(1.0 - even[np.arange(len(p)), p.argmax(1)])


def most_uncertain(values: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """Which of N are among the ``share`` with the greatest uncertainty, rounded to whole ones; of equals the first."""
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(-np.asarray(values, np.float64), kind="stable")[: round(share * len(values))]] = True
    return chosen


def _label(name: str) -> str:
    label = UNCERTAIN if name == UNCERTAIN else known_category(name)
    if label is None:
        raise InputError(f"'{name}' is no emotion; there are {', '.join(CATEGORIES)} and {UNCERTAIN}")
    return label


def _meets(hit: Hit, wanted: Wanted) -> bool:
    segment = hit.segment
    return (
        (not wanted.emotions or segment.label in wanted.emotions)
        and segment.intensity >= wanted.least_intensity
        and segment.end - segment.start >= wanted.least_seconds
        and (wanted.said is None or wanted.said.casefold() in hit.words.casefold())
    )
