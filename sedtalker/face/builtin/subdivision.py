"""Catmull–Clark subdivision as a sparse matrix, so that surfaces can be fitted by linear least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

Index = NDArray[np.int64]


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
