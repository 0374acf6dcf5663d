"""What a listener remembers of sound that has left its buffer: distributions of levels and mean spectra, not frames.

Levels are natural logs and are kept as they would be without any gain, so that a later gain is an addition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -40.0, 40.0


class LevelHistogram:
    """Quantiles of any number of levels in memory that does not grow, to within half of ``WIDTH``."""

    WIDTH = 5e-5
    BLOCK = 1024

    def __init__(self) -> None:
        bins = round((HIGHEST - LOWEST) / self.WIDTH / self.BLOCK) * self.BLOCK
        self.counts = np.zeros(bins, np.int64)
        self.blocks = np.zeros(bins // self.BLOCK, np.int64)

    def __len__(self) -> int:
        return int(self.blocks.sum())

    def add(self, levels: NDArray[np.floating], times: int = 1) -> None:
        """Count levels (N,) so many times; minus once takes them out again."""
        index = ((np.asarray(levels, np.float64) - LOWEST) / self.WIDTH).astype(np.int64).clip(0, len(self.counts) - 1)
        np.add.at(self.counts, index, times)
        np.add.at(self.blocks, index // self.BLOCK, times)

    def neighbours(self, share: float) -> tuple[float, float, float]:
        """The levels on either side of a quantile, and how far it is from the first to the second."""
        rank = share * (len(self) - 1)
        return self._level(int(rank)), self._level(int(np.ceil(rank))), rank - int(rank)

    def _level(self, rank: int) -> float:
        """The level with so many below it."""
        ends = self.blocks.cumsum()
        block = int(np.searchsorted(ends, rank, side="right"))
        inside = self.counts[block * self.BLOCK : (block + 1) * self.BLOCK].cumsum() + ends[block] - self.blocks[block]
        bin_ = block * self.BLOCK + int(np.searchsorted(inside, rank, side="right"))
        return LOWEST + (bin_ + 0.5) * self.WIDTH


def quantile_with(
    history: LevelHistogram, recent: NDArray[np.floating], share: float, scale: Callable = np.asarray
) -> float:
    """Quantile of a history and recent levels (N,) together, exact while there is no history.

    As ``torch.quantile`` does, it interpolates between neighbouring values: ``scale`` makes them of the levels.
    """
    if not len(history):
        return float(np.quantile(scale(np.asarray(recent, np.float64)), share))
    history.add(recent)
    low, high, weight = history.neighbours(share)
    history.add(recent, -1)
    return float((1 - weight) * scale(low) + weight * scale(high))


def without_gain(level: NDArray[np.floating], floor: float, gain: float) -> NDArray[np.float64]:
    """Levels ``log(g² P + floor)`` as ``log P``; on the floor, far below it."""
    power = np.exp(np.asarray(level, np.float64)) - floor
    return np.log(np.maximum(power, 1e-6 * floor)) - 2 * np.log(gain)


def with_gain(level: NDArray[np.floating] | float, floor: float, gain: float) -> NDArray[np.float64]:
    """Levels ``log P`` as ``log(g² P + floor)``."""
    return np.log(gain**2 * np.exp(np.asarray(level, np.float64)) + floor)


class BandHistory:
    """Sums of log-mels by the level of their frames, so that the mean over all frames above any level is at hand.

    How a log-mel moves with the gain depends on its distance from the floor: sums are kept for a grid of gains, and
    interpolated between four of them.
    """

    LEVEL_WIDTH = 0.01
    GAIN_STEP = 0.75

    def __init__(self, bands: int, floor: float, largest_gain: float) -> None:
        reach = int(np.ceil(2 * np.log(largest_gain) / self.GAIN_STEP)) + 2
        self.grid = self.GAIN_STEP * np.arange(-reach, reach + 1)
        bins = round((HIGHEST - LOWEST) / self.LEVEL_WIDTH)
        self.floor = floor
        self.counts = np.zeros(bins)
        self.sums = np.zeros((bins, len(self.grid), bands))
        self.low, self.high = bins, 0

    def add(self, power: NDArray[np.floating], level: NDArray[np.floating]) -> None:
        """Add mel powers (N, B) and levels (N,) of frames, both without gain."""
        index = ((level - LOWEST) / self.LEVEL_WIDTH).astype(np.int64).clip(0, len(self.counts) - 1)
        np.add.at(self.counts, index, 1.0)
        mel = np.log(np.exp(self.grid)[:, None] * np.asarray(power, np.float64)[:, None] + self.floor)
        np.add.at(self.sums, index, mel)
        self.low, self.high = min(self.low, int(index.min())), max(self.high, int(index.max()) + 1)

    def above(self, level: float, gain: float) -> tuple[float, NDArray[np.float64]]:
        """Number of frames above a level (without gain), and the sum (B,) of their log-mels under a gain."""
        position = float(np.clip((level - LOWEST) / self.LEVEL_WIDTH, self.low, max(self.high, self.low)))
        whole = int(np.ceil(position))
        at = (2 * np.log(gain) - self.grid[0]) / self.GAIN_STEP
        first = int(at) - 1
        counts, sums = self.counts[: self.high], self.sums[: self.high, first : first + 4]
        count, total = counts[whole:].sum(), sums[whole:].sum(0)
        if whole > position:
            count, total = count + (whole - position) * counts[whole - 1], total + (whole - position) * sums[whole - 1]
        return float(count), _cubic(at - first) @ total


def _cubic(at: float) -> NDArray[np.float64]:
    """Weights (4,) of Lagrange's interpolation between values at 0, 1, 2 and 3."""
    nodes = np.arange(4.0)
    return np.array([np.prod([(at - m) / (n - m) for m in nodes if m != n]) for n in nodes])
