"""A ball on a neck with shoulders: the least that has a head."""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.mesh.mesh import Mesh, from_triangles


def revolve(radii: Floats, heights: Floats, columns: int = 24) -> tuple[Floats, np.ndarray]:
    """Vertices and outward triangles of a surface of revolution, from its top down."""
    angle = np.arange(columns) * 2 * np.pi / columns
    vertices = np.stack(
        [
            radii[:, None] * np.sin(angle),
            np.broadcast_to(heights[:, None], (len(radii), columns)),
            radii[:, None] * np.cos(angle),
        ],
        axis=2,
    ).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(len(radii) - 1), np.arange(columns), indexing="ij")
    a = (row * columns + column).reshape(-1)
    b = (row * columns + (column + 1) % columns).reshape(-1)
    triangles = np.concatenate([np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)])
    return vertices.astype(np.float32), triangles.astype(np.int32)


def ball(columns: int = 24) -> Mesh:
    """A sphere of radius 10 cm about the origin."""
    polar = np.linspace(0.02, np.pi - 0.02, columns)
    vertices, triangles = revolve(0.1 * np.sin(polar), 0.1 * np.cos(polar), columns)
    return from_triangles(vertices, triangles)


def figure() -> Mesh:
    """A ball of radius 10 cm on a thin neck, wide shoulders and a long body below."""
    polar = np.linspace(0.02, np.pi - 0.5, 20)
    radii = np.concatenate([0.1 * np.sin(polar), [0.05, 0.05, 0.25, 0.25, 0.2]])
    heights = np.concatenate([0.1 * np.cos(polar), [-0.11, -0.16, -0.19, -0.6, -1.5]])
    vertices, triangles = revolve(radii.astype(np.float32), heights.astype(np.float32))
    return from_triangles(vertices, triangles)
