"""A training rig made of any face."""

from __future__ import annotations

import numpy as np

from sedtalker.face.face import Face
from sedtalker.training.corpora.landmark_samples import Rig
from sedtalker.training.tasks.landmarks import coarser


def rig_of_face(face: Face) -> Rig:
    """A training rig from a face with landmarks: one identity, all its shapes."""
    if face.landmarks is None:
        raise ValueError(f"face {face.name} has no landmarks")
    neutral = face.mesh.vertices.astype(np.float64) * 100
    none = np.zeros(len(neutral), bool)
    regions = face.regions
    return Rig(
        neutral=neutral,
        identity=np.zeros((0, len(neutral), 3), np.float32),
        expressions=face.basis[: len(face.shapes)] * 100,
        expression_names=face.shapes,
        topologies=(face.mesh.triangles, *coarser(neutral, face.mesh.triangles, (6000, 3000, 1500))),
        eyes=regions.get("eyes", none),
        mouth_inside=regions.get("teeth", none) | regions.get("tongue", none),
        landmarks=face.landmarks,
    )
