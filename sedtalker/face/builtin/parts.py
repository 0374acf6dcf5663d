"""The parts the built-in head is put together from: eyeballs, teeth, gums and collar, with their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.face.builtin.characters import Colour
from sedtalker.face.face import Corrective

Points = NDArray[np.float64]
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
    offsets: NDArray[np.float32]
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
    offsets: NDArray[np.float32]
    mirror: Index
    ears: NDArray[np.bool_]

    def glued(self, weights: sparse.csr_matrix) -> NDArray[np.float32]:
        """Offsets (K, n, 3) of points that are linear combinations (n, V) of the skin's vertices."""
        k, v, _ = self.offsets.shape
        flat = self.offsets.transpose(1, 0, 2).reshape(v, k * 3)
        return (weights.astype(np.float32) @ flat).reshape(-1, k, 3).transpose(1, 0, 2)


def tube(sections: Points, closed_ends: bool = True) -> tuple[Points, Index]:
    """Quads round (S, n, 3) cross-sections, wound outwards for sections that run counter-clockwise seen from behind.

    Each closed end gets a centre vertex; with n even, its fan is made of quads.
    """
    stations, n, _ = sections.shape
    vertices = sections.reshape(-1, 3)
    quads = []
    for s in range(stations - 1):
        for k in range(n):
            m = (k + 1) % n
            quads.append([s * n + k, s * n + m, (s + 1) * n + m, (s + 1) * n + k])
    if closed_ends:
        first, last = len(vertices), len(vertices) + 1
        vertices = np.concatenate([vertices, [sections[0].mean(0), sections[-1].mean(0)]])
        end = (stations - 1) * n
        for k in range(0, n, 2):
            a, b, c = k, k + 1, (k + 2) % n
            quads.append([first, c, b, a])
            quads.append([last, end + a, end + b, end + c])
    return vertices, np.array(quads)


def rounded_box(power: float) -> tuple[Points, Index]:
    """A cube of 3 × 3 × 3 points without its centre, pulled onto |x|^p + |y|^p + |z|^p = 1; wound outwards."""
    grid = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])
    index = {tuple(p): i for i, p in enumerate(grid.tolist())}
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            for a in (-1, 0):
                for b in (-1, 0):
                    corners = []
                    for da, db in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        p = [0, 0, 0]
                        p[axis], p[u], p[v] = side, a + da, b + db
                        corners.append(index[tuple(p)])
                    faces.append(corners if side > 0 else corners[::-1])
    norm = (np.abs(grid.astype(float)) ** power).sum(1) ** (1 / power)
    return grid / norm[:, None], np.array(faces)


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


# --- Teeth and gums, modelled on one dental arch (centimetres).

TOOTH_WIDTHS = (0.84, 0.66, 0.74, 0.68, 0.66, 0.95, 0.95)
"""From the middle incisor to the second molar."""
UPPER_HEIGHTS = (1.0, 0.86, 0.98, 0.84, 0.78, 0.72, 0.68)
"""Heights of the upper teeth, centimetres, from the middle incisor to the second molar."""
LOWER_HEIGHTS = (0.82, 0.84, 0.92, 0.82, 0.76, 0.72, 0.68)
"""Heights of the lower teeth."""
THICKNESS = (0.34, 0.34, 0.42, 0.55, 0.6, 0.85, 0.85)
"""Depth of the teeth, upper and lower."""
ARCH_WIDTH, ARCH_DEPTH = 2.55, 4.7
"""Half axes of the ellipse on which the upper teeth stand, centimetres."""
LOWER_SCALE = 0.93
"""Size of the lower arch relative to the upper one."""
GUM_LINE = 1.47
"""Height of the gums' middle over the biting edges, centimetres: raised lips bare teeth, not their necks."""
TEETH_BEHIND = 1.05
"""Centimetres from the middle of the lips' contact back to the front of the upper teeth."""


@dataclass(frozen=True)
class Arch:
    """Dental arch: front of the tooth row and height of its biting edges, centimetres.

    ``direction`` is +1 for upper teeth (roots above), −1 for lower ones.
    """

    front: float
    edge: float
    scale: float
    direction: float

    def point(self, s: NDArray[np.float64]) -> Points:
        """(n, 2) x and z at angles along the arch."""
        x = ARCH_WIDTH * self.scale * np.sin(s)
        return np.stack([x, self.front - ARCH_DEPTH * self.scale * (1 - np.cos(s))], axis=-1)

    def angles(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angles at arc lengths from the middle."""
        s = np.linspace(0, 1.6, 800)
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(self.point(s), axis=0), axis=1))])
        return np.interp(lengths, arc, s)


def build_teeth(arch: Arch) -> tuple[Points, Index]:
    """Fourteen rounded boxes of 26 vertices."""
    heights = UPPER_HEIGHTS if arch.direction > 0 else LOWER_HEIGHTS
    box, faces = rounded_box(9)
    vertices: list[Points] = []
    quads: list[Index] = []
    for side in (1, -1):
        start = 0.0
        for number, width in enumerate(TOOTH_WIDTHS):
            width *= arch.scale * (0.80 if arch.direction < 0 and number < 2 else 1.0)
            s = arch.angles(np.array([start, start + width / 2, start + width]))
            a, middle, b = arch.point(s)
            along = (b - a) / np.linalg.norm(b - a)
            out = np.array([-along[1], along[0]]) * (1 if along[0] > 0 else -1)
            out = out if out[1] > 0 or abs(out[0]) > 0.5 else -out
            start += width
            tooth = _tooth(box, number, width * 1.06, heights[number], THICKNESS[number])
            x = middle[0] + tooth[:, 0] * along[0] + tooth[:, 2] * out[0]
            z = middle[1] + tooth[:, 0] * along[1] + tooth[:, 2] * out[1]
            y = arch.edge + arch.direction * (tooth[:, 1] + (0.05 if number == 1 else 0.0) + 0.012 * number**1.5)
            placed = np.stack([x * side, y, z], axis=1)
            flip = side * arch.direction < 0
            quads.append((faces[:, ::-1] if flip else faces) + 26 * len(vertices))
            vertices.append(placed)
    return np.concatenate(vertices), np.concatenate(quads)


def _tooth(box: Points, number: int, width: float, height: float, thick: float) -> Points:
    """Box coordinates (−1…1) to a tooth whose biting edge is at height 0: x along the arch, z outwards."""
    x, y, z = box.T
    up = (y + 1) / 2
    sharp = (0.35 + 0.65 * np.minimum(1, up * 1.6)) if number < 3 else 1.0
    point = 0.09 * np.abs(x) * (1 - up) if number == 2 else 0.0
    taper = 1 - 0.16 * up**2
    bow = 0.05 * (1 - (2 * up - 0.7) ** 2)
    return np.stack(
        [x * width / 2 * taper, up * height * 1.25 + point, z * thick / 2 * sharp + bow - thick / 2 * 0.2], axis=1
    )


def build_gum(arch: Arch) -> tuple[Points, Index]:
    """A tube along the roots that covers the upper part of the teeth."""
    s = np.linspace(-1.25, 1.25, 27)
    base = arch.point(s)
    tangent = np.gradient(base, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    out = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    around = np.arange(8) * np.pi / 4 + np.pi / 8
    wave = 0.05 * np.cos(arch_phase(arch, s) * 2 * np.pi)
    sections = []
    for k in range(len(s)):
        wide, tall = 0.34 + 0.12 * abs(s[k]), 0.42
        y = arch.edge + arch.direction * (GUM_LINE - 0.12 * abs(s[k]) + wave[k] + tall * np.sin(around))
        across = wide * np.cos(around)
        sections.append(np.stack([base[k, 0] + out[k, 0] * across, y, base[k, 1] + out[k, 1] * across], axis=1))
    vertices, quads = tube(np.array(sections))
    return vertices, quads if arch.direction < 0 else quads[:, ::-1]


def arch_phase(arch: Arch, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tooth number along the arch as a real number; integers at the gaps between teeth."""
    edges = np.concatenate([[0.0], np.cumsum(np.array(TOOTH_WIDTHS) * arch.scale)])
    fine = np.linspace(0, 1.6, 800)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(arch.point(fine), axis=0), axis=1))])
    return np.interp(np.interp(np.abs(s), fine, length), edges, np.arange(len(edges)))


# --- The collar that closes the neck.

COLUMNS = 48
"""Vertices round the collar."""
PROFILE = (  # radius factor, height at the front, at the side, at the back
    (0.97, -12.6, -11.8, -10.2), (1.08, -11.7, -10.9, -9.2), (1.18, -11.9, -11.1, -9.4), (1.25, -12.7, -12.0, -10.4),
    (1.42, -13.3, -12.4, -11.4), (1.95, -14.7, -13.5, -13.0), (2.70, -16.8, -15.6, -15.2), (3.15, -19.5, -18.6, -18.6),
)  # fmt: skip
"""Rings of the collar from the neck down: radius factor, and centimetres of height at the front, the side and the
back."""


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
TONGUE_STATIONS, TONGUE_AROUND = 14, 16
"""Cross-sections of the tongue, and vertices of each."""


def build_tongue(lower: Arch) -> tuple[Points, Index, NDArray[np.float64]]:
    """A flattened body from root to tip: vertices, quads and each vertex's place (0 at the root, 1 at the tip)."""
    t = np.linspace(0, 1, TONGUE_STATIONS)
    z = lower.front - 0.42 - 5.2 * (1 - t)
    y = lower.edge - 0.62 + 0.20 * np.sin(np.pi * t) - 0.35 * (1 - t) ** 2
    half = 1.75 * np.sqrt(np.clip(1 - (np.clip(t - 0.35, 0, 1) / 0.66) ** 2.4, 0.02, 1))
    tall = 0.62 * np.sqrt(np.clip(1 - (np.clip(t - 0.25, 0, 1) / 0.765) ** 3, 0.03, 1))
    around = np.arange(TONGUE_AROUND) * 2 * np.pi / TONGUE_AROUND
    sections = []
    for k in range(TONGUE_STATIONS):
        cx, cy = np.cos(around), np.sin(around)
        groove = -0.10 * np.exp(-((cx / 0.25) ** 2)) * (cy > 0) * np.sin(np.pi * t[k])
        sections.append(np.stack([half[k] * cx, y[k] + tall[k] * (cy + groove / 0.62), np.full_like(cx, z[k])], axis=1))
    vertices, quads = tube(np.array(sections))
    place = np.concatenate([np.repeat(t, TONGUE_AROUND), [0.0, 1.0]])
    vertices[-1, 2] += 0.06
    return vertices, quads, place


def tongue_motion(points: Points, place: NDArray[np.float64], jaw: Points) -> dict[str, Points]:
    """Offsets (n, 3) of the tongue by shape and corrective, on top of what the jaw does to it.

    Args:
        points: (n, 3) at rest.
        place: (n,) 0 at the root, 1 at the tip.
        jaw: (n, 3) offsets of ``jawOpen``.
    """
    x, y, _ = points.T
    stations = np.linspace(0, 1, TONGUE_STATIONS)
    middle = y - np.interp(place, stations, [y[np.abs(place - p) < 1e-3].mean() for p in stations])
    tip = np.clip((place - 0.25) / 0.75, 0, 1)
    blade = np.clip(1.12 * tip, 0, 1) ** 2
    back = np.exp(-(((place - 0.36) / 0.20) ** 2))
    reach = tip**1.1
    arched = 1.0 - 0.25 * (x / 1.75) ** 2
    zero = np.zeros_like(x)
    rise = 0.56 * np.clip(tip * 1.6, 0, 1) - 1.6 * np.clip(tip - 0.6, 0, 1) ** 1.3
    motion = {
        "tongueOut": (-0.16 * x * reach, rise - 0.5 * middle * reach, 3.45 * reach),
        "tongueUp": (-0.10 * x * tip, 0.78 * tip**2.2, 0.25 * tip - 0.05),
        "tongueWide": (0.12 * x * (0.3 + tip), -0.25 * middle + 0.12, zero),
        "tongueRoll": (-0.25 * x * tip, 0.32 * (x / 1.4) ** 2 * tip, zero),
        "tongueTipInterdental": (-0.20 * x * blade, 0.76 * blade - 0.55 * middle * blade, 0.95 * blade),
        "tongueTipAlveolar": (-0.24 * x * tip**2, 1.45 * tip**2.2 * arched - 0.25 * middle * blade, 0.30 * tip**3),
        "tongueBackDorsalVelar": (-0.12 * x * back, 1.3 * back * arched - 0.12 * tip, -0.25 * tip),
        "fix_tongueOut": (-0.12 * x * reach, 0.70 * blade - 0.3 * middle * blade, -0.7 * reach),
        "fix_tongueTipInterdental": (zero, 0.45 * blade, zero),
    }
    offsets = {name: np.stack(moved, axis=1) for name, moved in motion.items()}
    return offsets | {"fix_tongueTipAlveolar_jawOpen": -jaw * (tip**2.2)[:, None]}
