"""Per-pixel shading of the id buffer: wrapped diffuse, soft highlights, one soft shadow, darker hollows.

All light is linear; the picture is encoded to sRGB at the end. A pixel has four samples; each triangle seen by any of
them is shaded once, at the middle of its samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.mesh.mesh import Floats, Ints, Mesh
from sedtalker.mesh.rasteriser import kernel
from sedtalker.render.light import IRIS, IRIS_COLOUR, MATERIALS, PUPIL, PUPIL_COLOUR, Background, Lighting

Image = NDArray[np.uint8]
"""(H, W, 3) sRGB."""
SAMPLES = np.array([[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]], dtype=np.float32)
"""Where a pixel is sampled: a rotated grid, no two in one row or column, smooths nearly upright edges too."""
TAPS = 24
"""How many places around a pixel the hollow test looks at."""
_FAR = np.float32(2.5)
"""What is nearer than the pixel by more than this, in radii of the hollow test, does not darken it."""
_LEVELS = 4095
"""Steps of linear light in the table of sRGB bytes."""


def to_linear(colours: NDArray[np.floating]) -> Floats:
    """SRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    clipped = np.clip(np.asarray(colours, dtype=np.float32), 0.0, 1.0)
    return np.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4).astype(np.float32)


def backdrop(background: Background, width: int, height: int) -> Floats:
    """(H, W, 3) linear background."""
    top, bottom = background if isinstance(background[0], tuple) else (background, background)
    share = (np.arange(height, dtype=np.float32) / max(height - 1, 1))[:, None]
    column = (1 - share) * np.asarray(top, np.float32) + share * np.asarray(bottom, np.float32)
    return np.ascontiguousarray(np.broadcast_to(to_linear(column)[:, None], (height, width, 3)))


def encode_table() -> NDArray[np.uint8]:
    """(4096,) sRGB byte of linear light i / 4095."""
    light = np.arange(_LEVELS + 1) / _LEVELS
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)


def material_table() -> Floats:
    """(M + 1, 6): specular strength, log2 of its exponent, wrap per channel and share of shade of each material.

    The last is the eye's again, for eyeballs that have directions (``blank_eyes``) in place of colours.
    """
    materials = [*MATERIALS.values(), MATERIALS["eye"]]
    rows = [(m.specular, m.sharpness, *m.wrap, m.shade) for m in materials]
    return np.array(rows, dtype=np.float32)


def light_table(lighting: Lighting) -> Floats:
    """(L, 10): direction to the light in camera space, linear colour times strength, specular share, half vector.

    The half vector is that of the picture's middle; with a portrait lens it is near enough everywhere.
    """
    rows = []
    for light in lighting.lights:
        towards = light.direction()
        half = towards + np.array([0.0, 0.0, 1.0], dtype=np.float32)
        half /= np.linalg.norm(half)
        rows.append((*towards, *(c * light.strength for c in light.colour), light.specular, *half))
    return np.array(rows, dtype=np.float32)


def tap_table() -> Floats:
    """(TAPS, 2) offsets, opposite ones side by side, at which the hollow test looks; unit disc, golden angle."""
    half = TAPS // 2
    radius = np.sqrt((np.arange(half) + 0.5) / half)
    angle = np.arange(half) * np.pi * (3 - np.sqrt(5))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.stack([points, -points], axis=1).reshape(TAPS, 2).astype(np.float32)


_EYE_COLOURS = to_linear(np.array([MATERIALS["eye"].colour, IRIS_COLOUR, PUPIL_COLOUR]))
"""Linear colour of white, iris and pupil."""
_SOFT = 2.0
"""Degrees over which one becomes the other."""
_EDGES = np.cos(np.radians([[IRIS + _SOFT / 2, IRIS - _SOFT / 2], [PUPIL + _SOFT / 2, PUPIL - _SOFT / 2]])).astype(
    np.float32
)
"""Cosines between which white becomes iris, and iris becomes pupil."""


@kernel
def _eye_colour(x: np.float32, y: np.float32, z: np.float32, channel: int) -> np.float32:
    """Linear colour of white, iris or pupil of an eyeball in a direction from its middle; +Z is its front."""
    cosine = z / np.sqrt(x * x + y * y + z * z + np.float32(1e-20))
    colour = _EYE_COLOURS[0, channel]
    for k in range(2):
        share = (cosine - _EDGES[k, 0]) / (_EDGES[k, 1] - _EDGES[k, 0])
        colour += min(max(share, np.float32(0.0)), np.float32(1.0)) * (_EYE_COLOURS[k + 1, channel] - colour)
    return colour


@kernel
def welded_normals(vertices: Floats, triangles: Ints, weld: Ints) -> Floats:
    """(V, 3) area-weighted unit normals; vertices with the same ``weld`` (V,) entry share theirs."""
    total = np.zeros((len(vertices), 3), dtype=np.float32)
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        ux, uy, uz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
        vx, vy, vz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            shared = weld[corner]
            total[shared, 0] += nx
            total[shared, 1] += ny
            total[shared, 2] += nz
    normals = np.empty((len(vertices), 3), dtype=np.float32)
    for i in range(len(vertices)):
        x, y, z = total[weld[i], 0], total[weld[i], 1], total[weld[i], 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 1e-30:
            normals[i, 0], normals[i, 1], normals[i, 2] = x / length, y / length, z / length
        else:
            normals[i, 0], normals[i, 1], normals[i, 2] = 0.0, 0.0, 1.0
    return normals


def weld_map(mesh: Mesh) -> Ints:
    """(V,) first vertex at the same place with much the same normal, so that split vertices shade smoothly."""
    vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
    own = np.arange(len(vertices), dtype=np.int32)
    if len(vertices) == 0:
        return own
    normals = welded_normals(vertices, np.ascontiguousarray(mesh.triangles), own)
    grain = max(float(np.ptp(vertices, axis=0).max()), 1e-12) * 1e-5
    _, first, place = np.unique(
        np.round(vertices / grain).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    twin = first[place.reshape(-1)].astype(np.int32)
    alike = (normals * normals[twin]).sum(axis=1) > 0.5
    return np.where(alike, twin, own).astype(np.int32)


@kernel
def pack(screen: NDArray[np.float64], points: Floats, normals: Floats, colours: Floats) -> Floats:
    """(V, 12): x, y and 1 / w of ``to_screen``, then position, normal and linear colour, side by side in memory."""
    packed = np.empty((len(points), 12), dtype=np.float32)
    for i in range(len(points)):
        packed[i, 0], packed[i, 1], packed[i, 2] = screen[i, 0], screen[i, 1], screen[i, 3]
        for k in range(3):
            packed[i, 3 + k] = points[i, k]
            packed[i, 6 + k] = normals[i, k]
            packed[i, 9 + k] = colours[i, k]
    return packed


@kernel
def _shoulder(light: np.float32) -> np.float32:
    """Light above 0.7 bends softly towards 1 instead of clipping."""
    knee = np.float32(0.7)
    if light <= knee:
        return light
    room = np.float32(1.0) - knee
    return np.float32(1.0 - room * np.exp((knee - light) / room))


@kernel
def _hollow(depth: Floats, row: int, column: int, taps: Floats, optics: Floats) -> np.float32:
    """How far the surface lies below what is around it, in [0, 1]; slopes cancel: taps come in opposite pairs."""
    height, width = depth.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    near, far, focal, radius = optics[0], optics[1], optics[2], optics[3]
    z = depth[row, column]
    if not z <= one:
        return zero
    here = 2 * near * far / (far + near - z * (far - near))
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
            rise = (z - depth[row + sign * down, column + sign * right]) * per_depth
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
def _one_surface(seen: Ints, parts: Ints, depth: Floats, row: int, column: int, step: np.float32) -> bool:
    """Whether a pixel's samples lie on one smooth piece: then its first triangle stands for all of them."""
    if seen[0] == seen[1] and seen[0] == seen[2] and seen[0] == seen[3]:
        return False
    for s in range(4):
        if seen[s] < 0 or parts[seen[s]] != parts[seen[0]]:
            return False
        if abs(depth[s, row, column] - depth[0, row, column]) > step:
            return False
    return True


@kernel
def shade(
    image: NDArray[np.uint8],
    background: Floats,
    ids: Ints,
    samples: Floats,
    depth: Floats,
    corners: Floats,
    triangles: Ints,
    parts: Ints,
    materials: Floats,
    lights: Floats,
    ambient: Floats,
    shadow_map: Floats,
    shadow_matrix: NDArray[np.float64],
    taps: Floats,
    optics: Floats,
    encode: NDArray[np.uint8],
    first_row: int,
    last_row: int,
) -> None:
    """Shade rows [first_row, last_row) of ``image`` (H, W, 3) from ``ids`` (4, H, W).

    Args:
        image: written.
        background: (H, W, 3) linear.
        ids: triangle of each sample, −1 where empty.
        samples: see ``SAMPLES``.
        depth: (4, H, W) normalised depth of each sample.
        corners: (V, 12) what ``pack`` gives.
        triangles: (T, 3).
        parts: (T,) row of ``materials`` for each triangle; the last row's have directions in place of colours.
        materials: see ``material_table``.
        lights: see ``light_table``; the first casts the shadow.
        ambient: (2, 3) linear light from above and from below.
        shadow_map: (S, S) normalised depth seen from the first light.
        shadow_matrix: (4, 4) camera space to the shadow map's clip space.
        taps: see ``tap_table``.
        optics: near, far, focal length in pixels, radius of hollows, their strength, the shadow's strength, its bias,
            and the step in normalised depth that parts one surface from another.
        encode: see ``encode_table``.
        first_row: first row to shade.
        last_row: one past the last.
    """
    width = image.shape[1]
    seen = np.empty(4, dtype=np.int32)
    part_of_pixel = np.float32(0.25)
    zero, half, one = np.float32(0.0), np.float32(0.5), np.float32(1.0)
    for row in range(first_row, last_row):
        for column in range(width):
            for s in range(4):
                seen[s] = ids[s, row, column]
            if _one_surface(seen, parts, depth, row, column, optics[7]):
                seen[:] = seen[0]
            red, green, blue = zero, zero, zero
            empty = 0
            for s in range(4):
                t = seen[s]
                if t == -2:
                    continue
                if t == -1:
                    empty += 1
                    continue
                count, px, py = zero, zero, zero
                for other in range(s, 4):
                    if seen[other] == t:
                        count += one
                        px += samples[other, 0]
                        py += samples[other, 1]
                        seen[other] = -2
                share = one / count
                a, b, c = corners[triangles[t, 0]], corners[triangles[t, 1]], corners[triangles[t, 2]]
                bx, by = b[0] - a[0], b[1] - a[1]
                cx, cy = c[0] - a[0], c[1] - a[1]
                px, py = px * share + np.float32(column), py * share + np.float32(row)
                qx, qy = px - a[0], py - a[1]
                area = bx * cy - cx * by
                v = min(max((qx * cy - cx * qy) / area, zero), one)
                w = min(max((bx * qy - qx * by) / area, zero), one - v)
                u, v, w = (one - v - w) * a[2], v * b[2], w * c[2]
                total = one / (u + v + w)
                u, v, w = u * total, v * total, w * total
                x = u * a[3] + v * b[3] + w * c[3]
                y = u * a[4] + v * b[4] + w * c[4]
                z = u * a[5] + v * b[5] + w * c[5]
                nx = u * a[6] + v * b[6] + w * c[6]
                ny = u * a[7] + v * b[7] + w * c[7]
                nz = u * a[8] + v * b[8] + w * c[8]
                length = one / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-20))
                if area > 0.0:  # rows grow downwards: a triangle seen from behind
                    length = -length
                nx, ny, nz = nx * length, ny * length, nz * length
                part = parts[t]
                hollow = _hollow(depth[0], row, column, taps, optics)
                open_sky = one - optics[4] * materials[part, 5] * hollow
                up = half + half * ny
                lr = (ambient[1, 0] + (ambient[0, 0] - ambient[1, 0]) * up) * open_sky
                lg = (ambient[1, 1] + (ambient[0, 1] - ambient[1, 1]) * up) * open_sky
                lb = (ambient[1, 2] + (ambient[0, 2] - ambient[1, 2]) * up) * open_sky
                sr, sg, sb = zero, zero, zero
                wr, wg, wb = materials[part, 2], materials[part, 3], materials[part, 4]
                for i in range(len(lights)):
                    facing = nx * lights[i, 0] + ny * lights[i, 1] + nz * lights[i, 2]
                    if facing <= -max(wr, wg, wb):
                        continue
                    direct = open_sky
                    if i == 0:
                        bias = optics[6]
                        lit = _lit(x + bias * nx, y + bias * ny, z + bias * nz, shadow_map, shadow_matrix)
                        direct *= one - optics[5] * materials[part, 5] * (one - lit)
                    lr += lights[i, 3] * direct * max((facing + wr) / (1 + wr), zero) ** 2
                    lg += lights[i, 4] * direct * max((facing + wg) / (1 + wg), zero) ** 2
                    lb += lights[i, 5] * direct * max((facing + wb) / (1 + wb), zero) ** 2
                    if facing > 0.0 and lights[i, 6] > 0.0:
                        shine = max(nx * lights[i, 7] + ny * lights[i, 8] + nz * lights[i, 9], zero)
                        for _ in range(int(materials[part, 1])):
                            shine *= shine
                        shine *= materials[part, 0] * lights[i, 6] * direct * min(facing * 4, one)
                        sr += lights[i, 3] * shine
                        sg += lights[i, 4] * shine
                        sb += lights[i, 5] * shine
                cr = u * a[9] + v * b[9] + w * c[9]
                cg = u * a[10] + v * b[10] + w * c[10]
                cb = u * a[11] + v * b[11] + w * c[11]
                if part + 1 == len(materials):
                    cr, cg, cb = _eye_colour(cr, cg, cb, 0), _eye_colour(cr, cg, cb, 1), _eye_colour(cr, cg, cb, 2)
                red += count * _shoulder(lr * cr + sr)
                green += count * _shoulder(lg * cg + sg)
                blue += count * _shoulder(lb * cb + sb)
            red = (red + empty * background[row, column, 0]) * part_of_pixel
            green = (green + empty * background[row, column, 1]) * part_of_pixel
            blue = (blue + empty * background[row, column, 2]) * part_of_pixel
            top = len(encode) - 1
            image[row, column, 0] = encode[min(int(red * top + half), top)]
            image[row, column, 1] = encode[min(int(green * top + half), top)]
            image[row, column, 2] = encode[min(int(blue * top + half), top)]
