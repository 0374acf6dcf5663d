"""The 68 landmarks as vertices of the refined skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from face_fit.target import Points, Target
from sedtalker.face.builtin.cage import EYE_EDGE, MOUTH_CONTACT, MOUTH_VERMILION, Cage, patch

MIRRORED = (*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), 35, 34, 33, 32, 31,
            45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
            64, 63, 62, 61, 60, 67, 66, 65)  # fmt: skip
"""Landmark on the other side of each landmark."""


def pick_landmarks(cage: Cage, neutral: Points, target: Target) -> NDArray[np.int32]:
    """Vertex of each landmark: lips and lids on their rings, the rest the nearest skin vertex; symmetric."""
    sub = cage.subdivision
    refined = sub.matrix @ neutral
    marks = target.vertices[target.landmarks]
    marks = 0.5 * (marks + marks[list(MIRRORED)] * (-1, 1, 1))
    grid = np.array([k[0] in ("grid", "mouth", "eye_left", "eye_right") and k[1] <= 30 for k in cage.keys])
    vertices = np.flatnonzero(grid)
    mirror = _refined_mirror(refined)
    all_skin = np.union1d(vertices, np.arange(len(cage.keys), len(refined)))
    chosen = all_skin[cKDTree(refined[all_skin]).query(marks)[1]]
    mouth = patch("mouth")
    middle = next(i for i, ij in enumerate(mouth.lattice) if ij == (6, 4))
    for numbers, ring in ((range(48, 60), MOUTH_VERMILION), (range(60, 68), MOUTH_CONTACT)):
        loop = sub.loop(cage.ring(mouth, ring))
        upper = mouth.disc.repeat(2, axis=0)[:, 1]
        for i in numbers:
            top = i in (*range(48, 55), *range(60, 65))
            allowed = loop[(upper >= -1e-9) if top else (upper <= 1e-9)]
            chosen[i] = allowed[np.argmin(np.linalg.norm(refined[allowed][:, :2] - marks[i, :2], axis=1))]
    left = next(i for i, ij in enumerate(mouth.lattice) if ij == (12, 2))
    for i, spoke, ring in ((51, middle, 4), (57, _low(mouth), 4), (62, middle, 6), (66, _low(mouth), 6),
                           (54, left, 4), (64, left, 6)):  # fmt: skip
        chosen[i] = cage.ring(mouth, ring)[spoke]
    eye = patch("eye_left")
    edge = sub.loop(cage.ring(eye, EYE_EDGE))
    for i in range(42, 48):
        chosen[i] = edge[np.argmin(np.linalg.norm(refined[edge] - marks[i], axis=1))]
    for i, j in enumerate(MIRRORED):
        if i == j:
            continue
        if marks[i, 0] < 0:
            chosen[i] = mirror[chosen[j]]
    return chosen.astype(np.int32)


def _low(mouth) -> int:
    return next(i for i, ij in enumerate(mouth.lattice) if ij == (6, 0))


def _refined_mirror(refined: Points) -> NDArray[np.int64]:
    distance, vertex = cKDTree(refined).query(refined * (-1, 1, 1))
    if distance.max() > 1e-3:
        raise ValueError("the fitted head is not symmetric")
    return vertex
