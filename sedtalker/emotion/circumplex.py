"""Valence and arousal from categories and intensity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.track import CATEGORIES

COORDINATES: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fear": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "surprise": (0.40, 0.67),
}
"""(valence, arousal) in [-1, 1]: mean ratings of happy, sad, angry, fearful (terrified), disgusted and surprised in
Russell & Mehrabian, "Evidence for a three-factor theory of emotions", J. Research in Personality 11 (1977) 273-294.
Neutral is the origin by definition."""


def valence_arousal(
    posterior: NDArray[np.floating], intensity: NDArray[np.floating], labels: tuple[str, ...] = CATEGORIES
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Expected coordinates, moved towards the origin where the expression is weak.

    ``v = sqrt(i) · Σ_c p_c v_c``: strong expressions lie at the rated coordinates, a normal one (0.5) at 71 % of the
    way. The square root is our choice: it keeps weak expressions apart from neutral.

    Args:
        posterior: (T, C), rows sum to 1.
        intensity: (T,) in [0, 1].
        labels: (C,) category names.

    Returns:
        valence (T,) and arousal (T,) in [-1, 1].
    """
    points = np.array([COORDINATES[name] for name in labels])
    scaled = np.sqrt(np.clip(intensity, 0.0, 1.0))[:, None] * (posterior @ points)
    return scaled[:, 0].astype(np.float32), scaled[:, 1].astype(np.float32)
