"""The part of the head that hair grows on: places by azimuth and by the way from the crown to the hairline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sedtalker.face.builtin.parts import Points, Skin
from sedtalker.face.mesh import vertex_normals

HEAD = np.array([0.0, 3.5, -0.5])
"""Centre from which places are directions, centimetres."""
CROWN = np.array([0.10, 0.80, -0.52])

LINE_AZIMUTH = (0, 14, 26, 36, 46, 56, 64, 69, 74, 80, 88, 97, 106, 114, 123, 136, 152, 180)
LINE_HEIGHT = (9.3, 9.5, 9.6, 9.2, 8.2, 6.7, 4.5, 2.4, 1.2, 2.2, 3.9, 4.3, 3.5, 1.4, -1.4, -3.7, -4.9, -5.2)
"""Height of the hairline by azimuth from the front, centimetres, on the head of neutral identity."""
FADE_START, FADE_END = -1.5, 0.3
"""Heights over the hairline between which the skin ceases to move, centimetres."""


def hairline(azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height (cm) of the hairline at azimuths in degrees."""
    return PchipInterpolator(LINE_AZIMUTH, LINE_HEIGHT)(np.abs((azimuth + 180) % 360 - 180))


def above_hairline(vertices: Points) -> NDArray[np.float64]:
    """(V,) how far points lie above the hairline, centimetres."""
    azimuth = np.degrees(np.arctan2(vertices[:, 0], vertices[:, 2] - HEAD[2]))
    return vertices[:, 1] - hairline(azimuth)


def still_scalp(skin: Skin, base: Skin) -> Skin:
    """The skin with shapes that fade out towards the hairline of ``base``, the head of neutral identity: hair does not
    move with the brows."""
    t = np.clip((FADE_END - above_hairline(base.vertices)) / (FADE_END - FADE_START), 0, 1)
    return replace(skin, offsets=skin.offsets * (t * t * (3 - 2 * t)).astype(np.float32)[:, None])


class Scalp:
    """The surface of the head of neutral identity, without ears."""

    def __init__(self, skin: Skin) -> None:
        self.skin = skin
        ray = skin.vertices - HEAD
        radius = np.linalg.norm(ray, axis=1)
        keep = (skin.vertices[:, 1] > -11) & (radius > 5) & ~skin.ears
        self._radii = radius[keep]
        self._tree = cKDTree(ray[keep] / radius[keep, None])
        triangles = np.concatenate([skin.quads[:, :3], skin.quads[:, [0, 2, 3]]]).astype(np.int32)
        self._rows = np.flatnonzero(keep)
        self._points = skin.vertices[keep]
        self._normals = vertex_normals(skin.vertices.astype(np.float32), triangles)[keep].astype(float)
        self._places = cKDTree(self._points)

    def direction(self, azimuth: Points, s: Points) -> Points:
        """(..., 3) unit vectors from ``HEAD``: 0 at the crown, 1 at the hairline, on great arcs."""
        a = np.radians(azimuth)
        height = hairline(azimuth)
        reach = np.full_like(a, 8.5)
        for _ in range(6):
            end = np.stack([reach * np.sin(a), height - HEAD[1], reach * np.cos(a)], axis=-1)
            end /= np.linalg.norm(end, axis=-1, keepdims=True)
            reach = self.radius(end) * np.hypot(end[..., 0], end[..., 2])
        return arc(CROWN / np.linalg.norm(CROWN), end, s)

    def radius(self, directions: Points) -> Points:
        """Distance of the surface from ``HEAD`` along unit vectors (..., 3)."""
        distance, at = self._tree.query(directions.reshape(-1, 3), k=4)
        weight = 1 / (distance + 0.01) ** 2
        return ((weight * self._radii[at]).sum(1) / weight.sum(1)).reshape(directions.shape[:-1])

    def surface(self, directions: Points) -> tuple[Points, Points]:
        """Points (..., 3) of the head in those directions, and its smooth normals."""
        flat = (HEAD + directions * self.radius(directions)[..., None]).reshape(-1, 3)
        normal = flat - HEAD
        for _ in range(3):
            distance, at = self._places.query(flat, k=6)
            weight = 1 / (distance + 0.05) ** 2
            weight /= weight.sum(1, keepdims=True)
            normal = np.einsum("nk,nkd->nd", weight, self._normals[at])
            normal /= np.linalg.norm(normal, axis=1, keepdims=True)
            height = np.einsum("nk,nkd,nd->n", weight, flat[:, None] - self._points[at], normal)
            flat = flat - height[:, None] * normal
        return flat.reshape(directions.shape), normal.reshape(directions.shape)

    def glue(self, points: Points, count: int = 12, soft: float = 0.6) -> sparse.csr_matrix:
        """Weights (n, V) of the nearest skin vertices."""
        distance, at = self._places.query(points, k=count)
        weight = np.exp(-(((distance - distance[:, :1]) / soft) ** 2))
        weight /= weight.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(points)), count)
        shape = (len(points), len(self.skin.vertices))
        return sparse.coo_matrix((weight.reshape(-1), (rows, self._rows[at].reshape(-1))), shape=shape).tocsr()


def arc(start: Points, end: Points, share: Points) -> Points:
    """Great-circle interpolation of unit vectors; shares beyond 0 and 1 go on along the circle."""
    angle = np.arccos(np.clip((start * end).sum(-1), -1, 1))
    first, second = np.sin((1 - share) * angle), np.sin(share * angle)
    return (first[..., None] * start + second[..., None] * end) / np.maximum(np.sin(angle), 1e-6)[..., None]
