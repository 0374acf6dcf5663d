"""Hair, brows and lashes of the built-in heads.

Hairstyles are locks laid over the head of neutral identity, then fitted to any other. Brows and lashes are thin quads
on the skin, so that every expression carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.face.builtin.cage import EYE_EDGE, EYE_RIM, Cage, patch
from sedtalker.face.builtin.characters import Brows, Character, HairStyle, Palette
from sedtalker.face.builtin.creases import flipped, glue_front, reflected, ride
from sedtalker.face.builtin.locks import (
    CAP_ROWS,
    Scalp,
    Strands,
    above_hairline,
    arc,
    cap,
    curls,
    join,
    ribbons,
    streaks,
)
from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs

PARTING = -34.0
"""Azimuth (degrees, positive to the subject's left) at which swept hair divides."""
STATIONS = 7
"""Points along a lock."""
STEPS = np.linspace(0, 1, STATIONS)
"""Where they lie, 0 at the root and 1 at the tip."""


def build_hair(scalp: Scalp, skin: Skin, style: HairStyle, palette: Palette) -> Part:
    """Hair of a style on ``skin``; ``scalp`` is the head of neutral identity. It moves with the skull alone."""
    strands = STYLES[style](scalp, palette, np.random.default_rng(5))
    weights = scalp.glue(strands.roots)
    moved = strands.vertices + weights @ (skin.vertices - scalp.skin.vertices)
    uvs = flat_uvs(strands.vertices, strands.quads, (0.18, 0.79), 0.05)
    still = np.zeros((len(skin.offsets), *moved.shape), np.float32)
    return Part("hair", moved, strands.quads, np.clip(strands.colours, 0, 1), still, uvs)


def _profile(*values: float) -> NDArray[np.float64]:
    """Thickness of the cap by row, from values at even steps of the way."""
    return np.interp(np.linspace(0, 1, CAP_ROWS), np.linspace(0, 1, len(values)), values)


def _laid(
    scalp: Scalp, azimuth: Points, s: Points, lift: Points, half: Points, palette: Palette, rng: np.random.Generator
) -> Strands:
    """Locks along (azimuth, s), each (L, S), at ``lift`` over the skin."""
    place, normal = scalp.surface(scalp.direction(azimuth, s))
    centre = place + normal * lift[..., None]
    colours = streaks(palette, STEPS, len(centre), rng)
    return ribbons(centre, normal, half, 0.30 * half, place, colours)


def _spread(count: int, low: float, high: float, jitter: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 1) azimuths from low to high, unevenly."""
    step = (high - low) / count
    return (low + step * (np.arange(count) + 0.5) + rng.uniform(-jitter, jitter, count) * step)[:, None]


def swept(scalp: Scalp, palette: Palette, rng: np.random.Generator) -> Strands:
    """Short sides, a longer top swept up and aside from a parting."""
    pieces = [cap(scalp, _profile(0.62, 0.60, 0.42, 0.25, 0.08, -0.12), palette, rng)]
    t = STEPS[None]
    for first, last, count, tall in ((1.01, 0.55, 30, 1.00), (0.97, 0.42, 30, 1.18), (0.80, 0.25, 26, 1.22),
                                     (0.60, 0.05, 22, 1.20), (0.40, -0.10, 14, 0.90)):  # fmt: skip
        azimuth = _spread(count, -54, 56, 0.45, rng)
        turn = np.tanh((azimuth - PARTING) / 12)
        top = np.exp(-((azimuth / 46) ** 4))
        s = first + (last - first) * t * rng.uniform(0.9, 1.1, (count, 1)) + rng.normal(0, 0.015, (count, 1))
        drift = azimuth + np.where(turn > 0, turn * (40 * t**0.9 * top + 12 * t), turn * 22 * t)
        rise = tall * (0.28 + 0.72 * top) * (0.55 + 0.45 * np.abs(turn)) * rng.uniform(0.88, 1.10, (count, 1))
        lift = rise * np.interp(STEPS, [0, 0.17, 0.34, 0.6, 1], [0.04, 0.50, 0.88, 1.0, 0.74]) - 0.05 * (t < 0.01)
        wide = 0.52 if first > 0.9 else 0.74  # over the crown nothing lies beneath
        half = wide * np.interp(STEPS, [0, 0.17, 0.5, 0.85, 1], [0.16, 0.8, 1.0, 0.75, 0.10])
        pieces.append(_laid(scalp, drift, s, lift, np.tile(half, (count, 1)), palette, rng))
    return join(pieces + _downwards(scalp, palette, rng, SWEPT_SIDES))


class SideRow(NamedTuple):
    """A row of short locks on the sides and the back.

    Attributes:
        root, tip: where it begins and ends, from the crown (0) to the hairline (1).
        locks: how many.
        lift: centimetres that it stands off the head.
    """

    root: float
    tip: float
    locks: int
    lift: float


SWEPT_SIDES = (
    SideRow(0.10, 0.60, 24, 0.72), SideRow(0.34, 0.82, 34, 0.58), SideRow(0.56, 0.97, 46, 0.42),
    SideRow(0.72, 1.0, 50, 0.24),
)  # fmt: skip
"""Below swept hair."""
CROPPED_SIDES = (
    SideRow(0.12, 0.60, 22, 0.40), SideRow(0.36, 0.82, 32, 0.36), SideRow(0.58, 0.97, 44, 0.28),
    SideRow(0.72, 1.0, 48, 0.16),
)  # fmt: skip
"""Below cropped hair."""


def _downwards(scalp: Scalp, palette: Palette, rng: np.random.Generator, rows: Sequence[SideRow]) -> list[Strands]:
    """Rows of short locks on the sides and the back."""
    pieces = []
    for first, last, count, high in rows:
        azimuth = _spread(count, 46, 314, 0.45, rng)
        s = first + (last - first) * STEPS[None] + rng.normal(-0.01, 0.015, (count, 1))
        lift = high * np.interp(STEPS, [0, 0.3, 0.7, 1], [0.9, 1.0, 0.62, 0.05]) * rng.uniform(0.85, 1.15, (count, 1))
        half = 15.0 / count * np.interp(STEPS, [0, 0.3, 0.75, 1], [0.8, 1.0, 0.9, 0.22])
        side = np.clip((180 - np.abs(180 - azimuth)) / 90, 0, 1) * np.clip(np.abs(180 - azimuth) / 50, 0, 1)
        backwards = np.sign(180 - azimuth) * 9 * side * STEPS**1.5
        pieces.append(_laid(scalp, azimuth + backwards, s, lift, np.tile(half, (count, 1)), palette, rng))
    return pieces


def crop(scalp: Scalp, palette: Palette, rng: np.random.Generator) -> Strands:
    """Thin hair combed back, receding at the temples."""
    pieces = [cap(scalp, _profile(0.16, 0.16, 0.14, 0.08, -0.02, -0.2), palette, rng)]
    t = STEPS[None]
    for first, last, count in ((0.90, 0.52, 44), (0.78, 0.36, 40), (0.62, 0.18, 30), (0.42, -0.05, 22)):
        azimuth = _spread(count, -58, 58, 0.3, rng)
        back = 0.10 * np.exp(-(((np.abs(azimuth) - 30) / 12) ** 2))
        s = first - back + (last - first) * t + rng.normal(0, 0.04, (count, 1))
        lift = 0.42 * np.sin(np.pi * np.clip(0.05 + 0.65 * t, 0, 1)) * rng.uniform(0.8, 1.2, (count, 1)) + 0.04
        half = 0.34 * np.interp(STEPS, [0, 0.15, 0.5, 0.85, 1], [0.14, 0.8, 1.0, 0.7, 0.10])
        lean = azimuth + 8 * t
        pieces.append(_laid(scalp, lean, s, lift, np.tile(half, (count, 1)), palette, rng))
    return join(pieces + _downwards(scalp, palette, rng, CROPPED_SIDES))


def bob(scalp: Scalp, palette: Palette, rng: np.random.Generator) -> Strands:
    """Chin-length hair with a fringe, ends turned in."""
    pieces = [cap(scalp, _profile(0.45, 0.45, 0.4, 0.35, 0.2, -0.1), palette, rng)]
    for count, out, length, low in ((44, 0.55, -7.2, 50.0), (42, 0.95, -6.7, 44.0), (34, 1.25, -6.2, 40.0)):
        azimuth = _spread(count, low, 360 - low, 0.3, rng)
        pieces.append(_hanging(scalp, azimuth, out, length, palette, rng))
    t = STEPS[None]
    for first, count, tall in ((0.25, 50, 0.66), (0.40, 46, 0.54), (0.55, 42, 0.42)):
        azimuth = _spread(count, -84, 84, 0.22, rng)
        ends = np.interp(np.abs(azimuth), [0, 30, 44, 62, 84], [6.75, 6.6, 5.9, 3.2, 0.8]) + rng.normal(
            0, 0.05, (count, 1)
        )
        s = first + (_reaching(scalp, azimuth, ends) - first) * t
        lift = tall * np.interp(STEPS, [0, 0.3, 0.65, 1], [0.8, 1.0, 0.9, 0.55]) * rng.uniform(0.94, 1.06, (count, 1))
        half = 0.66 * np.interp(STEPS, [0, 0.3, 0.85, 1], [0.7, 1.0, 0.95, 0.72])
        pieces.append(_laid(scalp, azimuth + 0 * s, s, lift, np.tile(half, (count, 1)), palette, rng))
    return join(pieces)


def _reaching(scalp: Scalp, azimuth: Points, heights: Points) -> Points:
    """(L, 1) how far beyond the hairline a lock at azimuth (L, 1) has to go to end at a height (L, 1)."""
    s = np.linspace(0.85, 1.7, 24)
    grid = np.tile(s, (len(azimuth), 1))
    y = scalp.surface(scalp.direction(azimuth + 0 * grid, grid))[0][..., 1]
    return np.array([np.interp(-h, -row, s) for h, row in zip(heights[:, 0], y, strict=True)])[:, None]


def _hanging(
    scalp: Scalp, azimuth: Points, out: float, length: float, palette: Palette, rng: np.random.Generator
) -> Strands:
    """Locks that follow the head from near the crown to its widest place and then hang down to height ``length``."""
    t = np.linspace(0, 1, 11)
    count = len(azimuth)
    on_head = np.clip(t / 0.5, 0, 1)
    s = 0.12 + 0.50 * on_head[None] + 0 * azimuth
    place, normal = scalp.surface(scalp.direction(azimuth + 0 * s, s))
    lift = out * np.interp(on_head, [0, 0.25, 0.5, 1], [0.12, 0.6, 0.88, 1.0])
    centre = place + normal * lift[None, :, None]
    hang = np.clip((t - 0.5) / 0.5, 0, 1)[None, :, None]
    side = normal * (1.0, 0.0, 1.0)
    side /= np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-6)
    start = centre[:, 5:6]
    end_y = length + rng.normal(0, 0.22, (count, 1)) + 0.5 * np.cos(np.radians(azimuth))
    down = start[..., 1] - end_y
    sway = 0.45 * np.sin(np.pi * hang) - 1.05 * hang**3
    falling = start - np.array([0, 1, 0]) * (down[..., None] * hang) + side[:, 5:6] * sway
    centre = np.where(hang > 0, falling, centre)
    normal = np.where(hang > 0, side[:, 5:6], normal)
    roots = np.where(hang > 0, place[:, 5:6], place)
    half = (
        0.84 * np.interp(t, [0, 0.2, 0.6, 0.85, 1], [0.12, 0.8, 1.0, 0.85, 0.22]) * rng.uniform(0.9, 1.15, (count, 1))
    )
    return ribbons(centre, normal, half, 0.25 * half, roots, streaks(palette, t, count, rng, 0.5))


def bun(scalp: Scalp, palette: Palette, rng: np.random.Generator) -> Strands:
    """Hair drawn back from the whole hairline into a bun."""
    pieces = [cap(scalp, _profile(0.22, 0.22, 0.18, 0.12, 0.02, -0.12), palette, rng)]
    knot = np.array([0.0, 0.42, -0.9]) / np.linalg.norm([0.42, 0.9])
    t = STEPS[None]
    for start, count, tall in ((1.02, 80, 0.36), (0.95, 64, 0.48), (0.75, 48, 0.58), (0.55, 30, 0.62)):
        azimuth = _spread(count, -180, 180, 0.35, rng)
        low = np.interp(np.abs(azimuth[:, 0]), [55, 66, 100, 112, 135, 180], [1.1, 0.86, 0.88, 0.98, 0.94, 0.90])
        from_s = np.minimum(np.full(count, start), low) + rng.normal(0, 0.012, count)
        root = scalp.direction(azimuth[:, 0], from_s)
        place, normal = scalp.surface(arc(root[:, None], knot, 0.96 * t + 0 * azimuth))
        wave = tall * np.interp(STEPS, [0, 0.17, 0.4, 0.8, 1], [0.04, 0.6, 1.0, 0.8, 0.5])
        centre = place + normal * (wave * rng.uniform(0.85, 1.15, (count, 1)))[..., None]
        half = 0.66 * np.interp(STEPS, [0, 0.17, 0.6, 1], [0.12, 0.8, 0.85, 0.25])
        half = np.tile(half, (count, 1))
        pieces.append(ribbons(centre, normal, half, 0.3 * half, place, streaks(palette, STEPS, count, rng)))
    place, normal = scalp.surface(knot[None])
    pieces.append(_knot(place[0] + 1.4 * normal[0], normal[0], palette, rng))
    return join(pieces)


def _knot(centre: Points, axis: Points, palette: Palette, rng: np.random.Generator) -> Strands:
    """A ball of twisted locks."""
    count = 16
    t = np.linspace(0.03, 0.97, 12)
    across = np.cross(axis, [1.0, 0, 0])
    across /= np.linalg.norm(across)
    third = np.cross(axis, across)
    polar = np.pi * (1 - t)[None]
    turn = np.radians(_spread(count, 0, 360, 0.2, rng)) + 2.6 * t[None]
    ray = (
        np.cos(polar)[..., None] * -axis
        + np.sin(polar)[..., None] * (np.cos(turn)[..., None] * across + np.sin(turn)[..., None] * third)
    )  # fmt: skip
    half = 0.62 * np.sin(polar) ** 0.6 + 0.05 + 0 * turn
    points = centre + ray * (2.7, 2.4, 2.2)
    roots = np.broadcast_to(centre, points.shape)
    return ribbons(points, ray, half, 0.35 * half, roots, streaks(palette, t, count, rng))


def curly(scalp: Scalp, palette: Palette, rng: np.random.Generator) -> Strands:
    """A round crown of tight curls, with a row of small ones along the forehead."""
    pieces = [cap(scalp, _profile(1.5, 1.5, 1.45, 1.3, 0.95, 0.40, -0.08), palette, rng)]
    k = np.arange(500) + 0.5
    height, turn = 1 - 2 * k / len(k), k * 2.39996
    flat = np.sqrt(1 - height**2)
    place, normal = scalp.surface(np.stack([flat * np.cos(turn), height, flat * np.sin(turn)], axis=1))
    inside = above_hairline(place)
    keep = inside > 0.3
    place, normal, inside = place[keep], normal[keep], inside[keep]
    full = np.interp(inside, [0.3, 1.2, 3.5], [0.35, 0.72, 1.0]) * np.interp(place[:, 1], [-4, 3, 9], [0.55, 0.9, 1.15])
    radius = (0.62 + 0.36 * full) * rng.uniform(0.88, 1.15, len(place))
    centre = place + normal * (1.40 * full * rng.uniform(0.85, 1.15, len(place)))[:, None]
    pieces.append(curls(centre, normal, radius, palette, rng))
    azimuth = _spread(30, -66, 66, 0.35, rng)[:, 0]
    for s, size, lift in ((0.975, 0.42, 0.12), (0.90, 0.58, 0.50)):
        place, normal = scalp.surface(scalp.direction(azimuth, s + rng.normal(0, 0.012, len(azimuth))))
        radius = size * rng.uniform(0.85, 1.2, len(azimuth))
        pieces.append(curls(place + normal * lift, normal, radius, palette, rng))
        azimuth = azimuth + 2.2
    return join(pieces)


STYLES: dict[HairStyle, Callable[[Scalp, Palette, np.random.Generator], Strands]] = {
    "swept": swept, "bob": bob, "bun": bun, "curly": curly, "crop": crop,
}  # fmt: skip


# --- Brows and lashes.

BROW_DROP = 0.88
"""Centimetres that the brows lie below landmarks 17–26."""
BROW_ARCH = 0.75
"""Share of the landmarks' arch that is kept."""
BROW_HAIRS, BROW_STATIONS, LASHES = 150, 13, 24
"""Hairs of one brow, places along it at which it is carried by the skin, and lashes of one eye."""
LASH_HALF_WIDTHS = (0.035, 0.003)
"""Half widths of a lash at its root and its tip, centimetres: broad roots, so that a shut lid ends in a line."""
BROW_HALF_HEIGHT = (0.15, 0.24, 0.25, 0.20, 0.13, 0.04)
"""Half the brow's height from its inner to its outer end, centimetres."""


def brow_curve(marks: Points, t: NDArray[np.float64], brows: Brows) -> Points:
    """(n, 2) middle of the left brow in front view, from its inner (t = 0) to its outer end (t = 1)."""
    spine = marks[22:27, :2] - (0, BROW_DROP - brows.height)
    spine[:, 1] = spine[1, 1] + BROW_ARCH * brows.arch * (spine[:, 1] - spine[1, 1])
    end = spine[-1] + (0.30 * brows.length) * (spine[-1] - spine[-2])
    x = np.linspace(spine[0, 0] - 0.05, end[0], 6)
    heights = np.polyfit(spine[:, 0], spine[:, 1], 2)
    x = np.interp(t, np.linspace(0, 1, 6), x) + (t - np.clip(t, 0, 1)) * 5.0
    return np.stack([x, np.polyval(heights, x)], axis=1)


def _frame(marks: Points, t: NDArray[np.float64], brows: Brows) -> tuple[Points, Points, Points]:
    """(n, 2) each: middle, direction along and direction up of the left brow."""
    along = brow_curve(marks, t + 0.02, brows) - brow_curve(marks, t - 0.02, brows)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return brow_curve(marks, t, brows), along, np.stack([-along[:, 1], along[:, 0]], axis=1)


def _half_height(t: NDArray[np.float64], brows: Brows) -> NDArray[np.float64]:
    return brows.thickness * np.interp(t, np.linspace(0, 1, len(BROW_HALF_HEIGHT)), BROW_HALF_HEIGHT)


def _brow_base(
    skin: Skin, marks: Points, tone: Points, character: Character
) -> tuple[Points, sparse.csr_matrix, NDArray[np.int64], Points]:
    """A strip under the hairs, brown in the middle and skin-coloured at its edge, so that the brow has a soft body."""
    t = np.linspace(0.0, 1.04, 17)
    across = np.array([-1, -0.62, -0.2, 0.2, 0.62, 1])
    half = 1.25 * _half_height(t, character.brows) + 0.06
    middle, _, normal = _frame(marks, t, character.brows)
    xy = middle[:, None] + (half[:, None] * across)[..., None] * normal[:, None]
    weights, outwards = glue_front(skin, xy.reshape(-1, 2))
    body = np.outer(np.interp(t, [0, 0.10, 0.3, 0.85, 1], [0, 0.55, 0.86, 0.90, 0.50]), [0, 0.85, 1.0, 1.0, 0.75, 0])
    inside = np.outer((t > 0.01) & (t < 1.03), np.abs(across) < 0.9)
    lift = np.where(inside, 0.025, -0.03).reshape(-1)
    n, m = len(t), len(across)
    quads = [
        [i * m + j, (i + 1) * m + j, (i + 1) * m + j + 1, i * m + j + 1] for i in range(n - 1) for j in range(m - 1)
    ]
    under = weights @ tone
    colours = under + body.reshape(-1, 1) * (np.array(character.palette.brow) * 1.08 - under)
    return weights @ skin.vertices + outwards * lift[:, None], weights, np.array(quads), colours


def build_brows(skin: Skin, marks: Points, tone: Points, character: Character) -> Part:
    """Two brows of fine tapering hairs, upright inside, along the brow outside; ``tone`` are the skin's colours."""
    rng = np.random.default_rng(11)
    t = np.sort(0.03 + 0.97 * rng.uniform(0, 1, BROW_HAIRS))
    across = rng.uniform(-1, 1, BROW_HAIRS)
    middle, along, normal = _frame(marks, t, character.brows)
    root = middle + normal * (across * _half_height(t, character.brows))[:, None]
    lean = np.interp(t, [0, 0.15, 0.5, 1], [0.75, 0.5, 0.2, 0.0]) - across * np.interp(
        t, [0, 0.3, 1], [0.1, 0.40, 0.30]
    )
    lean += rng.normal(0, 0.09, BROW_HAIRS)
    direction = along * np.cos(lean)[:, None] + normal * np.sin(lean)[:, None]
    length = np.interp(t, [0, 0.12, 0.3, 1], [0.22, 0.34, 0.46, 0.36]) * rng.uniform(0.8, 1.15, BROW_HAIRS)
    side = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    tip = root + direction * length[:, None]
    bases, lifts = [], []
    for place, width, height in ((root, -0.030, 0.035), (root, 0.030, 0.035), (tip, 0.008, 0.06), (tip, -0.008, 0.06)):
        bases.append(place + side * width)
        lifts.append(np.full(BROW_HAIRS, height))
    weights, outwards = glue_front(skin, np.stack(bases, axis=1).reshape(-1, 2))
    lift = np.stack(lifts, axis=1).reshape(-1)
    vertices = weights @ skin.vertices + outwards * lift[:, None]
    shade = np.repeat(rng.uniform(0.96, 1.08, BROW_HAIRS) * np.interp(t, [0, 0.25, 1], [1.12, 1.04, 1.0]), 4)
    base, base_weights, base_quads, base_colours = _brow_base(skin, marks, tone, character)
    quads = np.concatenate([base_quads, np.arange(len(vertices)).reshape(-1, 4) + len(base)])
    colours = np.concatenate([base_colours, np.array(character.palette.brow) * shade[:, None]])
    vertices, weights = np.concatenate([base, vertices]), sparse.vstack([base_weights, weights]).tocsr()
    stations = np.linspace(0.0, 1.0, BROW_STATIONS)
    middle = brow_curve(marks, stations, character.brows)
    place = np.interp(vertices[:, 0], middle[:, 0], np.arange(BROW_STATIONS))
    left, right = (ride(half, vertices, weights, middle, place) for half in (skin, reflected(skin)))
    right = right * np.array([-1, 1, 1], np.float32)
    return _both_sides("brows", vertices, quads, colours, (left, right), (0.02, 0.79))


def build_lashes(cage: Cage, skin: Skin, character: Character) -> Part:
    """Upper lashes that grow from the lid's edge along the lid's thickness, and so turn with it in a blink."""
    eye = patch("eye_left")
    sub = cage.subdivision
    start = 2 * eye.lattice.index((4, 2))
    half = len(eye.lattice)
    edge, rim = (np.roll(sub.loop(cage.ring(eye, r)), -start)[: half + 1][::-1] for r in (EYE_EDGE, EYE_RIM))
    t = np.linspace(0.22, 0.985, LASHES)
    at = t * (len(edge) - 1)
    out, base = _interpolate(edge, at, len(skin.vertices)), _interpolate(rim, at, len(skin.vertices))
    thick = out @ skin.vertices - base @ skin.vertices
    thick /= np.linalg.norm(thick, axis=1, keepdims=True)
    length = character.lashes * np.interp(t, [0, 0.25, 0.75, 1], [0.28, 0.50, 0.70, 0.50])
    fan = np.stack(
        [np.interp(t, [0, 0.35, 1], [-0.25, 0.0, 0.65]), np.full(LASHES, 0.45), np.full(LASHES, 0.55)], axis=1
    )
    reach = length / np.linalg.norm(out @ skin.vertices - base @ skin.vertices, axis=1)
    stretch = sparse.diags(0.35 * reach) @ (out - base)
    root, tip = out @ skin.vertices, out @ skin.vertices + stretch @ skin.vertices + fan * 0.62 * length[:, None]
    side = np.gradient(root, axis=0)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    broad, fine = (side * half for half in LASH_HALF_WIDTHS)
    corners = [root - broad, root + broad, tip + fine, tip - fine]
    vertices = np.stack(corners, axis=1).reshape(-1, 3)
    weights = sparse.vstack([out, out, out + stretch, out + stretch]).tocsr()
    order = np.arange(4 * LASHES).reshape(4, LASHES).T.reshape(-1)
    quads = np.arange(len(vertices)).reshape(-1, 4)
    colours = np.tile(np.array(character.palette.lash), (len(vertices), 1))
    offsets = (skin.glued(weights[order]), skin.glued(flipped(skin, weights[order])))
    return _both_sides("lashes", vertices, quads, colours, offsets, (0.10, 0.79))


def _interpolate(loop: NDArray[np.int64], at: NDArray[np.float64], count: int) -> sparse.csr_matrix:
    low = np.minimum(at.astype(int), len(loop) - 2)
    share = at - low
    rows = np.repeat(np.arange(len(at)), 2)
    columns = np.stack([loop[low], loop[low + 1]], axis=1).reshape(-1)
    values = np.stack([1 - share, share], axis=1).reshape(-1)
    return sparse.coo_matrix((values, (rows, columns)), shape=(len(at), count)).tocsr()


def _both_sides(
    name: str, vertices: Points, quads: NDArray[np.int64], colours: Points,
    offsets: tuple[NDArray[np.float32], NDArray[np.float32]], corner: tuple[float, float],
) -> Part:  # fmt: skip
    """A left part and its mirror image, with the offsets of both."""
    both = np.concatenate([vertices, vertices * (-1, 1, 1)])
    all_quads = np.concatenate([quads, quads[:, ::-1] + len(vertices)])
    uvs = flat_uvs(both, all_quads, corner, 0.07)
    colours = np.clip(np.concatenate([colours, colours]), 0, 1)
    return Part(name, both, all_quads, colours, np.concatenate(offsets, axis=1), uvs)
