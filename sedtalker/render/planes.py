"""What a triangle shows anywhere in the picture, as linear functions of the place: made once, used for all its pixels.

What the corners know, divided by their distance, is linear in the picture (Blinn, "Hyperbolic interpolation", 1992).
So normal, colour and the divisor itself are three rows of ``WIDTH`` numbers for each triangle: at its first corner, for
a pixel to the right, and for a pixel down. The rows are as long as what the processor takes at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from sedtalker.arrays import Floats
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.kernels import part_of_kernel

WIDTH = 8
"""Numbers of a place: normal, linear colour, what the colour is to be divided by, and one that means nothing."""
FIRST = 3
"""Column of a packed corner where these begin."""
_THIN = np.float32(1e-2)
"""Twice the area, pixels: a thinner triangle shows the mean of its corners, since its slopes are mostly rounding."""
INSIDE = np.array([0.11, 0.05, 0.045], dtype=np.float32)
"""Share of its colour that a surface shows from inside the head: little light gets there, and what does is reddish."""


@part_of_kernel
def make_plane(planes: Floats, slot: int, corners: Floats, a: int, b: int, c: int, inner: int) -> None:
    """The rows of a triangle into ``planes`` (N, 3, WIDTH).

    Args:
        planes: those of the triangles that are seen.
        slot: which of them.
        corners: (V, FIRST + WIDTH) of ``pack``.
        a, b, c: the triangle.
        inner: which side of it is the inside of the head: 1 the back, -1 the front, 0 neither.
    """
    zero, one, third = np.float32(0.0), np.float32(1.0), np.float32(1.0 / 3.0)
    ax, ay = corners[a, 0], corners[a, 1]
    bx, by = corners[b, 0] - ax, corners[b, 1] - ay
    cx, cy = corners[c, 0] - ax, corners[c, 1] - ay
    area = bx * cy - cx * by
    # rows grow downwards: a triangle of positive area is seen from behind
    side = -one if area > zero else one
    thick = abs(area) > _THIN
    inverse = one / area if thick else zero
    share = zero if thick else third
    bdx, bdy, cdx, cdy = cy * inverse, -cx * inverse, -by * inverse, bx * inverse
    for k in range(WIDTH):
        at = corners[a, FIRST + k]
        to_b, to_c = corners[b, FIRST + k] - at, corners[c, FIRST + k] - at
        planes[slot, 0, k] = at + share * (to_b + to_c)
        planes[slot, 1, k] = bdx * to_b + cdx * to_c
        planes[slot, 2, k] = bdy * to_b + cdy * to_c
    for row in range(3):
        planes[slot, row, 0] *= side
        planes[slot, row, 1] *= side
        planes[slot, row, 2] *= side
        if np.float32(inner) * side < zero:
            planes[slot, row, 3] *= INSIDE[0]
            planes[slot, row, 4] *= INSIDE[1]
            planes[slot, row, 5] *= INSIDE[2]
    planes[slot, 0, 7], planes[slot, 1, 7], planes[slot, 2, 7] = ax, ay, zero


_FLOATS = ir.VectorType(ir.FloatType(), WIDTH)
"""What the processor takes at once."""
_FLAGS = ("contract", "nsz")
"""Liberties of the compiler."""


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any, what: Any) -> Any:
    """To ``what`` begins ``place`` numbers into an array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), what.as_pointer())


def _everywhere(builder: Any, value: Any) -> Any:
    """A number in every lane."""
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _shown(context: Any, builder: Any, kind: Any, planes: Any, slot: Any, x: Any, y: Any) -> Any:
    """The vector that a plane shows at (x, y)."""

    def row(k: int) -> Any:
        place = builder.add(builder.mul(slot, slot.type(3 * WIDTH)), slot.type(k * WIDTH))
        loaded = builder.load(_pointer(context, builder, kind, planes, place, _FLOATS))
        loaded.align = 4
        return loaded

    at, right, down, last = row(0), row(1), row(2), ir.IntType(32)(WIDTH - 1)
    x = builder.fsub(x, builder.extract_element(at, last), flags=_FLAGS)
    y = builder.fsub(y, builder.extract_element(right, last), flags=_FLAGS)
    across = builder.fmul(_everywhere(builder, x), right, flags=_FLAGS)
    below = builder.fmul(_everywhere(builder, y), down, flags=_FLAGS)
    return builder.fadd(builder.fadd(at, across, flags=_FLAGS), below, flags=_FLAGS)


@intrinsic
def add_plane(_typing: Any, planes: Any, slot: Any, x: Any, y: Any, seen: Any, n: Any, fresh: Any) -> Any:
    """What a triangle shows at (x, y) into row ``n`` of ``seen`` (N, WIDTH), or where not ``fresh`` on top of it.

    Emits LLVM IR: for a loop, the compiler generates ten times the instructions, because it must assume that the
    arrays overlap.
    """
    signature = types.none(planes, types.intp, types.float32, types.float32, seen, types.intp, types.boolean)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        found = _shown(context, builder, kinds[0], *arguments[:4])
        place = builder.mul(arguments[5], arguments[5].type(WIDTH))
        target = _pointer(context, builder, kinds[4], arguments[4], place, _FLOATS)
        held = builder.load(target)
        held.align = 4
        held = builder.select(arguments[6], ir.Constant(_FLOATS, [0.0] * WIDTH), held)
        builder.store(builder.fadd(found, held, flags=_FLAGS), target).align = 4
        return context.get_dummy_value()

    return signature, build


@intrinsic
def add_planes(_typing: Any, planes: Any, slots: Any, which: Any, column: Any, row: Any, seen: Any, n: Any) -> Any:
    """What the triangles ``which`` (one for each sample of a pixel) show there together, into row ``n`` of ``seen``.

    As ``add_plane`` for each, without going through memory between them.
    """
    signature = types.none(planes, slots, which, types.float32, types.float32, seen, types.intp)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds, number, found = signature.args, arguments[6].type, None
        for sample, (across, down) in enumerate(SAMPLES.tolist()):
            t = builder.load(_pointer(context, builder, kinds[2], arguments[2], number(sample), ir.IntType(32)))
            slot = builder.load(
                _pointer(context, builder, kinds[1], arguments[1], builder.zext(t, number), ir.IntType(32))
            )
            x, y = (builder.fadd(arguments[k], ir.FloatType()(by)) for k, by in ((3, across), (4, down)))
            shown = _shown(context, builder, kinds[0], arguments[0], builder.zext(slot, number), x, y)
            found = shown if found is None else builder.fadd(found, shown, flags=_FLAGS)
        place = builder.mul(arguments[6], number(WIDTH))
        builder.store(found, _pointer(context, builder, kinds[5], arguments[5], place, _FLOATS)).align = 4
        return context.get_dummy_value()

    return signature, build


@part_of_kernel
def weights_at(px: np.float32, py: np.float32, corners: Floats, a: int, b: int, c: int) -> tuple[np.float32, ...]:
    """Weights of a triangle's corners at a place of the picture, which way it faces, and twice its area in pixels."""
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
    total = one / (u + v + w + np.float32(1e-30))
    return u * total, v * total, w * total, side, area


@part_of_kernel
def between(
    corners: Floats, column: int, a: int, b: int, c: int, u: np.float32, v: np.float32, w: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Three columns of ``corners`` between those of a triangle."""
    x = u * corners[a, column] + v * corners[b, column] + w * corners[c, column]
    y = u * corners[a, column + 1] + v * corners[b, column + 1] + w * corners[c, column + 1]
    z = u * corners[a, column + 2] + v * corners[b, column + 2] + w * corners[c, column + 2]
    return x, y, z
