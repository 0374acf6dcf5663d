"""Lighting of fragments, many of one material at a time, and how they become pixels.

All light is linear; the picture is encoded to sRGB at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints, to_srgb
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.gathering import BATCH, Gathered
from sedtalker.render.kernels import inner_kernel
from sedtalker.render.picture import Image
from sedtalker.render.shading import eye_colour

_KNEE = np.float32(0.7)
"""Light above it bends softly towards 1 instead of clipping."""
_LEVELS = 4095
"""Steps of linear light in the tables of sRGB bytes."""
_BRIGHTEST = 3
"""Light from which on a byte is 255 after bending."""
_COUNT = np.float32(len(SAMPLES))
"""Samples of a pixel."""


def encode_table() -> NDArray[np.uint8]:
    """(2, 3 · 4095 + 1) sRGB byte of linear light i / 4095: as it is, and bent above the knee."""
    light = np.arange(_BRIGHTEST * _LEVELS + 1) / _LEVELS
    room = 1.0 - float(_KNEE)
    bent = np.where(light > _KNEE, 1.0 - room * np.exp((float(_KNEE) - light) / room), light)
    rows = np.stack([light, bent])
    encoded = to_srgb(rows)
    return np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)


def encoded(light: Floats, encode: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Linear light of any shape as sRGB bytes, as it is."""
    return encode[0, (light * _LEVELS + 0.5).astype(int)]


@inner_kernel
def light(
    seen: Floats, sky: Floats, key: Floats, material: Floats, directed: bool, lights: Floats, ambient: Floats,
    work: Floats,
) -> None:  # fmt: skip
    """Linear light, before it is bent, of the fragments of a batch, into rows 3 to 5 of ``work`` (ROWS, N).

    Args:
        seen: (N, WIDTH) what ``add_plane`` gives. What is beyond the last fragment is computed too: so every fragment
            goes through the same instructions, wherever it stands.
        sky: (N,) share of open sky.
        key: (N,) share of the key light.
        material: a row of ``material_table``.
        directed: whether there are directions of an eyeball in place of colours.
        lights: (L, 10) of ``light_table`` for this material; the first casts the shadow.
        ambient: (2, 3) linear light from above and from below.
        work: room for it.
    """
    zero, half, one, four = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(4.0)
    nx, ny, nz, red, green, blue = work[0], work[1], work[2], work[3], work[4], work[5]
    facing, shine = work[12], work[13]
    for k in range(BATCH):
        nx[k], ny[k], nz[k], shine[k] = seen[k, 0], seen[k, 1], seen[k, 2], seen[k, 6]
        red[k], green[k], blue[k] = seen[k, 3], seen[k, 4], seen[k, 5]
    for k in range(BATCH):
        length = one / (np.sqrt(nx[k] * nx[k] + ny[k] * ny[k] + nz[k] * nz[k]) + np.float32(1e-20))
        nx[k], ny[k], nz[k] = nx[k] * length, ny[k] * length, nz[k] * length
    for channel in range(3):
        colour = work[3 + channel]
        for k in range(BATCH):
            colour[k] /= shine[k]
    if directed:
        for k in range(BATCH):
            x, y, z = red[k], green[k], blue[k]
            red[k], green[k], blue[k] = eye_colour(x, y, z, 0), eye_colour(x, y, z, 1), eye_colour(x, y, z, 2)
    for channel in range(3):
        diffuse, gloss, low = work[6 + channel], work[9 + channel], ambient[1, channel]
        more = ambient[0, channel] - low
        for k in range(BATCH):
            diffuse[k] = low + more * (half + half * ny[k])
            gloss[k] = zero
    for i in range(len(lights)):
        x, y, z = lights[i, 0], lights[i, 1], lights[i, 2]
        for k in range(BATCH):
            facing[k] = nx[k] * x + ny[k] * y + nz[k] * z
        for channel in range(3):
            wrap, strength, diffuse = material[2 + channel], lights[i, 3 + channel], work[6 + channel]
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
            gloss, strength = work[9 + channel], lights[i, 3 + channel]
            for k in range(BATCH):
                gloss[k] += strength * shine[k]
    for channel in range(3):
        diffuse, gloss, colour = work[6 + channel], work[9 + channel], work[3 + channel]
        for k in range(BATCH):
            lit = (diffuse[k] * colour[k] + gloss[k]) * sky[k]
            colour[k] = lit if lit > zero else zero  # also of a triangle so thin that nothing can be computed


@inner_kernel
def put(image: Image, edges: Floats, lit: Floats, where: Ints, encode: NDArray[np.uint8]) -> None:
    """Lit fragments (rows 3 to 5 of ``lit``) into ``image`` (N, C), or where a pixel has several, into ``edges``."""
    one, room, half, scale = np.float32(1.0), np.float32(1.0) - _KNEE, np.float32(0.5), np.float32(_LEVELS)
    top, bent = np.float32(encode.shape[1] - 1), encode[1]
    for channel in range(3):
        light, level = lit[3 + channel], lit[6 + channel]
        for k in range(BATCH):
            level[k] = min(light[k] * scale + half, top)
    for k in range(len(where)):
        place = where[k]
        if place >= 0:
            for channel in range(3):
                image[place, channel] = bent[np.uint32(lit[6 + channel, k])]
            if image.shape[1] == 4:
                image[place, 3] = 255
            continue
        for channel in range(3):
            light_here = lit[3 + channel, k]
            if light_here > _KNEE:
                light_here = one - room * np.exp((_KNEE - light_here) / room)
            edges[-1 - place, channel] = light_here


@inner_kernel
def resolve(
    image: Image, background: Floats, edges: Floats, pixels: Ints, count: int, encode: NDArray[np.uint8]
) -> None:
    """Pixels of several fragments: over the background, or with their coverage beside them."""
    top, half, clear, straight = _LEVELS, np.float32(0.5), image.shape[1] == 4, encode[0]
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
            if empty > np.float32(0.0):  # far away in memory
                red += empty * background[pixel, 0]
                green += empty * background[pixel, 1]
                blue += empty * background[pixel, 2]
            share = np.float32(top) / _COUNT
        image[pixel, 0] = straight[min(int(red * share + half), top)]
        image[pixel, 1] = straight[min(int(green * share + half), top)]
        image[pixel, 2] = straight[min(int(blue * share + half), top)]


@inner_kernel
def light_whole(
    image: Image, gathered: Gathered, materials: Floats, lights: Floats, ambient: Floats, encode: NDArray[np.uint8]
) -> None:  # fmt: skip
    """Light the whole batches of each material; what is left moves to the front."""
    seen, shares, where, filled = gathered.seen, gathered.shares, gathered.where, gathered.filled
    edges, work = gathered.lit, gathered.work
    most = where.shape[1]
    for part in range(len(materials)):
        begin, done, directed = part * most, 0, part + 1 == len(materials)
        while filled[part] - done >= BATCH:
            at, end = begin + done, done + BATCH
            sky, key = shares[part, 0, done:end], shares[part, 1, done:end]
            light(seen[at : at + BATCH], sky, key, materials[part], directed, lights[part], ambient, work)
            put(image, edges, work, where[part, done:end], encode)
            done = end
        if done > 0:
            filled[part] -= done
            for k in range(filled[part]):
                for channel in range(seen.shape[1]):
                    seen[begin + k, channel] = seen[begin + done + k, channel]
                where[part, k] = where[part, done + k]
                shares[part, 0, k], shares[part, 1, k] = shares[part, 0, done + k], shares[part, 1, done + k]


@inner_kernel
def finish(
    image: Image, background: Floats, gathered: Gathered, materials: Floats, lights: Floats, ambient: Floats,
    encode: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Light all that is gathered, and put together the pixels of several fragments."""
    light_whole(image, gathered, materials, lights, ambient, encode)
    seen, shares, where, filled = gathered.seen, gathered.shares, gathered.where, gathered.filled
    edges, work = gathered.lit, gathered.work
    for part in range(len(materials)):
        if filled[part] > 0:
            at, directed = part * where.shape[1], part + 1 == len(materials)
            sky, key = shares[part, 0, :BATCH], shares[part, 1, :BATCH]
            light(seen[at : at + BATCH], sky, key, materials[part], directed, lights[part], ambient, work)
            put(image, edges, work, where[part, : filled[part]], encode)
            filled[part] = 0
    resolve(image, background, edges, gathered.edges, gathered.counts[3], encode)
    gathered.counts[3] = 0
