"""A face with shoulders for tests."""

from __future__ import annotations

from collections.abc import Mapping

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


def poses(face: Face, *weights: Mapping[str, float]) -> np.ndarray:
    """Vertices (P, V, 3) in metres; a name without side sets both sides."""
    rows = np.zeros((len(weights), len(face.shapes)), np.float32)
    for row, pose in zip(rows, weights, strict=True):
        for name, weight in pose.items():
            for shape in [name] if name in face.shape_index else [name + "Left", name + "Right"]:
                row[face.shape_index[shape]] = weight
    return face.deform(rows)


def posed(face: Face, **weights: float) -> np.ndarray:
    """Vertices (V, 3) of one pose."""
    return poses(face, weights)[0]


def mixtures(face: Face, count: int) -> np.ndarray:
    """Weights (count, shapes): five random shapes about the mouth, no lips closed beyond the jaw."""
    rng = np.random.default_rng(0)
    names = [i for i, n in enumerate(face.shapes) if n.startswith(("mouth", "jaw", "cheek", "nose"))]
    rows = np.zeros((count, len(face.shapes)), np.float32)
    for row in rows:
        row[rng.choice(names, 5, replace=False)] = rng.uniform(0, 1, 5)
    close, jaw = face.shape_index["mouthClose"], face.shape_index["jawOpen"]
    rows[:, close] = np.minimum(rows[:, close], rows[:, jaw])
    return rows
