"""The same surface in other triangles, with the mean of old vertices that makes each new one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity, vstack
from scipy.spatial import cKDTree

from sedtalker.face.mesh import Ints
from sedtalker.face.registration.alignment import barycentric
from sedtalker.face.registration.surface import label_components, point_normals, triangle_normals

Points = NDArray[np.float64]


def cut(kind: str, rest: Points, triangles: Ints, rng: np.random.Generator) -> tuple[csr_matrix, Ints]:
    """The same surface in other triangles, its vertices in random order.

    ``refined``: each triangle in four; ``split``: a vertex amid each triangle and the old edges flipped; ``remeshed``:
    split, then thinned to 20,000 triangles; a number: thinned to so many; others: as it is.

    Args:
        rest: (V, 3) positions; triangles: (T, 3) into them.

    Returns:
        the mean (V', V) that makes new vertices of old ones, and triangles into the new ones.
    """
    mean = identity(len(rest), format="csr")
    if kind == "refined":
        mean, triangles = refine(len(rest), triangles)
    elif kind.endswith("split") or kind == "remeshed":
        mean, triangles = split(len(rest), triangles)
    if kind.isdigit() or kind == "remeshed":
        thinned, triangles = thin(mean @ rest, triangles, int(kind) if kind.isdigit() else 20_000)
        mean = thinned @ mean
    order = rng.permutation(np.unique(triangles))
    place = np.full(mean.shape[0], -1, np.int32)
    place[order] = np.arange(len(order))
    return mean[order], place[triangles]


def thin(rest: Points, triangles: Ints, count: int) -> tuple[csr_matrix, Ints]:
    """Edges collapsed by quadric error (Garland & Heckbert 1997) down to ``count`` triangles; returns as ``cut``."""
    import igl

    new, faces, _, birth = igl.qslim(rest, triangles.astype(np.int64), count)
    new, faces = np.asarray(new), np.asarray(faces).astype(np.int32)
    part = label_components(len(rest), triangles)
    # Lips, lids and eyes lie against each other: only places of the same piece that face the same way are meant.
    normals, facing = point_normals(new, faces), triangle_normals(rest, triangles)
    _, near = cKDTree(rest[triangles].mean(axis=1)).query(new, k=48)
    corners = triangles[near].reshape(-1, 3)
    weights = barycentric(np.repeat(new, 48, axis=0), rest, corners).reshape(*near.shape, 3)
    places = (rest[corners].reshape(*near.shape, 3, 3) * weights[..., None]).sum(axis=2)
    distance = np.linalg.norm(places - new[:, None], axis=2)
    distance[(facing[near] * normals[:, None]).sum(axis=2) < 0.3] += 1.0
    distance[part[triangles[near, 0]] != part[np.asarray(birth)][:, None]] += 10.0
    best = np.argmin(distance, axis=1)
    rows, each = np.arange(0, 3 * len(new) + 1, 3), np.arange(len(new))
    chosen, share = triangles[near[each, best]], weights[each, best]
    return csr_matrix((share.reshape(-1), chosen.reshape(-1), rows), shape=(len(new), len(rest))), faces


def refine(count: int, triangles: Ints) -> tuple[csr_matrix, Ints]:
    """Each triangle in four, by the middles of its edges; returns as ``cut``."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, index = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = (index.reshape(-1, 3) + count).T
    a, b, c = triangles.T
    fine = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]).transpose(0, 2, 1).reshape(-1, 3)
    return vstack([identity(count), _means(edges, count)]).tocsr(), fine.astype(np.int32)


def split(count: int, triangles: Ints) -> tuple[csr_matrix, Ints]:
    """A vertex amid each triangle, joined across the old edges (Kobbelt 2000, not smoothed); returns as ``cut``."""
    ends = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    middle = count + np.repeat(np.arange(len(triangles)), 3)
    _, index, uses = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(index.reshape(-1), kind="stable")
    inner = uses[index.reshape(-1)[order]] == 2
    first, second = order[inner].reshape(-1, 2).T
    lone = order[~inner]
    fine = [
        np.stack([ends[first, 0], middle[second], middle[first]], axis=1),
        np.stack([ends[first, 1], middle[first], middle[second]], axis=1),
        np.stack([ends[lone, 0], ends[lone, 1], middle[lone]], axis=1),
    ]
    return vstack([identity(count), _means(triangles, count)]).tocsr(), np.concatenate(fine).astype(np.int32)


def _means(corners: Ints, count: int) -> csr_matrix:
    """Rows (N, count) that take the mean of some old vertices (N, k)."""
    n, k = corners.shape
    return csr_matrix((np.full(n * k, 1.0 / k), corners.reshape(-1), np.arange(0, n * k + 1, k)), shape=(n, count))
