"""How parts are carried by the skin: each point glued to it, or a strip that rides on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sedtalker.face.builtin.parts import Points, Skin

STILL = 0.01
"""Centimetres: a shape that moves the middle line less carries the strip point by point."""
LOWEST, HIGHEST = -0.10, 0.40
"""How far a strip bends towards the skin and away from it to keep its height over it, centimetres."""


def flipped(skin: Skin, weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Weights on the skin's vertices of the other side."""
    return sparse.csr_matrix((weights.data, skin.mirror[weights.indices], weights.indptr), shape=weights.shape)


def glue_front(skin: Skin, xy: Points) -> tuple[sparse.csr_matrix, Points]:
    """Weights (n, V) and normals (n, 3) of the foremost skin points that lie at (x, y) in front view."""
    triangles = np.concatenate([skin.quads[:, :3], skin.quads[:, [0, 2, 3]]])
    a, b, c = (skin.vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    facing = (normal[:, 2] > 0) & (a[:, 2] > 3)
    triangles, a, b, c, normal = (x[facing] for x in (triangles, a, b, c, normal))
    near = cKDTree((a + b + c)[:, :2] / 3).query(xy, k=48)[1]
    u, v = (b - a)[near], (c - a)[near]
    w = xy[:, None] - a[near][..., :2]
    det = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    s = (w[..., 0] * v[..., 1] - w[..., 1] * v[..., 0]) / det
    t = (u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]) / det
    inside = np.minimum(np.minimum(s, t), 1 - s - t)
    depth = a[near][..., 2] + s * u[..., 2] + t * v[..., 2]
    rows = np.arange(len(xy))
    best = np.where(inside > -1e-6, 1e3 + depth, inside).argmax(1)
    chosen = near[rows, best]
    share = np.stack([1 - s[rows, best] - t[rows, best], s[rows, best], t[rows, best]], axis=1)
    weights = sparse.coo_matrix(
        (share.reshape(-1), (np.repeat(rows, 3), triangles[chosen].reshape(-1))), shape=(len(xy), len(skin.vertices))
    ).tocsr()
    out = normal[chosen]
    return weights, out / np.linalg.norm(out, axis=1, keepdims=True)


def reflected(skin: Skin) -> Skin:
    """The skin seen in a mirror: what is done to its left side is done to the right one."""
    flip = np.array([-1, 1, 1], np.float32)
    return replace(skin, vertices=skin.vertices[skin.mirror] * flip, offsets=skin.offsets[:, skin.mirror] * flip)


def ride(
    skin: Skin, points: Points, weights: sparse.csr_matrix, middle: Points, along: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Offsets (K, n, 3) of a strip that shifts and turns with its middle line on the skin and keeps its width as seen
    from the front and its height over the skin: it is not squashed where the skin is.

    Args:
        skin: what carries the strip.
        points: (n, 3) of the strip at rest.
        weights: (n, V) glue of its points, for shapes that hardly move it.
        middle: (m, 2) its middle line in front view.
        along: (n,) place of each point on that line, 0 to m - 1.
    """
    glue, _ = glue_front(skin, middle)
    axis, shifts, out = glue @ skin.vertices, skin.glued(glue), skin.glued(weights).copy()
    close = cKDTree(axis).query(skin.vertices)[0] < 3.0
    under = replace(skin, quads=skin.quads[close[skin.quads].all(1)])
    height = points[:, 2] - _depth(under, points)
    low = np.clip(along.astype(int), 0, len(axis) - 2)
    stations = ((low, 1 - (along - low)), (low + 1, along - low))
    for row in np.flatnonzero(np.linalg.norm(shifts, axis=2).max(1) > STILL):
        turns = _turns(axis, axis + shifts[row])
        moved = np.zeros_like(points)
        for k, share in stations:
            turned = np.einsum("ni,nij->nj", points - axis[k], turns[k])
            moved += share[:, None] * (axis[k] + shifts[row, k] + turned)
        posed = replace(under, vertices=skin.vertices + skin.offsets[row])
        moved[:, 2] += np.clip(height - (moved[:, 2] - _depth(posed, moved)), LOWEST, HIGHEST)
        out[row] = moved - points
    return out


def _turns(before: Points, after: Points) -> Points:
    """(m, 3, 3) rotations about the view axis, for row vectors, of a line (m, 3) in front view."""
    lines = (np.gradient(line[:, :2], axis=0) for line in (before, after))
    start, end = (np.arctan2(step[:, 1], step[:, 0]) for step in lines)
    c, s, zero = np.cos(end - start), np.sin(end - start), np.zeros(len(before))
    return np.stack([c, s, zero, -s, c, zero, zero, zero, zero + 1], axis=1).reshape(-1, 3, 3)


def _depth(skin: Skin, points: Points) -> NDArray[np.float64]:
    """(n,) how far forward the skin is at points (n, 3), seen from the front."""
    return (glue_front(skin, points[:, :2])[0] @ skin.vertices)[:, 2]
