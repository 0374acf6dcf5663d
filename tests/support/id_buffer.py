"""Which triangle each pixel of a picture sees, and where on it: what tests of geometry look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.mesh.rasteriser import fill
from sedtalker.render.kernels import kernel, to_screen


class IdBuffer(NamedTuple):
    """What each sample of a picture sees.

    Attributes:
        triangle: (H, W) int32, −1 where nothing is seen.
        barycentric: (H, W, 3) float32, perspective-correct weights of the triangle's corners.
        depth: (H, W) float32, distance along the view axis for perspective, normalised depth for orthographic matrices;
            +inf where nothing is seen.
    """

    triangle: Ints
    barycentric: Floats
    depth: Floats


def rasterise_ids(
    vertices: Floats, triangles: Ints, matrix: NDArray[np.floating], size: int | tuple[int, int]
) -> IdBuffer:
    """Which triangle each pixel centre sees.

    Args:
        vertices: (V, 3).
        triangles: (T, 3) vertex indices, either winding.
        matrix: (4, 4) world to clip space, perspective (``camera.projection() @ camera.view()``) or
            ``orthographic_matrix``.
        size: side of the square picture, or (width, height), pixels. Row 0 is the top.
    """
    width, height = (size, size) if isinstance(size, int) else size
    screen = to_screen(np.ascontiguousarray(vertices, dtype=np.float32), np.asarray(matrix, np.float64), width, height)
    corners = np.ascontiguousarray(triangles, dtype=np.int32)
    ids, depth = fill(screen, corners, width, height)
    barycentric = np.zeros((height, width, 3), dtype=np.float32)
    distance = np.full((height, width), np.inf, dtype=np.float32)
    _weights(screen, corners, ids, depth, barycentric, distance, bool(np.asarray(matrix)[3, :3].any()))
    return IdBuffer(ids, barycentric, distance)


@kernel
def _weights(
    screen: NDArray[np.float64],
    triangles: Ints,
    ids: Ints,
    depth: Floats,
    barycentric: Floats,
    distance: Floats,
    perspective: bool,
) -> None:
    """Perspective-correct barycentric weights and distances of the samples that see a triangle."""
    for row in range(ids.shape[0]):
        for column in range(ids.shape[1]):
            t = ids[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay = screen[a, 0], screen[a, 1]
            bx, by = screen[b, 0] - ax, screen[b, 1] - ay
            cx, cy = screen[c, 0] - ax, screen[c, 1] - ay
            x, y = column + 0.5 - ax, row + 0.5 - ay
            inverse = 1.0 / (bx * cy - cx * by)
            v = min(max((x * cy - cx * y) * inverse, 0.0), 1.0)
            w = min(max((bx * y - x * by) * inverse, 0.0), 1.0 - v)
            pa, pb, pc = (1.0 - v - w) * screen[a, 3], v * screen[b, 3], w * screen[c, 3]
            total = pa + pb + pc
            barycentric[row, column, 0] = pa / total
            barycentric[row, column, 1] = pb / total
            barycentric[row, column, 2] = pc / total
            distance[row, column] = 1.0 / total if perspective else depth[row, column]
