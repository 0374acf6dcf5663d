"""How a face looks in other programs: normals and physically based materials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats, Ints, Material
from sedtalker.render.light import MATERIALS, part_of_group, triangle_parts
from sedtalker.render.renderer import weld_map
from sedtalker.render.shading import welded_normals

_ROUGHNESS = {"eye": 0.12, "teeth": 0.3, "tongue": 0.4, "lips": 0.45, "hair": 0.7, "cloth": 0.9}


@dataclass(frozen=True, eq=False)
class Surface:
    """Materials of a mesh: ``names`` (M,), ``roughness`` (M,), the user's own (M,) and that of each triangle (T,)."""

    names: tuple[str, ...]
    roughness: tuple[float, ...]
    materials: tuple[Material | None, ...]
    triangles: Ints


def surface_of(face: Face) -> Surface:
    """One material for each polygon group of the mesh, or for each part of the head where it has no groups."""
    mesh = face.mesh
    groups: NDArray[np.integer]
    if mesh.polygon_groups is not None and mesh.group_names:
        names = list(mesh.group_names)
        groups, parts = mesh.polygon_groups[mesh.triangle_polygons], [part_of_group(name) for name in names]
    else:
        names = parts = list(MATERIALS)
        groups = triangle_parts(mesh, face.regions)
    own: list[Material | None] = [*mesh.materials] if len(mesh.materials) == len(names) else [None] * len(names)
    used, which = np.unique(groups, return_inverse=True)
    return Surface(
        tuple(names[k] for k in used),
        tuple(_ROUGHNESS.get(parts[k], 0.55) for k in used),
        tuple(own[k] for k in used),
        which.reshape(-1).astype(np.int32),
    )


class Normals:
    """Normals of a face at rest, ``rest`` (V, 3), and how offsets bend them; smooth across texture seams."""

    def __init__(self, face: Face) -> None:
        self._mesh, self._weld = face.mesh, weld_map(face.mesh)
        self.rest = welded_normals(face.mesh.vertices, face.mesh.triangles, self._weld)

    def change(self, offsets: Floats, weight: float = 1.0) -> Floats:
        """What offsets (V, 3) add to the unit normals (V, 3), a weight of 1 judged by what ``weight`` does.

        Normals do not bend in proportion: half the greatest weight in use gives the least error over all of them.
        """
        moved = welded_normals(self._mesh.vertices + weight * offsets, self._mesh.triangles, self._weld)
        return (moved - self.rest) / np.float32(weight)
