"""Pictures of the user's materials in levels of detail (Williams, "Pyramidal Parametrics", 1983), and how triangles
look them up: colour, opacity and normals."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Mask, to_srgb
from sedtalker.mesh.mesh import Material, Mesh
from sedtalker.render.kernels import inner_kernel, kernel, part_of_kernel
from sedtalker.render.light import to_linear

LARGEST = 2048
"""Pixels a side of a picture, at most; larger ones are reduced first: a video shows no more of them."""
NONE, FROM_VERTICES = -1, -2
"""Stand for a material or a picture that is not there, and for a base colour that the vertices have."""


class Looks(NamedTuple):
    """The textured triangles of a mesh, as compiled code takes them.

    Attributes:
        of_triangle: (T,) row of ``pictures`` and ``factors`` of each triangle, ``NONE`` for those that have no use for
            one.
        uvs: (T, 3, 2) texture coordinates, origin at the top left.
        pictures: (M, 4) first level and number of levels of the base colour and of the normal map.
        factors: (M, 6): linear colour and opacity that multiply the base colour; least opacity, or -1 where opacity is
            coverage, or 0 where all is opaque; strength of the normal map.
        levels: (L, 3) first pixel, width and height of each level of a picture.
        pixels: (P, 4) sRGB and opacity, or normals, in bytes.
        decode: (256,) linear light of an sRGB byte.
    """

    of_triangle: Ints
    uvs: Floats
    pictures: Ints
    factors: Floats
    levels: Ints
    pixels: NDArray[np.uint8]
    decode: Floats


@dataclass(frozen=True, eq=False)
class Textures:
    """How the materials of a mesh look.

    Attributes:
        looks: what compiled code takes.
        painted: (T,) triangles whose base colour is a picture's, and not their vertices'.
        cut: (T,) triangles that may have holes: they are drawn after the others, see ``cover_cut``.
    """

    looks: Looks
    painted: Mask
    cut: Mask


def textures_of(mesh: Mesh) -> Textures:
    """The pictures of a mesh's materials; a picture that cannot be read is left out."""
    count = len(mesh.triangles)
    rows: list[tuple[int, int, int, int]] = []
    factors: list[tuple[float, ...]] = []
    of_group = np.full(len(mesh.materials), NONE, dtype=np.int32)
    atlas = _Atlas()
    has_uvs = mesh.uvs is not None and mesh.polygon_uvs is not None
    for k, material in enumerate(mesh.materials):
        if material is None:
            continue
        colour = atlas.add(material.texture, srgb=True) if has_uvs else (FROM_VERTICES, 0)
        normal = atlas.add(material.normal, srgb=False) if has_uvs else (NONE, 0)
        cut = 0.0 if material.colour[3] >= 1.0 and colour in atlas.opaque else _least_opacity(material)
        if colour[0] < 0 and normal[0] < 0 and cut == 0.0:
            continue
        of_group[k] = len(rows)
        rows.append((*colour, *normal))
        factors.append((*material.colour, cut, material.normal_scale))
    of_triangle = np.full(count, NONE, dtype=np.int32)
    if rows and mesh.polygon_groups is not None:
        of_triangle = of_group[mesh.polygon_groups[mesh.triangle_polygons]]
    looks = Looks(
        of_triangle,
        _triangle_uvs(mesh) if has_uvs else np.zeros((count, 3, 2), dtype=np.float32),
        np.array(rows, dtype=np.int32).reshape(-1, 4),
        np.array(factors, dtype=np.float32).reshape(-1, 6),
        np.array(atlas.levels, dtype=np.int32).reshape(-1, 3),
        np.concatenate(atlas.pixels) if atlas.pixels else np.zeros((1, 4), dtype=np.uint8),
        to_linear(np.arange(256) / 255),
    )
    any_row = of_triangle >= 0

    def where(table: Mask) -> Mask:
        return any_row & table[np.maximum(of_triangle, 0)] if len(table) else any_row

    return Textures(looks, where(looks.pictures[:, 0] >= 0), where(looks.factors[:, 4] != 0.0))


def _least_opacity(material: Material) -> float:
    """See ``Looks.factors``."""
    if material.alpha == "MASK":
        return max(material.cutoff, 1e-6)
    return -1.0 if material.alpha == "BLEND" else 0.0


def _triangle_uvs(mesh: Mesh) -> Floats:
    """(T, 3, 2) with the origin at the top left, each triangle moved near the origin: pictures repeat."""
    assert mesh.uvs is not None
    assert mesh.polygon_uvs is not None
    which = mesh.polygon_uvs[mesh.corner_triangles]
    uvs = np.where((which >= 0)[..., None], mesh.uvs[which], 0.0).astype(np.float64)
    uvs = np.nan_to_num(uvs, nan=0.0, posinf=0.0, neginf=0.0)
    uvs[..., 1] = 1.0 - uvs[..., 1]
    uvs -= np.floor(uvs.min(axis=1, keepdims=True))
    return np.ascontiguousarray(np.clip(uvs, -1e6, 1e6), dtype=np.float32)


class _Atlas:
    """Pictures one after another, each once, with all their levels; ``opaque`` are those without holes."""

    def __init__(self) -> None:
        self.levels: list[tuple[int, int, int]] = []
        self.pixels: list[NDArray[np.uint8]] = []
        self.opaque = {(FROM_VERTICES, 0)}
        self._known: dict[tuple[bytes, bool], tuple[int, int]] = {}
        self._used = 0

    def add(self, picture: bytes | None, srgb: bool) -> tuple[int, int]:
        """First level and number of levels of a picture; without one, what stands for none."""
        if picture is None:
            return FROM_VERTICES if srgb else NONE, 0
        if (picture, srgb) not in self._known:
            levels = levels_of(picture, srgb)
            self._known[picture, srgb] = (len(self.levels), len(levels)) if levels else (FROM_VERTICES, 0)
            if levels and levels[0][..., 3].min() == 255:
                self.opaque.add(self._known[picture, srgb])
            for level in levels:
                self.levels.append((self._used, level.shape[1], level.shape[0]))
                self.pixels.append(level.reshape(-1, 4))
                self._used += level.shape[0] * level.shape[1]
        return self._known[picture, srgb]


def levels_of(picture: bytes, srgb: bool) -> list[NDArray[np.uint8]]:
    """A picture (H, W, 4) and its halves down to one pixel, sides powers of two; empty where it cannot be read.

    Colours are averaged in linear light and weighted by opacity; ``srgb`` says that they are colours.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture)) as image:
            sides = [min(LARGEST, 1 << max(round(float(np.log2(side))), 0)) for side in image.size]
            whole = image.convert("RGBA")
            if whole.size != tuple(sides):
                whole = whole.resize((sides[0], sides[1]), Image.Resampling.BOX)
            level = np.asarray(whole)
    except Exception:  # Pillow raises whatever its decoders meet
        return []
    light = level.astype(np.float32) / 255
    if srgb:
        light[..., :3] = to_linear(light[..., :3])
    levels = [level]
    while max(light.shape[:2]) > 1:
        high, wide = (min(2, side) for side in light.shape[:2])
        blocks = light.reshape(light.shape[0] // high, high, light.shape[1] // wide, wide, 4)
        weight = blocks[..., 3:] + np.float32(1e-6)
        light = np.concatenate(
            [(blocks[..., :3] * weight).sum((1, 3)) / weight.sum((1, 3)), blocks[..., 3:].mean((1, 3))], axis=2
        )
        stored = light.copy()
        if srgb:
            low = stored[..., :3]
            stored[..., :3] = to_srgb(low)
        levels.append(np.round(255 * np.clip(stored, 0, 1)).astype(np.uint8))
    return levels


# --- Looking up, in compiled code.


@part_of_kernel
def _texel(looks: Looks, level: int, x: np.float32, y: np.float32, srgb: bool) -> tuple[np.float32, ...]:
    """Four channels of one level, bilinear, repeating: linear light (or bytes over 255) and opacity."""
    first, width, height = looks.levels[level, 0], looks.levels[level, 1], looks.levels[level, 2]
    byte, one = np.float32(1.0 / 255.0), np.float32(1.0)
    at_x, at_y = x * np.float32(width) - np.float32(0.5), y * np.float32(height) - np.float32(0.5)
    column, row = int(np.floor(at_x)), int(np.floor(at_y))
    fx, fy = at_x - np.float32(column), at_y - np.float32(row)
    r, g, b, a = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for j in range(2):
        line = first + ((row + j) & (height - 1)) * width  # sides are powers of two
        wy = fy if j else one - fy
        for i in range(2):
            place, weight = line + ((column + i) & (width - 1)), wy * (fx if i else one - fx)
            if srgb:
                r += weight * looks.decode[looks.pixels[place, 0]]
                g += weight * looks.decode[looks.pixels[place, 1]]
                b += weight * looks.decode[looks.pixels[place, 2]]
            else:
                r += weight * byte * np.float32(looks.pixels[place, 0])
                g += weight * byte * np.float32(looks.pixels[place, 1])
                b += weight * byte * np.float32(looks.pixels[place, 2])
            a += weight * byte * np.float32(looks.pixels[place, 3])
    return r, g, b, a


@inner_kernel
def look_up(
    looks: Looks, which: int, t: int, u: np.float32, v: np.float32, w: np.float32, area: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Colour (``which`` 0) or normal (``which`` 2) of a place in a triangle, between the two fitting levels.

    Args:
        which: column of ``Looks.pictures``.
        t: the triangle, with such a picture.
        u, v, w: weights of its corners.
        area: twice what it covers of the picture that is drawn, pixels.
    """
    uv, kind = looks.uvs[t], looks.of_triangle[t]
    first, count = looks.pictures[kind, which], looks.pictures[kind, which + 1]
    x = u * uv[0, 0] + v * uv[1, 0] + w * uv[2, 0]
    y = u * uv[0, 1] + v * uv[1, 1] + w * uv[2, 1]
    ax, ay, bx, by = uv[1, 0] - uv[0, 0], uv[1, 1] - uv[0, 1], uv[2, 0] - uv[0, 0], uv[2, 1] - uv[0, 1]
    texels = abs(ax * by - ay * bx) * np.float32(looks.levels[first, 1]) * np.float32(looks.levels[first, 2])
    detail = np.float32(0.5) * np.log2((texels + np.float32(1e-12)) / (abs(area) + np.float32(1e-12)))
    detail = min(max(detail, np.float32(0.0)), np.float32(count - 1))
    level = min(int(detail), count - 1)
    share = detail - np.float32(level)
    r, g, b, a = _texel(looks, first + level, x, y, which == 0)
    if share > np.float32(0.05) and level + 1 < count:
        r1, g1, b1, a1 = _texel(looks, first + level + 1, x, y, which == 0)
        r, g, b, a = r + share * (r1 - r), g + share * (g1 - g), b + share * (b1 - b), a + share * (a1 - a)
    return r, g, b, a


@kernel
def tangents(points: Floats, triangles: Ints, looks: Looks) -> Floats:
    """(T, 6) where texture coordinates grow to the right and upwards on each triangle with a normal map, unit length.

    Args:
        points: (V, 3) in camera space.
        triangles: (T, 3).
    """
    found = np.zeros((len(triangles), 6), dtype=np.float32)
    for t in range(len(triangles)):
        kind = looks.of_triangle[t]
        if kind < 0 or looks.pictures[kind, 2] < 0:
            continue
        a, b, c, uv = triangles[t, 0], triangles[t, 1], triangles[t, 2], looks.uvs[t]
        ax, ay, bx, by = uv[1, 0] - uv[0, 0], uv[1, 1] - uv[0, 1], uv[2, 0] - uv[0, 0], uv[2, 1] - uv[0, 1]
        side = np.float32(1.0) if ax * by - ay * bx >= 0 else np.float32(-1.0)
        right, up = np.float32(1e-20), np.float32(1e-20)
        for k in range(3):
            p, q = points[b, k] - points[a, k], points[c, k] - points[a, k]
            found[t, k], found[t, 3 + k] = side * (p * by - q * ay), -side * (q * ax - p * bx)
            right += found[t, k] * found[t, k]
            up += found[t, 3 + k] * found[t, 3 + k]
        for k in range(3):
            found[t, k] /= np.sqrt(right)
            found[t, 3 + k] /= np.sqrt(up)
    return found


@inner_kernel
def bend(
    looks: Looks, t: int, tangent: Floats, weights: tuple[np.float32, np.float32, np.float32], area: np.float32,
    normal: tuple[np.float32, np.float32, np.float32],
) -> tuple[np.float32, np.float32, np.float32]:  # fmt: skip
    """The normal of a place in a triangle, of any length, bent as its normal map says; see ``tangents``."""
    u, v, w = weights
    x, y, z, _ = look_up(looks, 2, t, u, v, w, area)
    two, one = np.float32(2.0), np.float32(1.0)
    scale = looks.factors[looks.of_triangle[t], 5]
    x, y, z = (two * x - one) * scale, (two * y - one) * scale, max(two * z - one, np.float32(0.05))
    nx, ny, nz = normal
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    nx = z * nx + length * (x * tangent[0] + y * tangent[3])
    ny = z * ny + length * (x * tangent[1] + y * tangent[4])
    nz = z * nz + length * (x * tangent[2] + y * tangent[5])
    return nx, ny, nz


# --- Triangles with holes: hair, brows and lashes on cards, glass.


@part_of_kernel
def _wanted(kind: Floats, column: int, row: int, sample: int) -> np.float32:
    """Opacity from which a sample is covered: the material's own, or for coverage one that differs from its neighbours.

    Alpha to coverage: of the 16 samples of 2 × 2 pixels as many are covered as the surface is opaque.
    """
    if kind[4] > np.float32(0.0):
        return kind[4]
    order = 4 * ((sample + column + 2 * row) & 3) + 2 * (column & 1) + (row & 1)
    return (np.float32(order) + np.float32(0.5)) / np.float32(16.0)


@inner_kernel
def cover_cut(
    screen: Doubles, triangles: Ints, order: Ints, samples: Floats, ids: Ints, depth: Floats, extent: Ints,
    looks: Looks, first_row: int, last_row: int,
) -> None:  # fmt: skip
    """Rasterise the triangles ``order`` (N,), which may have holes, over what ``cover`` drew; see there.

    ``samples`` (S, 2) are the places of a pixel's samples.
    """
    per_pixel = len(samples)
    width = ids.shape[1] // per_pixel
    for n in range(len(order)):
        t = order[n]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if screen[a, 3] == 0.0 or screen[b, 3] == 0.0 or screen[c, 3] == 0.0:
            continue
        ax, ay, bx, by = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
        cx, cy = screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        top, bottom = max(first_row, int(np.floor(min(ay, by, cy)))), min(last_row - 1, int(np.floor(max(ay, by, cy))))
        left, right = max(0, int(np.floor(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        if not abs(area) > 1e-12:
            continue
        kind = looks.factors[looks.of_triangle[t]]
        pictured = looks.pictures[looks.of_triangle[t], 0] >= 0
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                for s in range(per_pixel):
                    px, py = column + samples[s, 0] - ax, row + samples[s, 1] - ay
                    v = ((cy - ay) * px - (cx - ax) * py) / area
                    w = ((bx - ax) * py - (by - ay) * px) / area
                    u = 1.0 - v - w
                    if not (u >= 0.0 and v >= 0.0 and w >= 0.0):
                        continue
                    z, place = u * screen[a, 2] + v * screen[b, 2] + w * screen[c, 2], column * per_pixel + s
                    if not z < depth[row, place]:
                        continue
                    opacity = kind[3]
                    if pictured:
                        u, v, w = u * screen[a, 3], v * screen[b, 3], w * screen[c, 3]
                        total = 1.0 / (u + v + w)
                        opacity *= look_up(
                            looks, 0, t, np.float32(u * total), np.float32(v * total), np.float32(w * total),
                            np.float32(area),
                        )[3]  # fmt: skip
                    if opacity < _wanted(kind, column, row, s):
                        continue
                    ids[row, place], depth[row, place] = t, z
                    extent[row, 0], extent[row, 1] = min(extent[row, 0], column), max(extent[row, 1], column + 1)
