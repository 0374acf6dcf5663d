"""What shading hands from step to step: what is seen, the light that reaches it, and the fragments of a few rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.planes import WIDTH
from sedtalker.render.textures import Looks

CHUNK = 8
"""Rows that are gone through at a time."""
UNKNOWN = -1
"""Slot of a triangle whose plane was not made yet."""
BATCH = 256
"""Fragments of one material that are lit at a time."""
ROWS = 14
"""Rows of scratch memory for lighting: normal, colour, diffuse light, gloss, and two for one light."""


Index = int | np.uint32
"""Compiled code takes signed ones for such as may count from the end, which costs an instruction or two."""


class Scene(NamedTuple):
    """What is seen.

    Attributes:
        ids: (H, 4 W) triangle of each sample, -1 where none.
        depth: (H, 4 W) normalised depth, +inf where empty.
        extent: (H, 2) where in a row there is something.
        corners: (V, FIRST + WIDTH) what ``pack`` gives.
        triangles: (T, 3).
        parts: (T,) row of ``materials`` for each triangle; the last row's have directions in place of colours.
        materials: see ``material_table``.
        inner: (T,) which side of a triangle is the inside of the head: 1 the back, -1 the front, 0 neither.
        looks: the textures.
        painted: whether base colours come from them.
        tangent: (T, 6) see ``tangents``.
        step: in normalised depth, that parts one surface from another.
        width: of the picture.
    """

    ids: Ints
    depth: Floats
    extent: Ints
    corners: Floats
    triangles: NDArray[np.uint32]
    parts: Ints
    materials: Floats
    inner: NDArray[np.int8]
    looks: Looks
    painted: bool
    tangent: Floats
    step: np.float32
    width: int


class Dimmed(NamedTuple):
    """How much light reaches it.

    Attributes:
        grid: what ``dim`` gives.
        rate: pixels from one place of the grid to the next.
        step: difference of depth from which on a place of the grid is on another surface.
        hollows: how dark hollows get.
        shadow: how dark the shadow gets.
        found: (CHUNK, 4, W) for a few rows what ``along_row`` gives.
        found_parts: (CHUNK, W) likewise.
        shadow_map: (S, S) normalised depth seen from the first light.
        shadow_matrix: (4, 4) camera space to the shadow map's clip space.
        taps: see ``tap_table``.
        optics: near, far, focal length in pixels, radius of hollows, the shadow's bias, and the picture's width.
    """

    grid: Floats
    rate: int
    step: np.float32
    hollows: np.float32
    shadow: np.float32
    found: Floats
    found_parts: Ints
    shadow_map: Floats
    shadow_matrix: Floats
    taps: Ints
    optics: Floats


class Gathered(NamedTuple):
    """Fragments of a few rows, by material (M).

    Attributes:
        seen: (M · N, WIDTH) what ``add_plane`` gives.
        shares: (M, 2, N) open sky and key light.
        where: (M, N) the pixel, or -1 - k for row ``k`` of ``edges``.
        filled: (M,) how many there are.
        edges: (E, 2) pixel and samples of fragments that do not fill theirs.
        mixed: pixels (row, column) that see several triangles, or textures.
        late: material, fragment, row, column, sample and triangle of fragments whose light the grid does not say.
        slots: (T,) where in ``planes`` a triangle is.
        planes: (N, 3, WIDTH) of ``make_plane``.
        counts: of planes, ``mixed``, ``late`` and ``edges``.
        lit: (E, 3) light of ``edges``.
        work: (ROWS, BATCH) room for lighting.
        which: room for the triangles of a pixel.
    """

    seen: Floats
    shares: Floats
    where: Ints
    filled: Ints
    edges: Ints
    mixed: Ints
    late: Ints
    slots: Ints
    planes: Floats
    counts: NDArray[np.int64]
    lit: Floats
    work: Floats
    which: Ints


def room_for(rows: int, width: int, triangles: int, materials: int) -> Gathered:
    """What shading ``rows`` rows of ``width`` pixels needs at most; memory is given only where it is used."""
    samples, ints = len(SAMPLES), np.int32
    room = CHUNK * width * samples
    most = BATCH + room
    return Gathered(
        seen=np.empty((materials * most, WIDTH), dtype=np.float32),
        shares=np.empty((materials, 2, most), dtype=np.float32),
        where=np.empty((materials, most), dtype=ints),
        filled=np.zeros(materials, dtype=ints),
        edges=np.empty((2 * room, 2), dtype=ints),
        mixed=np.empty((CHUNK * width + 1, 2), dtype=ints),
        late=np.empty((room + 1, 6), dtype=ints),
        slots=np.empty(triangles, dtype=ints),
        planes=np.empty((min(triangles, rows * width * samples), 3, WIDTH), dtype=np.float32),
        counts=np.zeros(4, dtype=np.int64),
        lit=np.empty((2 * room, 3), dtype=np.float32),
        work=np.empty((ROWS, BATCH), dtype=np.float32),
        which=np.empty(samples, dtype=ints),
    )
