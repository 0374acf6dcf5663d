"""Light on what the samples see: shadow and hollows on a coarser grid, then each surface of a pixel once.

Samples of a pixel that lie on one smooth piece are one fragment. Fragments are gathered by material and lit many at a
time, see ``sedtalker.render.pixels``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.mesh.mesh import Floats, Ints
from sedtalker.mesh.rasteriser import kernel, part_of_kernel
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.pixels import BATCH, finish, light, put
from sedtalker.render.shading import Image, eye_colour
from sedtalker.render.textures import Looks, bend, look_up

_FAR = np.float32(2.5)
"""What is nearer than the pixel by more than this, in radii of the hollow test, does not darken it."""
INSIDE = np.array([0.11, 0.05, 0.045], dtype=np.float32)
"""Share of its colour that a surface shows from inside the head: little light gets there, and what does is reddish."""


@part_of_kernel
def _rise(rise: np.float32) -> np.float32:
    """What a place that stands in front by ``rise`` radii adds: far in front is another thing, not a hollow's rim."""
    zero, one = np.float32(0.0), np.float32(1.0)
    before = min(rise, max(_FAR - rise, zero))
    return before if rise > zero else max(rise, -one)


@part_of_kernel
def _distance(z: np.float32, optics: Floats) -> np.float32:
    """From the camera's plane, of a normalised depth."""
    near, far = optics[0], optics[1]
    return 2 * near * far / (far + near - z * (far - near))


@part_of_kernel
def _per_depth(distance: np.float32, optics: Floats) -> np.float32:
    """Radii of the hollow test in a step of depth, which is linear in 1 / distance and nearly linear within a head."""
    near, far, radius = optics[0], optics[1], optics[3]
    return distance * distance * (far - near) / (2 * near * far * radius)


@part_of_kernel
def _hollow(depth: Floats, row: int, column: int, sample: int, taps: Ints, optics: Floats) -> np.float32:
    """How far the surface lies below what is around it, in [0, 1]; slopes cancel: taps come in opposite pairs."""
    height, width, samples = depth.shape[0], int(optics[8]), len(SAMPLES)
    z = depth[row, column * samples + sample]
    scale, found = _per_depth(_distance(z, optics), optics), np.float32(0.0)
    for pair in range(0, len(taps), 2):
        right, down = taps[pair, 0], taps[pair, 1]
        # What the picture cuts off has no opposite to cancel its slope.
        if min(row - abs(down), column - abs(right)) < 0 or row + abs(down) >= height or column + abs(right) >= width:
            continue
        one_side = _rise((z - depth[row + down, (column + right) * samples + sample]) * scale)
        other_side = _rise((z - depth[row - down, (column - right) * samples + sample]) * scale)
        found += max(one_side + other_side, np.float32(0.0))
    return min(found / len(taps) * 2, np.float32(1.0))


@kernel
def spread(depth: Floats, extent: Ints, planes: Floats, first: int, last: int) -> None:
    """Depth of the first sample of rows [first, last) into ``planes`` (H, R, W / R): every R-th pixel side by side."""
    rate, columns, samples = planes.shape[1], planes.shape[2], len(SAMPLES)
    for row in range(first, last):
        left, right = extent[row, 0], min(extent[row, 1], depth.shape[1] // samples)
        for m in range(rate):
            for j in range(columns):
                planes[row, m, j] = np.inf
            for j in range(max(left - m + rate - 1, 0) // rate, (right - m + rate - 1) // rate):
                planes[row, m, j] = depth[row, (j * rate + m) * samples]


@part_of_kernel
def _hollows(
    planes: Floats, row: int, left: int, right: int, taps: Ints, optics: Floats, found: Floats, scale: Floats
) -> None:
    """``_hollow`` of the places [left, right) of a row of the grid into ``found``, many at a time."""
    height, rate, width, zero = planes.shape[0], planes.shape[1], int(optics[8]), np.float32(0.0)
    for j in range(left, right):
        scale[j], found[j] = _per_depth(_distance(planes[row, 0, j], optics), optics), zero
    for pair in range(0, len(taps), 2):
        across, down = taps[pair, 0], taps[pair, 1]
        if row < abs(down) or row + abs(down) >= height:
            continue
        begin = max(left, (abs(across) + rate - 1) // rate)
        end = min(right, (width - abs(across) + rate - 1) // rate)
        here = planes[row, 0]
        one_side, other_side = planes[row + down, across % rate], planes[row - down, -across % rate]
        one_step, other_step = across // rate, -across // rate
        for j in range(begin, end):
            one = _rise((here[j] - one_side[j + one_step]) * scale[j])
            other = _rise((here[j] - other_side[j + other_step]) * scale[j])
            found[j] += max(one + other, zero)
    for j in range(left, right):
        found[j] = min(found[j] / len(taps) * 2, np.float32(1.0))


@part_of_kernel
def _lit(x: np.float32, y: np.float32, z: np.float32, shadow_map: Floats, shadow_matrix: Floats) -> np.float32:
    """Share of the key light that reaches a point in camera space: 3 × 3 comparisons with bilinear weights."""
    size, half, one = shadow_map.shape[0], np.float32(0.5), np.float32(1.0)
    m = shadow_matrix
    u = (half + half * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])) * np.float32(size) - half
    v = (half - half * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])) * np.float32(size) - half
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    if not (u > 3.0 and v > 3.0 and u < size - 4 and v < size - 4):
        return one
    column, row = int(u), int(v)
    agree = 0
    for j in range(0, 4, 3):
        for i in range(0, 4, 3):
            agree += 1 if depth <= shadow_map[row - 1 + j, column - 1 + i] else 0
    if agree == 0 or agree == 4:
        return np.float32(agree) * np.float32(0.25)
    fu, fv = u - np.float32(column), v - np.float32(row)
    lit = np.float32(0.0)
    for j in range(4):
        wv = one - fv if j == 0 else (fv if j == 3 else one)
        for i in range(4):
            wu = one - fu if i == 0 else (fu if i == 3 else one)
            lit += wu * wv if depth <= shadow_map[row - 1 + j, column - 1 + i] else np.float32(0.0)
    return lit / np.float32(9.0)


@part_of_kernel
def _weights(px: np.float32, py: np.float32, corners: Floats, a: int, b: int, c: int) -> tuple[np.float32, ...]:
    """Weights of a triangle's corners at a place of the picture, perspective undone, and which way it faces."""
    zero, one = np.float32(0.0), np.float32(1.0)
    ax, ay = corners[a, 0], corners[a, 1]
    bx, by = corners[b, 0] - ax, corners[b, 1] - ay
    cx, cy = corners[c, 0] - ax, corners[c, 1] - ay
    qx, qy = px - ax, py - ay
    area = bx * cy - cx * by
    # rows grow downwards: a triangle of positive area is seen from behind
    side = -one if area > zero else one
    v = max((cx * qy - qx * cy) * side, zero)
    w = max((qx * by - bx * qy) * side, zero)
    u = max(-area * side - v - w, zero)
    u, v, w = u * corners[a, 2], v * corners[b, 2], w * corners[c, 2]
    total = one / (u + v + w + np.float32(1e-30))
    return u * total, v * total, w * total, side


@part_of_kernel
def _area(corners: Floats, a: int, b: int, c: int) -> np.float32:
    """Twice what a triangle covers of the picture, signed, pixels."""
    across, down = corners[a, 0], corners[a, 1]
    bx, by, cx, cy = corners[b, 0] - across, corners[b, 1] - down, corners[c, 0] - across, corners[c, 1] - down
    return bx * cy - cx * by


@part_of_kernel
def _key(
    row: int, column: int, sample: int, z: np.float32, corners: Floats, a: int, b: int, c: int, height: int,
    shadow_map: Floats, shadow_matrix: Floats, optics: Floats,
) -> np.float32:  # fmt: skip
    """Share of the key light that reaches a sample."""
    half, per_pixel = np.float32(0.5), _distance(z, optics) / optics[2]
    px, py = np.float32(column) + SAMPLES[sample, 0], np.float32(row) + SAMPLES[sample, 1]
    u, v, w, side = _weights(px, py, corners, a, b, c)
    nx = u * corners[a, 3] + v * corners[b, 3] + w * corners[c, 3]
    ny = u * corners[a, 4] + v * corners[b, 4] + w * corners[c, 4]
    nz = u * corners[a, 5] + v * corners[b, 5] + w * corners[c, 5]
    lift = side * optics[6] / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
    x = (px - half * optics[8]) * per_pixel + lift * nx
    y = (half * np.float32(height) - py) * per_pixel + lift * ny
    return _lit(x, y, lift * nz - per_pixel * optics[2], shadow_map, shadow_matrix)


@kernel
def dim(
    grid: Floats, planes: Floats, ids: Ints, extent: Ints, corners: Floats, triangles: Ints, parts: Ints,
    shadow_map: Floats, shadow_matrix: Floats, taps: Ints, optics: Floats, first: int, last: int,
) -> None:  # fmt: skip
    """Fill rows [first, last) of ``grid`` (H / R + 1, W / R + 1, 4) with depth, part, hollowness and key light.

    They are those of the first sample of each R-th pixel of each R-th row; see ``shade`` for the rest, and ``spread``
    for ``planes``.
    """
    height, rate, columns = planes.shape
    found, scale = np.empty(columns, dtype=np.float32), np.empty(columns, dtype=np.float32)
    for i in range(first, last):
        row = i * rate
        left, right = extent[row, 0] // rate, min(columns, (extent[row, 1] + rate - 1) // rate)
        for j in range(columns):
            grid[i, j, 1] = -1.0
        _hollows(planes, row, left, right, taps, optics, found, scale)
        for j in range(left, right):
            z = planes[row, 0, j]
            if z < np.inf:
                t = ids[row, j * rate * len(SAMPLES)]
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                lit = _key(row, j * rate, 0, z, corners, a, b, c, height, shadow_map, shadow_matrix, optics)
                grid[i, j, 0], grid[i, j, 1], grid[i, j, 2], grid[i, j, 3] = z, parts[t], found[j], lit


@part_of_kernel
def _from_grid(
    grid: Floats, i: int, j: int, down: np.float32, across: np.float32, z: np.float32, part: int, step: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Hollowness and light between four places of the grid, from those that lie on a surface; their weight."""
    hollow, lit, total, kind = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(part)
    for k in range(2):
        for m in range(2):
            weight = (down if k else np.float32(1.0) - down) * (across if m else np.float32(1.0) - across)
            fits = (grid[i + k, j + m, 1] == kind) & (abs(grid[i + k, j + m, 0] - z) < step)
            weight = weight if fits else np.float32(0.0)
            hollow += weight * grid[i + k, j + m, 2]
            lit += weight * grid[i + k, j + m, 3]
            total += weight
    return hollow, lit, total


@kernel
def shade(
    image: Image, background: Floats, ids: Ints, depth: Floats, extent: Ints, corners: Floats, triangles: Ints,
    parts: Ints, materials: Floats, lights: Floats, ambient: Floats, grid: Floats, rate: int, shadow_map: Floats,
    shadow_matrix: Floats, taps: Ints, optics: Floats, encode: NDArray[np.uint8], inner: NDArray[np.int8],
    looks: Looks, painted: bool, tangent: Floats, first: int, last: int,
) -> None:  # fmt: skip
    """Shade rows [first, last) of ``image``, where something is seen.

    Args:
        image: (H, W, 3), or (H, W, 4) with coverage; it holds the background.
        background: (H, W, 3) linear.
        ids: (H, 4 W) triangle of each sample.
        depth: (H, 4 W) normalised depth, +inf where empty.
        extent: (H, 2) where in a row there is something.
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
        inner: (T,) which side of a triangle is the inside of the head: 1 the back, -1 the front, 0 neither.
        looks: the textures.
        painted: whether base colours come from them.
        tangent: (T, 6) see ``tangents``.
        first: first row to shade.
        last: one past the last.
    """
    zero, half, one, per_rate = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(1.0 / rate)
    height, width, samples = image.shape[0], image.shape[1], len(SAMPLES)
    pixels, behind = image.reshape(height * width, image.shape[2]), background.reshape(height * width, 3)
    light_by = materials, lights, ambient
    batches = np.zeros((len(materials), 8, BATCH), dtype=np.float32)
    where = np.zeros((len(materials), BATCH), dtype=np.int32)
    filled = np.zeros(len(materials), dtype=np.int32)
    work = np.empty((8, BATCH), dtype=np.float32)
    edges = np.empty((2 * width * samples, 3), dtype=np.float32)
    edge_pixels = np.empty((len(edges), 2), dtype=np.int32)
    edge_count = 0
    seen = np.empty(samples, dtype=np.int32)
    for row in range(first, last):
        if edge_count > width * samples:  # there might not be room for another row
            finish(pixels, behind, batches, where, filled, edges, edge_pixels, edge_count, *light_by, work, encode)
            edge_count = 0
        left = extent[row, 0]
        i, j = row // rate, left // rate
        down, phase = np.float32(row - i * rate) / np.float32(rate), left - j * rate - 1
        for column in range(left, min(extent[row, 1], width)):
            phase += 1
            if phase == rate:
                phase, j = 0, j + 1
            place, same = column * samples, True
            for s in range(samples):
                seen[s] = ids[row, place + s] if depth[row, place + s] < np.inf else -1
                same &= seen[s] == seen[0]
            if same and seen[0] < 0:
                continue
            most = 1 if same else samples
            for s in range(most):
                t = seen[s]
                if t < 0:
                    continue
                part, z, covered = parts[t], depth[row, place + s], 0
                nx, ny, nz, cr, cg, cb = zero, zero, zero, zero, zero, zero
                for k in range(s, most):
                    t = seen[k]
                    if t < 0 or parts[t] != part or abs(depth[row, place + k] - z) > optics[7]:
                        continue
                    count, px, py = samples, half, half
                    if not same:
                        count, px, py = 0, zero, zero
                        for other in range(k, samples):
                            if seen[other] == t:
                                count += 1
                                px += SAMPLES[other, 0]
                                py += SAMPLES[other, 1]
                                seen[other] = -1
                        px, py = px / np.float32(count), py / np.float32(count)
                    px, py, share = px + np.float32(column), py + np.float32(row), np.float32(count)
                    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    u, v, w, side = _weights(px, py, corners, a, b, c)
                    mx = u * corners[a, 3] + v * corners[b, 3] + w * corners[c, 3]
                    my = u * corners[a, 4] + v * corners[b, 4] + w * corners[c, 4]
                    mz = u * corners[a, 5] + v * corners[b, 5] + w * corners[c, 5]
                    tr = u * corners[a, 6] + v * corners[b, 6] + w * corners[c, 6]
                    tg = u * corners[a, 7] + v * corners[b, 7] + w * corners[c, 7]
                    tb = u * corners[a, 8] + v * corners[b, 8] + w * corners[c, 8]
                    kind = looks.of_triangle[t]
                    if kind >= 0:
                        area = _area(corners, a, b, c)
                        if painted and looks.pictures[kind, 0] >= 0:
                            tr, tg, tb, _ = look_up(looks, 0, t, u, v, w, area)
                            tr *= looks.factors[kind, 0]
                            tg *= looks.factors[kind, 1]
                            tb *= looks.factors[kind, 2]
                        if looks.pictures[kind, 2] >= 0:
                            mx, my, mz = bend(looks, t, tangent[t], (u, v, w), area, (mx, my, mz))
                    if np.float32(inner[t]) * side < zero:
                        tr, tg, tb = tr * INSIDE[0], tg * INSIDE[1], tb * INSIDE[2]
                    nx, ny, nz = nx + share * side * mx, ny + share * side * my, nz + share * side * mz
                    cr, cg, cb = cr + share * tr, cg + share * tg, cb + share * tb
                    covered += count
                length = one / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
                share = one / np.float32(covered)
                cr, cg, cb = cr * share, cg * share, cb * share
                if part + 1 == len(materials):
                    cr, cg, cb = eye_colour(cr, cg, cb, 0), eye_colour(cr, cg, cb, 1), eye_colour(cr, cg, cb, 2)
                hollow, lit, total = _from_grid(grid, i, j, down, np.float32(phase) * per_rate, z, part, 4 * optics[7])
                if total > np.float32(0.1):
                    hollow, lit = hollow / total, lit / total
                else:
                    hollow = _hollow(depth, row, column, s, taps, optics)
                    lit = _key(row, column, s, z, corners, a, b, c, height, shadow_map, shadow_matrix, optics)
                n = filled[part]
                batches[part, 0, n], batches[part, 1, n], batches[part, 2, n] = nx * length, ny * length, nz * length
                batches[part, 3, n], batches[part, 4, n], batches[part, 5, n] = cr, cg, cb
                batches[part, 6, n] = one - optics[4] * materials[part, 5] * hollow
                batches[part, 7, n] = one - optics[5] * materials[part, 5] * (one - lit)
                where[part, n] = row * width + column
                if covered < samples:
                    edge_pixels[edge_count, 0], edge_pixels[edge_count, 1] = where[part, n], covered
                    edge_count += 1
                    where[part, n] = -edge_count
                filled[part] = n + 1
                if n + 1 == BATCH:
                    light(batches[part], materials[part], lights, ambient, work)
                    put(pixels, edges, batches[part], where[part], encode)
                    filled[part] = 0
    finish(pixels, behind, batches, where, filled, edges, edge_pixels, edge_count, *light_by, work, encode)
