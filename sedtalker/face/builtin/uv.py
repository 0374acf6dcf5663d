"""Texture coordinates of the skin: the cylinder grid unrolled, its features inside their own rectangles."""

from __future__ import annotations

import numpy as np

from sedtalker.face.builtin.cage import CAP, COLUMNS, CROWN, ROWS, Cage, patch
from sedtalker.face.builtin.parts import Points

WIDTH, HEIGHT = 0.9, 0.78
"""Share of the texture that the unrolled head takes; the crown and the small parts lie outside it."""


def skin_uvs(cage: Cage) -> Points:
    """(4 Q, 4, 2) texture coordinate of each corner of the refined quads; the seam runs down the back."""
    corners = np.array([_unroll(tuple(cage.keys[v] for v in quad)) for quad in cage.quads])
    middle = 0.5 * (corners + np.roll(corners, -1, axis=1))
    centre = corners.mean(axis=1)
    refined = [np.stack([corners[:, k], middle[:, k], centre, middle[:, k - 1]], axis=1) for k in range(4)]
    return np.concatenate(refined)


def _unroll(keys: tuple[tuple[str, int, int, int], ...]) -> list[tuple[float, float]]:
    if any(k[0] == "crown" for k in keys) or all(k[0] == "grid" and k[1] == ROWS - 1 for k in keys):
        return [_crown(k) for k in keys]
    places = [_place(k) for k in keys]
    columns = [c for c, _ in places]
    if max(columns) - min(columns) > COLUMNS / 2:
        places = [(c + COLUMNS if c < 0 else c, r) for c, r in places]
    return [(0.5 * WIDTH + WIDTH * c / COLUMNS, HEIGHT * r / (ROWS - 1)) for c, r in places]


def _place(key: tuple[str, int, int, int]) -> tuple[float, float]:
    """Column in (−16, 16] and row of a cage vertex; ring points shrink towards their rectangle's middle."""
    name, ring, i, j = key
    if name == "grid":
        return (i if i <= COLUMNS // 2 else i - COLUMNS), ring
    p = patch(name)
    share = 1 - (0.9 * ring / p.rings if ring != CAP else 0.9)
    return p.column + p.width / 2 + (i - p.width / 2) * share, p.row + p.height / 2 + (j - p.height / 2) * share


def _crown(key: tuple[str, int, int, int]) -> tuple[float, float]:
    name, _, i, j = key
    if name == "grid":
        at = (i - CROWN.column) % COLUMNS
        i, j = CROWN.lattice[at]
    return 0.02 + 0.18 * i / CROWN.width, 0.81 + 0.18 * j / CROWN.height
