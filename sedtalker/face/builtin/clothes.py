"""The collar that closes the neck."""

from __future__ import annotations

import numpy as np

from sedtalker.face.builtin.character import Colour
from sedtalker.face.builtin.parts import Part, flat_uvs

COLUMNS = 48
PROFILE = (  # radius factor, height at the front, at the side, at the back
    (0.97, -12.6, -11.8, -10.2), (1.08, -11.7, -10.9, -9.2), (1.18, -11.9, -11.1, -9.4), (1.25, -12.7, -12.0, -10.4),
    (1.42, -13.3, -12.4, -11.4), (1.95, -14.7, -13.5, -13.0), (2.70, -16.8, -15.6, -15.2), (3.15, -19.5, -18.6, -18.6),
)  # fmt: skip


def build_collar(rows: int, colour: Colour, neck: float, shift: float) -> Part:
    """A round collar with a turned edge on the shoulders of a jumper.

    Args:
        rows: of the basis (the collar never moves).
        colour: of the cloth.
        neck: width of the neck relative to the head of neutral identity.
        shift: how far the neck's base moved up, centimetres.
    """
    a = np.arange(COLUMNS) * 2 * np.pi / COLUMNS
    rings = []
    for factor, front, side, back in PROFILE:
        facing = np.cos(a)
        wide = 1 + (neck - 1) * np.interp(factor, [1.5, 3.0], [1.15, 0.5])
        y = side + np.where(facing > 0, front - side, back - side) * facing**2
        slope = np.where(factor > 1.3, 1 + 0.24 * (factor - 1.3), 1.0)
        x = 5.75 * factor * slope * wide * np.sin(a)
        z = -2.3 + 5.6 * wide * min(factor, 1.25 + 0.45 * (factor - 1.25)) * facing + 0.16 * (12 + y)
        rings.append(np.stack([x, y + shift, z], axis=1))
    vertices = np.concatenate(rings)
    quads = np.array([
        [r * COLUMNS + k, (r + 1) * COLUMNS + k, (r + 1) * COLUMNS + (k + 1) % COLUMNS, r * COLUMNS + (k + 1) % COLUMNS]
        for r in range(len(PROFILE) - 1) for k in range(COLUMNS)
    ])  # fmt: skip
    shade = np.repeat([0.5, 1.05, 1.1, 0.8, 1.0, 1.0, 1.0, 0.9], COLUMNS)
    index = np.arange(len(vertices))
    rib = np.where(index // COLUMNS < 4, 1 + 0.07 * (-1.0) ** (index % COLUMNS), 1)
    offsets = np.zeros((rows, len(vertices), 3), np.float32)
    uvs = flat_uvs(vertices, quads, (0.92, 0.02), 0.07)
    return Part("collar", vertices, quads, np.clip(np.array(colour) * (shade * rib)[:, None], 0, 1), offsets, uvs)
