"""Z-buffer rasterisation of triangles without a graphics library, and the views of geometry that are made by it.

The loops are compiled by numba. The landmark detector's input are orthographic views of normals and depth, in place of
photographs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.storage import user_cache

Function = TypeVar("Function", bound=Callable[..., object])

_FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}
"""Which liberties the compiler may take with floating point. Not ``nnan`` and ``ninf``: broken vertices must still
compare false and be dropped."""


def _cache_possible() -> bool:
    """Whether numba finds a folder to keep compiled code in; it raises where it does not."""
    here = Path(__file__).parent
    home = user_cache().parent
    parents = [here, home, home.parent]
    return "NUMBA_CACHE_DIR" in os.environ or any(p.is_dir() and os.access(p, os.W_OK) for p in parents)


def _compiled(function: Function, **more: bool) -> Function:
    """Compile without the interpreter lock, so that threads share the bands of a picture."""
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy", **more}
    return cast(Function, numba.njit(cache=_cache_possible(), **options)(function))


def kernel(function: Function) -> Function:
    """Compile a function that may make arrays."""
    return _compiled(function)


def inner_kernel(function: Function) -> Function:
    """Compile a function that makes none: it does not count the owners of those that it is given.

    Counting is a locked instruction each time an array gets a name, and takes most of the time of small functions.
    """
    return _compiled(function, _nrt=False)


def part_of_kernel(function: Function) -> Function:
    """``inner_kernel`` that becomes part of its callers: a call takes longer than a few lines of work."""
    return _compiled(function, _nrt=False, forceinline=True)


# --- From world coordinates to the picture, and which triangle each sample sees.

Matrix = NDArray[np.float64]

_CENTRE = np.array([[0.5, 0.5]], dtype=np.float32)
"""Place of the one sample of a pixel, where there is only one."""
_OVERLAP = 1e-7
"""Overlap in pixels: neighbours may both claim a sample on their edge, so that none is missed."""


def orthographic_matrix(
    centre: tuple[float, float, float] | NDArray[np.floating],
    half_size: float,
    depth: float,
    rotation: NDArray[np.floating] | None = None,
) -> Matrix:
    """(4, 4) world to clip: looks along −Z at ``centre`` after ``rotation`` (3, 3), showing ``± half_size`` both ways.

    ``depth`` is how far before and behind the centre is visible.
    """
    turn = np.eye(3) if rotation is None else np.asarray(rotation, dtype=np.float64)
    scale = np.array([1 / half_size, 1 / half_size, -1 / depth])
    matrix = np.eye(4)
    matrix[:3, :3] = scale[:, None] * turn
    matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(centre, dtype=np.float64)
    return matrix


@kernel
def to_screen(vertices: Floats, matrix: Matrix, width: int, height: int) -> NDArray[np.float64]:
    """(V, 4): x and y in samples from the top left corner, normalised depth, 1 / w (0 for points behind the camera)."""
    screen = np.empty((len(vertices), 4), dtype=np.float64)
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        w = matrix[3, 0] * x + matrix[3, 1] * y + matrix[3, 2] * z + matrix[3, 3]
        if not w > 1e-12:
            screen[i, :] = 0.0
            continue
        inverse = 1.0 / w
        cx = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]) * inverse
        cy = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]) * inverse
        cz = (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]) * inverse
        if not (cz >= -1.0 and cz <= 1.0 and abs(cx) < 1e6 and abs(cy) < 1e6):
            screen[i, :] = 0.0
            continue
        screen[i, 0] = (0.5 + 0.5 * cx) * width
        screen[i, 1] = (0.5 - 0.5 * cy) * height
        screen[i, 2] = cz
        screen[i, 3] = inverse
    return screen


def fill(screen: NDArray[np.float64], triangles: Ints, ids: Ints, depth: Floats, first_row: int, last_row: int) -> None:
    """``fill_samples`` with one sample in the middle of each pixel of ``ids`` and ``depth`` (H, W)."""
    fill_samples(screen, triangles, ids[None], depth[None], _CENTRE, first_row, last_row)


@kernel
def fill_samples(
    screen: NDArray[np.float64],
    triangles: Ints,
    ids: Ints,
    depth: Floats,
    samples: Floats,
    first_row: int,
    last_row: int,
) -> None:
    """Rasterise into rows [first_row, last_row) of ``ids`` and ``depth`` (S, H, W), which hold −1 and +inf where empty.

    Each pixel is sampled at ``samples`` (S, 2), measured in pixels rightwards and down from its top left corner.
    """
    width = ids.shape[2]
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if screen[a, 3] == 0.0 or screen[b, 3] == 0.0 or screen[c, 3] == 0.0:
            continue
        ay, by, cy = screen[a, 1], screen[b, 1], screen[c, 1]
        highest, lowest = min(ay, by, cy), max(ay, by, cy)
        if lowest < first_row or highest > last_row:
            continue
        ax, bx, cx = screen[a, 0], screen[b, 0], screen[c, 0]
        leftmost, rightmost = min(ax, bx, cx), max(ax, bx, cx)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if rightmost < 0.0 or leftmost > width or abs(area) < 1e-12:
            continue
        inverse = 1.0 / area
        bdx, bdy = (cy - ay) * inverse, (ax - cx) * inverse
        cdx, cdy = (ay - by) * inverse, (bx - ax) * inverse
        adx = -bdx - cdx
        b_cross = -1.0 / bdx if bdx != 0.0 else 0.0
        c_cross = -1.0 / cdx if cdx != 0.0 else 0.0
        a_cross = -1.0 / adx if adx != 0.0 else 0.0
        az = screen[a, 2]
        bz, cz = screen[b, 2] - az, screen[c, 2] - az
        zdx = bdx * bz + cdx * cz
        for s in range(len(samples)):
            across, down = samples[s, 0], samples[s, 1]
            top = max(first_row, int(np.ceil(highest - down)))
            bottom = min(last_row - 1, int(np.floor(lowest - down)))
            left = max(0, int(np.ceil(leftmost - across)))
            right = min(width - 1, int(np.floor(rightmost - across)))
            if left > right:
                continue
            x = left + across - ax
            for row in range(top, bottom + 1):
                y = row + down - ay
                # Weights of the corners at the left end of the row; each is linear in the column and limits its span.
                v, w = x * bdx + y * bdy, x * cdx + y * cdy
                u = 1.0 - v - w
                first, last = 0.0, float(right - left)
                if bdx > 0.0:
                    first = max(first, v * b_cross)
                elif bdx < 0.0:
                    last = min(last, v * b_cross)
                elif v < 0.0:
                    continue
                if cdx > 0.0:
                    first = max(first, w * c_cross)
                elif cdx < 0.0:
                    last = min(last, w * c_cross)
                elif w < 0.0:
                    continue
                if adx > 0.0:
                    first = max(first, u * a_cross)
                elif adx < 0.0:
                    last = min(last, u * a_cross)
                elif u < 0.0:
                    continue
                begin, end = int(np.ceil(first - _OVERLAP)), int(np.floor(last + _OVERLAP))
                z = az + v * bz + w * cz
                depth_row, ids_row = depth[s, row], ids[s, row]
                for k in range(begin, end + 1):
                    near = np.float32(z + k * zdx)
                    if near < depth_row[left + k]:
                        depth_row[left + k] = near
                        ids_row[left + k] = t


# --- Orthographic views of geometry.

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
