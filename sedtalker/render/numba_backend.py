"""Rendering on the CPU, compiled by numba; needs no graphics library."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sedtalker.mesh.mesh import Floats, Mask, Mesh
from sedtalker.mesh.rasteriser import fill, fill_samples, orthographic_matrix, to_screen
from sedtalker.render.camera import Camera, Matrix
from sedtalker.render.light import MATERIALS, Background, Lighting, blank_eyes, default_colours, triangle_parts
from sedtalker.render.shading import (
    SAMPLES,
    Image,
    backdrop,
    encode_table,
    light_table,
    material_table,
    pack,
    shade,
    tap_table,
    to_linear,
    weld_map,
    welded_normals,
)

SHADOW_SIZE = 400
"""Side of the shadow map, pixels."""


class NumbaRenderer:
    """See ``sedtalker.render.renderer.Renderer``: a z-buffer, four samples a pixel, per-pixel light, a soft shadow."""

    def __init__(
        self,
        mesh: Mesh,
        camera: Camera,
        size: tuple[int, int],
        background: Background,
        lighting: Lighting,
        regions: dict[str, Mask] | None = None,
        threads: int = 0,
    ) -> None:
        width, height = size
        self._triangles = np.ascontiguousarray(mesh.triangles, dtype=np.int32)
        self._vertex_count = len(mesh.vertices)
        self._weld = weld_map(mesh)
        self._parts = triangle_parts(mesh, regions)
        self._colours = np.ascontiguousarray(to_linear(default_colours(mesh, regions)))
        directions = blank_eyes(mesh, regions)
        blank = np.asarray(directions.any(axis=1))
        self._colours[blank] = directions[blank]
        self._own_parts = np.where(blank[mesh.triangles].all(axis=1), len(MATERIALS), self._parts).astype(np.int32)
        self._view = camera.view()
        self._projection = camera.projection(width / height)
        self._background = backdrop(background, width, height)
        self._lights = light_table(lighting)
        self._ambient = np.array([lighting.sky, lighting.ground], dtype=np.float32)
        self._shadow_matrix = _shadow_matrix(self._lights[0, :3], camera)
        half = camera.half_height
        focal = height / 2 * self._projection[1, 1]
        slope = 2 * camera.far * camera.near / ((camera.far - camera.near) * camera.distance**2)
        step = 0.01 * half * slope
        optics = (
            *(camera.near, camera.far, focal, 0.10 * half, 0.8 * lighting.occlusion),
            *(lighting.shadow, 0.02 * half, step),
        )
        self._optics = np.array(optics, dtype=np.float32)
        self._tables = material_table(), tap_table(), encode_table()
        self._ids = np.empty((len(SAMPLES), height, width), dtype=np.int32)
        self._depth = np.empty(self._ids.shape, dtype=np.float32)
        self._shadow_ids = np.empty((SHADOW_SIZE, SHADOW_SIZE), dtype=np.int32)
        self._shadow = np.empty(self._shadow_ids.shape, dtype=np.float32)
        count = threads or min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(count) if count > 1 else None
        # More bands than threads: the head fills the middle of the picture, not its edges.
        self._bands = [int(b) for b in np.linspace(0, height, 4 * count + 1 if count > 1 else 2)]

    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """See ``Renderer``."""
        if vertices.shape != (self._vertex_count, 3):
            raise ValueError(f"expected ({self._vertex_count}, 3) vertices, got {vertices.shape}")
        height, width = self._background.shape[:2]
        in_camera = np.asarray(vertices, dtype=np.float64) @ self._view[:3, :3].T + self._view[:3, 3]
        points: Floats = np.ascontiguousarray(in_camera, dtype=np.float32)
        screen = to_screen(points, self._projection, width, height)
        light = self._colours if colours is None else np.ascontiguousarray(to_linear(colours))
        parts = self._own_parts if colours is None else self._parts
        normals = welded_normals(points, self._triangles, self._weld)
        corners = pack(screen, points, normals, light)
        image = np.empty((height, width, 3), dtype=np.uint8)
        materials, taps, encode = self._tables

        def fill_band(first: int, last: int) -> None:
            self._ids[:, first:last] = -1
            self._depth[:, first:last] = np.inf
            fill_samples(screen, self._triangles, self._ids, self._depth, SAMPLES, first, last)

        def shadow() -> None:
            self._shadow_ids[:] = -1
            self._shadow[:] = np.inf
            seen = to_screen(points, self._shadow_matrix, SHADOW_SIZE, SHADOW_SIZE)
            fill(seen, self._triangles, self._shadow_ids, self._shadow, 0, SHADOW_SIZE)

        def shade_band(first: int, last: int) -> None:
            shade(
                image, self._background, self._ids, SAMPLES, self._depth, corners, self._triangles, parts,
                materials, self._lights, self._ambient, self._shadow, self._shadow_matrix, taps, self._optics, encode,
                first, last,
            )  # fmt: skip

        bands = list(zip(self._bands[:-1], self._bands[1:], strict=True))
        if self._pool is None:
            shadow()
            for band in bands:
                fill_band(*band)
            for band in bands:
                shade_band(*band)
            return image
        waiting = [self._pool.submit(shadow), *(self._pool.submit(fill_band, *band) for band in bands)]
        for task in waiting:
            task.result()
        for task in [self._pool.submit(shade_band, *band) for band in bands]:
            task.result()
        return image

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> NumbaRenderer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _shadow_matrix(towards: Floats, camera: Camera) -> Matrix:
    """(4, 4) camera space to the clip space of a distant light in direction ``towards``, covering what is framed."""
    back = np.asarray(towards, dtype=np.float64)
    right = np.cross((0.0, 1.0, 0.0), back)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(back, right), back])
    return orthographic_matrix(
        np.array([0.0, 0.0, -camera.distance]), 1.5 * camera.half_height, 4 * camera.half_height, turn
    )
