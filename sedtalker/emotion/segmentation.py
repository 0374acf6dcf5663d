"""From frame posteriors to segments: the most likely sequence in which nothing is shorter than a minimum duration.

``LiveSegmentation`` decides while the sound goes on: its labels never change once said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import EQUAL, Doubles, Mask, Reals, likeliest_labels


@dataclass(frozen=True)
class SegmentRule:
    """Costs and durations of changes of emotion.

    Attributes:
        shortest: shortest segment, seconds of speech and pause together.
        cost: price of a change, in units of log-likelihood a second of evidence.
        pause_discount: share of the price paid for a change inside a pause, where changes are likelier.
        boundary_gain: how much the price falls for each unit of log-odds of a predicted boundary.
    """

    shortest: float = 0.6
    cost: float = 1.75
    pause_discount: float = 0.5
    boundary_gain: float = 0.22


USUAL_ODDS = -1.5
"""Log-odds of a boundary at which the price is the rule's."""
LOWEST_COST = 0.02
"""A change never costs less."""


def change_costs(rule: SegmentRule, speech: Mask, boundary: Reals | None = None) -> Doubles:
    """Cost of beginning another segment at each frame (T,), see ``decode_labels``."""
    cost = np.where(speech, rule.cost, rule.cost * rule.pause_discount)
    if boundary is None or not boundary.any():
        return cost
    likely = np.clip(np.asarray(boundary, np.float64), 0.003, 0.997)
    return np.maximum(cost - rule.boundary_gain * (np.log(likely / (1 - likely)) - USUAL_ODDS), LOWEST_COST)


def decode_labels(
    posterior: Reals,
    rate: float,
    rule: SegmentRule = SegmentRule(),
    speech: Mask | None = None,
    boundary: Reals | None = None,
) -> NDArray[np.int64]:
    """The label of every frame (T,) under the rule.

    Evidence is the log-posterior, in seconds, counted over speech only; recordings shorter than the shortest segment
    become one.

    Args:
        posterior: (T, C), rows sum to 1.
        rate: frames a second.
        speech: (T,) frames that count; default all.
        boundary: (T,) probability that the emotion changes about here, if a network predicts it.
    """
    weight = np.ones(len(posterior)) if speech is None else np.asarray(speech, np.float64)
    evidence = np.log(np.maximum(posterior, 1e-6)) * (weight / rate)[:, None]
    return likeliest_labels(evidence, change_costs(rule, weight > 0, boundary), max(1, round(rule.shortest * rate)))


class LiveSegmentation:
    """The hidden semi-Markov model of ``decode_labels`` decided with a lag, at ``rate`` frames a second.

    Its states are a category and how many frames it has lasted, up to the minimum duration, two at least. Each decision
    takes the best path through all that is known, then every path that disagrees with it is dropped, so what follows
    always continues what was said. With all frames known at once it equals ``decode_labels``.
    """

    def __init__(self, classes: int, rate: float, rule: SegmentRule = SegmentRule()):
        self.rate, self.rule = rate, rule
        self.shortest = max(2, round(rule.shortest * rate))
        self.score = np.full((self.shortest, classes), -np.inf)
        self.begun = False

    def decide(
        self, posterior: Reals, speech: Mask, count: int, last: bool = False, boundary: Reals | None = None
    ) -> NDArray[np.int64]:
        """Labels of the next frames.

        Args:
            posterior: (T, C) of all frames that are not yet decided, as far as they are known.
            speech: (T,) frames that count.
            count: how many of them are decided now; the others are given again next time, perhaps changed.
            last: the sound ends with these frames: the last segment, too, must reach the minimum duration if it can.
            boundary: (T,) probability that the emotion changes about here.

        Returns:
            (count,) indices of categories.
        """
        classes = self.score.shape[1]
        weight = np.asarray(speech, np.float64)
        evidence = np.log(np.maximum(np.asarray(posterior, np.float64), 1e-6)) * (weight / self.rate)[:, None]
        cost = change_costs(self.rule, weight > 0, boundary)
        score, begun = self.score, self.begun
        paths = np.zeros((self.shortest, classes, count), np.int64)
        for t in range(len(evidence)):
            score, paths = self._step(score, paths, evidence[t], cost[t], begun)
            begun = True
            if t < count:
                paths[..., t] = np.arange(classes)
            if t == count - 1:
                self.score, decided, self.begun = score, paths.reshape(-1, count), True
                paths = np.arange(len(decided)).reshape(*score.shape, 1)  # from here on, which of them each continues
        if not count:
            return np.zeros(0, np.int64)
        ends = score[-1:] if last and np.isfinite(score[-1]).any() else score
        offset = self.shortest - len(ends)
        best, label = np.unravel_index(int(ends.argmax()), ends.shape)
        labels = decided[paths[offset + best, label, 0]]
        self.score = np.where((decided == labels).all(-1).reshape(score.shape), self.score, -np.inf)
        return labels

    def _step(
        self, score: Doubles, paths: NDArray[np.int64], evidence: Doubles, cost: float, begun: bool
    ) -> tuple[Doubles, NDArray[np.int64]]:
        """Scores (D, C) and labels so far (D, C, N) one frame on."""
        new, kept = np.empty_like(score), np.empty_like(paths)
        new[1:], kept[1:] = score[:-1], paths[:-1]
        longer = score[-1] >= new[-1] - EQUAL
        new[-1, longer], kept[-1, longer] = score[-1, longer], paths[-1, longer]
        source = int(score[-1].argmax())
        new[0], kept[0] = score[-1, source] - cost if begun else 0.0, paths[-1, source]
        new += evidence
        return new, kept
