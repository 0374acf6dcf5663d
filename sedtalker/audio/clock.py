"""One clock for every stream: frame i is at ``offset + i / rate`` seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameClock:
    """Regular frame times.

    Attributes:
        rate: frames per second.
        offset: time of frame 0, seconds. For analysis frames this is the centre of the first receptive field.
    """

    rate: float
    offset: float = 0.0

    def times(self, frames: int) -> NDArray[np.float64]:
        """Times (frames,) in seconds."""
        return self.offset + np.arange(frames) / self.rate

    def index(self, time: float) -> int:
        """The frame nearest to a time in seconds (may lie outside the stream)."""
        return round((time - self.offset) * self.rate)

    def frames(self, duration: float) -> int:
        """Frames that cover ``duration`` seconds: the stream ends with it or less than a frame later; at least one."""
        return max(1, math.ceil(duration * self.rate - 1e-6))


def resample_frames(
    values: NDArray[np.floating], times: NDArray[np.floating], target: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Linear interpolation of (T, …) values given at ``times`` (T,) to ``target`` times, held at both ends."""
    if len(times) == 1:
        return np.repeat(np.asarray(values, np.float32), len(target), axis=0)
    position = np.interp(target, times, np.arange(len(times)))
    low = np.minimum(position.astype(np.int64), len(times) - 2)
    weight = (position - low).reshape(-1, *([1] * (np.ndim(values) - 1)))
    return np.asarray((1 - weight) * values[low] + weight * values[low + 1], dtype=np.float32)
