"""Cuts in an emotion track become onsets as faces have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

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
