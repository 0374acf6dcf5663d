"""What the head is put together from: parts with their own vertices, quads, colours and offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

Points = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One group of the mesh, in centimetres.

    Attributes:
        name: group name.
        vertices: (V, 3).
        quads: (Q, 4) counter-clockwise from outside.
        colours: (V, 3) sRGB in [0, 1].
        offsets: (K, V, 3) at coefficient 1 of each shape and corrective.
        uvs: (Q, 4, 2) of each corner.
    """

    name: str
    vertices: Points
    quads: Index
    colours: Points
    offsets: NDArray[np.float32]
    uvs: Points


@dataclass(frozen=True, eq=False)
class Skin:
    """The refined skin that other parts are glued to.

    Attributes:
        vertices: (V, 3) neutral, centimetres.
        quads: (Q, 4).
        offsets: (K, V, 3).
        mirror: (V,) vertex on the other side.
        ears: (V,) bool.
    """

    vertices: Points
    quads: Index
    offsets: NDArray[np.float32]
    mirror: Index
    ears: NDArray[np.bool_]

    def glued(self, weights: sparse.csr_matrix) -> NDArray[np.float32]:
        """Offsets (K, n, 3) of points that are linear combinations (n, V) of the skin's vertices."""
        k, v, _ = self.offsets.shape
        flat = self.offsets.transpose(1, 0, 2).reshape(v, k * 3)
        return (weights.astype(np.float32) @ flat).reshape(-1, k, 3).transpose(1, 0, 2)


def flat_uvs(vertices: Points, quads: Index, corner: tuple[float, float], size: float) -> Points:
    """(Q, 4, 2): the part seen from the front, scaled into a square of the texture."""
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    return np.array(corner) + size * (vertices[quads][:, :, :2] - low) / max(float((high - low).max()), 1e-9)


def tube(sections: Points, closed_ends: bool = True) -> tuple[Points, Index]:
    """Quads round (S, n, 3) cross-sections, wound outwards for sections that run counter-clockwise seen from behind.

    Each closed end gets a centre vertex; with n even, its fan is made of quads.
    """
    stations, n, _ = sections.shape
    vertices = sections.reshape(-1, 3)
    quads = []
    for s in range(stations - 1):
        for k in range(n):
            m = (k + 1) % n
            quads.append([s * n + k, s * n + m, (s + 1) * n + m, (s + 1) * n + k])
    if closed_ends:
        first, last = len(vertices), len(vertices) + 1
        vertices = np.concatenate([vertices, [sections[0].mean(0), sections[-1].mean(0)]])
        end = (stations - 1) * n
        for k in range(0, n, 2):
            a, b, c = k, k + 1, (k + 2) % n
            quads.append([first, c, b, a])
            quads.append([last, end + a, end + b, end + c])
    return vertices, np.array(quads)


def rounded_box(power: float) -> tuple[Points, Index]:
    """A cube of 3 × 3 × 3 points without its centre, pulled onto |x|^p + |y|^p + |z|^p = 1; wound outwards."""
    grid = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])
    index = {tuple(p): i for i, p in enumerate(grid.tolist())}
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            for a in (-1, 0):
                for b in (-1, 0):
                    corners = []
                    for da, db in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        p = [0, 0, 0]
                        p[axis], p[u], p[v] = side, a + da, b + db
                        corners.append(index[tuple(p)])
                    faces.append(corners if side > 0 else corners[::-1])
    norm = (np.abs(grid.astype(float)) ** power).sum(1) ** (1 / power)
    return grid / norm[:, None], np.array(faces)
