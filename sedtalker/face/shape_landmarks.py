"""Where eyes, nose and mouth are, told by what a mesh's own blend shapes move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats
from sedtalker.face.registration.given import GivenLandmarks
from sedtalker.face.registration.pose import OUTER_EYE_CORNERS, robust_similarity

TELLING = tuple(
    [f"{stem}{side}" for stem in ("eyeBlink", "eyeSquint", "browOuterUp", "noseSneer", "mouthSmile", "mouthFrown")
     for side in ("Left", "Right")] + ["browInnerUp", "mouthPucker", "mouthFunnel", "jawOpen"]
)  # fmt: skip
FEWEST = 6
SURE = 0.5  # confidence of such landmarks
UNLIKE = 0.35  # RMS distance between the middles, in outer-eye-corner distances: the shapes are not those of a face


def shape_landmarks(
    vertices: Floats, offsets: Mapping[str, NDArray[np.floating]], source: Face
) -> GivenLandmarks | None:
    """Landmarks of a mesh by the middles of what its shapes move, compared with those of a known face.

    Args:
        vertices: (V, 3) in the file's coordinates; offsets: (V, 3) of shapes by our names.
        source: a face with landmarks and the same shapes.

    Returns:
        None where fewer than six telling shapes are there, or they lie unlike a face's.
    """
    shared = [name for name in TELLING if name in offsets and name in source.shape_index]
    if len(shared) < FEWEST or source.landmarks is None:
        return None
    here = np.stack([_middle(vertices, offsets[name]) for name in shared])
    there = np.stack([_middle(source.mesh.vertices, source.basis[source.shape_index[name]]) for name in shared])
    marks = source.mesh.vertices[source.landmarks].astype(np.float64)
    fit, _ = robust_similarity(there, here)
    size = fit.scale * float(np.linalg.norm(np.subtract(*marks[list(OUTER_EYE_CORNERS)])))
    if not np.isfinite(here).all() or float(np.std(fit.apply(there) - here)) > UNLIKE * size:
        return None
    placed = fit.apply(marks)
    error = here - fit.apply(there)
    weight = np.exp(-((np.linalg.norm(placed[:, None] - fit.apply(there)[None], axis=2) / (0.5 * size)) ** 2))
    bent = placed + (weight @ error) / np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    return GivenLandmarks(bent, np.full(68, SURE), SURE)


def _middle(vertices: Floats, offsets: NDArray[np.floating]) -> NDArray[np.float64]:
    """Middle (3,) of the vertices, each as heavy as the square of its way."""
    weight = (np.asarray(offsets, dtype=np.float64) ** 2).sum(axis=1)
    return np.asarray(weight @ vertices.astype(np.float64) / max(float(weight.sum()), 1e-300))
