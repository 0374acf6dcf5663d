"""95 % intervals of figures: speakers and their clips, or corpora, are drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Draws = list[NDArray[np.int64]]
"""Indices of the drawn clips, an array a corpus."""

ROUNDS = 1000
"""Samples that are drawn."""

COVERED = 0.95
"""Share of the drawn figures that the interval holds."""


def bootstrap_interval(
    figure: Callable[[Draws], float], speakers: Sequence[Sequence[str]], rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """The middle 95 % of a figure over drawn samples of its clips.

    Args:
        figure: of drawn clips.
        speakers: of every clip, one sequence a corpus; corpora are drawn from apart.
        rounds: how many samples are drawn.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    owned = [_clips_of_speakers(names) for names in speakers]
    values = [figure([_draw(clips, rng) for clips in owned]) for _ in range(rounds)]
    low, high = np.nanquantile(values, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


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


def with_ends(figures: Mapping[str, float], values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Figures that are means of some ``values``, each followed by the ends of its interval: ``_low`` and ``_high``."""
    out: dict[str, float] = {}
    for key, figure in figures.items():
        low, high = interval_over(values[key])
        out |= {key: figure, f"{key}_low": low, f"{key}_high": high}
    return out


def _clips_of_speakers(speakers: Sequence[str]) -> Draws:
    names = np.asarray(speakers)
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def _draw(owned: Draws, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many speakers as there are, and of each as many clips."""
    drawn = (owned[int(i)] for i in rng.integers(len(owned), size=len(owned)))
    return np.concatenate([clips[rng.integers(len(clips), size=len(clips))] for clips in drawn])
