"""Light on what the samples see: shadow and hollows on a coarser grid, then each surface of a pixel once.

Samples of a pixel that lie on one smooth piece are one fragment. Fragments are gathered by material and lit many at a
time. All light is linear; the picture is encoded to sRGB at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.mesh.mesh import Floats, Ints
from sedtalker.mesh.rasteriser import kernel
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.shading import Image, eye_colour

_FAR = np.float32(2.5)
"""What is nearer than the pixel by more than this, in radii of the hollow test, does not darken it."""
_BATCH = 256
"""Fragments of one material that are lit at a time."""
_KNEE = np.float32(0.7)
"""Light above it bends softly towards 1 instead of clipping."""
_COUNT = np.float32(len(SAMPLES))
"""Samples of a pixel."""


@kernel
def _hollow(depth: Floats, row: int, column: int, here: np.float32, z: np.float32, taps: Floats, optics: Floats) -> np.float32:
    """How far the surface lies below what is around it, in [0, 1]; slopes cancel: taps come in opposite pairs."""
    height, width = depth.shape[0], depth.shape[1] // len(SAMPLES)
    zero, one = np.float32(0.0), np.float32(1.0)
    near, far, focal, radius = optics[0], optics[1], optics[2], optics[3]
    # Depth is linear in 1 / distance; differences within a head are small enough to be linear in depth.
    per_depth = here * here * (far - near) / (2 * near * far * radius)
    reach = radius * focal / here
    found = zero
    for pair in range(len(taps) // 2):
        right, down = int(taps[2 * pair, 0] * reach), int(taps[2 * pair, 1] * reach)
        # What the picture cuts off has no opposite to cancel its slope.
        if min(row - abs(down), column - abs(right)) < 0 or row + abs(down) >= height or column + abs(right) >= width:
            continue
        below = zero
        for side in range(2):
            sign = 1 - 2 * side
            rise = (z - depth[row + sign * down, (column + sign * right) * len(SAMPLES)]) * per_depth
            # Far in front is another thing, not the rim of this hollow.
            below += min(rise, max(_FAR - rise, zero)) if rise > 0 else max(rise, -one)
        found += max(below, zero)
    return min(found / len(taps) * 2, one)


@kernel
def _lit(x: float, y: float, z: float, shadow_map: Floats, shadow_matrix: NDArray[np.float64]) -> np.float32:
    """Share of the key light that reaches a point in camera space: 3 × 3 comparisons with bilinear weights."""
    size = shadow_map.shape[0]
    m = shadow_matrix
    u = (0.5 + 0.5 * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])) * size - 0.5
    v = (0.5 - 0.5 * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])) * size - 0.5
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    if not (u > 3.0 and v > 3.0 and u < size - 4.0 and v < size - 4.0):
        return np.float32(1.0)
    column, row = int(u), int(v)
    fu, fv = u - column, v - row
    agree = 0
    for j in range(0, 4, 3):
        for i in range(0, 4, 3):
            agree += 1 if depth <= shadow_map[row - 1 + j, column - 1 + i] else 0
    if agree == 0 or agree == 4:
        return np.float32(agree / 4)
    lit = 0.0
    for j in range(4):
        wv = 1.0 - fv if j == 0 else (fv if j == 3 else 1.0)
        shadow_row = shadow_map[row - 1 + j]
        for i in range(4):
            wu = 1.0 - fu if i == 0 else (fu if i == 3 else 1.0)
            lit += wu * wv if depth <= shadow_row[column - 1 + i] else 0.0
    return np.float32(lit / 9.0)


@kernel
def _weights(px: np.float32, py: np.float32, a: Floats, b: Floats, c: Floats) -> tuple[np.float32, ...]:
    """Weights of a triangle's corners at a place of the picture, perspective undone, and which way it faces."""
    zero, one = np.float32(0.0), np.float32(1.0)
    bx, by = b[0] - a[0], b[1] - a[1]
    cx, cy = c[0] - a[0], c[1] - a[1]
    qx, qy = px - a[0], py - a[1]
    area = bx * cy - cx * by
    inverse = one / area
    v = min(max((qx * cy - cx * qy) * inverse, zero), one)
    w = min(max((bx * qy - qx * by) * inverse, zero), one - v)
    u, v, w = (one - v - w) * a[2], v * b[2], w * c[2]
    total = one / (u + v + w)
    # rows grow downwards: a triangle of positive area is seen from behind
    return u * total, v * total, w * total, -one if area > zero else one


@kernel
def _dimming(
    row: int, column: int, sample: int, triangle: Ints, depth: Floats, corners: Floats, shadow_map: Floats,
    shadow_matrix: NDArray[np.float64], taps: Floats, optics: Floats,
) -> tuple[np.float32, np.float32]:  # fmt: skip
    """How hollow a sample's surface is there, and which share of the key light reaches it."""
    near, far, focal, bias = optics[0], optics[1], optics[2], optics[6]
    half = np.float32(0.5)
    place = column * len(SAMPLES) + sample
    z = depth[row, place]
    here = 2 * near * far / (far + near - z * (far - near))
    px, py = np.float32(column) + SAMPLES[sample, 0], np.float32(row) + SAMPLES[sample, 1]
    a, b, c = corners[triangle[0]], corners[triangle[1]], corners[triangle[2]]
    u, v, w, side = _weights(px, py, a, b, c)
    nx = u * a[3] + v * b[3] + w * c[3]
    ny = u * a[4] + v * b[4] + w * c[4]
    nz = u * a[5] + v * b[5] + w * c[5]
    lift = side * bias / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
    height, width = depth.shape[0], optics[8]
    x = (px - half * width) * here / focal + lift * nx
    y = (half * np.float32(height) - py) * here / focal + lift * ny
    lit = _lit(x, y, lift * nz - here, shadow_map, shadow_matrix)
    return _hollow(depth, row, column, here, z, taps, optics), lit


@kernel
def dim(
    grid: Floats, rate: int, ids: Ints, depth: Floats, corners: Floats, triangles: Ints, parts: Ints,
    shadow_map: Floats, shadow_matrix: NDArray[np.float64], taps: Floats, optics: Floats, first: int, last: int,
) -> None:  # fmt: skip
    """Fill rows [first, last) of ``grid`` (H / rate, W / rate, 4) with depth, part, hollowness and light of the key.

    They are those of the first sample of each ``rate``-th pixel; see ``shade`` for the rest.
    """
    for i in range(first, last):
        for j in range(grid.shape[1]):
            row, column = i * rate, j * rate
            t = ids[row, column * len(SAMPLES)]
            grid[i, j, 1] = -1.0
            if t >= 0:
                grid[i, j, 0] = depth[row, column * len(SAMPLES)]
                grid[i, j, 1] = parts[t]
                grid[i, j, 2], grid[i, j, 3] = _dimming(
                    row, column, 0, triangles[t], depth, corners, shadow_map, shadow_matrix, taps, optics
                )


@kernel
def _from_grid(
    grid: Floats, rate: int, row: int, column: int, z: np.float32, part: int, step: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Hollowness and light between the places of the grid around a pixel that lie on its surface; their weight."""
    zero, one, share = np.float32(0.0), np.float32(1.0), np.float32(1.0) / np.float32(rate)
    i, j = row // rate, column // rate
    down, across = np.float32(row - i * rate) * share, np.float32(column - j * rate) * share
    hollow, lit, total = zero, zero, zero
    for k in range(2):
        weight_down = down if k else one - down
        if weight_down == zero or i + k >= grid.shape[0]:
            continue
        for m in range(2):
            weight = weight_down * (across if m else one - across)
            if weight == zero or j + m >= grid.shape[1]:
                continue
            place = grid[i + k, j + m]
            if int(place[1]) == part and abs(place[0] - z) < step:
                hollow += weight * place[2]
                lit += weight * place[3]
                total += weight
    return hollow, lit, total


@kernel
def _light(batch: Floats, n: int, material: Floats, lights: Floats, ambient: Floats, work: Floats) -> None:
    """Linear light (before the shoulder) of ``n`` fragments, into rows 3 to 5 of ``batch``.

    Rows of ``batch`` (8, N): unit normal, colour, share of open sky, share of the key light beside it.
    """
    zero, half, one, four = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(4.0)
    nx, ny, nz, sky, key = batch[0], batch[1], batch[2], batch[6], batch[7]
    facing, shine = work[6], work[7]
    for channel in range(3):
        diffuse, low, more = work[channel], ambient[1, channel], ambient[0, channel] - ambient[1, channel]
        for k in range(n):
            diffuse[k] = low + more * (half + half * ny[k])
            work[3 + channel, k] = zero
    for i in range(len(lights)):
        x, y, z = lights[i, 0], lights[i, 1], lights[i, 2]
        for k in range(n):
            facing[k] = nx[k] * x + ny[k] * y + nz[k] * z
        for channel in range(3):
            wrap, strength, diffuse = material[2 + channel], lights[i, 3 + channel], work[channel]
            scale = one / (one + wrap)
            for k in range(n):
                turned = max((facing[k] + wrap) * scale, zero)
                diffuse[k] += strength * (key[k] if i == 0 else one) * turned * turned
        if not lights[i, 6] > zero:
            continue
        x, y, z = lights[i, 7], lights[i, 8], lights[i, 9]
        for k in range(n):
            shine[k] = max(nx[k] * x + ny[k] * y + nz[k] * z, zero)
        for _ in range(int(material[1])):
            for k in range(n):
                shine[k] *= shine[k]
        strength = material[0] * lights[i, 6]
        for k in range(n):
            shine[k] *= strength * (key[k] if i == 0 else one) * min(max(facing[k] * four, zero), one)
        for channel in range(3):
            gloss, strength = work[3 + channel], lights[i, 3 + channel]
            for k in range(n):
                gloss[k] += strength * shine[k]
    for channel in range(3):
        diffuse, gloss, colour = work[channel], work[3 + channel], batch[3 + channel]
        for k in range(n):
            colour[k] = (diffuse[k] * colour[k] + gloss[k]) * sky[k]


@kernel
def _add(sums: Floats, batch: Floats, where: Ints, n: int) -> None:
    """Add lit fragments to their pixels' sums (N, 4): red, green, blue and how many samples."""
    room = np.float32(1.0) - _KNEE
    for k in range(n):
        pixel, count = where[k] >> 3, np.float32(where[k] & 7)
        sums[pixel, 3] += count
        for channel in range(3):
            light = batch[3 + channel, k]
            if light > _KNEE:
                light = np.float32(1.0) - room * np.exp((_KNEE - light) / room)
            sums[pixel, channel] += count * light


@kernel
def shade(
    image: Image, background: Floats, ids: Ints, depth: Floats, corners: Floats, triangles: Ints, parts: Ints,
    materials: Floats, lights: Floats, ambient: Floats, grid: Floats, rate: int, shadow_map: Floats,
    shadow_matrix: NDArray[np.float64], taps: Floats, optics: Floats, encode: NDArray[np.uint8],
    first: int, last: int,
) -> None:  # fmt: skip
    """Shade rows [first, last) of ``image``, where something is seen.

    Args:
        image: (H, W, 3), or (H, W, 4) with coverage; it holds the background.
        background: (H, W, 3) linear.
        ids: (H, 4 W) triangle of each sample, −1 where empty.
        depth: (H, 4 W) normalised depth.
        corners: (V, 9) what ``pack`` gives.
        triangles: (T, 3).
        parts: (T,) row of ``materials`` for each triangle; the last row's have directions in place of colours.
        materials: see ``material_table``.
        lights: see ``light_table``; the first casts the shadow.
        ambient: (2, 3) linear light from above and from below.
        grid: what ``dim`` gives; a fragment that is on none of the surfaces there is looked at by itself.
        rate: pixels from one place of the grid to the next.
        shadow_map: (S, S) normalised depth seen from the first light.
        shadow_matrix: (4, 4) camera space to the shadow map's clip space.
        taps: see ``tap_table``.
        optics: near, far, focal length in pixels, radius of hollows, their strength, the shadow's strength, its bias,
            the step in normalised depth that parts one surface from another, and the picture's width.
        encode: see ``encode_table``.
        first: first row to shade.
        last: one past the last.
    """
    one = np.float32(1.0)
    width, samples = image.shape[1], len(SAMPLES)
    batches = np.empty((len(materials), 8, _BATCH), dtype=np.float32)
    where = np.empty((len(materials), _BATCH), dtype=np.int32)
    filled = np.zeros(len(materials), dtype=np.int64)
    work = np.empty((8, _BATCH), dtype=np.float32)
    sums = np.zeros(((last - first) * width, 4), dtype=np.float32)
    seen = np.empty(samples, dtype=np.int32)
    for row in range(first, last):
        for column in range(width):
            place = column * samples
            empty = 0
            for s in range(samples):
                seen[s] = ids[row, place + s]
                empty += seen[s] < 0
            if empty == samples:
                continue
            for s in range(samples):
                t = seen[s]
                if t < 0:
                    continue
                part, z = parts[t], depth[row, place + s]
                count, px, py = 0, np.float32(0.0), np.float32(0.0)
                for other in range(s, samples):
                    i = seen[other]
                    if i == t or (i >= 0 and parts[i] == part and abs(depth[row, place + other] - z) <= optics[7]):
                        count += 1
                        px += SAMPLES[other, 0]
                        py += SAMPLES[other, 1]
                        seen[other] = -1
                share = one / np.float32(count)
                a, b, c = corners[triangles[t, 0]], corners[triangles[t, 1]], corners[triangles[t, 2]]
                u, v, w, side = _weights(px * share + np.float32(column), py * share + np.float32(row), a, b, c)
                nx = u * a[3] + v * b[3] + w * c[3]
                ny = u * a[4] + v * b[4] + w * c[4]
                nz = u * a[5] + v * b[5] + w * c[5]
                length = side / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
                cr = u * a[6] + v * b[6] + w * c[6]
                cg = u * a[7] + v * b[7] + w * c[7]
                cb = u * a[8] + v * b[8] + w * c[8]
                if part + 1 == len(materials):
                    cr, cg, cb = eye_colour(cr, cg, cb, 0), eye_colour(cr, cg, cb, 1), eye_colour(cr, cg, cb, 2)
                hollow, lit, total = _from_grid(grid, rate, row, column, z, part, 4 * optics[7])
                if total > np.float32(0.1):
                    hollow, lit = hollow / total, lit / total
                else:
                    hollow, lit = _dimming(
                        row, column, s, triangles[t], depth, corners, shadow_map, shadow_matrix, taps, optics
                    )
                batch, n = batches[part], filled[part]
                batch[0, n], batch[1, n], batch[2, n] = nx * length, ny * length, nz * length
                batch[3, n], batch[4, n], batch[5, n] = cr, cg, cb
                batch[6, n] = one - optics[4] * materials[part, 5] * hollow
                batch[7, n] = one - optics[5] * materials[part, 5] * (one - lit)
                where[part, n] = ((row - first) * width + column) * 8 + count
                filled[part] = n + 1
                if n + 1 == _BATCH:
                    _light(batch, _BATCH, materials[part], lights, ambient, work)
                    _add(sums, batch, where[part], _BATCH)
                    filled[part] = 0
    for part in range(len(materials)):
        _light(batches[part], filled[part], materials[part], lights, ambient, work)
        _add(sums, batches[part], where[part], filled[part])
    _resolve(image, background, sums, encode, first, last)


@kernel
def _resolve(
    image: Image, background: Floats, sums: Floats, encode: NDArray[np.uint8], first: int, last: int
) -> None:
    """Samples to pixels: what is seen over the background, or with its coverage beside it."""
    half, top, width = np.float32(0.5), len(encode) - 1, image.shape[1]
    for row in range(first, last):
        for column in range(width):
            pixel = sums[(row - first) * width + column]
            if pixel[3] == 0.0:
                continue
            clear = image.shape[2] == 4
            share = 1 / (pixel[3] if clear else _COUNT)
            for channel in range(3):
                light = pixel[channel]
                if not clear:
                    light += (_COUNT - pixel[3]) * background[row, column, channel]
                image[row, column, channel] = encode[min(int(light * share * top + half), top)]
            if clear:
                image[row, column, 3] = int(255 * pixel[3] / _COUNT + half)
