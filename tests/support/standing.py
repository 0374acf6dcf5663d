"""A face with shoulders for tests."""

from __future__ import annotations

import numpy as np

from sedtalker.face.face import Face
from tests.support.ball import figure

PIVOT = np.array([0.0, -0.08, 0.0], np.float32)


def standing() -> Face:
    """A figure with a chin and eyes; one shape stretches its head."""
    mesh = figure()
    height = mesh.vertices[:, 1]
    landmarks = np.full(68, np.argmin(np.abs(height - 0.02)), np.int32)
    landmarks[8] = np.argmin(np.abs(height + 0.08))
    basis = np.zeros((1, len(height), 3), np.float32)
    basis[0, :, 1] = np.maximum(height, 0) * 0.2
    return Face("figure", mesh, ("jawOpen",), basis, landmarks=landmarks, pivot=PIVOT)
