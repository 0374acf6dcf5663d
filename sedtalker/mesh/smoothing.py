"""Where a surface is smooth and where it has edges: the smoothing groups and normals of files, by polygon corner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.mesh.mesh import Mesh, weld_map

ALIKE = 0.97
"""Cosine above which two normals at one place are one: 14°. Files round them, and average them across texture seams."""
_STEPS = 40
"""Steps of a normal's coordinate from 0 to 1 in the number of its direction."""


def smoothing_of_normals(places: NDArray[np.integer], normals: NDArray[np.floating]) -> Ints | None:
    """Numbers (C,) of ``Mesh.polygon_smoothing`` from the normals of a file; None where they make no edge.

    Args:
        places: (C,) a number for the place of each corner.
        normals: (C, 3) of any length; zero where the file has none.
    """
    if len(places) == 0:
        return None
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = normals / np.where(length > 0.0, length, 1.0)
    _, first, which = np.unique(places, return_index=True, return_inverse=True)
    reference = unit[first][which.reshape(-1)]
    bent = ((unit * reference).sum(axis=1) < ALIKE) & (length[:, 0] > 0.0)
    if not bent.any():
        return None
    x, y, z = (np.round(unit[bent] * _STEPS).astype(np.int32) + _STEPS).T
    numbers = np.zeros(len(places), dtype=np.int32)
    numbers[bent] = 1 + (x * (2 * _STEPS + 1) + y) * (2 * _STEPS + 1) + z
    return numbers


def same_places(vertices: NDArray[np.floating]) -> Ints:
    """A number (V,) for the place of each vertex; vertices that lie on one another have the same."""
    size = max(float(np.ptp(vertices, axis=0).max(initial=0.0)), 1e-12) if len(vertices) else 1.0
    with np.errstate(invalid="ignore"):
        grid = np.round(np.nan_to_num(np.asarray(vertices, dtype=np.float64)) / (size * 1e-5)).astype(np.int64)
    return np.unique(grid, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


def split_vertices(mesh: Mesh, uvs: bool = False) -> tuple[Ints, Ints, Ints, Floats | None]:
    """The mesh's vertices as a renderer needs them: one normal each and, where it asks for ``uvs``, one place in a
    texture.

    Returns:
        sources: (W,) the mesh vertex of each; the first V are 0 … V − 1, the rest are splits.
        triangles: (T, 3) over them.
        weld: (W,) see ``weld_map``: those that shade alike.
        places: (W, 2) texture coordinates, origin at the top left, or None.
    """
    count, corners = len(mesh.vertices), len(mesh.polygon_vertices)
    smooth = np.zeros(corners, dtype=np.int64)
    if mesh.polygon_smoothing is not None:
        given = mesh.polygon_smoothing[:corners]
        smooth[: len(given)] = given
    chart = np.zeros(corners, dtype=np.int64)
    wanted = uvs and mesh.uvs is not None and mesh.polygon_uvs is not None
    if wanted:
        assert mesh.polygon_uvs is not None
        chart[:] = mesh.polygon_uvs.astype(np.int64) + 1
    keys = np.stack([mesh.polygon_vertices.astype(np.int64), smooth, chart], axis=1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    # The first key of each vertex keeps its number.
    owners, kept = np.unique(distinct[:, 0], return_index=True)
    slot = np.full(len(distinct), -1, dtype=np.int64)
    slot[kept] = owners
    extra = np.flatnonzero(slot < 0)
    slot[extra] = count + np.arange(len(extra))
    sources = np.concatenate([np.arange(count), distinct[extra, 0]]).astype(np.int32)
    triangles = slot[which.reshape(-1)][mesh.corner_triangles].astype(np.int32)
    apart = np.zeros(len(sources), dtype=np.int64)
    apart[slot] = distinct[:, 1]
    split = Mesh(
        vertices=np.ascontiguousarray(mesh.vertices[sources]),
        polygon_sizes=np.full(len(triangles), 3, dtype=np.int32),
        polygon_vertices=triangles.reshape(-1),
    )
    weld = weld_map(split, apart if mesh.polygon_smoothing is not None else None)
    if not wanted:
        return sources, triangles, weld, None
    assert mesh.uvs is not None
    at = np.zeros((len(sources), 2), dtype=np.float32)
    known = distinct[:, 2] > 0
    at[slot[known]] = mesh.uvs[distinct[known, 2] - 1]
    at[slot[known], 1] = 1.0 - at[slot[known], 1]
    return sources, triangles, weld, at
