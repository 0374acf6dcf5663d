"""Wrinkles of the built-in heads: fine lines on the head of neutral identity, and the shapes that bring them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from sedtalker.face.builtin.paint import smoothstep
from sedtalker.face.builtin.parts import Points
from sedtalker.face.builtin.shapes import SHAPES

ACROSS = np.array([-1.0, -0.62, -0.28, 0.0, 0.28, 0.62, 1.0])
"""Places across a line, in half widths."""
DARK = np.array([0.0, 0.0, 0.35, 1.0, 0.35, 0.0, 0.0])
"""Darkness of the line at each of them."""
FADE = 1.7
"""Power of the fall of their colour towards the ends."""
PALER = 0.85
"""Share of their colour that lines lose up to the end, where others or fainter shapes bring out their end than their
start: a line of which only a part shows ends softly."""
SHARED = (0.1, 0.7)
"""Between these places on such a line its weights go from those of its start to those of its end."""
STATION = 0.20
"""Centimetres between stations."""


@dataclass(frozen=True)
class Crease:
    """A wrinkle of the left half, placed on the head of neutral identity in front view (centimetres).

    Attributes:
        path: (x, y) points from end to end.
        half: half width.
        shapes: how far each shape brings it out.
        dark: 0 to 1.
        open_start: whether the line does not taper at its start (it meets its mirror image on the midline).
        at_end: ``shapes`` at the end of the line, where these are others or fainter; between start and end they change
            evenly.
        stations: how many there are; None: one every ``STATION``.
    """

    path: tuple[tuple[float, float], ...]
    half: float
    shapes: Mapping[str, float]
    dark: float = 1.0
    open_start: bool = False
    at_end: Mapping[str, float] | None = None
    stations: int | None = None


_INNER = {"browInnerUp": 0.8, "browOuterUpLeft": 0.2}
"""How far raised brows bring out the lines of the forehead in its middle; inner brows alone, as in sadness, wrinkle
only this."""
_OUTER = {"browInnerUp": 0.3, "browOuterUpLeft": 0.7}
"""The same at their outer ends."""
_SMILED = {"mouthSmileLeft": 0.50, "cheekSquintLeft": 0.42, "eyeSquintLeft": 0.45}
"""Strength of crow's feet by a smile and by a squint."""
CREASES = (
    Crease(((0, 6.38), (1.2, 6.40), (2.4, 6.52), (3.9, 6.35)), 0.28, _INNER, 0.6, True, _OUTER),
    Crease(((0, 7.18), (1.2, 7.19), (2.6, 7.28), (4.3, 7.05)), 0.32, _INNER, 0.65, True, _OUTER),
    Crease(((0, 8.02), (1.2, 8.03), (2.5, 8.06), (3.7, 7.85)), 0.28, _INNER, 0.5, True, _OUTER),
    Crease(((0.52, 4.0), (0.46, 4.7), (0.52, 5.3), (0.68, 6.0)), 0.20, {"browDownLeft": 1.0}, 1.0),
    Crease(((0.98, 4.5), (1.0, 5.1), (1.15, 5.8)), 0.18, {"browDownLeft": 0.8}, 0.6),
    Crease(((0, 3.74), (0.35, 3.75), (0.75, 3.92)), 0.14, {"noseSneerLeft": 0.7, "noseSneerRight": 0.5}, 0.6, True),
    Crease(((0, 3.26), (0.35, 3.27), (0.80, 3.40)), 0.14, {"noseSneerLeft": 0.75, "noseSneerRight": 0.55}, 0.7, True),
    Crease(((4.95, 3.75), (5.4, 4.02), (5.9, 4.45)), 0.15, _SMILED, 0.4),
    Crease(((5.05, 3.38), (5.6, 3.45), (6.2, 3.62)), 0.15, _SMILED, 0.45),
    Crease(((4.95, 3.00), (5.5, 2.84), (6.1, 2.80)), 0.15, _SMILED, 0.4),
    Crease(((1.75, 2.42), (2.5, 2.08), (3.4, 1.98), (4.2, 2.2)), 0.17,
           {"eyeSquintLeft": 0.6, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.3}, 0.45),
    Crease(((1.66, -0.42), (1.95, -0.85), (2.50, -1.50), (3.05, -2.25), (3.30, -3.05)), 0.26,
           {"mouthSmileLeft": 0.85, "noseSneerLeft": 0.85, "mouthUpperUpLeft": 0.7, "mouthDimpleLeft": 0.4,
            "cheekSquintLeft": 0.2}, 0.45, stations=20),
    Crease(((2.80, -2.95), (3.06, -3.6), (3.10, -4.2), (2.95, -4.9)), 0.20,
           {"mouthFrownLeft": 0.9, "mouthShrugLower": 0.25, "mouthStretchLeft": 0.25}, 0.3,
           at_end={"mouthFrownLeft": 0.3, "mouthShrugLower": 0.25, "mouthStretchLeft": 0.25}),
    Crease(((0, -4.58), (0.5, -4.57), (1.35, -4.75)), 0.20,
           {"mouthShrugLower": 0.9, "mouthRollLower": -5.0}, 0.6, True),
)  # fmt: skip
"""The wrinkles of the left half."""


@dataclass(frozen=True, eq=False)
class Wrinkles:
    """All wrinkles of the left side as one mesh in front view.

    Attributes:
        xy: (n, 2) places.
        taper: (n,) 1 in the middle of a line, 0 at its ends.
        across: (n,) column of the cross-section.
        dark: (n,) how dark.
        shapes: (K, n) how far each shape brings it out.
        quads: (Q, 4).
    """

    xy: Points
    taper: NDArray[np.float64]
    across: NDArray[np.int64]
    dark: NDArray[np.float64]
    shapes: NDArray[np.float64]
    quads: NDArray[np.int64]


def draw_wrinkles() -> Wrinkles:
    """The lines of ``CREASES``, drawn."""
    xy, tapers, darks, shapes, quads, total = [], [], [], [], [], 0
    m = len(ACROSS)
    for crease in CREASES:
        points, taper = _stations(crease)
        n = len(points)
        along = np.gradient(points, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        width = crease.half * (0.5 + 0.5 * taper)
        xy.append((points[:, None] + (width[:, None] * ACROSS)[..., None] * normal[:, None]).reshape(-1, 2))
        tapers.append(np.repeat(taper, m))
        paler = 1.0 if crease.at_end is None else 1.0 - PALER * np.linspace(0.0, 1.0, n)[:, None]
        darks.append(crease.dark * (paler * taper[:, None] ** FADE * DARK).reshape(-1))
        rows = np.zeros((len(SHAPES), n * m))
        place = np.repeat(smoothstep(*SHARED, np.linspace(0.0, 1.0, n)), m)
        for name, weight in crease.shapes.items():
            end = weight if crease.at_end is None else crease.at_end[name]
            rows[SHAPES.index(name)] = weight + place * (end - weight)
        shapes.append(rows)
        start = total + np.arange(n - 1)[:, None] * m + np.arange(m - 1)
        quads.append(np.stack([start, start + m, start + m + 1, start + 1], axis=-1).reshape(-1, 4))
        total += n * m
    return Wrinkles(
        np.concatenate(xy), np.concatenate(tapers), np.arange(total) % m, np.concatenate(darks),
        np.concatenate(shapes, axis=1), np.concatenate(quads),
    )  # fmt: skip


def _stations(crease: Crease) -> tuple[Points, NDArray[np.float64]]:
    """Points (n, 2) along the line and how far each is from its tapering ends, 0 to 1."""
    path = np.array(crease.path)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    n = crease.stations or max(5, int(np.ceil(length[-1] / STATION)) + 1)
    t = np.linspace(0, 1, n)
    points = np.stack([PchipInterpolator(length / length[-1], path[:, k])(t) for k in range(2)], axis=1)
    return points, 1 - (t if crease.open_start else 2 * t - 1) ** 2
