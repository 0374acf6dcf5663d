"""How much light reaches what is seen: the key light's shadow and hollows, on a coarser grid than the pixels'."""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats, Ints
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.gathering import Dimmed, Gathered, Index, Scene
from sedtalker.render.kernels import inner_kernel, kernel, part_of_kernel
from sedtalker.render.planes import FIRST, between, weights_at

_FAR = np.float32(2.5)
"""What is nearer than the pixel by more than this, in radii of the hollow test, does not darken it."""
_ENOUGH = np.float32(0.1)
"""Weight of the places of the grid that lie on a fragment's surface, at least; else it is looked at by itself."""


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
    return np.float32(2.0) * near * far / (far + near - z * (far - near))


@part_of_kernel
def _per_depth(distance: np.float32, optics: Floats) -> np.float32:
    """Radii of the hollow test in a step of depth, which is linear in 1 / distance and nearly linear within a head."""
    near, far, radius = optics[0], optics[1], optics[3]
    return distance * distance * (far - near) / (np.float32(2.0) * near * far * radius)


@part_of_kernel
def _hollow(depth: Floats, row: Index, column: Index, sample: Index, taps: Ints, optics: Floats) -> np.float32:
    """How far the surface lies below what is around it, in [0, 1]; slopes cancel: taps come in opposite pairs."""
    height, width, samples = depth.shape[0], int(optics[5]), len(SAMPLES)
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
    return min(found * np.float32(2.0 / len(taps)), np.float32(1.0))


@inner_kernel
def spread(depth: Floats, extent: Ints, planes: Floats, first: int, last: int) -> None:
    """Depth of the first sample of rows [first, last) into ``planes`` (H, R, W / R): every R-th pixel side by side."""
    rate, columns, samples = planes.shape[1], planes.shape[2], len(SAMPLES)
    for row in range(first, last):
        left, right = extent[row, 0], min(extent[row, 1], depth.shape[1] // samples)
        for m in range(rate):
            for j in range(columns):
                planes[row, m, j] = np.inf
            for j in range(max(left - m + rate - 1, 0) // rate, min((right - m + rate - 1) // rate, columns)):
                planes[row, m, j] = depth[row, (j * rate + m) * samples]


@part_of_kernel
def _hollows(
    planes: Floats, row: int, left: int, right: int, taps: Ints, optics: Floats, found: Floats, scale: Floats
) -> None:
    """``_hollow`` of the places [left, right) of a row of the grid into ``found``, many at a time."""
    height, rate, width, zero = planes.shape[0], planes.shape[1], int(optics[5]), np.float32(0.0)
    here, rim, per_depth = planes[row, 0, left:right], found[left:right], scale[left:right]
    for j in range(len(here)):
        per_depth[j], rim[j] = _per_depth(_distance(here[j], optics), optics), zero
    for pair in range(0, len(taps), 2):
        across, down = taps[pair, 0], taps[pair, 1]
        if row < abs(down) or row + abs(down) >= height:
            continue
        begin = max(left, (abs(across) + rate - 1) // rate)
        end = min(right, (width - abs(across) + rate - 1) // rate)
        if begin >= end:
            continue
        # Slices of their own, counted from 0: only so the compiler sees that these are neighbours in memory.
        here, rim, per_depth = planes[row, 0, begin:end], found[begin:end], scale[begin:end]
        one_step, other_step = across // rate, -across // rate
        one_side = planes[row + down, across % rate, begin + one_step : end + one_step]
        other_side = planes[row - down, -across % rate, begin + other_step : end + other_step]
        for j in range(len(here)):
            one = _rise((here[j] - one_side[j]) * per_depth[j])
            other = _rise((here[j] - other_side[j]) * per_depth[j])
            rim[j] += max(one + other, zero)
    share, rim = np.float32(2.0 / len(taps)), found[left:right]
    for j in range(len(rim)):
        rim[j] = min(rim[j] * share, np.float32(1.0))


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
def _key(
    row: Index, column: Index, sample: Index, z: np.float32, corners: Floats, a: int, b: int, c: int, height: int,
    shadow_map: Floats, shadow_matrix: Floats, optics: Floats,
) -> np.float32:  # fmt: skip
    """Share of the key light that reaches a sample."""
    half, per_pixel = np.float32(0.5), _distance(z, optics) / optics[2]
    px, py = np.float32(column) + SAMPLES[sample, 0], np.float32(row) + SAMPLES[sample, 1]
    u, v, w, side, _ = weights_at(px, py, corners, a, b, c)
    nx, ny, nz = between(corners, FIRST, a, b, c, u, v, w)
    lift = side * optics[4] / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
    x = (px - half * optics[5]) * per_pixel + lift * nx
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
    grid: Floats, i: Index, j: Index, down: np.float32, across: np.float32, z: np.float32, part: int, step: np.float32
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


@part_of_kernel
def along_row(dimmed: Dimmed, row: int, left: int, right: int, line: Index) -> None:
    """What the grid says of pixels [left, right) of a row whose four places around all lie on one part.

    Into ``found`` at ``line`` go hollowness, key light, and the depths between which all four places fit; into
    ``found_parts`` the part, or -1 where the four are on several.
    """
    grid, rate, found, parts, step = dimmed.grid, dimmed.rate, dimmed.found, dimmed.found_parts, dimmed.step
    i, per_rate = np.uint32(row // rate), np.float32(1.0) / np.float32(rate)
    down = np.float32(row - i * rate) * per_rate
    for j in range(left // rate, (right + rate - 1) // rate):
        here = np.uint32(j)
        part = grid[i, here, 1]
        one = (grid[i, here + 1, 1] == part) & (grid[i + 1, here, 1] == part) & (grid[i + 1, here + 1, 1] == part)
        z, y, x, w = grid[i, here, 0], grid[i, here + 1, 0], grid[i + 1, here, 0], grid[i + 1, here + 1, 0]
        near, far, kind = max(max(z, y), max(x, w)) - step, min(min(z, y), min(x, w)) + step, np.int32(part)
        kind = kind if one else np.int32(-1)
        hollow = grid[i, here, 2] + down * (grid[i + 1, here, 2] - grid[i, here, 2])
        lit = grid[i, here, 3] + down * (grid[i + 1, here, 3] - grid[i, here, 3])
        more = (grid[i, here + 1, 2] + down * (grid[i + 1, here + 1, 2] - grid[i, here + 1, 2]) - hollow) * per_rate
        brighter = (grid[i, here + 1, 3] + down * (grid[i + 1, here + 1, 3] - grid[i, here + 1, 3]) - lit) * per_rate
        for k in range(rate):
            column = np.uint32(here * rate + k)
            found[line, 0, column] = hollow + np.float32(k) * more
            found[line, 1, column] = lit + np.float32(k) * brighter
            found[line, 2, column], found[line, 3, column], parts[line, column] = near, far, kind


@inner_kernel
def look_closely(scene: Scene, gathered: Gathered, dimmed: Dimmed) -> None:
    """Light of the ``late`` fragments: from the places of the grid on its surface, or where none is, of it alone."""
    grid, rate, hollows, shadow = dimmed.grid, dimmed.rate, dimmed.hollows, dimmed.shadow
    depth, materials, late, shares = scene.depth, scene.materials, gathered.late, gathered.shares
    one, per_rate = np.float32(1.0), np.float32(1.0) / np.float32(rate)
    for m in range(gathered.counts[2]):
        part, n, row, column = late[m, 0], np.uint32(late[m, 1]), np.uint32(late[m, 2]), np.uint32(late[m, 3])
        sample, t = np.uint32(late[m, 4]), np.uint32(late[m, 5])
        i, j = np.uint32(row // rate), np.uint32(column // rate)
        down, across = np.float32(row - i * rate) * per_rate, np.float32(column - j * rate) * per_rate
        z = depth[row, column * len(SAMPLES) + sample]
        hollow, lit, total = _from_grid(grid, i, j, down, across, z, part, dimmed.step)
        if total > _ENOUGH:
            hollow, lit = hollow / total, lit / total
        else:
            a, b, c = scene.triangles[t, 0], scene.triangles[t, 1], scene.triangles[t, 2]
            hollow = _hollow(depth, row, column, sample, dimmed.taps, dimmed.optics)
            lit = _key(
                row, column, sample, z, scene.corners, a, b, c, depth.shape[0], dimmed.shadow_map,
                dimmed.shadow_matrix, dimmed.optics,
            )  # fmt: skip
        shares[part, 0, n] = one - hollows * materials[part, 5] * hollow
        shares[part, 1, n] = one - shadow * materials[part, 5] * (one - lit)
    gathered.counts[2] = 0
