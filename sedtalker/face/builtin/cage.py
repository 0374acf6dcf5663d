"""The quad topology of the built-in head: a cylinder grid from neck to crown with concentric rings for its features.

Rectangles of the grid are cut out and filled with rings of quads: the mouth, each eye, each ear, each nostril. A
ring has one point per border point of its rectangle, so every corner becomes a pole of five and every spoke runs
straight into the feature; the mouth corners and the canthi lie exactly on a spoke.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.subdivision import Index, Subdivision, catmull_clark

COLUMNS = 32
ROWS = 28
HALF_AZIMUTHS = (0.0, 3.5, 7.0, 10.0, 13.0, 20.0, 27.5, 35.0, 44.0, 54.0, 65.0, 79.0, 94.0, 109.0, 128.0, 153.0, 180.0)
"""Degrees of the columns of one half, front to back."""

MOUTH_VERMILION, MOUTH_BODY, MOUTH_CONTACT, MOUTH_INNER = 4, 5, 6, 7
EYE_EDGE, EYE_RIM, EYE_SOCKET = 5, 6, 7
MOUTH_RINGS, EYE_RINGS, EAR_RINGS, NOSTRIL_RINGS = 10, 7, 7, 3
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
CROWN = Patch("crown", ROWS - 1, -4, 8, 8, 0, True)


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
