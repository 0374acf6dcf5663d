"""The parts the built-in head is put together from: eyeballs, teeth, gums and collar, with their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.face.builtin.characters import Colour
from sedtalker.face.face import Corrective
from sedtalker.mesh.mesh import grid_quads
from sedtalker.mesh.rasteriser import turn

Points = Doubles
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One group of the mesh, in centimetres.

    Attributes:
        name: group name.
        vertices: (V, 3).
        quads: (Q, 4) counter-clockwise from outside.
        colours: (V, 3) sRGB in [0, 1].
        offsets: (K, V, 3) at coefficient 1 of each shape and corrective.
        uvs: (Q, 4, 2) of each corner.
    """

    name: str
    vertices: Points
    quads: Index
    colours: Points
    offsets: Floats
    uvs: Points


def flat_uvs(vertices: Points, quads: Index, corner: tuple[float, float], size: float) -> Points:
    """(Q, 4, 2): the part seen from the front, scaled into a square of the texture."""
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    return np.array(corner) + size * (vertices[quads][:, :, :2] - low) / max(float((high - low).max()), 1e-9)


@dataclass(frozen=True, eq=False)
class Skin:
    """The refined skin that other parts are glued to.

    Attributes:
        vertices: (V, 3) neutral, centimetres.
        quads: (Q, 4).
        offsets: (K, V, 3).
        mirror: (V,) vertex on the other side.
        ears: (V,) bool.
    """

    vertices: Points
    quads: Index
    offsets: Floats
    mirror: Index
    ears: Mask

    def glued(self, weights: sparse.csr_matrix) -> Floats:
        """Offsets (K, n, 3) of points that are linear combinations (n, V) of the skin's vertices."""
        k, v, _ = self.offsets.shape
        flat = self.offsets.transpose(1, 0, 2).reshape(v, k * 3)
        return (weights.astype(np.float32) @ flat).reshape(-1, k, 3).transpose(1, 0, 2)


# --- Eyeballs: a sphere with a smooth cornea, its iris and pupil painted on rings about the gaze.

CORNEA_ANGLE = 38.0
"""Degrees from the gaze at which the cornea meets the white."""
CORNEA_HEIGHT = 0.2
"""Centimetres by which the cornea stands out of the sphere."""
SPOKES = 32
"""Vertices of each ring of an eyeball."""
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

    centre: Doubles
    radius: float


def cornea_profile(cosine: Doubles) -> Doubles:
    """Height of the cornea above the sphere (cm) at directions with this cosine to the gaze."""
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    s = np.clip(1 - angle / CORNEA_ANGLE, 0, 1)
    return CORNEA_HEIGHT * s * s * (3 - 2 * s)


def build_eyeball(ball: Eyeball, iris: float = 1.0) -> tuple[Doubles, NDArray[np.int64], Doubles]:
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
    direction = direction @ turn(0.0, -REST_ANGLE).T
    fan = [[0, 1 + k, 1 + (k + 1) % SPOKES, 1 + (k + 2) % SPOKES] for k in range(0, SPOKES, 2)]
    quads = np.concatenate([fan, 1 + grid_quads(len(angles), SPOKES, closed=True)])
    degrees = np.concatenate([[0.0], np.repeat(RING_ANGLES, SPOKES)])
    return ball.centre + direction * radius[:, None], quads, degrees


def gaze_rotation(shape: str) -> Doubles:
    """Rotation matrix (3, 3) of the eyeball at coefficient 1 of a gaze shape."""
    down, left = GAZE_ANGLES[shape]
    return turn(left, -down)


def gaze_axis(shape: str | None = None) -> Doubles:
    """Unit vector (3,) of the gaze at rest, or at coefficient 1 of a gaze shape."""
    rest = turn(0.0, -REST_ANGLE) @ (0.0, 0.0, 1.0)
    return rest if shape is None else gaze_rotation(shape) @ rest


# --- The collar that closes the neck.

COLUMNS = 48
"""Vertices round the collar."""
PROFILE = (  # radius factor, height at the front, at the side, at the back
    (0.25, -13.6, -13.4, -13.0), (1.08, -11.7, -10.9, -9.2), (1.18, -11.9, -11.1, -9.4), (1.25, -12.7, -12.0, -10.4),
    (1.42, -13.3, -12.4, -11.4), (1.95, -14.7, -13.5, -13.0), (2.70, -16.8, -15.6, -15.2), (3.15, -19.5, -18.6, -18.6),
)  # fmt: skip
"""Rings of the collar from within the neck outwards: radius factor; height at the front, the side, the back (cm)."""


def build_collar(rows: int, colour: Colour, neck: float, shift: float) -> Part:
    """A round collar with a turned edge on the shoulders of a jumper.

    Args:
        rows: of the basis (the collar never moves).
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
    quads = grid_quads(len(PROFILE), COLUMNS, closed=True)
    shade = np.repeat([0.2, 1.05, 1.1, 0.8, 1.0, 1.0, 1.0, 0.9], COLUMNS)
    index = np.arange(len(vertices))
    rib = np.where(index // COLUMNS < 4, 1 + 0.07 * (-1.0) ** (index % COLUMNS), 1)
    offsets = np.zeros((rows, len(vertices), 3), np.float32)
    uvs = flat_uvs(vertices, quads, (0.92, 0.02), 0.07)
    return Part("collar", vertices, quads, np.clip(np.array(colour) * (shade * rib)[:, None], 0, 1), offsets, uvs)


# --- The tongue of the built-in head: its form, and the shapes in which it speaks (centimetres).
#
# The tongue follows the lower jaw. ``tongueTipAlveolar`` (t, d, n, l), ``tongueTipInterdental`` (th) and
# ``tongueBackDorsalVelar`` (k, g, ng) are the places of articulation of OpenXR's ``XR_FB_face_tracking2`` and its
# names. A tip that touches the ridge behind the upper teeth stays there however far the jaw opens, and a tip that comes
# forward rises over the lower teeth first: correctives see to both, so that no part of it goes through a tooth.

TONGUE_SHAPES = (
    *("tongueUp", "tongueWide", "tongueRoll"),
    *("tongueTipInterdental", "tongueTipAlveolar", "tongueBackDorsalVelar"),
)
"""Extra shapes: tip up, wide and flat (s, i), sides rolled up, and the three places of articulation."""
TONGUE_CORRECTIVES = (
    Corrective("fix_tongueOut", ("tongueOut",)),
    Corrective("fix_tongueTipInterdental", ("tongueTipInterdental",)),
    Corrective("fix_tongueTipAlveolar_jawOpen", ("tongueTipAlveolar", "jawOpen")),
)
"""Over the lower teeth half-way, and at the ridge under an open jaw."""
