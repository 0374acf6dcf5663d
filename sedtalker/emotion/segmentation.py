"""From frame posteriors to segments: the most likely sequence in which nothing is shorter than a minimum duration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SegmentRule:
    """How readily the emotion may change.

    Attributes:
        shortest: shortest segment, seconds of speech and pause together.
        cost: price of a change, in units of log-likelihood a second of evidence.
        pause_discount: share of the price paid for a change inside a pause, where changes are likelier.
        boundary_gain: how much the price falls for each unit of log-odds of a predicted boundary.
    """

    shortest: float = 0.6
    cost: float = 1.2
    pause_discount: float = 0.5
    boundary_gain: float = 0.15


USUAL_ODDS = -1.5
"""Log-odds of a boundary at which the price is the rule's."""
LOWEST_COST = 0.02
"""A change never costs less."""


def change_costs(
    rule: SegmentRule, speech: NDArray[np.bool_], boundary: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """What it costs to begin another segment at each frame (T,), see ``decode_labels``."""
    cost = np.where(speech, rule.cost, rule.cost * rule.pause_discount)
    if boundary is None or not boundary.any():
        return cost
    likely = np.clip(np.asarray(boundary, np.float64), 0.003, 0.997)
    return np.maximum(cost - rule.boundary_gain * (np.log(likely / (1 - likely)) - USUAL_ODDS), LOWEST_COST)


def decode_labels(
    posterior: NDArray[np.floating],
    rate: float,
    rule: SegmentRule = SegmentRule(),
    speech: NDArray[np.bool_] | None = None,
    boundary: NDArray[np.floating] | None = None,
) -> NDArray[np.int64]:
    """The label of every frame (T,) under the rule.

    A hidden semi-Markov model with a uniform duration beyond the minimum D: with s(t, c) the evidence summed up to t,
    ``best(t, c) = max(best(t-1, c) + e(t, c), max_{c'} best(t-D, c') - cost + s(t, c) - s(t-D, c))``, exact in O(T·C).
    Evidence is the log-posterior, in seconds, counted over speech only; recordings shorter than D become one segment.

    Args:
        posterior: (T, C), rows sum to 1.
        rate: frames a second.
        rule: minimum duration and price of a change.
        speech: (T,) frames that count; default all.
        boundary: (T,) probability that the emotion changes about here, if a network predicts it.
    """
    frames, classes = posterior.shape
    weight = np.ones(frames) if speech is None else np.asarray(speech, np.float64)
    evidence = np.log(np.maximum(posterior, 1e-6)) * (weight / rate)[:, None]
    summed = np.concatenate([np.zeros((1, classes)), np.cumsum(evidence, 0)])
    cost = change_costs(rule, weight > 0, boundary)
    shortest = max(1, round(rule.shortest * rate))
    best = np.full((frames + 1, classes), -np.inf)  # nothing ends before ``shortest``
    entered = np.zeros((frames + 1, classes), np.int64)
    if frames <= shortest:
        return np.full(frames, int(summed[-1].argmax()), np.int64)
    best[shortest] = summed[shortest]
    for t in range(shortest + 1, frames + 1):
        stay = best[t - 1] + evidence[t - 1]
        change = best[t - shortest].max() - cost[t - shortest] + summed[t] - summed[t - shortest]
        better = change > stay
        best[t] = np.where(better, change, stay)
        entered[t] = np.where(better, t - shortest, entered[t - 1])
    return _trace(best, entered)


def _trace(best: NDArray[np.float64], entered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Walk back from the best end: each entry says where the current segment began."""
    frames = len(best) - 1
    labels = np.empty(frames, np.int64)
    t, label = frames, int(best[frames].argmax())
    while t > 0:
        start = int(entered[t, label])
        labels[start:t] = label
        t, label = start, int(best[start].argmax())
    return labels


def runs(labels: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """(first, last + 1, label) of each run of equal labels."""
    if not len(labels):
        return []
    edges = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
    return [(int(a), int(b), int(labels[a])) for a, b in pairwise(edges)]
