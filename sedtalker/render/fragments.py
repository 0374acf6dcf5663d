"""Light on what the samples see: each surface of a pixel once.

Samples of a pixel that lie on one smooth piece are one fragment. Fragments are gathered by material and lit many at a
time, see ``sedtalker.render.pixels``. A few rows are processed in one pass per step, without a call per pixel: a loop
that does everything needs more registers than the processor has, and a call that passes arrays counts references.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.gathering import CHUNK, UNKNOWN, Dimmed, Gathered, Scene
from sedtalker.render.kernels import inner_kernel, part_of_kernel
from sedtalker.render.occlusion import along_row, look_closely
from sedtalker.render.picture import Image
from sedtalker.render.pixels import finish, light_whole
from sedtalker.render.planes import FIRST, INSIDE, WIDTH, add_plane, add_planes, between, make_plane, weights_at
from sedtalker.render.textures import Looks, bend, look_up

_TEXTURED = -2
"""Triangles that have no plane: see ``UNKNOWN``."""
_COUNT = len(SAMPLES)
"""Samples of a pixel."""


@part_of_kernel
def _surface(
    t: int, px: np.float32, py: np.float32, corners: Floats, triangles: NDArray[np.uint32], inner: NDArray[np.int8],
    looks: Looks, painted: bool, tangent: Floats,
) -> tuple[np.float32, ...]:  # fmt: skip
    """What ``add_plane`` gives, of any triangle."""
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    u, v, w, side, area = weights_at(px, py, corners, a, b, c)
    divisor = u * corners[a, 2] + v * corners[b, 2] + w * corners[c, 2]
    nx, ny, nz = between(corners, FIRST, a, b, c, u, v, w)
    red, green, blue = between(corners, FIRST + 3, a, b, c, u, v, w)
    kind = looks.of_triangle[t]
    if kind >= 0:
        near = np.float32(1.0) / divisor
        weights = u * corners[a, 2] * near, v * corners[b, 2] * near, w * corners[c, 2] * near
        if painted and looks.pictures[kind, 0] >= 0:
            red, green, blue, _ = look_up(looks, 0, t, weights[0], weights[1], weights[2], area)
            red *= looks.factors[kind, 0] * divisor
            green *= looks.factors[kind, 1] * divisor
            blue *= looks.factors[kind, 2] * divisor
        if looks.pictures[kind, 2] >= 0:
            nx, ny, nz = bend(looks, t, tangent[t], weights, area, (nx, ny, nz))
    if np.float32(inner[t]) * side < np.float32(0.0):
        red, green, blue = red * INSIDE[0], green * INSIDE[1], blue * INSIDE[2]
    return side * nx, side * ny, side * nz, red, green, blue, divisor


@part_of_kernel
def _with_plane(
    at: np.uint32, used: int, slots: Ints, kinds: Ints, planes: Floats, corners: Floats,
    triangles: NDArray[np.uint32], inner: NDArray[np.int8],
) -> int:  # fmt: skip
    """Make the plane of a triangle that is met for the first time, if it has one; how many there are then."""
    if slots[at] != UNKNOWN:
        return used
    slots[at] = _TEXTURED
    if kinds[at] >= 0:
        return used
    make_plane(planes, used, corners, triangles[at, 0], triangles[at, 1], triangles[at, 2], inner[at])
    slots[at] = used
    return used + 1


@inner_kernel
def _plain(scene: Scene, gathered: Gathered, dimmed: Dimmed, first: int, last: int) -> None:
    """Fragments of the pixels of rows [first, last) that see one plain triangle; the others become ``mixed``."""
    ids, depth, extent, corners, triangles, parts, materials, inner, looks = scene[:9]
    seen, shares, where, filled, _, mixed, late, slots, planes, counts = gathered[:10]
    hollows, shadow, found, found_parts = dimmed.hollows, dimmed.shadow, dimmed.found, dimmed.found_parts
    kinds, most, width = looks.of_triangle, where.shape[1], scene.width
    half, one = np.float32(0.5), np.float32(1.0)
    used, mixed_count, late_count = counts[0], counts[1], counts[2]
    for row in range(first, last):
        left, right, band = extent[row, 0], min(extent[row, 1], width), np.uint32(row - first)
        along_row(dimmed, row, left, right, band)
        line, deep, y = ids[row], depth[row], np.float32(row) + half
        for k in range(left, right):
            column = np.uint32(k)
            place = np.uint32(column * _COUNT)
            t, plain = line[place], False
            if (line[place + 1] == t) & (line[place + 2] == t) & (line[place + 3] == t):
                if t < 0:
                    continue
                at = np.uint32(t)
                used = _with_plane(at, used, slots, kinds, planes, corners, triangles, inner)
                plain = slots[at] >= 0
            if not plain:
                at = np.uint32(mixed_count)
                mixed[at, 0], mixed[at, 1] = row, column
                mixed_count += 1
                continue
            part, z = np.uint32(parts[at]), deep[place]
            n, m = np.uint32(filled[part]), np.uint32(late_count)
            add_plane(planes, slots[at], np.float32(column) + half, y, seen, part * most + n, True)
            where[part, n] = row * width + column
            filled[part] = n + 1
            shares[part, 0, n] = one - hollows * materials[part, 5] * found[band, 0, column]
            shares[part, 1, n] = one - shadow * materials[part, 5] * (one - found[band, 1, column])
            late[m, 0], late[m, 1], late[m, 2], late[m, 3] = part, n, row, column
            late[m, 4], late[m, 5] = 0, at
            near, far = found[band, 2, column], found[band, 3, column]
            late_count += 0 if (found_parts[band, column] == parts[at]) & (z > near) & (z < far) else 1
    counts[0], counts[1], counts[2] = used, mixed_count, late_count


@inner_kernel
def _mixed(scene: Scene, gathered: Gathered, dimmed: Dimmed, first: int) -> None:
    """Fragments of the pixels that see several triangles, or textures."""
    ids, depth, _, corners, triangles, parts, materials, inner, looks, painted, tangent, step = scene[:12]
    hollows, shadow, found, found_parts = dimmed.hollows, dimmed.shadow, dimmed.found, dimmed.found_parts
    seen, shares, where, filled, edges, mixed, late, slots, planes, counts = gathered[:10]
    kinds, most, width = looks.of_triangle, where.shape[1], scene.width
    zero, one, which = np.float32(0.0), np.float32(1.0), gathered.which
    used, late_count, edge_count = counts[0], counts[2], counts[3]
    for m in range(counts[1]):
        row, column = np.uint32(mixed[m, 0]), np.uint32(mixed[m, 1])
        band = np.uint32(row - first)
        place, alike = np.uint32(column * _COUNT), True
        z, first_part = depth[row, place], parts[np.uint32(max(ids[row, place], 0))]
        for s in range(_COUNT):
            t = ids[row, place + s]
            which[s] = t
            if t < 0:
                alike = False
                continue
            at = np.uint32(t)
            used = _with_plane(at, used, slots, kinds, planes, corners, triangles, inner)
            alike &= (slots[at] >= 0) & (parts[at] == first_part) & (abs(depth[row, place + s] - z) <= step)
        for s in range(1 if alike else _COUNT):
            if which[s] < 0:
                continue
            leading, z, covered = np.uint32(which[s]), depth[row, place + s], 0
            part = np.uint32(parts[leading])
            n, at = np.uint32(filled[part]), np.uint32(late_count)
            to = part * most + n
            if alike:
                add_planes(planes, slots, which, np.float32(column), np.float32(row), seen, to)
                covered = _COUNT
            for k in range(_COUNT if alike else s, _COUNT):
                t = which[k]
                if t < 0 or parts[t] != part or abs(depth[row, place + k] - z) > step:
                    continue
                if slots[np.uint32(t)] >= 0:
                    x, y = np.float32(column) + SAMPLES[k, 0], np.float32(row) + SAMPLES[k, 1]
                    add_plane(planes, slots[np.uint32(t)], x, y, seen, to, covered == 0)
                    covered += 1
                    which[k] = -1
                    continue
                count, x, y = 0, zero, zero
                for other in range(k, _COUNT):
                    if which[other] == t:
                        count += 1
                        x, y = x + SAMPLES[other, 0], y + SAMPLES[other, 1]
                        which[other] = -1
                share = np.float32(count)
                x, y = np.float32(column) + x / share, np.float32(row) + y / share
                surface = _surface(t, x, y, corners, triangles, inner, looks, painted, tangent)
                for channel in range(WIDTH - 1):
                    seen[to, channel] = share * surface[channel] + (seen[to, channel] if covered > 0 else zero)
                covered += count
            where[part, n] = row * width + column
            if covered < _COUNT:
                edges[edge_count, 0], edges[edge_count, 1] = where[part, n], covered
                edge_count += 1
                where[part, n] = -edge_count
            filled[part] = n + 1
            shares[part, 0, n] = one - hollows * materials[part, 5] * found[band, 0, column]
            shares[part, 1, n] = one - shadow * materials[part, 5] * (one - found[band, 1, column])
            late[at, 0], late[at, 1], late[at, 2], late[at, 3] = part, n, row, column
            late[at, 4], late[at, 5] = s, leading
            near, far = found[band, 2, column], found[band, 3, column]
            late_count += 0 if (found_parts[band, column] == parts[leading]) & (z > near) & (z < far) else 1
    counts[0], counts[1], counts[2], counts[3] = used, 0, late_count, edge_count


@inner_kernel
def shade(
    image: Image, background: Floats, scene: Scene, dimmed: Dimmed, gathered: Gathered, lights: Floats,
    ambient: Floats, encode: NDArray[np.uint8], first: int, last: int,
) -> None:  # fmt: skip
    """Shade rows [first, last) of ``image``, where something is seen.

    Args:
        image: (H, W, 3), or (H, W, 4) with coverage; it holds the background.
        background: (H, W, 3) linear.
        scene: what is seen.
        dimmed: shadow and hollows.
        gathered: room of these rows.
        lights: see ``light_table``; the first casts the shadow.
        ambient: (2, 3) linear light from above and from below.
        encode: see ``encode_table``.
        first: first row to shade.
        last: one past the last.
    """
    height, width = image.shape[0], image.shape[1]
    pixels, behind = image.reshape(height * width, image.shape[2]), background.reshape(height * width, 3)
    light_by, room, counts = (scene.materials, lights, ambient), CHUNK * width * len(SAMPLES), gathered.counts
    gathered.slots[:] = UNKNOWN
    counts[:] = 0
    for row in range(first, last, CHUNK):
        if counts[3] > room:  # there might not be room for more
            finish(pixels, behind, gathered, *light_by, encode)
        _plain(scene, gathered, dimmed, row, min(row + CHUNK, last))
        _mixed(scene, gathered, dimmed, row)
        look_closely(scene, gathered, dimmed)
        light_whole(pixels, gathered, *light_by, encode)
    finish(pixels, behind, gathered, *light_by, encode)
