"""Lighting of fragments, many of one material at a time, and how they become pixels.

All light is linear; the picture is encoded to sRGB at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.mesh.mesh import Floats, Ints
from sedtalker.mesh.rasteriser import kernel
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.shading import Image

BATCH = 256
"""Fragments of one material that are lit at a time."""
_KNEE = np.float32(0.7)
"""Light above it bends softly towards 1 instead of clipping."""
_COUNT = np.float32(len(SAMPLES))
"""Samples of a pixel."""


@kernel
def light(batch: Floats, material: Floats, lights: Floats, ambient: Floats, work: Floats) -> None:
    """Linear light (before the shoulder) of the fragments of a batch, into rows 3 to 5 of ``batch``.

    Rows of ``batch`` (8, N): unit normal, colour, share of open sky, share of the key light beside it. What is beyond
    the last fragment is computed too: so every fragment goes through the same instructions, wherever it stands.
    """
    zero, half, one, four = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(4.0)
    nx, ny, nz, sky, key = batch[0], batch[1], batch[2], batch[6], batch[7]
    facing, shine = work[6], work[7]
    for channel in range(3):
        diffuse, low, more = work[channel], ambient[1, channel], ambient[0, channel] - ambient[1, channel]
        for k in range(BATCH):
            diffuse[k] = low + more * (half + half * ny[k])
            work[3 + channel, k] = zero
    for i in range(len(lights)):
        x, y, z = lights[i, 0], lights[i, 1], lights[i, 2]
        for k in range(BATCH):
            facing[k] = nx[k] * x + ny[k] * y + nz[k] * z
        for channel in range(3):
            wrap, strength, diffuse = material[2 + channel], lights[i, 3 + channel], work[channel]
            scale = one / (one + wrap)
            for k in range(BATCH):
                turned = max((facing[k] + wrap) * scale, zero)
                diffuse[k] += strength * (key[k] if i == 0 else one) * turned * turned
        if not lights[i, 6] > zero:
            continue
        x, y, z = lights[i, 7], lights[i, 8], lights[i, 9]
        for k in range(BATCH):
            shine[k] = max(nx[k] * x + ny[k] * y + nz[k] * z, zero)
        for _ in range(int(material[1])):
            for k in range(BATCH):
                shine[k] *= shine[k]
        strength = material[0] * lights[i, 6]
        for k in range(BATCH):
            shine[k] *= strength * (key[k] if i == 0 else one) * min(max(facing[k] * four, zero), one)
        for channel in range(3):
            gloss, strength = work[3 + channel], lights[i, 3 + channel]
            for k in range(BATCH):
                gloss[k] += strength * shine[k]
    for channel in range(3):
        diffuse, gloss, colour = work[channel], work[3 + channel], batch[3 + channel]
        for k in range(BATCH):
            colour[k] = (diffuse[k] * colour[k] + gloss[k]) * sky[k]


@kernel
def put(image: Image, edges: Floats, lit: Floats, where: Ints, encode: NDArray[np.uint8]) -> None:
    """Lit fragments into ``image`` (N, C), or where there are several in a pixel, into ``edges`` first."""
    room, top, half = np.float32(1.0) - _KNEE, len(encode) - 1, np.float32(0.5)
    for k in range(len(where)):
        place = where[k]
        if place >= 0 and image.shape[1] == 4:
            image[place, 3] = 255
        for channel in range(3):
            light = lit[3 + channel, k]
            if not light > np.float32(0.0):  # also of a triangle so thin that nothing can be computed
                light = np.float32(0.0)
            if light > _KNEE:
                light = np.float32(1.0) - room * np.exp((_KNEE - light) / room)
            if place < 0:
                edges[-1 - place, channel] = light
            else:
                image[place, channel] = encode[min(int(light * np.float32(top) + half), top)]


@kernel
def resolve(
    image: Image, background: Floats, edges: Floats, pixels: Ints, count: int, encode: NDArray[np.uint8]
) -> None:
    """Pixels of several fragments: over the background, or with their coverage beside them."""
    top, half, clear = len(encode) - 1, np.float32(0.5), image.shape[1] == 4
    k = 0
    while k < count:
        pixel, samples = pixels[k, 0], np.float32(0.0)
        red, green, blue = samples, samples, samples
        while k < count and pixels[k, 0] == pixel:
            n = np.float32(pixels[k, 1])
            red, green, blue = red + n * edges[k, 0], green + n * edges[k, 1], blue + n * edges[k, 2]
            samples += n
            k += 1
        empty = _COUNT - samples
        if clear:
            image[pixel, 3] = int(255 * samples / _COUNT + half)
            share = np.float32(top) / samples
        else:
            red += empty * background[pixel, 0]
            green += empty * background[pixel, 1]
            blue += empty * background[pixel, 2]
            share = np.float32(top) / _COUNT
        image[pixel, 0] = encode[min(int(red * share + half), top)]
        image[pixel, 1] = encode[min(int(green * share + half), top)]
        image[pixel, 2] = encode[min(int(blue * share + half), top)]


@kernel
def finish(
    image: Image, background: Floats, batches: Floats, where: Ints, filled: Ints, edges: Floats, edge_pixels: Ints,
    edge_count: int, materials: Floats, lights: Floats, ambient: Floats, work: Floats, encode: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Light what the batches hold, and put together the pixels of several fragments."""
    for part in range(len(materials)):
        if filled[part] > 0:
            light(batches[part], materials[part], lights, ambient, work)
            put(image, edges, batches[part], where[part, : filled[part]], encode)
            filled[part] = 0
    resolve(image, background, edges, edge_pixels, edge_count, encode)
