"""Polygon meshes exactly as the user's file had them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Material:
    """How a polygon group looks in the user's file, for the formats that can say it again.

    Attributes:
        name: of the material.
        colour: linear RGBA that multiplies the texture.
        metallic, roughness: of the metallic-roughness model, in [0, 1].
        alpha: ``OPAQUE``, ``MASK`` or ``BLEND``, as in glTF.
        texture: PNG or JPEG file of the base colour, or None.
    """

    name: str
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    metallic: float = 0.0
    roughness: float = 1.0
    alpha: str = "OPAQUE"
    texture: bytes | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """A polygon mesh: vertex count, order, n-gons, UVs and groups are those of the source.

    Attributes:
        vertices: (V, 3) float32, metres, +Y up, +Z out of the face, right-handed.
        polygon_sizes: (F,) int32, corners of each polygon.
        polygon_vertices: (sum of polygon_sizes,) int32, vertex of each corner, counter-clockwise seen from outside.
        uvs: (N, 2) float32 texture coordinates, or None.
        polygon_uvs: (sum of polygon_sizes,) int32 into ``uvs``, or None.
        colours: (V, 3) float32 sRGB in [0, 1], or None.
        group_names: names of the polygon groups (objects, groups or materials of the file).
        polygon_groups: (F,) int32 into ``group_names``, or None.
        materials: the material of each group, None where it has none; empty where the file has none.
    """

    vertices: Floats
    polygon_sizes: Ints
    polygon_vertices: Ints
    uvs: Floats | None = None
    polygon_uvs: Ints | None = None
    colours: Floats | None = None
    group_names: tuple[str, ...] = field(default=())
    polygon_groups: Ints | None = None
    materials: tuple[Material | None, ...] = field(default=())

    @cached_property
    def corner_triangles(self) -> Ints:
        """(T, 3) indices of polygon *corners*: each polygon as a fan around its first corner."""
        starts = np.concatenate([[0], np.cumsum(self.polygon_sizes)[:-1]]).astype(np.int64)
        fans = np.maximum(self.polygon_sizes - 2, 0)
        start = np.repeat(starts, fans)
        step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
        return np.stack([start, start + step + 1, start + step + 2], axis=1).astype(np.int32)

    @cached_property
    def triangles(self) -> Ints:
        """(T, 3) vertex indices of the triangulated polygons."""
        return self.polygon_vertices[self.corner_triangles]

    @cached_property
    def triangle_polygons(self) -> Ints:
        """(T,) polygon each triangle came from."""
        return np.repeat(np.arange(len(self.polygon_sizes)), np.maximum(self.polygon_sizes - 2, 0)).astype(np.int32)

    def with_vertices(self, vertices: Floats) -> Mesh:
        """The same mesh with other positions (V, 3)."""
        if vertices.shape != self.vertices.shape:
            raise ValueError(f"expected {self.vertices.shape} vertices, got {vertices.shape}")
        return replace(self, vertices=np.ascontiguousarray(vertices, dtype=np.float32))


def from_triangles(vertices: Floats, triangles: Ints, colours: Floats | None = None) -> Mesh:
    """A mesh from plain triangles (T, 3)."""
    return Mesh(
        vertices=np.ascontiguousarray(vertices, dtype=np.float32),
        polygon_sizes=np.full(len(triangles), 3, dtype=np.int32),
        polygon_vertices=np.ascontiguousarray(triangles, dtype=np.int32).reshape(-1),
        colours=colours,
    )


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Area-weighted unit normals (V, 3) of a triangle mesh; vertices no triangle uses get +Z."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, k], face[:, axis], len(vertices)).astype(np.float32)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals[length[:, 0] < 1e-20] = (0.0, 0.0, 1.0)
    return (normals / np.where(length < 1e-20, 1.0, length)).astype(np.float32)


# --- All that a mesh file holds of a face: the mesh, and the blend shapes it may come with.


@dataclass(frozen=True, eq=False)
class Scene:
    """All meshes of a file as one, and its morph targets.

    Attributes:
        mesh: the mesh, in the file's coordinates.
        target_names: (K,) names of the morph targets; empty where the format or the file has none.
        targets: (K, V, 3) their offsets.
        shown: (V,) which vertex each one shows, where the file says that some double others at texture seams (as our
            own GLB does); None where every vertex is one of its own.
    """

    mesh: Mesh
    target_names: tuple[str, ...]
    targets: Floats
    shown: Ints | None = None
