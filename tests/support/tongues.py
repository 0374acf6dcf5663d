"""How far a tongue goes into teeth and gums, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull

from sedtalker.face.face import Face, pose

RING = 8
"""Vertices of a cross-section of the gums."""
SAMPLES = 3
"""Points along an edge of a triangle of the tongue."""


def depth_in_teeth(face: Face, weights: Mapping[str, float]) -> float:
    """Millimetres that the tongue's surface goes into a tooth or a gum at most, teeth as convex bodies."""
    points = 1e3 * face.deform(pose(face, weights)[None])[0].astype(float)
    triangles = face.mesh.triangles
    shares = [(a, b, SAMPLES - a - b) for a in range(SAMPLES + 1) for b in range(SAMPLES + 1 - a)]
    corners = points[triangles[face.regions["tongue"][triangles].all(axis=1)]]
    surface = np.einsum("kc,tcd->tkd", np.array(shares) / SAMPLES, corners).reshape(-1, 3)
    deepest = 0.0
    for solid in _solids(face):
        body = points[solid]
        near = surface[((surface > body.min(0)) & (surface < body.max(0))).all(axis=1)]
        if len(near):
            planes = ConvexHull(body).equations
            deepest = max(deepest, float(-(near @ planes[:, :3].T + planes[:, 3]).max(axis=1).min(initial=0.0)))
    return deepest


def _solids(face: Face) -> Iterator[np.ndarray]:
    """Vertices of each tooth, and of each piece of gum between two neighbouring cross-sections."""
    for region in ("upper_teeth", "lower_teeth", "gums"):
        triangles = face.mesh.triangles[face.regions[region][face.mesh.triangles].all(axis=1)]
        used, local = np.unique(triangles, return_inverse=True)
        edges = local.reshape(-1, 3)[:, [0, 1, 1, 2]].reshape(-1, 2)
        graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(used),) * 2)
        count, pieces = connected_components(graph, directed=False)
        for piece in range(count):
            body = used[pieces == piece]
            starts = range(0, len(body) - 2 * RING, RING) if region == "gums" else (0,)
            yield from (body[start : start + 2 * RING] if region == "gums" else body for start in starts)
