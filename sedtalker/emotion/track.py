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
        speech: (T,) bool, where somebody speaks, or ``None`` where nobody looked.
    """

    times: NDArray[np.float64]
    posterior: NDArray[np.float32]
    intensity: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    labels: tuple[str, ...] = CATEGORIES
    duration: float = 0.0
    speech: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def at(self, times: NDArray[np.floating]) -> EmotionTrack:
        """The same track sampled at other times (seconds) by linear interpolation, held beyond both ends."""
        columns = np.column_stack([self.posterior, self.intensity, self.valence, self.arousal])
        values = resample_frames(columns, self.times, times)
        n = len(self.labels)
        speech = None
        if self.speech is not None:
            speech = resample_frames(self.speech.astype(np.float32), self.times, times) >= 0.5
        return replace(
            self,
            times=np.asarray(times, np.float64),
            posterior=values[:, :n],
            intensity=values[:, n],
            valence=values[:, n + 1],
            arousal=values[:, n + 2],
            speech=speech,
        )

    def scaled(self, gain: float) -> EmotionTrack:
        """The same track with its intensity multiplied (clipped to [0, 1])."""
        return replace(self, intensity=np.clip(self.intensity * gain, 0.0, 1.0).astype(np.float32))

    def segments(self, shortest: float = 0.3) -> list[Segment]:
        """Spans of one label, one after another over the whole duration, none shorter than ``shortest`` seconds.

        Decoded by ``segmentation.decode_labels``. Intensity and confidence (the label's posterior) are means over the
        span's frames.
        """
        from sedtalker.emotion.segmentation import SegmentRule, decode_labels, runs

        count = len(self)
        if not count:
            return []
        rate = (count - 1) / (self.times[-1] - self.times[0]) if count > 1 else 1.0
        decoded = runs(decode_labels(self.posterior, rate, SegmentRule(shortest=shortest, cost=0.02)))
        edges = [float(self.times[first - 1] + self.times[first]) / 2 for first, _, _ in decoded[1:]]
        edges = [0.0, *edges, max(self.duration, float(self.times[-1]))]
        return [
            Segment(
                start=edges[i],
                end=edges[i + 1],
                label=self.labels[label],
                intensity=float(self.intensity[first:last].mean()),
                confidence=float(self.posterior[first:last, label].mean()),
            )
            for i, (first, last, label) in enumerate(decoded)
        ]
