"""The user's mesh as a surface: welded, split into components, seen from outside, smooth or with edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.mesh.mesh import Mesh, area_normals, face_normals, from_triangles, weld_map
from sedtalker.mesh.rasteriser import View, rasterise, turn

Points = Doubles

COVER = 0.01
"""What hides a point lies this much before it, in half widths of the close views (about 1 mm)."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A welded triangle surface.

    Attributes:
        points: (N, 3) positions, each once.
        triangles: (T, 3) into ``points``, none degenerate.
        vertex_point: (V,) point of each mesh vertex, −1 for vertices that no polygon uses.
        component: (N,) connected component of each point.
    """

    points: Points
    triangles: Ints
    vertex_point: Ints
    component: Ints


MANY, SAMPLE = 100, 20_000
"""Triangles a place from which on near ones are sought first, and how many are looked at to bound the distance."""


def weld(mesh: Mesh) -> Surface:
    """Join borders that lie on each other (seams of UVs and normals) and drop degenerate triangles.

    What touches inside a surface stays apart: lips that are closed exactly, lashes that grow out of a lid.
    """
    vertices = mesh.vertices.astype(np.float64)
    used = np.unique(mesh.triangles)
    used = used[np.isfinite(vertices[used]).all(axis=1)]
    extent = max(float(np.ptp(vertices[used], axis=0).max()), 1e-30) if len(used) else 1.0
    grid = np.round((vertices[used] - vertices[used].min(0, initial=np.inf)) / (extent * 1e-6)).astype(np.int64)
    inside = ~border_points(len(vertices), mesh.triangles)[used]
    apart = np.where(inside, used + 1, 0)
    _, first, inverse = np.unique(np.column_stack([grid, apart]), axis=0, return_index=True, return_inverse=True)
    vertex_point = np.full(len(vertices), -1, np.int32)
    vertex_point[used] = inverse.reshape(-1)
    points = vertices[used][first]
    triangles = vertex_point[mesh.triangles]
    a, b, c = triangles.T
    triangles = triangles[(triangles >= 0).all(axis=1) & (a != b) & (b != c) & (a != c)]
    return Surface(points, triangles, vertex_point, label_components(len(points), triangles))


def first_vertices(vertex_point: Ints, count: int) -> Ints:
    """A mesh vertex (N,) of each of ``count`` welded points."""
    vertex = np.zeros(count, np.int32)
    used = np.nonzero(vertex_point >= 0)[0]
    vertex[vertex_point[used[::-1]]] = used[::-1]
    return vertex


def at_vertices(of_points: NDArray[Any], vertex_point: Ints, unused: Any) -> NDArray[Any]:
    """Values (V,) of mesh vertices from those of welded points (N,), ``unused`` where no polygon uses a vertex."""
    return np.where(vertex_point >= 0, of_points[np.maximum(vertex_point, 0)], unused)


def border_points(count: int, triangles: Ints) -> Mask:
    """Points (count,) on edges that only one triangle uses."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64), axis=1)
    keys, uses = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    flags = np.zeros(count, bool)
    flags[keys[uses == 1] // count] = True
    flags[keys[uses == 1] % count] = True
    return flags


def label_components(count: int, triangles: Ints) -> Ints:
    """Connected component (count,) of each point."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(adjacency(count, triangles), directed=False)[1].astype(np.int32)


def component_bounds(points: Points, component: Ints) -> dict[int, Points]:
    """Lowest and highest corner (2, 3) of each component."""
    order = np.argsort(component, kind="stable")
    pieces, starts = np.unique(component[order], return_index=True)
    low = np.minimum.reduceat(points[order], starts, axis=0)
    high = np.maximum.reduceat(points[order], starts, axis=0)
    return {int(c): np.stack([a, b]) for c, a, b in zip(pieces, low, high, strict=True)}


def adjacency(count: int, triangles: Ints) -> scipy.sparse.csr_matrix:
    """Symmetric 0/1 matrix of edges (count, count)."""
    i = triangles[:, [0, 1, 2, 1, 2, 0]].reshape(-1)
    j = triangles[:, [1, 2, 0, 0, 1, 2]].reshape(-1)
    matrix = scipy.sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(count, count)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def picks(corners: NDArray[np.integer], weights: Reals, count: int) -> scipy.sparse.csr_matrix:
    """The matrix (P, count) that takes the weighted means of some corners (P, k) of ``count`` points."""
    rows = np.repeat(np.arange(len(corners)), corners.shape[1])
    return scipy.sparse.coo_matrix((weights.ravel(), (rows, corners.ravel())), shape=(len(corners), count)).tocsr()


def laplacian(count: int, triangles: Ints) -> scipy.sparse.csr_matrix:
    """Uniform random-walk Laplacian I − D⁻¹A (count, count); zero rows for points without edges."""
    edges = adjacency(count, triangles)
    degree = np.asarray(edges.sum(axis=1)).reshape(-1)
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    identity = scipy.sparse.diags((degree > 0).astype(float))
    return (identity - edges.multiply(inverse[:, None])).tocsr()


def triangle_normals(points: Points, triangles: Ints) -> Points:
    """Unit normals (T, 3)."""
    normal = face_normals(points, triangles)
    return normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30)


def point_normals(points: Points, triangles: Ints) -> Points:
    """Area-weighted unit normals (N, 3)."""
    total = area_normals(points, triangles)
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-30)


def closest_spots(points: Points, triangles: Ints, places: Points) -> tuple[Doubles, Ints, Points]:
    """Where a surface is nearest to places (P, 3): squared distance (P,), triangle (P,) and spot (P, 3).

    Of few places on many triangles, only those that can be nearest are sorted.
    """
    import igl

    near = np.arange(len(triangles))
    if MANY * len(places) < len(triangles):
        sample = points[triangles[:: len(triangles) // SAMPLE + 1, 0]]
        reach = float(scipy.spatial.cKDTree(sample).query(places)[0].max())
        close = np.isfinite(scipy.spatial.cKDTree(places).query(points, distance_upper_bound=2.0 * reach)[0])
        a, b, c = (points[triangles[:, k]] for k in range(3))
        longest = np.maximum.reduce([((u - v) ** 2).sum(1) for u, v in ((a, b), (b, c), (c, a))])
        near = np.flatnonzero(close[triangles].any(axis=1) | (longest > reach**2))
    squared, hit, closest = igl.point_mesh_squared_distance(
        np.ascontiguousarray(places), points, triangles[near].astype(np.int64)
    )
    return np.asarray(squared), near[np.asarray(hit)].astype(np.int32), np.asarray(closest)


def face_outwards(
    points: Points, triangles: Ints, centre: Points, half_width: float, size: int = 384
) -> tuple[Mask, Mask, Ints]:
    """What is seen from outside in 21 views of the face and the head around it.

    Triangles that hang together are wound alike, and so that most of those that are seen face their viewers. What
    shows its back to a viewer, as a mouth does through an open neck, is not seen from outside.

    Returns:
        points (N,) that are seen; triangles (T,) of which something is seen; the triangles (T, 3), wound outwards.
        Patches that nobody sees are turned over if most others were.
    """
    alike, patch = wound_alike(triangles)
    normals = triangle_normals(points, alike)
    facing, turned, bare = (np.zeros(len(triangles)), np.zeros(len(triangles)), np.zeros(len(points), bool))
    close = [(yaw, pitch) for yaw in (-50, -25, 0, 25, 50) for pitch in (-25, 0, 25)]
    around = [(90, 0), (-90, 0), (180, 0), (0, 80), (-35, -50), (35, -50)]
    for views, width in ((close, half_width), (around, 2.2 * half_width)):
        for yaw, pitch in views:
            view = View(turn(yaw, pitch), centre, width)
            flat = view.project(points)
            ids, depth = rasterise(flat, triangles, size)
            found = np.unique(ids[ids >= 0])
            towards = normals[found] @ view.rotation[2]
            facing[found] += np.maximum(towards, 0.0)
            turned[found] += np.maximum(-towards, 0.0)
            bare |= in_front(flat, depth, COVER * half_width / width)
    votes = np.bincount(patch, facing - turned)
    over = np.where(votes != 0, votes < 0, (votes < 0).sum() > (votes > 0).sum())[patch]
    seen = np.where(over, turned, facing) > 0
    outside = np.zeros(len(points), bool)
    outside[triangles[seen]] = True
    return bare & outside, seen, np.where(over[:, None], alike[:, ::-1], alike).astype(np.int32)


def wound_alike(triangles: Ints) -> tuple[Ints, Ints]:
    """Triangles (T, 3) that go round in one sense wherever they share an edge, and the patch (T,) that each is of."""
    import igl

    wound, patch = igl.bfs_orient(triangles.astype(np.int64))
    same = (wound == triangles).all(axis=1)
    return np.where(same[:, None], triangles, triangles[:, ::-1]).astype(np.int32), np.asarray(patch, np.int32)


def in_front(flat: Floats, depth: Floats, tolerance: float) -> Mask:
    """Points (N,) in picture coordinates (N, 3) that nothing in the depth buffer covers by more than ``tolerance``."""
    size = len(depth)
    column = np.floor((flat[:, 0] + 1) * size / 2).astype(np.int64)
    row = np.floor((1 - flat[:, 1]) * size / 2).astype(np.int64)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    out = np.zeros(len(flat), bool)
    covering = depth[row[inside], column[inside]]
    out[inside] = np.isfinite(covering) & (flat[inside, 2] > covering - tolerance)
    return out


# --- What a mesh file holds and what is wrong with it, whether it is a face or not.


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
    area = np.linalg.norm(face_normals(points, mesh.triangles), axis=1)
    longest = np.max([((b - a) ** 2).sum(1), ((c - b) ** 2).sum(1), ((a - c) ** 2).sum(1)], axis=0)
    whole = np.bincount(mesh.triangle_polygons, area > 1e-7 * longest, len(mesh.polygon_sizes)) > 0
    polygon = mesh.corner_polygons
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


ALIKE = 0.97
"""Cosine above which two normals at one place are one: 14°. Files round them, and average them across texture seams."""
_STEPS = 40
"""Steps of a normal's coordinate from 0 to 1 in the number of its direction."""


def smoothing_of_normals(places: NDArray[np.integer], normals: Reals) -> Ints | None:
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


def same_places(vertices: Reals) -> Ints:
    """A number (V,) for the place of each vertex; vertices that lie on one another have the same."""
    size = max(float(np.ptp(vertices, axis=0).max(initial=0.0)), 1e-12) if len(vertices) else 1.0
    with np.errstate(invalid="ignore"):
        grid = np.round(np.nan_to_num(np.asarray(vertices, dtype=np.float64)) / (size * 1e-5)).astype(np.int64)
    return np.unique(grid, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


class Split(NamedTuple):
    """A mesh some of whose V vertices are several.

    Attributes:
        sources: (W,) the mesh vertex of each; the first V are 0 … V − 1, the rest are splits.
        triangles: (T, 3) over them.
        corner: (W,) the first polygon corner that shows each; −1 where none does.
    """

    sources: Ints
    triangles: Ints
    corner: NDArray[np.int64]

    def places(self, mesh: Mesh) -> Floats:
        """Texture coordinates (W, 2), origin at the top left; of vertices without any those of (0, 0) in the file."""
        assert mesh.uvs is not None
        assert mesh.polygon_uvs is not None
        table = np.concatenate([mesh.uvs, np.zeros((1, 2), np.float32)])  # the last is of corners without one
        found = table[np.append(mesh.polygon_uvs, -1)[self.corner]]
        return np.stack([found[:, 0], 1.0 - found[:, 1]], axis=1)


def split_by(mesh: Mesh, *values: Ints) -> Split:
    """Vertices of which each has one of some values of its corners (C,): as many of a vertex as differ at them."""
    keys = mesh.polygon_vertices.astype(np.int64)
    for value in values:
        distinct, which = np.unique(value, return_inverse=True)
        keys = keys * max(len(distinct), 1) + which
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)  # splits are numbered as they come, and the first of each vertex keeps its number
    owners = mesh.polygon_vertices[first[order]]
    number = np.full(len(order), -1, dtype=np.int64)
    number[np.unique(owners, return_index=True)[1]] = np.unique(owners)
    extra = np.flatnonzero(number < 0)
    number[extra] = len(mesh.vertices) + np.arange(len(extra))
    sources = np.concatenate([np.arange(len(mesh.vertices)), owners[extra]]).astype(np.int32)
    corner = np.full(len(sources), -1, dtype=np.int64)
    corner[number] = first[order]
    place = number[np.argsort(order)]
    return Split(sources, place[which.reshape(-1)][mesh.corner_triangles].astype(np.int32), corner)


def split_vertices(mesh: Mesh, uvs: bool = False) -> tuple[Ints, Ints, Ints, Floats | None]:
    """The mesh's vertices as a renderer needs them: one normal each and, where it asks for ``uvs``, one place in a
    texture.

    Returns:
        sources: (W,) the mesh vertex of each; the first V are 0 … V − 1, the rest are splits.
        triangles: (T, 3) over them.
        weld: (W,) see ``weld_map``: those that shade alike.
        places: (W, 2) texture coordinates, origin at the top left, or None.
    """
    corners = len(mesh.polygon_vertices)
    smooth = np.zeros(corners + 1, dtype=np.int32)  # the last is of vertices that no corner shows
    if mesh.polygon_smoothing is not None:
        given = mesh.polygon_smoothing[:corners]
        smooth[: len(given)] = given
    charts = [mesh.polygon_uvs] if uvs and mesh.uvs is not None and mesh.polygon_uvs is not None else []
    split = split_by(mesh, smooth[:-1], *charts)
    weld = weld_map(from_triangles(mesh.vertices[split.sources], split.triangles), smooth[split.corner])
    return split.sources, split.triangles, weld, split.places(mesh) if charts else None
