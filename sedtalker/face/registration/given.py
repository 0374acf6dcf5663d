"""Landmarks that somebody gives, instead of those that the detector sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.registration.pose import OUTER_EYE_CORNERS, FaceFix, robust_similarity, snap
from sedtalker.face.registration.surface import Points, Surface


@dataclass(frozen=True, eq=False)
class GivenLandmarks:
    """Where the face is: points (68, 3) in the file's coordinates, confidence (68,) and score in [0, 1]."""

    points: Points
    confidence: NDArray[np.float64]
    score: float = 1.0

    def on(self, surface: Surface, reference: Points) -> FaceFix:
        """The face they make on a welded mesh; ``reference`` are the landmarks (68, 3) of a known upright face."""
        alignment, residual = robust_similarity(self.points, reference)
        size = float(np.linalg.norm(np.subtract(*reference[list(OUTER_EYE_CORNERS)])))
        points, triangles = snap(surface, self.points)
        return FaceFix(points, triangles, self.confidence, self.score, residual / size, alignment)
