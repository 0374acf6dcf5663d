"""95 % intervals of means over corpora, which are drawn anew; those of clips: ``sedtalker.metrics.emotion``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sedtalker.metrics.emotion import COVERED, ROUNDS


def interval_over(values: Sequence[float], rounds: int = 10 * ROUNDS, seed: int = 0) -> tuple[float, float]:
    """The middle 95 % of the mean of a few numbers, such as gains on corpora, as many drawn with replacement.

    Args:
        values: one or more.
        rounds: how many samples are drawn.
        seed: of the draws.
    """
    means = np.random.default_rng(seed).choice(np.asarray(values, np.float64), (rounds, len(values))).mean(1)
    low, high = np.quantile(means, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def with_ends(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of the numbers of each key, followed by the ends of its interval: ``_low`` and ``_high``."""
    out: dict[str, float] = {}
    for key, each in values.items():
        low, high = interval_over(each)
        out |= {key: float(np.mean(each)), f"{key}_low": low, f"{key}_high": high}
    return out
