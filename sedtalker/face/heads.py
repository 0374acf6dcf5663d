"""Several people in one file: separate figures, and the faces on them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.registration.parts import component_bounds
from sedtalker.face.registration.pose import GivenLandmarks, find_face
from sedtalker.face.registration.prepare import prepare_source
from sedtalker.face.registration.register import FEWEST_TRIANGLES
from sedtalker.mesh.mesh import Ints, Mesh
from sedtalker.mesh.surface import Surface, weld

MOST = 8
"""Figures that are looked at, the largest first."""
_GAP = 0.02  # of the larger box's diagonal: pieces nearer than that are one figure
_LEAST = 0.1  # of the largest figure's extent: what is smaller is no figure
_MANY = 3000  # pieces from which on a mesh is one figure: a soup of triangles


def figures(surface: Surface) -> list[Ints]:
    """Triangles of each figure, the one with most triangles first: pieces whose boxes touch belong together."""
    everything = np.arange(len(surface.triangles), dtype=np.int32)
    used = np.unique(surface.component[surface.triangles[:, 0]])
    bounds = component_bounds(surface.points, surface.component)
    if not 1 < len(used) <= _MANY:
        return [everything]
    boxes = np.stack([bounds[int(c)] for c in used])
    gap = np.maximum(boxes[:, None, 0] - boxes[None, :, 1], boxes[None, :, 0] - boxes[:, None, 1]).max(axis=2)
    size = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    near = coo_matrix(gap < _GAP * np.maximum(size[:, None], size[None]))
    figure_of = np.zeros(int(surface.component.max()) + 1, np.int64)
    figure_of[used] = connected_components(near, directed=False)[1]
    mine = figure_of[surface.component[surface.triangles[:, 0]]]
    found = [everything[mine == k] for k in range(int(mine.max()) + 1)]
    extent = [float(np.ptp(surface.points[surface.triangles[part]].reshape(-1, 3), axis=0).max()) for part in found]
    real = [
        part
        for part, length in zip(found, extent, strict=True)
        if len(part) >= FEWEST_TRIANGLES and length > _LEAST * max(extent)
    ]
    return sorted(real, key=len, reverse=True) or [everything]


def heads_of(mesh: Mesh, source: Face) -> list[GivenLandmarks]:
    """The faces on the figures of a mesh, the largest figure's first; empty where there is only one figure.

    Args:
        mesh: any mesh; source: a face with landmarks, to compare with.
    """
    surface = weld(mesh)
    parts = figures(surface)
    if len(parts) < 2:
        return []
    from sedtalker.face.landmarks import load_detector

    detector = load_detector()
    known, _ = prepare_source(source, detector)
    fixes = [find_face(alone(surface, part), known.landmarks, detector) for part in parts[:MOST]]
    return [GivenLandmarks(fix.landmarks, fix.confidence, fix.score) for fix in fixes if fix is not None]


def choose_head(heads: list[GivenLandmarks], number: int | None, name: str) -> GivenLandmarks | None:
    """Head ``number`` counted from 1, or the first; None where the mesh is one figure.

    Raises:
        InputError: there are fewer.
    """
    if number is not None and number > max(len(heads), 1):
        raise InputError(f"{name}: there is no head {number}: `sedtalker mesh inspect` lists {max(len(heads), 1)}")
    return heads[(number or 1) - 1] if heads else None


def alone(surface: Surface, triangles: Ints) -> Surface:
    """Some triangles of a surface as one of its own."""
    corners = surface.triangles[triangles]
    used, local = np.unique(corners, return_inverse=True)
    number = np.full(len(surface.points), -1, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    vertex_point = np.where(surface.vertex_point >= 0, number[np.maximum(surface.vertex_point, 0)], -1)
    component = np.unique(surface.component[used], return_inverse=True)[1].reshape(-1).astype(np.int32)
    return Surface(
        surface.points[used], local.reshape(-1, 3).astype(np.int32), vertex_point.astype(np.int32), component
    )
