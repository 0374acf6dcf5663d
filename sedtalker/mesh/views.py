"""Orthographic views of geometry: the landmark detector's input, in place of photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.mesh.mesh import Floats, Ints
from sedtalker.mesh.rasteriser import fill, orthographic_matrix, to_screen

CHANNELS = 4
"""Channels of a geometry view: normal x, y and z, and depth."""


@dataclass(frozen=True, eq=False)
class View:
    """An orthographic camera looking along its own −Z.

    Attributes:
        rotation: (3, 3) rows are the camera's right, up and backward axes in mesh coordinates.
        centre: (3,) point of the mesh in the middle of the picture.
        half_width: half of the picture's side, in mesh units.
    """

    rotation: NDArray[np.floating]
    centre: NDArray[np.floating]
    half_width: float

    def project(self, points: NDArray[np.floating]) -> Floats:
        """(N, 3) picture coordinates: x right and y up in [-1, 1] inside the picture, z towards the viewer."""
        return (((points - self.centre) @ np.asarray(self.rotation).T) / self.half_width).astype(np.float32)


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> NDArray[np.float64]:
    """Camera rotation (3, 3) for a subject turned by degrees: yaw to its left, pitch up, roll clockwise."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def rasterise(projected: Floats, triangles: Ints, size: int) -> tuple[Ints, Floats]:
    """Front-most triangle (size, size) int32, −1 where none, and its depth (size, size), −inf where none.

    ``projected`` are picture coordinates (N, 3) from ``View.project``.
    """
    reach = 1.01 * float(np.abs(projected[:, 2]).max(initial=0.0)) + 1e-6
    matrix = orthographic_matrix((0.0, 0.0, 0.0), 1.0, reach)
    screen = to_screen(np.ascontiguousarray(projected, dtype=np.float32), matrix, size, size)
    ids = np.full((size, size), -1, np.int32)
    depth = np.full((size, size), np.inf, np.float32)
    fill(screen, np.ascontiguousarray(triangles, dtype=np.int32), ids, depth, 0, size)
    return ids, -depth * np.float32(reach)


def geometry_channels(projected: Floats, triangles: Ints, size: int) -> tuple[Floats, Ints, Floats]:
    """The detector's input for one view.

    Normals always face the viewer, so inside-out and inconsistently wound meshes look the same as sound ones.

    Returns:
        (4, size, size) float32: normal x, y, z and depth (relative to its median, clipped to ±1; −1 where empty);
        the id buffer and the depth buffer of ``rasterise``.
    """
    ids, depth = rasterise(projected, triangles, size)
    channels = np.zeros((CHANNELS, size, size), np.float32)
    channels[3] = -1.0
    seen = ids >= 0
    if seen.any():
        a, b, c = (projected[triangles[ids[seen], k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0) / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20)
        channels[:3, seen] = normal.T
        channels[3, seen] = np.clip(depth[seen] - np.median(depth[seen]), -1.0, 1.0)
    return channels, ids, depth
