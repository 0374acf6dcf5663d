"""What a triangle shows anywhere in the picture, as linear functions of the place: made once, used for all its pixels.

What the corners know, divided by their distance, is linear in the picture (Blinn, "Hyperbolic interpolation", 1992).
So normal, colour and the divisor itself are three rows of ``WIDTH`` numbers for each triangle: at its first corner, for
a pixel to the right, and for a pixel down. The rows are as long as what the processor takes at once.
"""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats, Ints
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.kernels import part_of_kernel

WIDTH = 8
"""Numbers of a place: normal, linear colour, what the colour is to be divided by, and one that means nothing."""
FIRST = 3
"""Column of a packed corner where these begin."""
_THIN = np.float32(1e-2)
"""Twice the area, pixels: a thinner triangle shows the mean of its corners, since its slopes are mostly rounding."""
INSIDE = np.array([0.11, 0.05, 0.045], dtype=np.float32)
"""Share of its colour that a surface shows from inside the head: little light gets there, and what does is reddish."""


@part_of_kernel
def make_plane(planes: Floats, slot: int, corners: Floats, a: int, b: int, c: int, inner: int) -> None:
    """The rows of a triangle into ``planes`` (N, 3, WIDTH).

    Args:
        planes: those of the triangles that are seen.
        slot: which of them.
        corners: (V, FIRST + WIDTH) of ``pack``.
        a, b, c: the triangle.
        inner: which side of it is the inside of the head: 1 the back, -1 the front, 0 neither.
    """
    zero, one, third = np.float32(0.0), np.float32(1.0), np.float32(1.0 / 3.0)
    ax, ay = corners[a, 0], corners[a, 1]
    bx, by = corners[b, 0] - ax, corners[b, 1] - ay
    cx, cy = corners[c, 0] - ax, corners[c, 1] - ay
    area = bx * cy - cx * by
    # rows grow downwards: a triangle of positive area is seen from behind
    side = -one if area > zero else one
    thick = abs(area) > _THIN
    inverse = one / area if thick else zero
    share = zero if thick else third
    bdx, bdy, cdx, cdy = cy * inverse, -cx * inverse, -by * inverse, bx * inverse
    for k in range(WIDTH):
        at = corners[a, FIRST + k]
        to_b, to_c = corners[b, FIRST + k] - at, corners[c, FIRST + k] - at
        planes[slot, 0, k] = at + share * (to_b + to_c)
        planes[slot, 1, k] = bdx * to_b + cdx * to_c
        planes[slot, 2, k] = bdy * to_b + cdy * to_c
    for row in range(3):
        planes[slot, row, 0] *= side
        planes[slot, row, 1] *= side
        planes[slot, row, 2] *= side
        if np.float32(inner) * side < zero:
            planes[slot, row, 3] *= INSIDE[0]
            planes[slot, row, 4] *= INSIDE[1]
            planes[slot, row, 5] *= INSIDE[2]
    planes[slot, 0, 7], planes[slot, 1, 7], planes[slot, 2, 7] = ax, ay, zero


@part_of_kernel
def add_plane(planes: Floats, slot: int, x: np.float32, y: np.float32, seen: Floats, n: int, fresh: bool) -> None:
    """What a triangle shows at (x, y) into row ``n`` of ``seen`` (N, WIDTH), or where not ``fresh`` on top of it."""
    x, y = x - planes[slot, 0, 7], y - planes[slot, 1, 7]
    for k in range(WIDTH):
        shown = planes[slot, 0, k] + x * planes[slot, 1, k] + y * planes[slot, 2, k]
        seen[n, k] = shown if fresh else seen[n, k] + shown


@part_of_kernel
def add_planes(
    planes: Floats, slots: Ints, which: Ints, column: np.float32, row: np.float32, seen: Floats, n: int
) -> None:
    """What the triangles ``which`` (one for each sample of a pixel) show there together, into row ``n`` of ``seen``."""
    for sample in range(len(SAMPLES)):
        slot = slots[which[sample]]
        add_plane(planes, slot, column + SAMPLES[sample, 0], row + SAMPLES[sample, 1], seen, n, sample == 0)


@part_of_kernel
def weights_at(px: np.float32, py: np.float32, corners: Floats, a: int, b: int, c: int) -> tuple[np.float32, ...]:
    """Weights of a triangle's corners at a place of the picture, which way it faces, and twice its area in pixels."""
    zero, one = np.float32(0.0), np.float32(1.0)
    ax, ay = corners[a, 0], corners[a, 1]
    bx, by = corners[b, 0] - ax, corners[b, 1] - ay
    cx, cy = corners[c, 0] - ax, corners[c, 1] - ay
    qx, qy = px - ax, py - ay
    area = bx * cy - cx * by
    # rows grow downwards: a triangle of positive area is seen from behind
    side = -one if area > zero else one
    v = max((cx * qy - qx * cy) * side, zero)
    w = max((qx * by - bx * qy) * side, zero)
    u = max(-area * side - v - w, zero)
    total = one / (u + v + w + np.float32(1e-30))
    return u * total, v * total, w * total, side, area


@part_of_kernel
def between(
    corners: Floats, column: int, a: int, b: int, c: int, u: np.float32, v: np.float32, w: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Three columns of ``corners`` between those of a triangle."""
    x = u * corners[a, column] + v * corners[b, column] + w * corners[c, column]
    y = u * corners[a, column + 1] + v * corners[b, column + 1] + w * corners[c, column + 1]
    z = u * corners[a, column + 2] + v * corners[b, column + 2] + w * corners[c, column + 2]
    return x, y, z
