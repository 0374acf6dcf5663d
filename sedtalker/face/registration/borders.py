"""The two facing borders of lips or lids, bound to the points of a skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_matrix

from sedtalker.face.registration.alignment import Skin, attach, picks
from sedtalker.face.registration.features import SAMPLES, Line
from sedtalker.face.registration.surface import Points

Values = NDArray[np.float64]
TIGHTENING_ROUNDS = 6
EFFORT = 0.003  # of moving a point, beside that of leaving its border open
OVERLAPPING = 0.01  # how much an overlap counts beside an opening


@dataclass(frozen=True, eq=False)
class Borders:
    """A line of S samples on a skin of M points.

    Attributes:
        line: where the borders lie at rest.
        upper, lower: (S, M) what makes the samples' offsets of the points' offsets.
    """

    line: Line
    upper: csr_matrix
    lower: csr_matrix

    def moved(self, offset: Values) -> tuple[Points, Points]:
        """Positions (S, 3) of the upper and the lower border under offsets (M, 3)."""
        return self.line.upper + self.upper @ offset, self.line.lower + self.lower @ offset

    def gap(self, offset: Values) -> Values:
        """Height (S,) of the upper over the lower border under offsets (M, 3)."""
        upper, lower = self.moved(offset)
        return np.asarray((upper - lower)[:, 1])

    def opening(self, offset: Values) -> float:
        """Greatest height in the middle three fifths of the line, metres at rig scale; 0 if the borders overlap."""
        gap = gaussian_filter1d(self.gap(offset), 1.5, mode="nearest")
        return max(float(gap[SAMPLES // 5 : -(SAMPLES // 5)].max()), 0.0)


def bind(skin: Skin, line: Line, lip: bool) -> Borders:
    """Tie a line to the visible skin; of ``lip`` each border to its own lip."""
    upper, lower = (
        picks(*attach(skin, places, side if lip else 0), len(skin.points))
        for places, side in ((line.upper, 1), (line.lower, -1))
    )
    return Borders(line, upper, lower)


def taper() -> Values:
    """Weight of a line's samples (S,): nothing at its ends."""
    along = np.linspace(0, 1, SAMPLES)
    return np.clip(6.0 * np.minimum(along, 1 - along), 0.0, 1.0)


def tighten(offset: Values, borders: Borders, overlap: float, lower_effort: float) -> None:
    """Move the borders' own points up and down so that nothing stays open between them; in place.

    Borders of few points cannot follow each other: what lies between the points counts, openings must close, and where
    that takes an overlap elsewhere, it may be.

    Args:
        offset: (M, 3) of the skin's points.
        borders: where nothing may stay open.
        overlap: metres by which the upper border should lie below the lower.
        lower_effort: of moving the lower border, beside the upper's.
    """
    both = borders.upper - borders.lower
    own = np.unique(both.indices)
    matrix = both[:, own].toarray()
    effort = np.where(borders.upper[:, own].max(axis=0).toarray().ravel() > 0.0, 1.0, lower_effort)
    start = borders.gap(offset) + overlap
    change = np.zeros(len(own))
    for _ in range(TIGHTENING_ROUNDS):
        weight = taper() * np.where(start + matrix @ change > 0.0, 1.0, OVERLAPPING)
        system = matrix.T @ (weight[:, None] * matrix) + np.diag(EFFORT * effort)
        change = -np.linalg.solve(system, matrix.T @ (weight * start))
    offset[own, 1] += change
