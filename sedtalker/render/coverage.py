"""Which triangle each sample of a picture sees: all samples of a few pixels at once, hidden triangles skipped.

A row of the buffers holds the samples pixel by pixel, ``LANES`` of them are tested by a few instructions of the
processor. Triangles that are seen at rest are drawn first; of the others only those are drawn that are not behind
everything in their tiles. That changes no sample: it saves the back of the head, the hidden layers of hair and the
inside of the mouth, whatever way their faces are wound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from sedtalker.arrays import Doubles, Floats, Ints, Mask
from sedtalker.render.kernels import inner_kernel, kernel, part_of_kernel

LANES = 8
"""Samples that are tested at once."""
TILE = 4
"""Rows, and where ``LANES`` samples are not wider columns too, of the tiles that know the farthest depth in them."""
SAMPLES = np.array([[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]], dtype=np.float32)
"""Where a pixel is sampled: a rotated grid, no two in one row or column, smooths nearly upright edges too."""
CENTRE = np.array([[0.5, 0.5]], dtype=np.float32)
"""Sample positions of a pixel that is sampled once."""
_LOOKED_AT = 2048
"""Greatest side of the picture in which triangles that are seen are looked for, if the picture itself is smaller."""
_OVERLAP = 1e-6
"""Overlap in pixels: neighbours may both claim a sample on their edge, so that none is missed."""


def lanes(samples: Floats) -> Floats:
    """(LANES, 2) places of the samples (S, 2) of ``LANES / S`` pixels side by side."""
    pixels = LANES // len(samples)
    across = np.repeat(np.arange(pixels), len(samples))
    tiled = np.tile(samples, (pixels, 1))
    return np.ascontiguousarray(tiled + np.stack([across, np.zeros(LANES)], axis=1), dtype=np.float32)


class Buffers:
    """Triangle and depth of every sample of a picture, and what makes drawing them fast.

    Attributes:
        ids: (H, S · W) the triangle that each sample sees, pixel by pixel; -1 where none.
        depth: (H, S · W) its depth; +inf where none.
        extent: (H, 2) first pixel of each row where something may be seen, and one past the last.
        peaks: the farthest depth of each tile.
        lanes: (LANES, 2) of ``lanes``.
        pixels: in ``LANES`` samples.
        tile: columns of a tile.
    """

    def __init__(self, width: int, height: int, samples: Floats) -> None:
        self.lanes = lanes(samples)
        self.pixels = LANES // len(samples)
        blocks = -(-width // self.pixels)
        self.ids: Ints = np.full((height, blocks * LANES), -1, dtype=np.int32)
        self.depth: Floats = np.full(self.ids.shape, np.inf, dtype=np.float32)
        self.extent: Ints = np.zeros((height, 2), dtype=np.int32)
        self.tile = max(TILE, self.pixels)
        self.peaks: Floats = np.empty((-(-height // TILE), -(-blocks * self.pixels // self.tile)), dtype=np.float32)

    def draw(
        self,
        screen: Doubles,
        triangles: Ints,
        one_sided: Mask,
        first: Ints,
        others: Ints,
        top: int,
        bottom: int,
    ) -> None:
        """Draw rows [top, bottom), both multiples of ``TILE`` or the picture's height.

        Args:
            screen: (V, 4) of ``to_screen``.
            triangles: (T, 3).
            one_sided: (T,) triangles that are not there from behind.
            first: those that are drawn first.
            others: those that are mostly hidden by them.
            top: first row.
            bottom: one past the last.
        """
        clear(self.ids, self.depth, self.extent, self.pixels, top, bottom)
        arguments = (self.ids, self.depth, self.extent, self.lanes, self.pixels, self.tile, self.peaks)
        cover(screen, triangles, one_sided, first, *arguments, False, top, bottom)
        find_peaks(self.depth, self.extent, self.pixels, self.tile, self.peaks, top, bottom)
        cover(screen, triangles, one_sided, others, *arguments, True, top, bottom)

    def order(self, screen: Doubles, triangles: Ints, one_sided: Mask, whole: Mask) -> tuple[Ints, Ints]:
        """The visible ones of the triangles ``whole`` (T,), and the others.

        They are looked for in a larger picture: what is too small for the samples here and now may be seen a little
        later, and what lies far behind would show through the hole where it was left out.
        """
        every = np.flatnonzero(whole).astype(np.int32)
        height, width = len(self.ids), self.ids.shape[1] // LANES * self.pixels
        times = max(1, _LOOKED_AT // max(height, width))
        large = Buffers(times * width, times * height, CENTRE)
        large.draw(screen * (times, times, 1, 1), triangles, one_sided, every, every[:0], 0, times * height)
        seen = np.zeros(len(triangles), dtype=bool)
        seen[large.ids[large.ids >= 0]] = True
        return every[seen[every]], every[~seen[every]]


def _spread(builder: Any, value: Any) -> Any:
    """A number in every lane."""
    nothing = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def _nearest(
    _typing: Any, ids: Any, depth: Any, place: Any, plane: Any, v: Any, w: Any, u: Any, z: Any, triangle: Any, full: Any
) -> Any:
    """Put ``triangle`` and its depth into ``LANES`` samples at ``place`` where it covers them and is the nearest.

    ``plane`` (4, LANES) is what each lane adds to the weights v, w and u of the corners and to the depth z. ``full``
    says that a sample is nearly always covered: then storing is faster than asking. Written in the compiler's own
    words: from a loop it makes eight times the instructions, as it must expect arrays that overlap.
    """
    signature = types.none(ids, depth, types.intp, plane, *[types.float32] * 4, types.int32, types.boolean)
    floats, ints = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(argument: int, place: Any, kind: Any) -> Any:
            array = context.make_array(signature.args[argument])(context, builder, arguments[argument])
            return builder.bitcast(builder.gep(array.data, [place]), kind.as_pointer())

        def load(source: Any) -> Any:
            loaded = builder.load(source)
            loaded.align = 4
            return loaded

        def store(value: Any, target: Any) -> None:
            builder.store(value, target).align = 4

        place, numbers = arguments[2], arguments[4:8]
        rows = [pointer(3, ir.Constant(place.type, k * LANES), floats) for k in range(4)]
        v, w, u, near = (builder.fadd(_spread(builder, n), load(row)) for n, row in zip(numbers, rows, strict=True))
        depths, triangles = pointer(1, place, floats), pointer(0, place, ints)
        before = load(depths)
        hit = builder.fcmp_ordered("<", near, before)
        for weight in (v, w, u):
            hit = builder.and_(hit, builder.fcmp_ordered(">=", weight, ir.Constant(floats, [0.0] * LANES)))
        bits = builder.bitcast(hit, ir.IntType(LANES))
        with builder.if_then(builder.or_(arguments[9], builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0)))):
            store(builder.select(hit, near, before), depths)
            store(builder.select(hit, _spread(builder, arguments[8]), load(triangles)), triangles)
        return context.get_dummy_value()

    return signature, build


@part_of_kernel
def _narrow(begin: float, end: float, weight: float, crossing: float) -> tuple[float, float]:
    """The blocks of [begin, end] in which a weight can reach 0: it is ``weight`` in block 0, its zero is known."""
    if crossing < 0.0:
        return max(begin, weight * crossing - 1e-6), end
    if crossing > 0.0:
        return begin, min(end, weight * crossing + 1e-6)
    return begin, end if weight >= 0.0 else -1.0


@kernel
def cover(
    screen: Doubles,
    triangles: Ints,
    one_sided: Mask,
    order: Ints,
    ids: Ints,
    depth: Floats,
    extent: Ints,
    places: Floats,
    pixels: int,
    tile: int,
    peaks: Floats,
    skip_hidden: bool,
    first_row: int,
    last_row: int,
) -> None:
    """Rasterise the triangles ``order`` (N,) into rows [first_row, last_row).

    Args:
        screen, triangles, one_sided: see ``Buffers.draw``.
        order: which of the triangles.
        ids, depth, extent, pixels, tile, peaks: see ``Buffers``; ``extent`` grows to hold what is drawn.
        places: (LANES, 2) of ``lanes``.
        skip_hidden: leave out what lies behind all of its tiles.
    """
    blocks, per_tile = ids.shape[1] // LANES, tile // pixels
    plane = np.empty((4, LANES), dtype=np.float32)
    rightmost_sample, leftmost_sample = places[:, 0].max(), places[:, 0].min()
    lowest_sample, highest_sample = places[:, 1].max(), places[:, 1].min()
    for n in range(len(order)):
        t = np.uint32(order[n])
        a, b, c = np.uint32(triangles[t, 0]), np.uint32(triangles[t, 1]), np.uint32(triangles[t, 2])
        if screen[a, 3] == 0.0 or screen[b, 3] == 0.0 or screen[c, 3] == 0.0:
            continue
        ay, by, cy = screen[a, 1], screen[b, 1], screen[c, 1]
        top = max(first_row, int(np.ceil(min(ay, by, cy) - lowest_sample)))
        bottom = min(last_row - 1, int(np.floor(max(ay, by, cy) - highest_sample)))
        if top > bottom:
            continue
        ax, bx, cx = screen[a, 0], screen[b, 0], screen[c, 0]
        left = max(0, int(np.ceil((min(ax, bx, cx) - rightmost_sample) / pixels)))
        right = min(blocks - 1, int(np.floor((max(ax, bx, cx) - leftmost_sample) / pixels)))
        if left > right:
            continue
        az, bz, cz = screen[a, 2], screen[b, 2], screen[c, 2]
        if skip_hidden:
            nearest, hidden = min(az, bz, cz), True
            for i in range(top // TILE, bottom // TILE + 1):
                line = np.uint32(i)
                for j in range(left // per_tile, right // per_tile + 1):
                    hidden = hidden and nearest >= peaks[line, np.uint32(j)]
                if not hidden:
                    break
            if hidden:
                continue
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-12 or (area > 0.0 and one_sided[t]):  # rows grow downwards: it is seen from behind
            continue
        # Weights of the corners b and c, and depth, are linear in the picture.
        inverse = 1.0 / area
        bdx, bdy = (cy - ay) * inverse, (ax - cx) * inverse
        cdx, cdy = (ay - by) * inverse, (bx - ax) * inverse
        bz, cz = bz - az, cz - az
        zdx, zdy = bdx * bz + cdx * cz, bdy * bz + cdy * cz
        more_v, more_w = _OVERLAP * (abs(bdx) + abs(bdy)), _OVERLAP * (abs(cdx) + abs(cdy))
        v_most, w_most, u_most = -np.inf, -np.inf, -np.inf
        for k in range(LANES):
            across, down = places[k, 0], places[k, 1]
            v, w = across * bdx + down * bdy, across * cdx + down * cdy
            u, v, w = more_v + more_w - v - w, v + more_v, w + more_w
            plane[0, k], plane[1, k], plane[2, k] = v, w, u
            v_most, w_most, u_most = max(v_most, v), max(w_most, w), max(u_most, u)
            plane[3, k] = across * zdx + down * zdy
        adx, wide = -bdx - cdx, right - left
        v_cross = -1.0 / (bdx * pixels) if bdx != 0.0 else 0.0
        w_cross = -1.0 / (cdx * pixels) if cdx != 0.0 else 0.0
        u_cross = -1.0 / (adx * pixels) if adx != 0.0 else 0.0
        x = left * pixels - ax
        for row in range(top, bottom + 1):
            y = row - ay
            v, w = x * bdx + y * bdy, x * cdx + y * cdy
            u = 1.0 - v - w
            first, last = 0, wide
            if wide > 1:
                # Each weight is linear along the row and limits which blocks can be inside.
                begin, end = 0.0, float(wide)
                begin, end = _narrow(begin, end, v + v_most, v_cross)
                begin, end = _narrow(begin, end, w + w_most, w_cross)
                begin, end = _narrow(begin, end, u + u_most, u_cross)
                first, last = int(np.ceil(begin)), int(np.floor(end))
                if first > last:
                    continue
            line = np.uint32(row)
            extent[line, 0] = min(extent[line, 0], (left + first) * pixels)
            extent[line, 1] = max(extent[line, 1], (left + last + 1) * pixels)
            z = az + v * bz + w * cz
            for block in range(first, last + 1):
                step = block * pixels
                place = row * ids.shape[1] + (left + block) * LANES
                _nearest(  # type: ignore[call-arg]
                    *(ids, depth, place, plane, np.float32(v + step * bdx), np.float32(w + step * cdx)),
                    *(np.float32(u + step * adx), np.float32(z + step * zdx), t, pixels == LANES),
                )


@inner_kernel
def clear(ids: Ints, depth: Floats, extent: Ints, pixels: int, first_row: int, last_row: int) -> None:
    """Empty rows [first_row, last_row), where something is in them."""
    samples = LANES // pixels
    for row in range(first_row, last_row):
        left, right = extent[row, 0] * samples, extent[row, 1] * samples
        if left < right:
            ids[row, left:right] = -1
            depth[row, left:right] = np.inf
        extent[row, 0], extent[row, 1] = depth.shape[1] // samples, 0


@inner_kernel
def find_peaks(
    depth: Floats, extent: Ints, pixels: int, tile: int, peaks: Floats, first_row: int, last_row: int
) -> None:
    """The farthest depth in each tile of rows [first_row, last_row), into ``peaks``."""
    wide = tile * LANES // pixels
    for i in range(first_row // TILE, -(-last_row // TILE)):
        top, bottom = i * TILE, min(i * TILE + TILE, last_row)
        left, right = extent[top, 0], extent[top, 1]
        for row in range(top, bottom):
            left, right = max(left, extent[row, 0]), min(right, extent[row, 1])
        peaks[i] = np.inf
        for j in range((left + tile - 1) // tile, right // tile):
            farthest = np.float32(-np.inf)
            for row in range(top, bottom):
                samples = depth[row, j * wide : (j + 1) * wide]
                for k in range(len(samples)):
                    farthest = max(farthest, samples[k])
            peaks[i, j] = farthest
