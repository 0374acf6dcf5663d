"""What a mesh file holds and what is wrong with it, before anybody asks whether it is a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedtalker.face.mesh import Mesh
from sedtalker.face.registration.surface import Surface


@dataclass(frozen=True)
class Contents:
    """Counts of a mesh.

    Attributes:
        vertices, polygons, triangles: how many; polygon_sizes: polygons by number of corners.
        components: connected pieces, after joining vertices at one place.
        groups: polygons by name of object, group or material.
        uvs: texture coordinates, 0 where there are none; colours: whether vertices are coloured.
        size: (3,) extent in the file's unit.
        unused, duplicate: vertices that no polygon uses, and that lie where another does.
        degenerate: polygons that repeat a corner or have no area.
    """

    vertices: int
    polygons: int
    triangles: int
    polygon_sizes: dict[int, int]
    components: int
    groups: dict[str, int]
    uvs: int
    colours: bool
    size: tuple[float, float, float]
    unused: int
    duplicate: int
    degenerate: int


def count(mesh: Mesh, surface: Surface) -> Contents:
    """What ``mesh`` holds; ``surface`` is its welded form."""
    sizes, numbers = np.unique(mesh.polygon_sizes, return_counts=True)
    groups: dict[str, int] = {}
    if mesh.polygon_groups is not None:
        counts = np.bincount(mesh.polygon_groups, minlength=len(mesh.group_names))
        groups = {name: int(n) for name, n in zip(mesh.group_names, counts, strict=True)}
    used = int((surface.vertex_point >= 0).sum())
    extent = np.ptp(mesh.vertices.astype(np.float64), axis=0)
    return Contents(
        vertices=len(mesh.vertices),
        polygons=len(mesh.polygon_sizes),
        triangles=len(mesh.triangles),
        polygon_sizes={int(size): int(n) for size, n in zip(sizes, numbers, strict=True)},
        components=int(surface.component.max(initial=-1)) + 1,
        groups=groups,
        uvs=0 if mesh.uvs is None else len(mesh.uvs),
        colours=mesh.colours is not None,
        size=(float(extent[0]), float(extent[1]), float(extent[2])),
        unused=len(mesh.vertices) - used,
        duplicate=used - len(surface.points),
        degenerate=degenerate_polygons(mesh),
    )


def degenerate_polygons(mesh: Mesh) -> int:
    """Polygons with fewer than three corners, a repeated corner or no area."""
    points = mesh.vertices.astype(np.float64)
    a, b, c = (points[mesh.triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.max([((b - a) ** 2).sum(1), ((c - b) ** 2).sum(1), ((a - c) ** 2).sum(1)], axis=0)
    whole = np.bincount(mesh.triangle_polygons, area > 1e-7 * longest, len(mesh.polygon_sizes)) > 0
    polygon = np.repeat(np.arange(len(mesh.polygon_sizes)), mesh.polygon_sizes)
    order = np.lexsort((mesh.polygon_vertices, polygon))
    twice = (np.diff(polygon[order]) == 0) & (np.diff(mesh.polygon_vertices[order]) == 0)
    repeated = np.zeros(len(mesh.polygon_sizes), bool)
    repeated[polygon[order][1:][twice]] = True
    return int((~whole | repeated).sum())


def complaints(contents: Contents) -> list[str]:
    """What a person should know about the mesh itself, one line each."""
    found = []
    if contents.degenerate:
        found.append(f"{contents.degenerate} degenerate polygons (a corner twice, or no area): clean the mesh")
    if contents.duplicate:
        found.append(
            f"{contents.duplicate} duplicate vertices lie where others do; harmless at UV seams: "
            "they are fitted as one and stay in the file"
        )
    if contents.unused:
        found.append(f"{contents.unused} vertices belong to no polygon: they come along with the head")
    if contents.vertices > 200_000:
        found.append(f"{contents.vertices} vertices are many: fitting takes minutes; decimate the mesh")
    return found
