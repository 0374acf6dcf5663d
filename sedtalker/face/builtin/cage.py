"""The cage of the built-in head, its quads refined by one step of Catmull–Clark subdivision, and its features.

The topology is a cylinder grid from neck to crown, in which concentric rings make room for mouth, eyes, ears and
nostrils; ``scripts/face_fit/topology.py`` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask

Index = NDArray[np.int64]
FIXED = Path(__file__).with_name("fixed.npz")
"""What all built-in heads share, arrays named ``part/array``; ``scripts/fit_builtin_face.py`` makes the file."""


@cache
def fixed_arrays(part: str) -> dict[str, NDArray[Any]]:
    """The arrays of a part by name, as ``arrays`` of ``scripts/face_fit/fixed.py`` describes them."""
    with np.load(FIXED, allow_pickle=False) as kept:
        return {name.split("/")[1]: kept[name] for name in kept.files if name.startswith(f"{part}/")}


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

    def loop(self, vertices: Index) -> Index:
        """Refined vertices along a closed path of cage vertices: each vertex followed by its edge's point."""
        sides = zip(vertices.tolist(), np.roll(vertices, -1).tolist(), strict=True)
        return np.array([point for a, b in sides for point in (a, self.edge_point(a, b))])


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
    def disc(self) -> Doubles:
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
        subdivision: the step from the cage to the skin.
        refined_mirror: (M,) refined vertex on the other side.
        uvs: (4 Q, 4, 2) texture coordinates of each corner of the refined quads; the seam runs down the back.
    """

    keys: tuple[Key, ...]
    quads: Index
    mirror: Index
    subdivision: Subdivision
    refined_mirror: Index
    uvs: Doubles

    @cached_property
    def index(self) -> dict[Key, int]:
        """Vertex of each key."""
        return {key: i for i, key in enumerate(self.keys)}

    def ring(self, patch: Patch, number: int) -> Index:
        """Vertices of a ring, counter-clockwise from outside; ring 0 is the border in the grid."""
        return np.array([self.index[ring_key(patch, number, i, j)] for i, j in patch.lattice])

    def place(self, p: Patch) -> tuple[Doubles, Doubles]:
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

    def features(self, *names: str) -> Mask:
        """(N,) vertices that belong to the rings and caps of features."""
        return np.array([key[0] in names for key in self.keys])


def patch(name: str) -> Patch:
    """The patch of a feature."""
    return next(p for p in (*PATCHES, CROWN) if p.name == name)


def ring_key(p: Patch, number: int, i: int, j: int) -> Key:
    """The vertex of a ring at border point (i, j) of its patch."""
    return ("grid", p.row + j, (p.column + i) % COLUMNS, 0) if number == 0 else (p.name, number, i, j)


@lru_cache(maxsize=1)
def read_cage() -> Cage:
    """The topology of the built-in head."""
    a = fixed_arrays("cage")
    keys = tuple((str(name), *ring) for name, ring in zip(a["names"], a["rings"].tolist(), strict=True))
    shape = (len(a["refined_mirror"]), len(keys))
    matrix = sparse.csr_matrix((a["values"], a["columns"], a["starts"]), shape=shape)
    subdivision = Subdivision(matrix, a["refined_quads"], a["edges"])
    return Cage(keys, a["quads"], a["mirror"], subdivision, a["refined_mirror"], a["uvs"])
