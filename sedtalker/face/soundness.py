"""How much of a face, seen from the front at rest, looks broken: holes, turned polygons, what sticks out, noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Ints, Mask
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points, triangle_normals

PICTURE = 192
"""Pixels a side of the picture of the face."""
OUTLINE = (*range(17), *range(26, 16, -1))
"""Landmarks round the face: the jaw from ear to ear, then the brows."""
OPENINGS = ((range(36, 42), 1.6), (range(42, 48), 1.6), (range(48, 60), 1.35))
"""Landmarks round eyes and lips, and how much larger what is left out there is."""
INSIDE = ("eyes", "teeth", "tongue", "gums", "mouth_socket")
"""Regions of which nothing is to be seen but in the openings."""
NEAR = 9
"""Pixels a side of the squares in which normals are compared."""
ROUGH = 0.7
"""Cosine of a pixel's normal with the mean around it, below which the surface is rough there: some 45 degrees."""


def broken_share(face: Face) -> float | None:
    """Share of the picture of a face in which it looks broken; None for a face without landmarks or without skin.

    That is where one sees through it or its skin from within, where teeth, tongue or eyes stand before it, and where
    normals jump from pixel to pixel. Sound faces have less than 0.01, for the wings of the nose. What the head wears
    (hair, glasses, a beard) is not counted.
    """
    skin = face.regions.get("skin")
    if face.landmarks is None or skin is None:
        return None
    marks, triangles = face.mesh.vertices[face.landmarks].astype(np.float64), face.mesh.triangles
    outline = marks[list(OUTLINE)]
    middle = 0.5 * (outline.min(axis=0) + outline.max(axis=0))
    view = View(np.eye(3), middle, 0.52 * float(np.ptp(outline[:, :2], axis=0).max()))
    ids, _ = rasterise(view.project(face.mesh.vertices), triangles, PICTURE)
    area = enclosed(outline, 0.95, view)
    for corners, larger in OPENINGS:
        area &= ~enclosed(marks[list(corners)], larger, view)
    # What each pixel shows.
    through = area & (ids < 0)
    bare = area & _of(skin, triangles)[ids] & ~through
    inner = np.zeros(len(face.mesh.vertices), bool)
    for name in INSIDE:
        inner |= face.regions.get(name, False)
    inside = area & _of(inner, triangles)[ids] & ~through & ~bare
    normals = triangle_normals(face.mesh.vertices.astype(np.float64), triangles)[ids]
    if normals[bare][:, 2].sum() < 0.0:  # wound inside-out as a whole
        normals = -normals
    away = bare & (normals[..., 2] < 0.0)
    smooth = bare & ~away
    broken = through | inside | away | (smooth & is_rough(normals, smooth))
    counted = int((bare | through | inside).sum())
    return float(broken.sum()) / counted if counted else None


def _of(points: Mask, triangles: Ints) -> Mask:
    """Triangles (T,) all of whose corners are among some points (V,)."""
    return np.asarray(points[triangles].all(axis=1), dtype=bool)


def enclosed(corners: Points, larger: float, view: View) -> Mask:
    """Pixels (P, P) within a ring of points (N, 3), drawn ``larger`` about its middle, from which all of it is seen."""
    middle = corners.mean(axis=0)
    ring = middle + larger * (corners - middle)
    first = np.arange(len(ring))
    fan = np.stack([np.full(len(ring), len(ring)), first, np.roll(first, -1)], axis=1).astype(np.int32)
    ids, _ = rasterise(view.project(np.concatenate([ring, middle[None]])), fan, PICTURE)
    return np.asarray(ids >= 0)


def is_rough(normals: NDArray[np.float64], among: Mask) -> Mask:
    """Pixels (P, P) whose normal (P, P, 3) differs much from the mean of those near it, ``among`` some."""
    near = np.stack([uniform_filter(np.where(among, normals[..., k], 0.0), NEAR) for k in range(3)], axis=-1)
    near /= np.linalg.norm(near, axis=-1, keepdims=True) + 1e-12
    return np.asarray((normals * near).sum(axis=-1) < ROUGH)
