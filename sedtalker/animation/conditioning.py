"""How emotion and style reach every block of the decoder, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.emotion.track import CATEGORIES
from sedtalker.nn import initialised


@dataclass(frozen=True)
class Style:
    """How a talker speaks, each in [-1, 1]; 0 is the talker of the training data.

    Attributes:
        articulation: opening of the jaw and the lips, from mumbled to over-articulated (a factor of 2^0.4).
        rounding: protrusion of the lips.
        dynamics: how much wider the mouth opens on loud syllables than on soft ones.
        crispness: from lips that slur over short sounds to lips that jump from sound to sound.
    """

    articulation: float = 0.0
    rounding: float = 0.0
    dynamics: float = 0.0
    crispness: float = 0.0

    def code(self, names: Sequence[str]) -> list[float]:
        """The values of ``names``, as a decoder that knows these takes them."""
        return [float(getattr(self, name)) for name in names]


NEUTRAL = CATEGORIES.index("neutral")
"""Index of the neutral category."""
EMOTIONAL_SLOPE = 4.0
"""Slope of ``emotional`` at intensity 0: an intensity of a quarter is three quarters of the way."""
STYLE_CODES: tuple[str, ...] = tuple(f.name for f in fields(Style))
"""Names of the values of a style, in order."""


def emotional(posterior: Tensor, intensity: Tensor, style: Style) -> Tensor:
    """(B, T, 1) from 0, for neutral speech in the usual style, to 1: how far the face departs from plain talking.

    Args:
        posterior: (B, T, 7).
        intensity: (B, T).
        style: of talking.
    """
    expressed = torch.tanh(EMOTIONAL_SLOPE * intensity * (1.0 - posterior[..., NEUTRAL]))
    styled = math.tanh(EMOTIONAL_SLOPE * max(map(abs, style.code(STYLE_CODES))))
    return (expressed + styled - expressed * styled)[..., None]


class Conditioning(nn.Module):
    """Emotion and style to a condition vector a frame.

    The category embeddings are mixed by the posterior and scaled by the intensity, so blends and transitions need no
    special case, and intensity 0 of any category is the same as neutral.
    """

    def __init__(self, width: int, styles: int):
        """``styles``: how many values a style has."""
        super().__init__()
        shape = len(CATEGORIES), width
        self.categories = initialised(lambda: torch.randn(shape) * width**-0.5, *shape)
        self.style = nn.Linear(styles, width)
        self.mix = nn.Linear(width, width)

    def forward(self, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """(B, T, 7), (B, T) and (B, S) → (B, T, width)."""
        emotion = (posterior @ self.categories) * intensity[..., None]
        joined = emotion + self.style(style)[:, None]
        return joined + F.silu(self.mix(joined))


# --- Cuts in an emotion track become onsets as faces have them.


STEEPEST = 0.12
"""Change of a category's share times intensity from one frame of 20 ms to the next that no face makes."""
HALF_ONSET = 8
"""Frames before and after a cut over which it is spread: 0.32 s in all, half way at the cut itself."""


def ease_cuts(posterior: Floats, intensity: Floats) -> tuple[Floats, Floats]:
    """Posterior (T, C) and intensity (T,) at 50 frames a second, steps spread over 0.32 s; all else as it is."""
    shown = posterior * intensity[:, None]
    jumps = np.abs(np.diff(shown, axis=0)).max(1, initial=0.0) > STEEPEST
    if not jumps.any():
        return posterior, intensity
    near = np.convolve(jumps, np.ones(2 * HALF_ONSET), mode="full")[HALF_ONSET - 1 :][: len(intensity)] > 0
    window = np.hanning(2 * HALF_ONSET + 2)[1:-1]
    columns = np.column_stack([posterior, intensity])
    padded = np.pad(columns, ((HALF_ONSET, HALF_ONSET), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(c, window / window.sum(), mode="valid") for c in padded.T], axis=1)
    smooth = 0.5 * (smooth[:-1] + smooth[1:])
    eased = np.where(near[:, None], smooth[: len(columns)], columns).astype(np.float32)
    return eased[:, :-1], eased[:, -1]
