"""EmotionTrack: emotion as a dense signal over time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import resample_frames

CATEGORIES: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


@dataclass(frozen=True)
class Segment:
    """A span of one emotion: seconds, label, mean intensity and mean confidence in [0, 1]."""

    start: float
    end: float
    label: str
    intensity: float
    confidence: float


@dataclass(frozen=True, eq=False)
class EmotionTrack:
    """What is expressed, how strongly and when.

    Attributes:
        times: (T,) float64 seconds, increasing.
        posterior: (T, C) float32, rows sum to 1.
        intensity: (T,) float32 in [0, 1].
        valence: (T,) float32 in [-1, 1].
        arousal: (T,) float32 in [-1, 1].
        labels: (C,) category names.
        duration: seconds of the recording the track belongs to.
    """

    times: NDArray[np.float64]
    posterior: NDArray[np.float32]
    intensity: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    labels: tuple[str, ...] = CATEGORIES
    duration: float = 0.0

    def __len__(self) -> int:
        return len(self.times)

    def at(self, times: NDArray[np.floating]) -> EmotionTrack:
        """The same track sampled at other times (seconds) by linear interpolation, held beyond both ends."""
        columns = np.column_stack([self.posterior, self.intensity, self.valence, self.arousal])
        values = resample_frames(columns, self.times, times)
        n = len(self.labels)
        return replace(
            self,
            times=np.asarray(times, np.float64),
            posterior=values[:, :n],
            intensity=values[:, n],
            valence=values[:, n + 1],
            arousal=values[:, n + 2],
        )

    def scaled(self, gain: float) -> EmotionTrack:
        """The same track with its intensity multiplied (clipped to [0, 1])."""
        return replace(self, intensity=np.clip(self.intensity * gain, 0.0, 1.0).astype(np.float32))
