"""Meshes with pictures: a sheet that faces the camera, and pictures of plain colours."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from sedtalker.arrays import Floats
from sedtalker.mesh.mesh import Material, Mesh


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of (H, W, 3) or (H, W, 4) bytes."""
    made = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(made, "PNG")
    return made.getvalue()


def halves(left: tuple[int, ...], right: tuple[int, ...], side: int = 16) -> bytes:
    """A picture of two colours side by side."""
    pixels = np.empty((side, side, len(left)), np.uint8)
    pixels[:, : side // 2], pixels[:, side // 2 :] = left, right
    return png(pixels)


def sheet(material: Material, depth: float = 0.0, cells: int = 8) -> Mesh:
    """A square of 20 cm at z = ``depth`` that faces +Z, its picture upright on it."""
    line = np.linspace(0, 1, cells + 1)
    u, v = (grid.reshape(-1) for grid in np.meshgrid(line, line))
    vertices = np.stack([0.2 * u - 0.1, 0.2 * v - 0.1, np.full_like(u, depth)], axis=1).astype(np.float32)
    at = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    quads = (at + [0, 1, cells + 2, cells + 1]).reshape(-1).astype(np.int32)
    return Mesh(
        vertices=vertices,
        polygon_sizes=np.full(cells * cells, 4, np.int32),
        polygon_vertices=quads,
        uvs=np.stack([u, v], axis=1).astype(np.float32),
        polygon_uvs=quads,
        colours=np.full((len(vertices), 3), 0.8, np.float32),
        group_names=("sheet",),
        polygon_groups=np.zeros(cells * cells, np.int32),
        materials=(material,),
    )


def joined(first: Mesh, second: Mesh) -> Mesh:
    """Both meshes as one, each a group."""
    assert first.uvs is not None
    assert second.uvs is not None
    assert first.polygon_uvs is not None
    assert second.polygon_uvs is not None
    count, charts = len(first.vertices), len(first.uvs)
    groups = [np.full(len(m.polygon_sizes), k, np.int32) for k, m in enumerate((first, second))]
    colours: Floats = np.full((count + len(second.vertices), 3), 0.8, np.float32)
    return replace(
        first,
        vertices=np.concatenate([first.vertices, second.vertices]),
        polygon_sizes=np.concatenate([first.polygon_sizes, second.polygon_sizes]),
        polygon_vertices=np.concatenate([first.polygon_vertices, second.polygon_vertices + count]),
        uvs=np.concatenate([first.uvs, second.uvs]),
        polygon_uvs=np.concatenate([first.polygon_uvs, second.polygon_uvs + charts]),
        colours=colours,
        group_names=("back", "front"),
        polygon_groups=np.concatenate(groups),
        materials=(*first.materials, *second.materials),
    )
