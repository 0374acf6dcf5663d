"""Rendering on the CPU, compiled by numba; needs no graphics library."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from sedtalker.arrays import Doubles, Floats, Ints
from sedtalker.render.camera import Camera, Matrix, facing, orthographic_matrix
from sedtalker.render.coverage import CENTRE, SAMPLES, TILE, Buffers
from sedtalker.render.drawable import drawable
from sedtalker.render.fragments import shade
from sedtalker.render.gathering import CHUNK, Dimmed, Gathered, Scene, room_for
from sedtalker.render.kernels import to_screen
from sedtalker.render.light import MATERIALS, to_linear
from sedtalker.render.occlusion import dim, spread
from sedtalker.render.picture import Image, Renderer, Shot
from sedtalker.render.pixels import encode_table, encoded
from sedtalker.render.shading import (
    backdrop,
    compiled_normals,
    in_camera,
    light_table,
    material_table,
    pack,
    tap_table,
)
from sedtalker.render.textures import cover_cut, tangents

SHADOW_SIZE = 400
"""Side of the shadow map of one head, pixels."""
SHADOW_REACH = 1.5
"""Half the side of what the shadow map of one head covers, in halves of the picture's height."""
HOLLOW = 0.1
"""Radius of the hollow test in halves of the picture's height."""
GRID_ROWS = 170
"""Minimum number of rows of the grid for shadows and occlusion, where the picture has as many."""


class _Band(NamedTuple):
    """Room for shading some rows, and for a few rows of shadow and hollows."""

    gathered: Gathered
    found: Floats
    parts: Ints


class _Canvas:
    """What is written while one picture is drawn."""

    def __init__(self, width: int, height: int, shadow: int) -> None:
        self.rate = max(1, height // GRID_ROWS)
        self.samples = Buffers(width, height, SAMPLES)
        self.shadow = Buffers(shadow, shadow, CENTRE)
        self.planes = np.empty((height, self.rate, -(-width // self.rate)), dtype=np.float32)
        self.rows = -(-height // self.rate)
        self.grid = np.full((self.rows + 1, self.planes.shape[2] + 1, 4), -1.0, dtype=np.float32)  # nothing at its ends
        self._bands: dict[tuple[int, int], _Band] = {}

    def band(self, first: int, last: int, triangles: int) -> _Band:
        """What shading rows [first, last) needs: kept, since memory is given only where it is used."""
        if (first, last) not in self._bands:
            width = self.samples.ids.shape[1] // len(SAMPLES)
            self._bands[first, last] = _Band(
                room_for(last - first, width, triangles, len(MATERIALS) + 1),
                np.empty((CHUNK, 4, width + self.rate), dtype=np.float32),
                np.empty((CHUNK, width + self.rate), dtype=np.int32),
            )
        return self._bands[first, last]


class NumbaRenderer(Renderer):
    """A z-buffer, four samples a pixel, per-pixel light, a soft shadow."""

    def __init__(self, shot: Shot, threads: int = 0) -> None:
        camera, lighting = shot.camera, shot.lighting
        self._size = width, height = shot.size
        self._surface = surface = drawable(shot.subjects)
        self._seen_triangles = surface.triangles.astype(np.uint32)
        self._view = camera.view()
        self._projection = camera.projection(width / height)
        self._background = backdrop(shot.background, width, height)
        self._lights = light_table(lighting)
        self._ambient = np.array([lighting.sky, lighting.ground], dtype=np.float32)
        reach = SHADOW_REACH if len(shot.subjects) == 1 else max(SHADOW_REACH, 1.1 * width / height)
        self._shadow_matrix = _shadow_matrix(self._lights[0, 0, :3], camera, reach)
        self._shadow_size = round(SHADOW_SIZE * reach / SHADOW_REACH)
        self._optics = _optics(camera, height / 2 * self._projection[1, 1], width)
        self._strengths = np.float32(0.8 * lighting.occlusion), np.float32(lighting.shadow)
        slope = 2 * camera.far * camera.near / ((camera.far - camera.near) * camera.distance**2)
        self._step = np.float32(0.01 * camera.half_height * slope)
        encode = encode_table()
        self._tables = material_table(), tap_table(HOLLOW * height / 2), encode
        self._empty = encoded(self._background, encode)
        if isinstance(shot.background, str):
            self._empty = np.zeros((height, width, 4), dtype=np.uint8)
        self._threads = threads or min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None
        self._canvases: SimpleQueue[_Canvas] = SimpleQueue()
        canvas = _Canvas(width, height, self._shadow_size)
        _, screen, seen = self._project(surface.rest)
        whole = ~surface.textures.cut
        self._no_side = np.zeros(len(whole), dtype=bool)
        self._cut = np.flatnonzero(surface.textures.cut).astype(np.int32)
        self._order = canvas.samples.order(screen, surface.triangles, surface.one_sided, whole)
        self._shadow_order = canvas.shadow.order(seen, surface.triangles, self._no_side, whole)
        self._canvases.put(canvas)

    def _project(self, vertices: Floats) -> tuple[Floats, Matrix, Matrix]:
        """Vertices (V, 3), split where they must be, in camera space, in the picture and in the shadow map."""
        points = in_camera(np.ascontiguousarray(vertices, dtype=np.float32), self._surface.sources, self._view)
        screen = to_screen(points, self._projection, *self._size)
        return points, screen, to_screen(points, self._shadow_matrix, self._shadow_size, self._shadow_size)

    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """See ``Renderer``; threads share the picture."""
        return self._draw(vertices, colours, self._pool)

    def render_all(self, frames: Iterable[Floats]) -> Generator[Image, None, None]:
        """See ``Renderer``; each thread draws pictures of its own, a few ahead of the one that is taken."""
        if self._pool is None:
            yield from super().render_all(frames)
            return
        while self._canvases.qsize() < self._threads:
            self._canvases.put(_Canvas(*self._size, self._shadow_size))
        waiting: deque[Future[Image]] = deque()
        try:
            for vertices in frames:
                waiting.append(self._pool.submit(self._draw, vertices, None, None))
                if len(waiting) > 2 * self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for picture in waiting:
                picture.cancel()

    def _draw(self, vertices: Floats, colours: Floats | None, pool: ThreadPoolExecutor | None) -> Image:
        """One picture on a canvas that is free, by the threads of ``pool`` or by this one alone."""
        canvas = self._canvases.get()
        try:
            return self._drawn(canvas, vertices, colours, pool)
        finally:
            self._canvases.put(canvas)

    def _drawn(
        self, canvas: _Canvas, vertices: Floats, colours: Floats | None, pool: ThreadPoolExecutor | None
    ) -> Image:
        surface, height = self._surface, self._size[1]
        if vertices.shape != surface.rest.shape:
            raise ValueError(f"expected {surface.rest.shape} vertices, got {vertices.shape}")
        points, screen, seen = self._project(vertices)
        painted = surface.colours if colours is None else np.ascontiguousarray(to_linear(colours)[surface.sources])
        parts = surface.own_parts if colours is None else surface.parts
        normals = compiled_normals(points, surface.triangles, surface.weld)
        corners = pack(screen, normals, painted)
        looks = surface.textures.looks
        tangent = tangents(points, surface.triangles, looks)
        image = self._empty.copy()
        materials, taps, encode = self._tables
        samples, shadow = canvas.samples, canvas.shadow.depth
        shadow_matrix = self._shadow_matrix.astype(np.float32)

        def draw_band(first: int, last: int) -> None:
            samples.draw(screen, surface.triangles, surface.one_sided, *self._order, first, last)
            draw_cut(samples, screen, SAMPLES, first, last)
            spread(samples.depth, samples.extent, canvas.planes, first, last)

        def draw_shadow(first: int, last: int) -> None:
            canvas.shadow.draw(seen, surface.triangles, self._no_side, *self._shadow_order, first, last)
            draw_cut(canvas.shadow, seen, CENTRE, first, last)

        def draw_cut(into: Buffers, screen: Doubles, places: Floats, first: int, last: int) -> None:
            if len(self._cut):
                buffers = into.ids, into.depth, into.extent
                cover_cut(screen, surface.triangles, self._cut, places, *buffers, looks, first, last)

        def dim_band(first: int, last: int) -> None:
            dim(
                canvas.grid, canvas.planes, samples.ids, samples.extent, corners, surface.triangles, parts,
                shadow, shadow_matrix, taps, self._optics, first, last,
            )  # fmt: skip

        scene = Scene(
            samples.ids, samples.depth, samples.extent, corners, self._seen_triangles, parts, materials, surface.inner,
            looks, colours is None, tangent, self._step, self._size[0],
        )  # fmt: skip

        def shade_band(first: int, last: int) -> None:
            room = canvas.band(first, last, len(surface.triangles))
            dimmed = Dimmed(
                canvas.grid, canvas.rate, np.float32(4.0) * self._step, *self._strengths, room.found, room.parts,
                shadow, shadow_matrix, taps, self._optics,
            )  # fmt: skip
            light = self._lights, self._ambient
            shade(image, self._background, scene, dimmed, room.gathered, *light, encode, first, last)

        whole = 2 * self._threads if pool else 1
        _share(
            pool, [(draw_shadow, 0, self._shadow_size), *_bands(draw_band, height, -(-height // (whole * TILE)) * TILE)]
        )
        _share(pool, _bands(dim_band, canvas.rows, -(-canvas.rows // whole)))
        _share(pool, _bands(shade_band, height, -(-height // (2 * whole))))
        return image

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


Work = tuple[Callable[[int, int], None], int, int]
"""A function of a first row and of one past the last."""


def _bands(function: Callable[[int, int], None], height: int, rows: int) -> list[Work]:
    """``function`` for ``height`` rows, ``rows`` at a time."""
    return [(function, first, min(first + rows, height)) for first in range(0, height, rows)]


def _share(pool: ThreadPoolExecutor | None, work: list[Work]) -> None:
    """Do all of it, among the threads of ``pool``."""
    if pool is None:
        for function, first, last in work:
            function(first, last)
        return
    for task in [pool.submit(function, first, last) for function, first, last in work]:
        task.result()


def _optics(camera: Camera, focal: float, width: int) -> Floats:
    """``Dimmed.optics``."""
    half = camera.half_height
    return np.array((camera.near, camera.far, focal, HOLLOW * half, 0.02 * half, width), dtype=np.float32)


def _shadow_matrix(towards: Floats, camera: Camera, reach: float) -> Matrix:
    """(4, 4) camera space to the clip space of a distant light in direction ``towards``, covering what is framed.

    ``reach`` is half the side of that, in halves of the picture's height.
    """
    middle, depth = np.array([0.0, 0.0, -camera.distance]), 4 * camera.half_height * (reach / SHADOW_REACH)
    return orthographic_matrix(middle, reach * camera.half_height, depth, facing(towards))
