"""Parts that a face gets in addition to its own: they come after its vertices and polygons, which stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Ints, Reals
from sedtalker.face.face import Face
from sedtalker.mesh.surface import Points


@dataclass(frozen=True, eq=False)
class PlacedPart:
    """A piece in its place.

    Attributes:
        vertices: (N, 3) metres; offsets: (B, N, 3) of the face's shapes and correctives.
        triangles: (T, 3) into the vertices.
        colours: (3,) or (N, 3) sRGB, for meshes that have colours of their own.
        regions: of which of the face's regions it is part.
    """

    name: str
    vertices: Points
    offsets: Doubles
    triangles: Ints
    colours: Reals | tuple[float, float, float]
    regions: tuple[str, ...]


def source_rows(face: Face, source: Face) -> NDArray[np.int64]:
    """Row (B,) of the source's basis that has the name of each row of a face's; −1 where there is none."""
    names = source.basis_names
    return np.array([names.index(name) if name in names else -1 for name in face.basis_names])


def with_parts(face: Face, parts: Sequence[PlacedPart]) -> Face:
    """The face with more parts, as groups of their own; its own vertices and polygons come first and stay.

    Triangles of a part count its vertices from 0; its vertices and offsets are in the units of the face.
    """
    mesh = face.mesh
    sizes, counts = [len(part.vertices) for part in parts], [len(part.triangles) for part in parts]
    starts = len(mesh.vertices) + np.cumsum([0, *sizes])
    corners = [(part.triangles + start).ravel() for part, start in zip(parts, starts[:-1], strict=True)]
    colours = [np.broadcast_to(part.colours, part.vertices.shape) for part in parts]
    names = mesh.group_names if mesh.polygon_groups is not None else ("head",)
    groups = np.zeros(len(mesh.polygon_sizes), np.int32) if mesh.polygon_groups is None else mesh.polygon_groups
    new_names = tuple(part.name if part.name not in names else f"{part.name}_new" for part in parts)
    no_uvs = np.full(3 * sum(counts), -1, np.int32)
    whole = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, *[part.vertices for part in parts]], dtype=np.float32),
        polygon_sizes=np.concatenate([mesh.polygon_sizes, np.full(sum(counts), 3, np.int32)]),
        polygon_vertices=np.concatenate([mesh.polygon_vertices, *corners], dtype=np.int32),
        polygon_uvs=None if mesh.polygon_uvs is None else np.concatenate([mesh.polygon_uvs, no_uvs]),
        colours=None if mesh.colours is None else np.concatenate([mesh.colours, *colours], dtype=np.float32),
        group_names=(*names, *new_names),
        polygon_groups=np.concatenate([groups, len(names) + np.repeat(np.arange(len(parts)), counts)], dtype=np.int32),
        materials=(*mesh.materials, *[None] * len(new_names)) if mesh.materials else (),
    )
    none, new = np.zeros(len(mesh.vertices), bool), [name for part in parts for name in part.regions]
    regions = {
        name: np.concatenate([face.regions.get(name, none), np.repeat([name in part.regions for part in parts], sizes)])
        for name in dict.fromkeys((*face.regions, *new))
    }
    basis = np.concatenate([face.basis, *[part.offsets for part in parts]], axis=1, dtype=np.float32)
    return replace(face, mesh=whole, basis=basis, regions=regions)


def parts_after(face: Face, count: int) -> Face:
    """The parts alone that were added after the first ``count`` vertices of a face."""
    mesh = face.mesh
    polygons = mesh.polygon_vertices[np.cumsum([0, *mesh.polygon_sizes[:-1]])] >= count
    alone = replace(
        mesh,
        vertices=mesh.vertices[count:],
        polygon_sizes=mesh.polygon_sizes[polygons],
        polygon_vertices=mesh.polygon_vertices[np.repeat(polygons, mesh.polygon_sizes)] - count,
        uvs=None,
        polygon_uvs=None,
        colours=None if mesh.colours is None else mesh.colours[count:],
        polygon_groups=None if mesh.polygon_groups is None else mesh.polygon_groups[polygons],
        polygon_smoothing=None,
    )
    regions = {name: mask[count:] for name, mask in face.regions.items()}
    return replace(face, mesh=alone, basis=face.basis[:, count:], regions=regions, landmarks=None)
