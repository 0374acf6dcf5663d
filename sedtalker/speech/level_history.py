"""Distributions of levels and mean spectra of sound that has left the buffer of a stream.

Levels are natural logs and are kept as they would be without any gain, so that a later gain is an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask, Reals

LOWEST, HIGHEST = -40.0, 40.0
"""Natural-log levels between which histograms have bins."""


def with_rows(values: NDArray[Any], first: int, low: int, high: int) -> tuple[NDArray[Any], int]:
    """Values that begin at row ``first``, with zeros for rows from ``low`` to ``high`` that are not there.

    So a wide range takes the memory of the part that is in use.

    Returns:
        The values, and the row at which they begin now.
    """
    first = first if len(values) else low
    before, after = max(0, first - low), max(0, high - first - len(values))
    if not before and not after:
        return values, first
    return np.pad(values, [(before, after), *[(0, 0)] * (values.ndim - 1)]), first - before


class LevelHistogram:
    """Quantiles of any number of levels in memory that does not grow, to within half of ``WIDTH``."""

    WIDTH = 5e-5
    BLOCK = 1024

    def __init__(self) -> None:
        self.blocks = np.zeros(round((HIGHEST - LOWEST) / self.WIDTH / self.BLOCK), np.int64)
        """Levels in each block of bins."""
        self.counts = np.zeros((0, self.BLOCK), np.int32)
        """Those in each bin, of the blocks from ``first`` on that have had any."""
        self.first = 0

    def __len__(self) -> int:
        return int(self.blocks.sum())

    def add(self, levels: Reals) -> None:
        """Count levels (N,)."""
        if not len(levels):
            return
        bins = self._bins(levels)
        block = bins // self.BLOCK
        self.counts, self.first = with_rows(self.counts, self.first, int(block.min()), int(block.max()) + 1)
        # numbers of the arrays' own types, which takes a tenth of the time
        np.add.at(self.counts.reshape(-1), bins - self.first * self.BLOCK, np.int32(1))
        np.add.at(self.blocks, block, np.int64(1))

    def neighbours(self, recent: Doubles, shares: Sequence[float]) -> tuple[Doubles, Doubles, Doubles]:
        """For quantiles (Q,) of these and recent levels (N,): the levels on either side, and how far each is from the
        first to the second."""
        bins = self._bins(recent)
        blocks = bins // self.BLOCK
        ends = (self.blocks + np.bincount(blocks, minlength=len(self.blocks))).cumsum()
        ranks = np.array(shares) * (float(ends[-1]) - 1)
        beside = np.array([np.floor(ranks), np.ceil(ranks)])
        within = ends.searchsorted(beside, side="right")
        found = np.empty_like(beside)
        for block in {*within.ravel().tolist()}:
            counts = np.bincount(bins[blocks == block] - block * self.BLOCK, minlength=self.BLOCK)
            if 0 <= block - self.first < len(self.counts):
                counts += self.counts[block - self.first]
            here = within == block
            below = beside[here] - (ends[block - 1] if block else 0)
            found[here] = block * self.BLOCK + counts.cumsum().searchsorted(below, side="right")
        low, high = LOWEST + (found + 0.5) * self.WIDTH
        return low, high, ranks - beside[0]

    def _bins(self, levels: Reals) -> NDArray[np.int64]:
        """The bin of each level (N,)."""
        bins = ((np.asarray(levels, np.float64) - LOWEST) / self.WIDTH).astype(np.int64)
        return np.minimum(np.maximum(bins, 0), len(self.blocks) * self.BLOCK - 1)


def quantiles_with(
    history: LevelHistogram,
    recent: Doubles,
    *shares: float,
    scale: Callable = np.asarray,
    sound: Mask | None = None,
) -> list[float]:
    """Quantiles of a history and recent levels (N,) together, exact while there is no history.

    As ``torch.quantile`` does, they interpolate between neighbouring values: ``scale`` makes them of the levels.
    ``sound``: which of the recent ones (N,) count, unless there are no others; None: all.
    """
    counted = recent if sound is None else recent[sound]
    if not len(history):  # as np.quantile, in a fifth of its time
        values = np.sort(scale(np.asarray(counted if len(counted) else recent, np.float64)))
        ranks = [share * (len(values) - 1) for share in shares]
        found = [(values[int(rank)], values[int(np.ceil(rank))], rank - int(rank)) for rank in ranks]
        return [float(low + weight * (high - low)) for low, high, weight in found]
    low, high, weight = history.neighbours(counted, shares)
    return [float(value) for value in (1 - weight) * scale(low) + weight * scale(high)]


def without_gain(level: Reals, floor: float, gain: float) -> Doubles:
    """Levels ``log(g² P + floor)`` as ``log P``; on the floor, far below it."""
    power = np.exp(np.asarray(level, np.float64)) - floor
    return np.log(np.maximum(power, 1e-6 * floor)) - 2 * np.log(gain)


def with_gain(level: Reals | float, floor: float, gain: float) -> Doubles:
    """Levels ``log P`` as ``log(g² P + floor)``."""
    return np.log(gain**2 * np.exp(np.asarray(level, np.float64)) + floor)


class BandHistory:
    """Sums of log-mels by the level of their frames, so that the mean over all frames above any level is at hand.

    How a log-mel moves with the gain depends on its distance from the floor: sums are kept for a grid of gains, and
    interpolated between four of them. Sums are in single precision, as memory grows with the number of different
    levels: there are so many that few frames are in each sum.

    Args:
        bands: of the log-mels.
        floor: their power.
        gains: the least and the greatest there may be.
    """

    LEVEL_WIDTH = 0.01
    BLOCK = 32
    GAIN_STEP = 0.75

    def __init__(self, bands: int, floor: float, gains: tuple[float, float]) -> None:
        least, greatest = (2 * np.log(gain) / self.GAIN_STEP for gain in gains)
        self.grid = self.GAIN_STEP * np.arange(int(np.floor(least)) - 2, int(np.ceil(greatest)) + 3)
        self.floor = floor
        self.counts = np.zeros(round((HIGHEST - LOWEST) / self.LEVEL_WIDTH))
        self.blocks = np.zeros((0, len(self.grid), bands))
        """By level and gain, of the blocks of levels from ``first`` on that have had frames."""
        self.sums = np.zeros((0, self.BLOCK, len(self.grid), bands), np.float32)
        """Those of the levels of each block."""
        self.first = 0

    def add(self, power: Reals, level: Reals) -> None:
        """Add mel powers (N, B) and levels (N,) of frames, both without gain."""
        index = ((level - LOWEST) / self.LEVEL_WIDTH).astype(np.int64).clip(0, len(self.counts) - 1)
        np.add.at(self.counts, index, 1.0)
        block, place = np.divmod(index, self.BLOCK)
        reach = self.first, int(block.min()), int(block.max()) + 1
        (self.blocks, _), (self.sums, self.first) = with_rows(self.blocks, *reach), with_rows(self.sums, *reach)
        gains = np.exp(self.grid).astype(np.float32)[:, None]
        mels = gains * power[:, None]
        mels += np.float32(self.floor)
        for row, bin_, mel in zip(block - self.first, place, np.log(mels, out=mels), strict=True):
            self.blocks[row] += mel
            self.sums[row, bin_] += mel

    def above(self, level: float, gain: float) -> tuple[float, Doubles]:
        """Number of frames above a level (without gain), and the sum (B,) of their log-mels under a gain."""
        begin, end = self.BLOCK * self.first, self.BLOCK * (self.first + len(self.sums))
        position = min(max((level - LOWEST) / self.LEVEL_WIDTH, begin), end)
        at = (2 * np.log(gain) - self.grid[0]) / self.GAIN_STEP
        node, whole = int(at) - 1, int(np.ceil(position))
        nodes, block = slice(node, node + 4), -(-whole // self.BLOCK)
        levels = self.sums.reshape(-1, *self.sums.shape[2:])[:, nodes]
        total = self.blocks[block - self.first :, nodes].sum(0)
        total += levels[whole - begin : block * self.BLOCK - begin].sum(0, dtype=np.float64)
        count = self.counts[whole:end].sum()
        if whole > position:
            part = whole - position
            count, total = count + part * self.counts[whole - 1], total + part * levels[whole - begin - 1]
        return float(count), _cubic(at - node) @ total


def _cubic(at: float) -> Doubles:
    """Weights (4,) of Lagrange's interpolation between values at 0, 1, 2 and 3."""
    a, b, c = at - 1, at - 2, at - 3
    return np.array([-a * b * c / 6, at * b * c / 2, -at * a * c / 2, at * a * b / 6])
