"""Fine-grained emotions than seven: a curve in [0, 1] for each of some thirty, beside the track.

Means and deviations of hidden vectors, prosody and log-mels over three seconds go through a small perceptron with an
output for each kind (after the heads of EmoNet-Voice, Schuhmann et al. 2025, arXiv 2506.09827, which pool the frozen
vectors of a larger encoder alike). A curve says how probable its kind is among all of them, if every one were equally
frequent; ``docs/diarizer.md`` has the agreement with what speakers were asked for and with what raters called it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.emotion.diarizer_model import ROW
from sedtalker.nn.engine import Model
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, PROSODY_CHANNELS, SpeechFeatures

PIECE_ROWS = 400
"""Rows that are computed at once: about a minute."""


class FineConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``FineNetwork``."""

    kinds: tuple[str, ...]
    """Names of the outputs, see ``taxonomy.KINDS``."""
    hidden_channels: int
    """Size of the hidden vectors."""
    seconds: float = Field(3.0, gt=0.0)
    """Width of a window."""
    statistics: tuple[Literal["mean"], Literal["deviation"]] = ("mean", "deviation")
    """Statistics of each channel over the speech of a window; no others are known."""
    width: int = 224
    """Units of the hidden layer."""
    dropout: float = 0.6
    """Share of the values that training drops."""

    @property
    def inputs(self) -> int:
        """Numbers that the perceptron reads."""
        return 2 * (self.hidden_channels + len(PROSODY_CHANNELS) + MEL_BANDS)


def fine_channels(hidden: Floats, prosody: Floats, mel: Floats) -> Floats:
    """Channels (T, C) that windows are taken of: hidden vectors, prosody and centred log-mels at 50 Hz."""
    return np.concatenate([hidden, prosody, mel], -1)


def pooled_windows(
    channels: Floats, speech: Mask, config: FineConfig, first: int = 0, last: int | None = None
) -> tuple[Floats, Mask]:
    """Statistics of every channel over the speech of windows; a row every ``ROW`` frames, centred there.

    Args:
        channels: (T, C) at 50 Hz.
        speech: (T,) bool.
        config: says how wide a window is.
        first: row to begin with.
        last: row to end before; None: after the last.

    Returns:
        rows (R, 2 · C) of means and deviations, zeros where nobody speaks within the window, and whether somebody does.
    """
    half = _half(config)
    count = -(-len(channels) // ROW)
    last = count if last is None else min(last, count)
    start, stop = max(0, first * ROW - half), min(len(channels), (last - 1) * ROW + half + 1)
    padding = start - (first * ROW - half), (last - 1) * ROW + half + 1 - stop
    weight = np.pad(speech[start:stop], padding)
    spoken = np.where(weight[:, None], np.pad(channels[start:stop], (padding, (0, 0))), 0.0)
    begin = ROW * np.arange(last - first)
    end = begin + 2 * half + 1
    frames = np.maximum(_sums(weight[:, None], begin, end), 1e-6)
    mean = _sums(spoken, begin, end) / frames
    deviation = np.sqrt(np.maximum(_sums(np.square(spoken), begin, end) / frames - np.square(mean), 0.0))
    talks = frames[:, 0] > 0.5
    return np.where(talks[:, None], np.concatenate([mean, deviation], 1), 0.0).astype(np.float32), talks


def _sums(values: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64]) -> Doubles:
    """Sums (R, C) of values (T, C) over frames ``first`` to ``last``."""
    total = np.pad(np.cumsum(values, 0, dtype=np.float64), ((1, 0), (0, 0)))
    return np.asarray(total[last] - total[first])


@dataclass(frozen=True, eq=False)
class FineEmotions:
    """The curves of a ``FineNetwork``.

    Attributes:
        model: the perceptron: rows (N, F) of ``pooled_windows`` to values (N, K) in [0, 1] that sum to 1.
        projection: mean (L,) and matrix (L, C) that hidden vectors go through before; None: as they are.
    """

    model: Model
    projection: tuple[Floats, Floats] | None = None

    @property
    def config(self) -> FineConfig:
        """Hyper-parameters of the perceptron."""
        return cast("FineConfig", self.model.config)

    def __call__(self, features: SpeechFeatures) -> dict[str, Floats]:
        """Curves (T,) in [0, 1] on the clock of the features, by kind; zeros where nobody speaks within the window."""
        values = self._rows(*self._inputs(features))
        at, centres = np.arange(len(features)), ROW * np.arange(len(values))
        return {
            kind: np.interp(at, centres, curve).astype(np.float32)
            for kind, curve in zip(self.kinds, values.T, strict=True)
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the curves."""
        return self.config.kinds

    @property
    def context(self) -> int:
        """Frames before one that are needed for its values: half a window, to the row before, from a row on."""
        return _half(self.config) + 2 * ROW

    def of_frames(self, features: SpeechFeatures, first: int, since: int, count: int) -> Floats:
        """Values (count, K) of some frames, as ``__call__`` gives them of a recording that ends with ``features``.

        Args:
            features: the last frames of the recording, ``context`` before the frames that are asked for.
            first: number of frames before ``features``.
            since: first of the frames asked for, counted from the beginning of ``features``.
        """
        half, total = _half(self.config), first + len(features)
        at = np.arange(first + since, first + since + count)
        low, high = at[0] // ROW, min(-(-at[-1] // ROW), -(-total // ROW) - 1)
        start = max(-(-first // ROW), (low * ROW - half) // ROW)  # in rows, so that their places stay
        stop = min(total, high * ROW + half + 1)
        channels, speech = self._inputs(features.part(start * ROW - first, stop - first))
        rows, spoken = pooled_windows(channels, speech, self.config, int(low - start), int(high - start + 1))
        values = self.model.run(rows)[0] * spoken[:, None].astype(np.float32)
        centres = ROW * np.arange(low, high + 1)
        return np.column_stack([np.interp(at, centres, curve) for curve in values.T]).astype(np.float32)

    def _inputs(self, features: SpeechFeatures) -> tuple[Floats, Mask]:
        """Channels (T, C) that windows are taken of, and speech (T,)."""
        hidden: Floats = features.hidden
        if self.projection is not None:
            mean, matrix = self.projection
            hidden = np.asarray((hidden - mean) @ matrix, np.float32)
        return fine_channels(hidden, features.prosody, features.mel), features.speech

    def _rows(self, channels: Floats, speech: Mask) -> Floats:
        """Values (R, K) of every row, a minute at a time."""
        parts = []
        for first in range(0, -(-len(channels) // ROW), PIECE_ROWS):
            rows, spoken = pooled_windows(channels, speech, self.config, first, first + PIECE_ROWS)
            parts.append(self.model.run(rows)[0] * spoken[:, None])
        return np.concatenate(parts)


def _half(config: FineConfig) -> int:
    """Frames on either side of the middle one of a window."""
    return round(0.5 * config.seconds * FRAME_CLOCK.rate)
