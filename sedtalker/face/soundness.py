"""Artefact score of a face, seen from the front at rest: holes, flipped polygons, protrusions, noise, and asymmetry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from sedtalker.arrays import Ints, Mask
from sedtalker.face.face import Face
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points, adjacency, label_components, triangle_normals

PICTURE = 192
"""Pixels a side of the picture of the face."""
OUTLINE = (*range(17), *range(26, 16, -1))
"""Landmarks round the face: the jaw line, then the brows."""
OPENINGS = ((range(36, 42), 1.6), (range(42, 48), 1.6), (range(48, 60), 1.35))
"""Landmarks round eyes and lips, and how much larger what is left out there is."""
WITHIN = 0.8
"""How much smaller than its landmarks an eye is in which a ball must be seen."""
BEFORE, BEHIND = 0.05, 0.04
"""Outer-eye-corner distances: what stands so far before eyes or lips, or lies so far behind lids, is out of place."""
FEATURE = 0.15
"""Share of the face that an eye or a mouth counts which is out of place as a whole."""
PROUD = 2.0
"""Weight of pixels with interpenetrating teeth, tongue or eyes."""
SPIKE = 3.0
"""How many times farther than the ring of its neighbours is wide a vertex stands out of it that is a spike."""
THIN = 0.01
"""Share of the face that a spike counts of which little is seen from the front."""
PARTNERS = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
"""The landmark of the other half for each of the 68."""
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
    (hair, glasses, a beard) is not counted. An eye or a mouth out of which something stands, or in which the eye lies
    deep, counts as a seventh of the face, a spike as a hundredth; two faces in one are broken as a whole.
    """
    skin = face.regions.get("skin")
    if face.landmarks is None or skin is None:
        return None
    marks, triangles = face.mesh.vertices[face.landmarks].astype(np.float64), face.mesh.triangles
    outline = marks[list(OUTLINE)]
    middle = 0.5 * (outline.min(axis=0) + outline.max(axis=0))
    view = View(np.eye(3), middle, 0.52 * float(np.ptp(outline[:, :2], axis=0).max()))
    ids, depth = rasterise(view.project(face.mesh.vertices), triangles, PICTURE)
    points, is_skin = face.mesh.vertices.astype(np.float64), _of(skin, triangles)
    if faces(points, triangles[is_skin], marks) > 1:
        return 1.0
    # What each pixel shows.
    inner = np.zeros(len(face.mesh.vertices), bool)
    for name in INSIDE:
        inner |= face.regions.get(name, False)
    of_skin = (ids >= 0) & is_skin[ids]
    of_inner = (ids >= 0) & _of(inner, triangles)[ids] & ~of_skin
    # Eyes and mouth, then the face without them.
    area, openings = enclosed(outline, 0.95, view), np.zeros(ids.shape, bool)
    height = np.where(ids >= 0, depth, -1e3) * view.half_width + middle[2]
    outer = float(np.linalg.norm(marks[45] - marks[36]))
    misplaced = THIN * int((spikes(points, triangles, BEFORE * outer) & skin).sum())
    for corners, larger in OPENINGS:
        ring = marks[list(corners)]
        around, within = enclosed(ring, larger, view), enclosed(ring, WITHIN, view)
        openings |= around
        wrong = around & of_inner & (height > ring[:, 2].max() + BEFORE * outer)
        if corners.start < 48 and (within & (ids >= 0) & ~of_skin).any():  # there is a ball
            wrong |= within & (height < ring[:, 2].min() - BEHIND * outer)
        misplaced += FEATURE * min(float(wrong.sum()) / max(int(within.sum()), 1), 1.0)
    area &= ~openings
    through, bare, inside = area & (ids < 0), area & of_skin, of_inner & ~openings
    normals = triangle_normals(points, triangles)[ids]
    if normals[bare][:, 2].sum() < 0.0:  # wound inside-out as a whole
        normals = -normals
    away = bare & (normals[..., 2] < 0.0)
    smooth = bare & ~away
    broken = through | away | (smooth & is_rough(normals, smooth))
    counted = int((bare | through | inside).sum())
    return min((broken.sum() + PROUD * inside.sum()) / counted + misplaced, 1.0) if counted else None


def faces(points: Points, triangles: Ints, marks: Points) -> int:
    """How many connected pieces of skin (T, 3) reach over a whole face, so that each could be one."""
    used, inner = np.unique(triangles), marks[17:]
    mine, piece = points[used], np.unique(label_components(len(points), triangles)[used], return_inverse=True)[1]
    low, high = np.full((len(used), 3), np.inf), np.full((len(used), 3), -np.inf)  # of each piece
    np.minimum.at(low, piece, mine)
    np.maximum.at(high, piece, mine)
    reaches = (low[:, :2] <= inner[:, :2].min(axis=0)) & (high[:, :2] >= inner[:, :2].max(axis=0))
    return int((reaches.all(axis=1) & (high[:, 2] > np.median(inner[:, 2]))).sum())


def spikes(points: Points, triangles: Ints, least: float) -> Mask:
    """Points (N,) that stand out of the ring of their neighbours by ``SPIKE`` times its radius, and by ``least``."""
    edges = adjacency(len(points), triangles)
    count = np.maximum(np.asarray(edges.sum(axis=1)).reshape(-1, 1), 1.0)
    centred = points - points.mean(axis=0)
    middle = edges @ centred / count
    spread = (edges @ np.square(centred) / count - np.square(middle)).sum(axis=1).clip(0.0)
    apart = np.linalg.norm(centred - middle, axis=1)
    return np.asarray((apart > SPIKE * np.sqrt(spread)) & (apart > least) & (count[:, 0] > 2), dtype=bool)


def unevenness(face: Face) -> float | None:
    """How far the landmarks of one half lie from the mirror image of the other's, RMS, in outer-eye-corner distances.

    Half the distance between the inner landmarks and their mirrored partners, brought over each other by turning.
    People have less than 0.02, coarse meshes less than 0.04, for landmarks are vertices. None without landmarks.
    """
    if face.landmarks is None or len(face.landmarks) != len(PARTNERS):
        return None
    marks = face.mesh.vertices[face.landmarks].astype(np.float64)
    one, other = marks[17:], (marks[list(PARTNERS)] * (-1.0, 1.0, 1.0))[17:]
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    u, _, vt = np.linalg.svd(one.T @ other)
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0]) @ vt
    apart = float(np.sqrt(((one - other @ turn.T) ** 2).sum(axis=1).mean()))
    return 0.5 * apart / max(float(np.linalg.norm(marks[45] - marks[36])), 1e-9)


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
