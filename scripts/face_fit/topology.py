"""The topology of the built-in head: quads of the cage, their Catmull–Clark subdivision, and texture coordinates.

It is a cylinder grid from neck to crown, in which concentric rings make room for mouth, eyes, ears and nostrils. The
skin's texture is the grid unrolled, its features inside their own rectangles.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.face.builtin.cage import (
    CAP,
    COLUMNS,
    CROWN,
    PATCHES,
    ROWS,
    Cage,
    Index,
    Key,
    Patch,
    Subdivision,
    patch,
    ring_key,
)
from sedtalker.face.builtin.parts import Points

# --- Catmull–Clark subdivision (1978) as a sparse matrix.


def catmull_clark(quads: Index, count: int) -> Subdivision:
    """One step of Catmull–Clark for a quad mesh with ``count`` vertices; boundaries follow cubic B-splines."""
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, edge_of_side, uses = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    edge_of_side = edge_of_side.reshape(-1)
    n, e, q = count, len(edges), len(quads)
    border = uses == 1

    faces = _rows(np.repeat(np.arange(q), 4), quads.reshape(-1), np.full(4 * q, 0.25), (q, n))
    middle = _rows(np.repeat(np.arange(e), 2), edges.reshape(-1), np.full(2 * e, 0.5), (e, n))
    touching = _rows(edge_of_side, np.repeat(np.arange(q), 4), np.full(4 * q, 0.25), (e, q))
    inner = sparse.diags((~border).astype(float))
    edge_rows = inner @ (0.5 * middle + touching @ faces) + sparse.diags(border.astype(float)) @ middle

    vertex_rows = _vertex_rows(quads, edges, border, faces, middle, n)
    matrix = sparse.vstack([vertex_rows, edge_rows, faces]).tocsr()
    matrix.eliminate_zeros()

    side = edge_of_side.reshape(q, 4) + n
    centre = np.arange(q) + n + e
    refined = [np.stack([quads[:, k], side[:, k], centre, side[:, k - 1]], axis=1) for k in range(4)]
    return Subdivision(matrix, np.concatenate(refined), edges)


def _vertex_rows(
    quads: Index, edges: Index, border: NDArray[np.bool_], faces: sparse.spmatrix, middle: sparse.spmatrix, n: int
) -> sparse.csr_matrix:
    """Rows of the cage's own vertices: (F + 2R + (v − 3) P) / v inside, (1, 6, 1) / 8 on the border."""
    valence = np.bincount(edges.reshape(-1), minlength=n).astype(float)
    on_border = np.zeros(n, bool)
    on_border[edges[border].reshape(-1)] = True
    q, e = len(quads), len(edges)
    around_faces = _rows(quads.reshape(-1), np.repeat(np.arange(q), 4), np.ones(4 * q), (n, q))
    around_edges = _rows(edges.reshape(-1), np.repeat(np.arange(e), 2), np.ones(2 * e), (n, e))
    v = np.maximum(valence, 1.0)
    inside = sparse.diags(1 / v**2) @ (around_faces @ faces + 2 * around_edges @ middle) + sparse.diags((v - 3) / v)
    rim = edges[border]
    ring = _rows(rim.reshape(-1), rim[:, ::-1].reshape(-1), np.full(2 * len(rim), 0.125), (n, n))
    outside = ring + 0.75 * sparse.identity(n)
    keep = on_border.astype(float)
    return (sparse.diags(1 - keep) @ inside + sparse.diags(keep) @ outside).tocsr()


def _rows(rows: Index, columns: Index, values: NDArray[np.float64], shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((values, (rows, columns)), shape=shape).tocsr()


# --- The quad topology.


def refined_mirror(quads: Index, mirror: Index, edges: Index) -> Index:
    """(M,) refined vertex on the other side of each, from the cage's quads (Q, 4), ``mirror`` (N,) and edges (E, 2)."""
    n = len(mirror)
    other = np.sort(mirror[edges], axis=1)
    edge = np.searchsorted(edges[:, 0] * n + edges[:, 1], other[:, 0] * n + other[:, 1])
    key = np.sort(quads, axis=1) @ n ** np.arange(3, -1, -1, dtype=np.int64)
    flipped = np.sort(mirror[quads], axis=1) @ n ** np.arange(3, -1, -1, dtype=np.int64)
    order = np.argsort(key)
    face = order[np.searchsorted(key[order], flipped)]
    return np.concatenate([mirror, n + edge, n + len(edges) + face])


@lru_cache(maxsize=1)
def build_cage() -> Cage:
    """The topology of the built-in head."""
    faces: list[tuple[Key, ...]] = []
    cut = {(p.row + j, (p.column + i) % COLUMNS) for p in PATCHES for i in range(p.width) for j in range(p.height)}
    for r in range(ROWS - 1):
        for c in range(COLUMNS):
            if (r, c) not in cut:
                d = (c + 1) % COLUMNS
                faces.append((("grid", r, c, 0), ("grid", r, d, 0), ("grid", r + 1, d, 0), ("grid", r + 1, c, 0)))
    for p in PATCHES:
        faces += _ring_faces(p)
    faces += _cap_faces(CROWN)
    keys = tuple(sorted({key for face in faces for key in face}))
    index = {key: i for i, key in enumerate(keys)}
    quads = np.array([[index[key] for key in face] for face in faces])
    mirror = np.array([index[mirror_key(key)] for key in keys])
    subdivision = catmull_clark(quads, len(keys))
    return Cage(
        keys, quads, mirror, subdivision, refined_mirror(quads, mirror, subdivision.edges), skin_uvs(keys, quads)
    )


def mirror_key(key: Key) -> Key:
    """The same vertex on the other side."""
    name, ring, i, j = key
    if name == "grid":
        return name, ring, -i % COLUMNS, 0
    stem, _, side = name.partition("_")
    other = f"{stem}_{'right' if side == 'left' else 'left'}" if side else name
    return other, ring, patch(name).width - i, j


def _ring_faces(p: Patch) -> list[tuple[Key, ...]]:
    faces: list[tuple[Key, ...]] = []
    following = (*p.lattice[1:], p.lattice[0])
    for number in range(p.rings):
        for a, b in zip(p.lattice, following, strict=True):
            outer = (ring_key(p, number, *a), ring_key(p, number, *b))
            faces.append((*outer, (p.name, number + 1, *b), (p.name, number + 1, *a)))
    return faces + (_cap_faces(p) if p.closed else [])


def _cap_faces(p: Patch) -> list[tuple[Key, ...]]:
    def key(i: int, j: int) -> Key:
        inside = 0 < i < p.width and 0 < j < p.height
        if inside:
            return p.name, CAP, i, j
        return crown_rim(i, j) if p.name == "crown" else (p.name, p.rings, i, j)

    cells = [(i, j) for i in range(p.width) for j in range(p.height)]
    return [(key(i, j), key(i + 1, j), key(i + 1, j + 1), key(i, j + 1)) for i, j in cells]


def crown_rim(i: int, j: int) -> Key:
    """Grid vertex on the top row that border point (i, j) of the crown's cap is."""
    at = CROWN.lattice.index((i, j))
    return "grid", ROWS - 1, (CROWN.column + at) % COLUMNS, 0


# --- Texture coordinates.

WIDTH, HEIGHT = 0.9, 0.78
"""Share of the texture that the unrolled head takes; the crown and the small parts lie outside it."""


def skin_uvs(keys: tuple[Key, ...], quads: Index) -> Points:
    """(4 Q, 4, 2) texture coordinate of each corner of the refined quads; the seam runs down the back."""
    corners = np.array([_unroll(tuple(keys[v] for v in quad)) for quad in quads])
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
