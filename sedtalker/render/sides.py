"""Which sides of a mesh are seen: the inside of a head is dark, and what is one-sided is not there from behind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Ints, Mask
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.surface import weld

CERTAIN = 0.25
"""Share of a piece's area by which one way of winding must outweigh the other, for its outside to be known."""


def sides_of(mesh: Mesh, parts: Ints, regions: dict[str, Mask] | None) -> tuple[NDArray[np.int8], Mask]:
    """What a renderer does with the backs of triangles.

    Args:
        parts: (T,) of ``triangle_parts``: 0 is skin.
        regions: of the face, if it is one: ``skin`` says which piece is the head.

    Returns:
        inner: (T,) int8 side of the head's skin that is inside: 1 the back, -1 the front, 0 for everything else.
        one_sided: (T,) triangles that are left out from behind: those of one-sided materials, but not of the skin, and
            only where the skin is wound as it should be. Through an open mouth the skin would show the background.
    """
    inner = np.zeros(len(mesh.triangles), dtype=np.int8)
    head = _head(mesh, parts, regions)
    outward = _outward(mesh, head)
    inner[head] = outward
    one_sided = np.zeros(len(inner), dtype=bool)
    if outward == 1 and mesh.materials and mesh.polygon_groups is not None:
        flags = np.array([m is not None and not m.double_sided for m in mesh.materials])
        one_sided = flags[mesh.polygon_groups[mesh.triangle_polygons]] & ~head
    return inner, one_sided


def _head(mesh: Mesh, parts: Ints, regions: dict[str, Mask] | None) -> Mask:
    """Triangles (T,) of the largest piece of skin."""
    skin = parts == 0
    known = (regions or {}).get("skin")
    if known is not None and known[mesh.triangles].all(axis=1).any():
        skin &= known[mesh.triangles].all(axis=1)
    if not skin.any():
        return skin
    surface = weld(mesh)
    corner = surface.vertex_point[mesh.triangles[:, 0]]
    piece = np.where(corner >= 0, surface.component[np.maximum(corner, 0)], -1)
    sizes = np.bincount(piece[skin & (piece >= 0)], minlength=1)
    return np.asarray(piece == int(sizes.argmax())) & ((parts == 0) if sizes.any() else skin)


def _outward(mesh: Mesh, head: Mask) -> int:
    """1 where the triangles ``head`` (T,) are counter-clockwise seen from outside, -1 the other way, 0 unknown."""
    if not head.any():
        return 0
    a, b, c = (mesh.vertices[mesh.triangles[head, k]].astype(np.float64) for k in range(3))
    with np.errstate(invalid="ignore", over="ignore"):
        faces = np.nan_to_num(np.cross(b - a, c - a), nan=0.0, posinf=0.0, neginf=0.0)
        area = np.linalg.norm(faces, axis=1)
        middle = np.nan_to_num((a + b + c) / 3, nan=0.0, posinf=0.0, neginf=0.0)
        centre = (middle * area[:, None]).sum(axis=0) / max(float(area.sum()), 1e-30)
        facing = (faces * (middle - centre)).sum(axis=1)
    balance = float((area * np.sign(facing)).sum()) / max(float(area.sum()), 1e-30)
    return 0 if abs(balance) < CERTAIN else int(np.sign(balance))
