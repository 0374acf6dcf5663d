"""The eyeball of the target."""

from __future__ import annotations

import numpy as np

from face_fit.target import Target
from sedtalker.face.builtin.parts import Eyeball


def fit_eyeball(target: Target) -> Eyeball:
    """Sphere through the white of the reference's left eyeball."""
    points = target.vertices[target.eyeball]
    middle = 0.5 * (points.max(0) + points.min(0))
    white = points[points[:, 2] < middle[2]]
    rows = np.concatenate([2 * white, np.ones((len(white), 1))], axis=1)
    solution = np.linalg.lstsq(rows, (white**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return Eyeball(centre, float(np.sqrt(solution[3] + centre @ centre)))
