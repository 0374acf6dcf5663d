"""Parts that a face gets in addition to its own: they come after its vertices and polygons, which stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Floats, Ints
from sedtalker.mesh.surface import Points


@dataclass(frozen=True, eq=False)
class AddedParts:
    """New vertices and polygons, to be put after those of a mesh.

    Attributes:
        vertices: (N, 3) metres; offsets: (K, N, 3); colours: (N, 3).
        sizes, corners: polygons; their corners count on from the last vertex of the mesh.
        groups: (F,) into ``names``; regions: masks (N,).
    """

    vertices: Points
    offsets: NDArray[np.float64]
    colours: Floats
    sizes: Ints
    corners: Ints
    names: tuple[str, ...]
    groups: Ints
    regions: dict[str, NDArray[np.bool_]]


def with_parts(face: Face, added: AddedParts) -> Face:
    """The face with more parts, as groups of their own; its own vertices and polygons come first and stay."""
    mesh, count = face.mesh, len(added.vertices)
    names = mesh.group_names if mesh.polygon_groups is not None else ("head",)
    groups = np.zeros(len(mesh.polygon_sizes), np.int32) if mesh.polygon_groups is None else mesh.polygon_groups
    new_names = tuple(name if name not in names else f"{name}_new" for name in added.names)
    no_uvs = np.full(len(added.corners), -1, np.int32)
    whole = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, added.vertices.astype(np.float32)]),
        polygon_sizes=np.concatenate([mesh.polygon_sizes, added.sizes]),
        polygon_vertices=np.concatenate([mesh.polygon_vertices, added.corners]),
        polygon_uvs=None if mesh.polygon_uvs is None else np.concatenate([mesh.polygon_uvs, no_uvs]),
        colours=None if mesh.colours is None else np.concatenate([mesh.colours, added.colours]),
        group_names=(*names, *new_names),
        polygon_groups=np.concatenate([groups, len(names) + added.groups]).astype(np.int32),
        materials=(*mesh.materials, *[None] * len(new_names)) if mesh.materials else (),
    )
    none = np.zeros(count, bool)
    regions = {
        name: np.concatenate(
            [face.regions.get(name, np.zeros(len(mesh.vertices), bool)), added.regions.get(name, none)]
        )
        for name in dict.fromkeys((*face.regions, *added.regions))
    }
    basis = np.concatenate([face.basis, added.offsets.astype(np.float32)], axis=1)
    return replace(face, mesh=whole, basis=basis, regions=regions)
