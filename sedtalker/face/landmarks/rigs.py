"""Rigs that landmark training draws its heads from: the ICT-FaceKit reference and any ``Face``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.face.face import Face
from sedtalker.face.landmarks.samples import Points, Rig
from sedtalker.face.mesh import Ints


def load_reference_rig(path: Path) -> Rig:
    """The light ICT-FaceKit rig as prepared in the data folder (``face/ict_lite.npz``), in centimetres."""
    with np.load(path, allow_pickle=False) as data:
        neutral = data["neutral"].astype(np.float64)
        triangles = data["triangles"]
        return Rig(
            neutral=neutral,
            identity=data["identity_deltas"].astype(np.float32),
            expressions=data["expression_deltas"].astype(np.float32),
            expression_names=tuple(str(name) for name in data["expression_names"]),
            topologies=(triangles, *coarser(neutral, triangles, (6000, 3000, 1500))),
            eyes=data["mask_eyeball"],
            mouth_inside=data["mask_teeth"] | data["mask_gums"],
            landmarks=data["landmarks68"],
        )


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


def coarser(vertices: Points, triangles: Ints, counts: tuple[int, ...]) -> list[Ints]:
    """The same surface with fewer triangles (about ``counts``), over the same vertices."""
    import igl

    result = []
    for count in counts:
        decimated = igl.decimate(vertices, triangles.astype(np.int64), count)
        _, faces, birth = decimated[0], decimated[1], decimated[-1]
        result.append(np.asarray(birth)[np.asarray(faces)].astype(np.int32))
    return result
