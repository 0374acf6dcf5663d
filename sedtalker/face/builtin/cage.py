"""The cage of the built-in head: Catmull–Clark subdivision and the quad topology.

Subdivision is a sparse matrix, so that surfaces can be fitted by linear least squares. The topology is a cylinder grid
from neck to crown, in which concentric rings make room for mouth, eyes, ears and nostrils.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

Index = NDArray[np.int64]

# --- Catmull–Clark subdivision (1978) as a sparse matrix.


@dataclass(frozen=True, eq=False)
class Subdivision:
    """One Catmull–Clark step: refined points = ``matrix @ cage points``.

    Attributes:
        matrix: (M, N) sparse: rows are first the cage's N vertices, then its edges, then its faces.
        quads: (4 Q, 4) refined quads, wound as the cage's; the four of cage quad q are q, q + Q, q + 2Q, q + 3Q.
        edges: (E, 2) the cage's edges, lower vertex first; edge e is refined vertex N + e.
    """

    matrix: sparse.csr_matrix
    quads: Index
    edges: Index

    def edge_point(self, a: int, b: int) -> int:
        """Refined vertex on the cage edge between two cage vertices."""
        low, high = min(a, b), max(a, b)
        key = self.edges[:, 0] * self.matrix.shape[1] + self.edges[:, 1]
        at = int(np.searchsorted(key, low * self.matrix.shape[1] + high))
        if at == len(key) or tuple(self.edges[at]) != (low, high):
            raise ValueError(f"the cage has no edge {a}-{b}")
        return self.matrix.shape[1] + at

    def loop(self, vertices: Index, closed: bool = True) -> Index:
        """Refined vertices along a path of cage vertices: each vertex followed by its edge's point."""
        ends = np.roll(vertices, -1) if closed else vertices[1:]
        refined: list[int] = []
        for a, b in zip(vertices, ends, strict=False):
            refined += [int(a), self.edge_point(int(a), int(b))]
        return np.array(refined if closed else [*refined, int(vertices[-1])])


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


# --- The quad topology: a grid, and rings for its features.

COLUMNS = 32
"""Columns of the grid, round the head."""
ROWS = 28
"""Rows of the grid, from the neck to the crown."""

MOUTH_VERMILION, MOUTH_BODY, MOUTH_CONTACT, MOUTH_INNER = 4, 5, 6, 7
"""Rings of the mouth's patch, inwards: the vermilion border, the body of the lips, where they meet, and behind."""
EYE_EDGE, EYE_RIM, EYE_SOCKET = 5, 6, 7
"""Rings of an eye's patch, inwards: the lid's outer edge, its inner rim, and the socket."""
MOUTH_RINGS, EYE_RINGS, EAR_RINGS, NOSTRIL_RINGS = 10, 7, 7, 3
"""Number of rings of each feature."""
CAP = 99
"""Ring number of the grid of quads that closes a feature."""

Key = tuple[str, int, int, int]


@dataclass(frozen=True)
class Patch:
    """A rectangle of the grid that is replaced by rings.

    Attributes:
        name: feature; left and right ones end in ``_left`` / ``_right``.
        row, column: lower corner in the grid.
        width, height: size in cells.
        rings: rings inside the border (which is ring 0).
        closed: whether a grid of quads fills the innermost ring.
    """

    name: str
    row: int
    column: int
    width: int
    height: int
    rings: int
    closed: bool

    @cached_property
    def lattice(self) -> tuple[tuple[int, int], ...]:
        """Border points (i, j) counter-clockwise as seen from outside, from the lower corner."""
        w, h = self.width, self.height
        bottom = [(i, 0) for i in range(w)]
        right = [(w, j) for j in range(h)]
        top = [(i, h) for i in range(w, 0, -1)]
        left = [(0, j) for j in range(h, 0, -1)]
        return tuple(bottom + right + top + left)

    @cached_property
    def disc(self) -> NDArray[np.float64]:
        """(n, 2) where the square-to-disc map puts the border points on the unit circle."""
        a = np.array([2 * i / self.width - 1 for i, _ in self.lattice])
        b = np.array([2 * j / self.height - 1 for _, j in self.lattice])
        return np.stack([a * np.sqrt(1 - b * b / 2), b * np.sqrt(1 - a * a / 2)], axis=1)


PATCHES = (
    Patch("mouth", 7, -6, 12, 4, MOUTH_RINGS, True),
    Patch("eye_left", 16, 4, 4, 4, EYE_RINGS, False),
    Patch("eye_right", 16, -8, 4, 4, EYE_RINGS, False),
    Patch("ear_left", 12, 11, 2, 5, EAR_RINGS, True),
    Patch("ear_right", 12, -13, 2, 5, EAR_RINGS, True),
    Patch("nostril_left", 12, 1, 2, 2, NOSTRIL_RINGS, True),
    Patch("nostril_right", 12, -3, 2, 2, NOSTRIL_RINGS, True),
)
"""The features, each a rectangle of the grid that gives way to rings."""
CROWN = Patch("crown", ROWS - 1, -4, 8, 8, 0, True)
"""The grid of quads that closes the top of the head."""


@dataclass(frozen=True, eq=False)
class Cage:
    """The coarse quad mesh, without positions.

    Attributes:
        keys: what each vertex is: (feature, ring or row, i, j).
        quads: (Q, 4) counter-clockwise from outside.
        mirror: (N,) vertex on the other side.
    """

    keys: tuple[Key, ...]
    quads: Index
    mirror: Index

    @cached_property
    def index(self) -> dict[Key, int]:
        """Vertex of each key."""
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def subdivision(self) -> Subdivision:
        """The step from the cage to the skin."""
        return catmull_clark(self.quads, len(self.keys))

    @cached_property
    def refined_mirror(self) -> Index:
        """(M,) refined vertex on the other side."""
        n, edges = len(self.keys), self.subdivision.edges
        other = np.sort(self.mirror[edges], axis=1)
        edge = np.searchsorted(edges[:, 0] * n + edges[:, 1], other[:, 0] * n + other[:, 1])
        order = np.argsort(np.sort(self.quads, axis=1) @ n ** np.arange(3, -1, -1, dtype=np.int64))
        key = np.sort(self.quads, axis=1) @ n ** np.arange(3, -1, -1, dtype=np.int64)
        flipped = np.sort(self.mirror[self.quads], axis=1) @ n ** np.arange(3, -1, -1, dtype=np.int64)
        face = order[np.searchsorted(key[order], flipped)]
        return np.concatenate([self.mirror, n + edge, n + len(edges) + face])

    def ring(self, patch: Patch, number: int) -> Index:
        """Vertices of a ring, counter-clockwise from outside; ring 0 is the border in the grid."""
        return np.array([self.index[_ring_key(patch, number, i, j)] for i, j in patch.lattice])

    def place(self, p: Patch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean ring number (−1 outside, rings + 1 in the cap) and disc height of a patch's refined points."""
        number, height = np.full(len(self.keys), -1.0), np.zeros(len(self.keys))
        for ring in range(p.rings + 1):
            at = self.ring(p, ring)
            number[at], height[at] = ring, p.disc[:, 1]
        for (name, ring, _, _), i in self.index.items():
            if name == p.name and ring == CAP:
                number[i] = p.rings + 1
        edges = self.subdivision.edges
        refined = [np.concatenate([x, x[edges].mean(1), x[self.quads].mean(1)]) for x in (number, height)]
        return refined[0], refined[1]

    def features(self, *names: str) -> NDArray[np.bool_]:
        """(N,) vertices that belong to the rings and caps of features."""
        return np.array([key[0] in names for key in self.keys])


def patch(name: str) -> Patch:
    """The patch of a feature."""
    return next(p for p in (*PATCHES, CROWN) if p.name == name)


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
    return Cage(keys, quads, mirror)


def mirror_key(key: Key) -> Key:
    """The same vertex on the other side."""
    name, ring, i, j = key
    if name == "grid":
        return name, ring, -i % COLUMNS, 0
    stem, _, side = name.partition("_")
    other = f"{stem}_{'right' if side == 'left' else 'left'}" if side else name
    return other, ring, patch(name).width - i, j


def _ring_key(p: Patch, number: int, i: int, j: int) -> Key:
    return ("grid", p.row + j, (p.column + i) % COLUMNS, 0) if number == 0 else (p.name, number, i, j)


def _ring_faces(p: Patch) -> list[tuple[Key, ...]]:
    faces: list[tuple[Key, ...]] = []
    following = (*p.lattice[1:], p.lattice[0])
    for number in range(p.rings):
        for a, b in zip(p.lattice, following, strict=True):
            outer = (_ring_key(p, number, *a), _ring_key(p, number, *b))
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
