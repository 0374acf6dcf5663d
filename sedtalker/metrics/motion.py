"""Measures of facial motion, each with its formula and source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def correlation(predicted: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Pearson's r of two curves (T,); 0 where either is constant or shorter than two frames."""
    if len(predicted) < 2:
        return 0.0
    a, b = np.asarray(predicted, np.float64), np.asarray(reference, np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-12 else 0.0
