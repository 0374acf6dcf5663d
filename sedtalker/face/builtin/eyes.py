"""Eyeballs: a sphere with a smooth cornea, its iris and pupil painted on rings about the gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CORNEA_ANGLE = 38.0
"""Degrees from the gaze at which the cornea meets the white."""
CORNEA_HEIGHT = 0.2
"""Centimetres by which the cornea stands out of the sphere."""
SPOKES = 32
RING_ANGLES = (5.0, 9.0, 9.9, 13.0, 18.0, 21.8, 24.3, 26.2, 33.0, 42.0, 52.0, 64.0, 78.0, 95.0, 120.0)
"""Degrees from the gaze; pupil to 9.5, iris to 25."""

REST_ANGLE = -3.0
"""Degrees about +X that the resting gaze is turned: a little up, so that nobody looks down at rest."""

GAZE_ANGLES = {
    "eyeLookDownLeft": (28.0, 0.0), "eyeLookUpLeft": (-26.0, 0.0), "eyeLookInLeft": (0.0, -32.0),
    "eyeLookOutLeft": (0.0, 32.0), "eyeLookDownRight": (28.0, 0.0), "eyeLookUpRight": (-26.0, 0.0),
    "eyeLookInRight": (0.0, 32.0), "eyeLookOutRight": (0.0, -32.0),
}  # fmt: skip
"""Degrees a full gaze shape turns the ball: about +X (down) and about +Y (towards +X)."""


@dataclass(frozen=True)
class Eyeball:
    """Centre (3,) and radius of the white, centimetres."""

    centre: NDArray[np.float64]
    radius: float


def cornea_profile(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the cornea above the sphere (cm) at directions with this cosine to the gaze."""
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    s = np.clip(1 - angle / CORNEA_ANGLE, 0, 1)
    return CORNEA_HEIGHT * s * s * (3 - 2 * s)


def build_eyeball(
    ball: Eyeball, iris: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Vertices (V, 3) in centimetres, polygons as (Q, 4) quads and the vertices' angles from the gaze, in degrees,
    as if the iris (1 is life-size) had its usual size.

    The front pole is closed by quads of two fan triangles each; the open back is inside the head.
    """
    around = np.arange(SPOKES) * 2 * np.pi / SPOKES
    rings = np.array(RING_ANGLES)
    angles = np.radians(np.where(rings < 40, np.minimum(rings * iris, 41.0), rings))
    ring = np.stack([np.cos(around), np.sin(around)], axis=1)
    direction = np.concatenate(
        [[[0, 0, 1.0]]] + [np.concatenate([ring * np.sin(a), np.full((SPOKES, 1), np.cos(a))], axis=1) for a in angles]
    )
    radius = ball.radius + cornea_profile(direction[:, 2])
    direction = direction @ _about_x(REST_ANGLE).T
    quads = []
    for k in range(0, SPOKES, 2):
        quads.append([0, 1 + k, 1 + (k + 1) % SPOKES, 1 + (k + 2) % SPOKES])
    for r in range(len(angles) - 1):
        a, b = 1 + r * SPOKES, 1 + (r + 1) * SPOKES
        for k in range(SPOKES):
            m = (k + 1) % SPOKES
            quads.append([a + k, b + k, b + m, a + m])
    degrees = np.concatenate([[0.0], np.repeat(RING_ANGLES, SPOKES)])
    return ball.centre + direction * radius[:, None], np.array(quads), degrees


def gaze_rotation(shape: str) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of the eyeball at coefficient 1 of a gaze shape."""
    down, left = np.radians(GAZE_ANGLES[shape])
    c, s = np.cos(left), np.sin(left)
    return _about_x(float(np.degrees(down))) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def gaze_axis(shape: str | None = None) -> NDArray[np.float64]:
    """Unit vector (3,) of the gaze at rest, or at coefficient 1 of a gaze shape."""
    rest = _about_x(REST_ANGLE) @ (0.0, 0.0, 1.0)
    return rest if shape is None else gaze_rotation(shape) @ rest


def _about_x(degrees: float) -> NDArray[np.float64]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
