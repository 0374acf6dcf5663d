"""Distributions of levels and mean spectra of sound that has left the buffer of a stream.

Levels are natural logs and are kept as they would be without any gain, so that a later gain is an addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask, Reals

LOWEST, HIGHEST = -40.0, 40.0
"""Natural-log levels between which histograms have bins."""


def with_rows(values: NDArray[Any], first: int, low: int, high: int, axis: int = 0) -> tuple[NDArray[Any], int]:
    """Values that begin at row ``first`` of an axis, with zeros for rows from ``low`` to ``high`` that are not there.

    So a wide range takes the memory of the part that is in use.

    Returns:
        The values, and the row at which they begin now.
    """
    count = values.shape[axis]
    first = first if count else low
    before, after = max(0, first - low), max(0, high - first - count)
    if not before and not after:
        return values, first
    beside = [(0, 0)] * values.ndim
    beside[axis] = before, after
    return np.pad(values, beside), first - before


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

    def add(self, levels: Reals, times: int = 1) -> None:
        """Count levels (N,) so many times; minus once takes them out again."""
        if not len(levels):
            return
        index = ((np.asarray(levels, np.float64) - LOWEST) / self.WIDTH).astype(np.int64)
        index = index.clip(0, len(self.blocks) * self.BLOCK - 1)
        block = index // self.BLOCK
        self.counts, self.first = with_rows(self.counts, self.first, int(block.min()), int(block.max()) + 1)
        # numbers of the arrays' own types, which takes a tenth of the time
        np.add.at(self.counts.reshape(-1), index - self.first * self.BLOCK, np.int32(times))
        np.add.at(self.blocks, block, np.int64(times))

    def neighbours(self, share: float) -> tuple[float, float, float]:
        """The levels on either side of a quantile, and how far it is from the first to the second."""
        rank = share * (len(self) - 1)
        return self._level(int(rank)), self._level(int(np.ceil(rank))), rank - int(rank)

    def _level(self, rank: int) -> float:
        """The level with so many below it."""
        ends = self.blocks.cumsum()
        block = int(np.searchsorted(ends, rank, side="right"))
        inside = self.counts[block - self.first].cumsum() + ends[block] - self.blocks[block]
        bin_ = block * self.BLOCK + int(np.searchsorted(inside, rank, side="right"))
        return LOWEST + (bin_ + 0.5) * self.WIDTH


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
    history.add(counted)
    found = [history.neighbours(share) for share in shares]
    history.add(counted, -1)
    return [float((1 - weight) * scale(low) + weight * scale(high)) for low, high, weight in found]


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
    GAIN_STEP = 0.75

    def __init__(self, bands: int, floor: float, gains: tuple[float, float]) -> None:
        least, greatest = (2 * np.log(gain) / self.GAIN_STEP for gain in gains)
        self.grid = self.GAIN_STEP * np.arange(int(np.floor(least)) - 2, int(np.ceil(greatest)) + 3)
        self.floor = floor
        self.counts = np.zeros(round((HIGHEST - LOWEST) / self.LEVEL_WIDTH))
        self.sums = np.zeros((len(self.grid), 0, bands), np.float32)
        """By gain and level, of the levels from bin ``first`` on that have had frames."""
        self.first = 0
        self.low, self.high = len(self.counts), 0

    def add(self, power: Reals, level: Reals) -> None:
        """Add mel powers (N, B) and levels (N,) of frames, both without gain."""
        index = ((level - LOWEST) / self.LEVEL_WIDTH).astype(np.int64).clip(0, len(self.counts) - 1)
        np.add.at(self.counts, index, 1.0)
        self.low, self.high = min(self.low, int(index.min())), max(self.high, int(index.max()) + 1)
        self.sums, self.first = with_rows(self.sums, self.first, self.low, self.high, 1)
        gains = np.exp(self.grid).astype(np.float32)[:, None]
        for place, mel in zip(index, np.log(gains * power[:, None] + np.float32(self.floor)), strict=True):
            self.sums[:, place - self.first] += mel

    def above(self, level: float, gain: float) -> tuple[float, Doubles]:
        """Number of frames above a level (without gain), and the sum (B,) of their log-mels under a gain."""
        position = float(np.clip((level - LOWEST) / self.LEVEL_WIDTH, self.low, max(self.high, self.low)))
        whole = int(np.ceil(position))
        at = (2 * np.log(gain) - self.grid[0]) / self.GAIN_STEP
        node, start = int(at) - 1, max(0, whole - self.first)
        counts, sums = self.counts[: self.high], self.sums[node : node + 4]
        count, total = counts[whole:].sum(), sums[:, start:].sum(1, dtype=np.float64)
        if whole > position:
            part = whole - position
            count, total = count + part * counts[whole - 1], total + part * sums[:, whole - 1 - self.first]
        return float(count), _cubic(at - node) @ total


def _cubic(at: float) -> Doubles:
    """Weights (4,) of Lagrange's interpolation between values at 0, 1, 2 and 3."""
    nodes = np.arange(4.0)
    return np.array([np.prod([(at - m) / (n - m) for m in nodes if m != n]) for n in nodes])
