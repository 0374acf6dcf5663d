"""The hairstyles of the built-in heads: locks laid over the head of neutral identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from face_fit.locks import CAP_ROWS, Scalp, Strands, arc, cap, curls, join, ribbons, streaks
from sedtalker.face.builtin.characters import HairStyle
from sedtalker.face.builtin.hair import above_hairline
from sedtalker.face.builtin.parts import Points

PARTING = -34.0
"""Azimuth (degrees, positive to the subject's left) at which swept hair divides."""
STATIONS = 7
"""Points along a lock."""
STEPS = np.linspace(0, 1, STATIONS)
"""Where they lie, 0 at the root and 1 at the tip."""


def _profile(*values: float) -> NDArray[np.float64]:
    """Thickness of the cap by row, from values at even steps of the way."""
    return np.interp(np.linspace(0, 1, CAP_ROWS), np.linspace(0, 1, len(values)), values)


def _laid(scalp: Scalp, azimuth: Points, s: Points, lift: Points, half: Points, rng: np.random.Generator) -> Strands:
    """Locks along (azimuth, s), each (L, S), at ``lift`` over the skin."""
    place, normal = scalp.surface(scalp.direction(azimuth, s))
    centre = place + normal * lift[..., None]
    tones = streaks(STEPS, len(centre), rng)
    return ribbons(centre, normal, half, 0.30 * half, place, tones)


def _spread(count: int, low: float, high: float, jitter: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 1) azimuths from low to high, unevenly."""
    step = (high - low) / count
    return (low + step * (np.arange(count) + 0.5) + rng.uniform(-jitter, jitter, count) * step)[:, None]


def swept(scalp: Scalp, rng: np.random.Generator) -> Strands:
    """Short sides, a longer top swept up and aside from a parting."""
    pieces = [cap(scalp, _profile(0.62, 0.60, 0.42, 0.25, 0.08, -0.12), rng)]
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
        pieces.append(_laid(scalp, drift, s, lift, np.tile(half, (count, 1)), rng))
    return join(pieces + _downwards(scalp, rng, SWEPT_SIDES))


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


def _downwards(scalp: Scalp, rng: np.random.Generator, rows: Sequence[SideRow]) -> list[Strands]:
    """Rows of short locks on the sides and the back."""
    pieces = []
    for first, last, count, high in rows:
        azimuth = _spread(count, 46, 314, 0.45, rng)
        s = first + (last - first) * STEPS[None] + rng.normal(-0.01, 0.015, (count, 1))
        lift = high * np.interp(STEPS, [0, 0.3, 0.7, 1], [0.9, 1.0, 0.62, 0.05]) * rng.uniform(0.85, 1.15, (count, 1))
        half = 15.0 / count * np.interp(STEPS, [0, 0.3, 0.75, 1], [0.8, 1.0, 0.9, 0.22])
        side = np.clip((180 - np.abs(180 - azimuth)) / 90, 0, 1) * np.clip(np.abs(180 - azimuth) / 50, 0, 1)
        backwards = np.sign(180 - azimuth) * 9 * side * STEPS**1.5
        pieces.append(_laid(scalp, azimuth + backwards, s, lift, np.tile(half, (count, 1)), rng))
    return pieces


def crop(scalp: Scalp, rng: np.random.Generator) -> Strands:
    """Thin hair combed back, receding at the temples."""
    pieces = [cap(scalp, _profile(0.16, 0.16, 0.14, 0.08, -0.02, -0.2), rng)]
    t = STEPS[None]
    for first, last, count in ((0.90, 0.52, 44), (0.78, 0.36, 40), (0.62, 0.18, 30), (0.42, -0.05, 22)):
        azimuth = _spread(count, -58, 58, 0.3, rng)
        back = 0.10 * np.exp(-(((np.abs(azimuth) - 30) / 12) ** 2))
        s = first - back + (last - first) * t + rng.normal(0, 0.04, (count, 1))
        lift = 0.42 * np.sin(np.pi * np.clip(0.05 + 0.65 * t, 0, 1)) * rng.uniform(0.8, 1.2, (count, 1)) + 0.04
        half = 0.34 * np.interp(STEPS, [0, 0.15, 0.5, 0.85, 1], [0.14, 0.8, 1.0, 0.7, 0.10])
        lean = azimuth + 8 * t
        pieces.append(_laid(scalp, lean, s, lift, np.tile(half, (count, 1)), rng))
    return join(pieces + _downwards(scalp, rng, CROPPED_SIDES))


def bob(scalp: Scalp, rng: np.random.Generator) -> Strands:
    """Chin-length hair with a fringe, ends turned in."""
    pieces = [cap(scalp, _profile(0.45, 0.45, 0.4, 0.35, 0.2, -0.1), rng)]
    for count, out, length, low in ((44, 0.55, -7.2, 50.0), (42, 0.95, -6.7, 44.0), (34, 1.25, -6.2, 40.0)):
        azimuth = _spread(count, low, 360 - low, 0.3, rng)
        pieces.append(_hanging(scalp, azimuth, out, length, rng))
    t = STEPS[None]
    for first, count, tall in ((0.25, 50, 0.66), (0.40, 46, 0.54), (0.55, 42, 0.42)):
        azimuth = _spread(count, -84, 84, 0.22, rng)
        ends = np.interp(np.abs(azimuth), [0, 30, 44, 62, 84], [6.75, 6.6, 5.9, 3.2, 0.8]) + rng.normal(
            0, 0.05, (count, 1)
        )
        s = first + (_reaching(scalp, azimuth, ends) - first) * t
        lift = tall * np.interp(STEPS, [0, 0.3, 0.65, 1], [0.8, 1.0, 0.9, 0.55]) * rng.uniform(0.94, 1.06, (count, 1))
        half = 0.66 * np.interp(STEPS, [0, 0.3, 0.85, 1], [0.7, 1.0, 0.95, 0.72])
        pieces.append(_laid(scalp, azimuth + 0 * s, s, lift, np.tile(half, (count, 1)), rng))
    return join(pieces)


def _reaching(scalp: Scalp, azimuth: Points, heights: Points) -> Points:
    """(L, 1) how far beyond the hairline a lock at azimuth (L, 1) has to go to end at a height (L, 1)."""
    s = np.linspace(0.85, 1.7, 24)
    grid = np.tile(s, (len(azimuth), 1))
    y = scalp.surface(scalp.direction(azimuth + 0 * grid, grid))[0][..., 1]
    return np.array([np.interp(-h, -row, s) for h, row in zip(heights[:, 0], y, strict=True)])[:, None]


def _hanging(scalp: Scalp, azimuth: Points, out: float, length: float, rng: np.random.Generator) -> Strands:
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
    return ribbons(centre, normal, half, 0.25 * half, roots, streaks(t, count, rng, 0.5))


def bun(scalp: Scalp, rng: np.random.Generator) -> Strands:
    """Hair drawn back from the whole hairline into a bun."""
    pieces = [cap(scalp, _profile(0.22, 0.22, 0.18, 0.12, 0.02, -0.12), rng)]
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
        pieces.append(ribbons(centre, normal, half, 0.3 * half, place, streaks(STEPS, count, rng)))
    place, normal = scalp.surface(knot[None])
    pieces.append(_knot(place[0] + 1.4 * normal[0], normal[0], rng))
    return join(pieces)


def _knot(centre: Points, axis: Points, rng: np.random.Generator) -> Strands:
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
    return ribbons(points, ray, half, 0.35 * half, roots, streaks(t, count, rng))


def curly(scalp: Scalp, rng: np.random.Generator) -> Strands:
    """A round crown of tight curls, with a row of small ones along the forehead."""
    pieces = [cap(scalp, _profile(1.5, 1.5, 1.45, 1.3, 0.95, 0.40, -0.08), rng)]
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
    pieces.append(curls(centre, normal, radius, rng))
    azimuth = _spread(30, -66, 66, 0.35, rng)[:, 0]
    for s, size, lift in ((0.975, 0.42, 0.12), (0.90, 0.58, 0.50)):
        place, normal = scalp.surface(scalp.direction(azimuth, s + rng.normal(0, 0.012, len(azimuth))))
        radius = size * rng.uniform(0.85, 1.2, len(azimuth))
        pieces.append(curls(place + normal * lift, normal, radius, rng))
        azimuth = azimuth + 2.2
    return join(pieces)


STYLES: dict[HairStyle, Callable[[Scalp, np.random.Generator], Strands]] = {
    "swept": swept, "bob": bob, "bun": bun, "curly": curly, "crop": crop,
}  # fmt: skip
"""What lays each style over the head of neutral identity."""
