"""What shading needs beside the picture: colours in linear light, tables of lights and materials, normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints
from sedtalker.render.kernels import inner_kernel, kernel
from sedtalker.render.light import IRIS, IRIS_COLOUR, MATERIALS, PUPIL, PUPIL_COLOUR, Background, Lighting, to_linear
from sedtalker.render.planes import FIRST, WIDTH

TAPS = 24
"""How many places around a pixel the hollow test looks at."""
INSIDE = ("mouth", "teeth", "tongue")
"""Materials that lie in a mouth."""


def backdrop(behind: Background | NDArray[np.uint8] | str, width: int, height: int) -> Floats:
    """(H, W, 3) linear light of what is behind the head; black where that is nothing.

    A picture fills the whole: it is scaled alike in both directions, and what is too much is cut off on both sides.
    """
    if isinstance(behind, str):
        return np.zeros((height, width, 3), dtype=np.float32)
    if isinstance(behind, np.ndarray):
        from PIL import Image as Pictures
        from PIL import ImageOps

        fitted = ImageOps.fit(Pictures.fromarray(behind), (width, height), Pictures.Resampling.LANCZOS)
        return to_linear(np.asarray(fitted, dtype=np.float32) / 255)
    top, bottom = behind if isinstance(behind[0], tuple) else (behind, behind)
    share = (np.arange(height, dtype=np.float32) / max(height - 1, 1))[:, None]
    column = (1 - share) * np.asarray(top, np.float32) + share * np.asarray(bottom, np.float32)
    return np.ascontiguousarray(np.broadcast_to(to_linear(column)[:, None], (height, width, 3)))


def material_table() -> Floats:
    """(M + 1, 6): specular strength, log2 of its exponent, wrap per channel and share of shade of each material.

    The last is the eye's again, for eyeballs that have directions (``blank_eyes``) in place of colours.
    """
    materials = [*MATERIALS.values(), MATERIALS["eye"]]
    rows = [(m.specular, m.sharpness, *m.wrap, m.shade) for m in materials]
    return np.array(rows, dtype=np.float32)


def light_table(lighting: Lighting) -> Floats:
    """(M + 1, L, 10) for each row of ``material_table``: direction to the light in camera space, linear colour times
    strength, specular share, half vector.

    The half vector is that of the picture's middle; with a portrait lens it is near enough everywhere. Light from
    behind the head does not come into a mouth.
    """
    rows = []
    for light in lighting.lights:
        towards = light.direction()
        half = towards + np.array([0.0, 0.0, 1.0], dtype=np.float32)
        half /= np.linalg.norm(half)
        rows.append((*towards, *(c * light.strength for c in light.colour), light.specular, *half))
    table = np.tile(np.array(rows, dtype=np.float32), (len(MATERIALS) + 1, 1, 1))
    inside = np.isin([*MATERIALS, "eye"], INSIDE)
    table[..., 3:6][inside[:, None] & (table[..., 2] < 0)] = 0.0
    return table


def tap_table(reach: float) -> Ints:
    """(TAPS, 2) pixels right and down, opposite ones side by side, at which the hollow test looks: a disc.

    ``reach`` is its radius, pixels; the places follow the golden angle.
    """
    half = TAPS // 2
    radius = reach * np.sqrt((np.arange(half) + 0.5) / half)
    angle = np.arange(half) * np.pi * (3 - np.sqrt(5))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.stack([points, -points], axis=1).reshape(TAPS, 2).astype(np.int32)


_EYE_COLOURS = to_linear(np.array([MATERIALS["eye"].colour, IRIS_COLOUR, PUPIL_COLOUR]))
"""Linear colour of white, iris and pupil."""
_SOFT = 2.0
"""Degrees over which one becomes the other."""
_EDGES = np.cos(np.radians([[IRIS + _SOFT / 2, IRIS - _SOFT / 2], [PUPIL + _SOFT / 2, PUPIL - _SOFT / 2]])).astype(
    np.float32
)
"""Cosines between which white becomes iris, and iris becomes pupil."""


@inner_kernel
def eye_colour(x: np.float32, y: np.float32, z: np.float32, channel: int) -> np.float32:
    """Linear colour of white, iris or pupil of an eyeball in a direction from its middle; +Z is its front."""
    cosine = z / np.sqrt(x * x + y * y + z * z + np.float32(1e-20))
    colour = _EYE_COLOURS[0, channel]
    for k in range(2):
        share = (cosine - _EDGES[k, 0]) / (_EDGES[k, 1] - _EDGES[k, 0])
        colour += min(max(share, np.float32(0.0)), np.float32(1.0)) * (_EYE_COLOURS[k + 1, channel] - colour)
    return colour


@kernel
def in_camera(vertices: Floats, sources: Ints, view: Doubles) -> Floats:
    """(W, 3) the vertices ``sources`` (W,) of (V, 3) seen from the camera, whose matrix ``view`` (4, 4) is."""
    points = np.empty((len(sources), 3), dtype=np.float32)
    for i in range(len(sources)):
        source = sources[i]
        x, y, z = vertices[source, 0], vertices[source, 1], vertices[source, 2]
        for k in range(3):
            points[i, k] = view[k, 0] * x + view[k, 1] * y + view[k, 2] * z + view[k, 3]
    return points


@kernel
def compiled_normals(vertices: Floats, triangles: Ints, weld: Ints) -> Floats:
    """``sedtalker.mesh.mesh.welded_normals`` for every picture of a video: in a tenth of the time."""
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


@kernel
def pack(screen: Doubles, normals: Floats, colours: Floats) -> Floats:
    """(V, FIRST + WIDTH): x, y and 1 / w of ``to_screen``, then normal, linear colour and 1, all three times 1 / w."""
    packed = np.empty((len(screen), FIRST + WIDTH), dtype=np.float32)
    for i in range(len(screen)):
        near = np.float32(screen[i, 3])
        packed[i, 0], packed[i, 1], packed[i, 2] = screen[i, 0], screen[i, 1], near
        for k in range(3):
            packed[i, FIRST + k] = normals[i, k] * near
            packed[i, FIRST + 3 + k] = colours[i, k] * near
        packed[i, FIRST + 6], packed[i, FIRST + 7] = near, np.float32(0.0)
    return packed
