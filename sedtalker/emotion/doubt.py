"""How much a segment's label is in doubt, by several measures; and which segments somebody should decide.

Selective classification: what is answered and what is handed on is decided by one number a segment (Geifman and
El-Yaniv, NeurIPS 2017; Chow 1970). Margin and entropy are of the posterior over the speech of the segment; distance
says how unlike its sound is to what the diarizer was trained on. The adjusted posterior compares the segments at hand:
a category that is answered nearly everywhere, as diarizers do on speech unlike that of training, counts for less there
(Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError

Measure = Literal["adjusted", "margin", "entropy", "distance"]
"""What segments can be ordered by."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""All of them."""
DEFAULT_MEASURE: Measure = "adjusted"
"""The usual one; chosen on corpora that were never trained on (``docs/tracks.md``)."""
FEW_SEGMENTS = 10
"""So many segments with even posteriors are added to those at hand: of few of them it cannot be said what is usual."""
DEFAULT_SHARE = 0.15
"""Share of the segments that is handed on where nothing else is asked."""


@dataclass(frozen=True)
class Doubt:
    """How sure a label is.

    Attributes:
        margin: probability of the best category less that of the second, in [0, 1].
        entropy: of the posterior, as a share of the most there is, in [0, 1].
        distance: of the sound from training, in deviations; None where only the track is known.
    """

    margin: float
    entropy: float
    distance: float | None = None

    def by(self, measure: Literal["margin", "entropy", "distance"]) -> float:
        """The greater, the more in doubt; ``doubts`` also knows the measure that compares segments.

        Raises:
            InputError: the distance is asked for, and not known.
        """
        if measure == "margin":
            return 1.0 - self.margin
        if measure == "entropy":
            return self.entropy
        if self.distance is None:
            raise InputError("the distance needs the recording and the diarizer: give them, or order by margin")
        return self.distance


@dataclass(frozen=True)
class JudgedSegment:
    """A segment with its doubt.

    Attributes:
        segment: of the track.
        posterior: (C,) mean over its speech, in the order of the track's labels.
        doubt: how sure its label is.
    """

    segment: Segment
    posterior: tuple[float, ...]
    doubt: Doubt

    def candidates(self, labels: Sequence[str], count: int = 3) -> tuple[str, ...]:
        """The likeliest categories, best first."""
        order = np.argsort(-np.asarray(self.posterior), kind="stable")[:count]
        return tuple(labels[int(k)] for k in order)


def posterior_doubt(posterior: NDArray[np.floating], distance: float | None = None) -> Doubt:
    """The doubt of a posterior (C,)."""
    p = np.asarray(posterior, np.float64)
    p = p / p.sum()
    ordered = np.sort(p)[::-1]
    margin = float(ordered[0] - ordered[1]) if len(p) > 1 else 1.0
    bits = float(-(p[p > 0] * np.log(p[p > 0])).sum())
    return Doubt(margin, bits / float(np.log(len(p))) if len(p) > 1 else 0.0, distance)


def judge_segments(track: EmotionTrack, distances: NDArray[np.floating] | None = None) -> list[JudgedSegment]:
    """Every segment of a track with its doubt.

    Args:
        track: of a diarizer.
        distances: (T,) of its frames from training, see ``frame_distances``.
    """
    judged = []
    for segment in track.confident(0.0).segments():
        inside = (track.times >= segment.start) & (track.times < segment.end)
        if track.speech is not None and (inside & track.speech).any():
            inside &= track.speech
        if not inside.any():
            continue
        mean = track.recognised[inside].astype(np.float64).mean(0)
        distance = None if distances is None else float(np.median(distances[inside]))
        judged.append(JudgedSegment(segment, tuple(float(p) for p in mean), posterior_doubt(mean, distance)))
    return judged


def doubts(judged: Sequence[JudgedSegment], measure: Measure = DEFAULT_MEASURE) -> NDArray[np.float64]:
    """The doubt (N,) of segments of all tracks at hand: the greater, the more.

    Raises:
        InputError: the distance is asked for, and not known.
    """
    if measure == "adjusted":
        return adjusted_doubt(np.array([each.posterior for each in judged]).reshape(len(judged), -1))
    return np.array([each.doubt.by(measure) for each in judged])


def adjusted_doubt(posterior: NDArray[np.floating]) -> NDArray[np.float64]:
    """One minus the probability (N,) of each answer, once all categories are equally likely over the rows (N, C)."""
    p = np.asarray(posterior, np.float64)
    if not p.size:
        return np.zeros(len(p))
    even = p / (p.sum(0) + FEW_SEGMENTS / p.shape[1])
    even /= even.sum(1, keepdims=True)
    return np.asarray(1.0 - even[np.arange(len(p)), p.argmax(1)])


def has_speech(track: EmotionTrack, segment: Segment) -> bool:
    """Whether somebody speaks in a segment, as far as the track knows."""
    if track.speech is None:
        return True
    return bool(track.speech[(track.times >= segment.start) & (track.times < segment.end)].any())


def most_doubtful(values: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """Which of N are handed on: the ``share`` with the greatest doubt, rounded to whole ones; of equals the first.

    Raises:
        InputError: the share is not from 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(f"a share of {share:g} is none: give 0 to 1")
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(-np.asarray(values, np.float64), kind="stable")[: round(share * len(values))]] = True
    return chosen


def share_for_accuracy(values: NDArray[np.floating], right: NDArray[np.bool_], accuracy: float) -> float:
    """The least share to hand on so that the rest is right often enough, on labelled segments.

    Args:
        values: (N,) doubt.
        right: (N,) whether the machine was right.
        accuracy: what is asked of those that it keeps.

    Returns:
        in [0, 1]; 1 where no part is that good.
    """
    order = np.argsort(np.asarray(values, np.float64), kind="stable")
    kept = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(kept >= accuracy)
    return 1.0 - (good[-1] + 1) / len(order) if len(good) else 1.0
