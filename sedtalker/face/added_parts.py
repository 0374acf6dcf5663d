"""Parts that a face gets in addition to its own: they come after its vertices and polygons, which stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.face.face import Face
from sedtalker.mesh.surface import Points


@dataclass(frozen=True, eq=False)
class PlacedPart:
    """A piece in its place.

    Attributes:
        name: of its group.
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


@dataclass(frozen=True, eq=False)
class AddedParts:
    """New vertices and polygons, to be put after those of a mesh.

    Attributes:
        vertices: (N, 3) metres; offsets: (K, N, 3); colours: (N, 3).
        sizes, corners: polygons; their corners count on from the last vertex of the mesh.
        groups: (F,) into ``names``; regions: masks (N,).
    """

    vertices: Points
    offsets: Doubles
    colours: Floats
    sizes: Ints
    corners: Ints
    names: tuple[str, ...]
    groups: Ints
    regions: dict[str, Mask]


def assemble(face: Face, parts: Sequence[PlacedPart]) -> AddedParts:
    """The parts as new vertices and polygons after those of a face."""
    sizes = [len(part.vertices) for part in parts]
    starts = len(face.mesh.vertices) + np.cumsum([0, *sizes])
    counts = [len(part.triangles) for part in parts]
    regions = {
        name: np.repeat([name in part.regions for part in parts], sizes)
        for name in dict.fromkeys(name for part in parts for name in part.regions)
    }
    colours = [np.broadcast_to(part.colours, part.vertices.shape) for part in parts]
    return AddedParts(
        vertices=np.concatenate([part.vertices for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts], axis=1),
        colours=np.concatenate(colours, dtype=np.float32),
        sizes=np.full(sum(counts), 3, np.int32),
        corners=np.concatenate(
            [(part.triangles + start).ravel() for part, start in zip(parts, starts[:-1], strict=True)]
        ).astype(np.int32),
        names=tuple(part.name for part in parts),
        groups=np.repeat(np.arange(len(parts)), counts).astype(np.int32),
        regions=regions,
    )


def source_rows(face: Face, source: Face) -> NDArray[np.int64]:
    """Row (B,) of the source's basis that has the name of each row of a face's; −1 where there is none."""
    names = [*source.shapes, *(corrective.name for corrective in source.correctives)]
    own = [*face.shapes, *(corrective.name for corrective in face.correctives)]
    return np.array([names.index(name) if name in names else -1 for name in own])


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
