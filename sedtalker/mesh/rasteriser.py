"""Which triangle each pixel of an orthographic picture sees, and the views of geometry that are made by it.

Pictures of people are drawn by ``sedtalker.render``; here are the views of normals and depth in which landmarks and
parts of a head are found, in place of photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Reals
from sedtalker.mesh.mesh import face_normals

Columns = list[Doubles]
"""One array for each corner of triangles, or for each side of a picture."""
_OVERLAP = 1e-7
"""Overlap in pixels: neighbours may both claim a pixel on their edge, so that none is missed."""


def fill(screen: Doubles, triangles: Ints, width: int, height: int) -> tuple[Ints, Floats]:
    """Front-most triangle (height, width) int32 of each pixel, −1 where none, and its depth, float32, +inf where none.

    Each row of pixels that a triangle meets gives a span of columns, of which each weight of a corner, linear along the
    row, cuts off a part. Of equally near triangles the first is seen.

    Args:
        screen: (V, 4) x and y in pixels from the top left corner, depth, and 0 for vertices that cannot be drawn; their
            triangles are left out.
        triangles: (T, 3), either winding.
        width: pixels of a row.
    """
    met = _meeting(screen, triangles, width, height)
    (ax, bx, cx), (ay, by, cy), (az, bz, cz) = met.x, met.y, met.z
    scale, left = 1.0 / met.area, met.first[0]
    bdx, cdx = (cy - ay) * scale, (ay - by) * scale
    # From here on each pair of a triangle and a row of pixels.
    of, row = _runs(met.last[1].astype(np.int64) - met.first[1].astype(np.int64) + 1)
    row += met.first[1].astype(np.int64)[of]
    x, y, inverse = left + 0.5 - ax, row + 0.5 - ay[of], scale[of]
    v = (x * bdx)[of] + y * (ax - cx)[of] * inverse
    w = (x * cdx)[of] + y * (bx - ax)[of] * inverse
    first, last, covers = np.zeros(len(of)), (met.last[0] - left)[of], np.ones(len(of), bool)
    for weight, slope in ((v, bdx), (w, cdx), (1.0 - v - w, -bdx - cdx)):
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -weight / slope[of]
        np.maximum(first, np.where((slope > 0.0)[of], crossing, -np.inf), out=first)
        np.minimum(last, np.where((slope < 0.0)[of], crossing, np.inf), out=last)
        if not slope.all():
            covers &= (slope != 0.0)[of] | ~(weight < 0.0)
    begin = np.ceil(first - _OVERLAP).astype(np.int64)
    count = np.floor(last + _OVERLAP).astype(np.int64) - begin + 1
    some = np.flatnonzero(covers & (count > 0))
    of, begin = of[some], begin[some]
    near = az[of] + v[some] * (bz - az)[of] + w[some] * (cz - az)[of]
    pair, step = _runs(count[some])  # each pixel of each pair
    step += begin[pair]
    near = near[pair] + step * (bdx * (bz - az) + cdx * (cz - az))[of][pair]
    pixel = (row[some] * width + left.astype(np.int64)[of])[pair] + step
    return _nearest(pixel, near.astype(np.float32), met.triangle[of][pair], width, height)


class _Meeting(NamedTuple):
    """Triangles that may meet the centre of a pixel, in their order.

    Attributes:
        triangle: (T,) which they are.
        x: of the three corners, each (T,), pixels.
        y: the same.
        z: the same, depth.
        area: (T,) twice their area with the sign of their winding, square pixels.
        first: column and row of the first pixel whose centre their bounding box holds, each (T,).
        last: of the last one.
    """

    triangle: NDArray[np.int64]
    x: Columns
    y: Columns
    z: Columns
    area: Doubles
    first: Columns
    last: Columns


def _meeting(screen: Doubles, triangles: Ints, width: int, height: int) -> _Meeting:
    xs, ys, zs = np.ascontiguousarray(screen[:, :3].T)
    visible = screen[:, 3] != 0.0
    at = np.arange(len(triangles))
    if not visible.all():
        at = np.flatnonzero(visible[triangles].all(axis=1))
        triangles = triangles[at]
    corners = list(triangles.T.astype(np.intp, order="C"))
    x = [xs[corner] for corner in corners]
    left, right = _centres(x, width)
    keep = np.flatnonzero(left <= right)  # most triangles of a small picture lie between two columns
    at, left, right = at[keep], left[keep], right[keep]
    corners, x = [corner[keep] for corner in corners], [part[keep] for part in x]
    y = [ys[corner] for corner in corners]
    top, bottom = _centres(y, height)
    (ax, bx, cx), (ay, by, cy) = x, y
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    keep = np.flatnonzero((top <= bottom) & ~(np.abs(area) < 1e-12))
    x, y, z = [p[keep] for p in x], [p[keep] for p in y], [zs[corner[keep]] for corner in corners]
    return _Meeting(at[keep], x, y, z, area[keep], [left[keep], top[keep]], [right[keep], bottom[keep]])


def _centres(corners: Columns, size: int) -> tuple[Doubles, Doubles]:
    """First and last pixel of a picture's side whose centre lies between three corners."""
    a, b, c = corners
    first = np.maximum(0.0, np.ceil(np.minimum(np.minimum(a, b), c) - 0.5))
    return first, np.minimum(size - 1.0, np.floor(np.maximum(np.maximum(a, b), c) - 0.5))


def _runs(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each step of runs that have so many: to which run it belongs, and its number in it."""
    of = np.repeat(np.arange(len(counts)), counts)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)


def _nearest(
    pixel: NDArray[np.int64], near: Floats, triangle: NDArray[np.int64], width: int, height: int
) -> tuple[Ints, Floats]:
    """The nearest triangle of those that cover each pixel, listed in their order, and its depth."""
    depth = np.full(width * height, np.inf, np.float32)
    np.minimum.at(depth, pixel, near)
    seen = np.flatnonzero(near == depth[pixel])[::-1]  # of equals the first is written last
    ids = np.full(width * height, -1, np.int32)
    ids[pixel[seen]] = triangle[seen]
    return ids.reshape(height, width), depth.reshape(height, width)


# --- Orthographic views of geometry.

CHANNELS = 4
"""Channels of a geometry view: normal x, y and z, and depth."""


@dataclass(frozen=True, eq=False)
class View:
    """An orthographic camera looking along its own −Z.

    Attributes:
        rotation: (3, 3) rows are the camera's right, up and backward axes in mesh coordinates.
        centre: (3,) point of the mesh in the middle of the picture.
        half_width: half of the picture's side, in mesh units.
    """

    rotation: Reals
    centre: Reals
    half_width: float

    def project(self, points: Reals) -> Floats:
        """(N, 3) picture coordinates: x right and y up in [-1, 1] inside the picture, z towards the viewer."""
        return (((points - self.centre) @ np.asarray(self.rotation).T) / self.half_width).astype(np.float32)


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Doubles:
    """Camera rotation (3, 3) for a subject turned by degrees: yaw to its left, pitch up, roll clockwise."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def rasterise(projected: Floats, triangles: Ints, size: int) -> tuple[Ints, Floats]:
    """Front-most triangle (size, size) int32, −1 where none, and its depth (size, size), −inf where none.

    ``projected`` are picture coordinates (N, 3) from ``View.project``.
    """
    reach = 1.01 * float(np.abs(projected[:, 2]).max(initial=0.0)) + 1e-6
    points = projected.astype(np.float64)
    screen = np.empty((len(points), 4))
    screen[:, 0], screen[:, 1] = (0.5 + 0.5 * points[:, 0]) * size, (0.5 - 0.5 * points[:, 1]) * size
    screen[:, 2] = points[:, 2] * (-1 / reach)
    screen[:, 3] = (np.abs(points) < 1e6).all(axis=1) & np.isfinite(screen[:, 2])  # neither far away nor broken
    ids, depth = fill(screen, triangles, size, size)
    return ids, -depth * np.float32(reach)


def geometry_channels(projected: Floats, triangles: Ints, size: int) -> Floats:
    """The detector's input for one view.

    Normals always face the viewer, so inside-out and inconsistently wound meshes look the same as sound ones.

    Returns:
        (4, size, size) float32: normal x, y, z and depth (relative to its median, clipped to ±1; −1 where empty).
    """
    ids, depth = rasterise(projected, triangles, size)
    channels = np.zeros((CHANNELS, size, size), np.float32)
    channels[3] = -1.0
    seen = ids >= 0
    if seen.any():
        normal = face_normals(projected, triangles[ids[seen]])
        normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0) / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20)
        channels[:3, seen] = normal.T
        channels[3, seen] = np.clip(depth[seen] - np.median(depth[seen]), -1.0, 1.0)
    return channels
