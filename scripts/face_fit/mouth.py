"""Teeth, gums and tongue of the built-in heads, with their shapes: the same in all of them, before they are placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.identity import Parameters
from sedtalker.face.builtin.paint import smoothstep
from sedtalker.face.builtin.parts import Index, Part, Points, flat_uvs
from sedtalker.face.builtin.shapes import SHAPES, correctives, mixed, row_count


def build_mouth(parameters: Parameters, contact: Points) -> list[Part]:
    """Upper and lower teeth, gums and tongue; ``contact`` (3,) is the middle of the lips' contact."""
    front = float(contact[2]) - TEETH_BEHIND
    upper = Arch(front, float(contact[1]) - 0.26, 1.0, 1.0)
    lower = Arch(front - 0.22, float(contact[1]) - 0.22, LOWER_SCALE, -1.0)
    still = np.zeros((row_count(parameters), 1, 3), np.float32)
    parts = []
    for name, arch, corner in (("teeth_upper", upper, 0.56), ("teeth_lower", lower, 0.70)):
        vertices, quads = build_teeth(arch)
        offsets = jaw_offsets(parameters, vertices) if arch is lower else np.repeat(still, len(vertices), axis=1)
        colours = paint_teeth(vertices, arch.edge, arch.direction, front)
        parts.append(Part(name, vertices, quads, colours, offsets, flat_uvs(vertices, quads, (corner, 0.82), 0.12)))
    gums = [build_gum(upper), build_gum(lower)]
    vertices = np.concatenate([g[0] for g in gums])
    quads = np.concatenate([gums[0][1], gums[1][1] + len(gums[0][0])])
    offsets = np.repeat(still, len(gums[0][0]), axis=1)
    offsets = np.concatenate([offsets, jaw_offsets(parameters, gums[1][0])], axis=1)
    colours = paint_soft(vertices, GUM, front)
    parts.append(Part("gums", vertices, quads, colours, offsets, flat_uvs(vertices, quads, (0.84, 0.82), 0.07)))
    vertices, quads, place = build_tongue(lower)
    offsets = tongue_offsets(parameters, vertices, place)
    colours = paint_soft(vertices, TONGUE, front)
    parts.append(Part("tongue", vertices, quads, colours, offsets, flat_uvs(vertices, quads, (0.92, 0.82), 0.07)))
    return parts


def jaw_offsets(parameters: Parameters, points: Points) -> NDArray[np.float32]:
    """(K + C, n, 3) offsets of points that the lower jaw carries."""
    jaws = mixed(parameters, parameters.jaws)
    rows = np.concatenate([points, np.ones((len(points), 1))], axis=1).astype(np.float32)
    still = np.zeros((row_count(parameters) - len(SHAPES), len(points), 3), np.float32)
    return np.concatenate([rows @ jaws, still])


def tongue_offsets(parameters: Parameters, points: Points, place: NDArray[np.float64]) -> NDArray[np.float32]:
    """(K + C, n, 3): the tongue follows the jaw and has shapes of its own; ``place`` is 0 at the root, 1 at the tip."""
    out = jaw_offsets(parameters, points)
    names = [*SHAPES, *(corrective.name for corrective in correctives(parameters))]
    jaw = out[SHAPES.index("jawOpen")].astype(float)
    for name, offset in tongue_motion(points, place, jaw).items():
        out[names.index(name)] += offset.astype(np.float32)
    return out


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


# --- Teeth and gums, modelled on one dental arch (centimetres).

TOOTH_WIDTHS = (0.84, 0.66, 0.74, 0.68, 0.66, 0.95, 0.95)
"""From the middle incisor to the second molar."""
UPPER_HEIGHTS = (1.0, 0.86, 0.98, 0.84, 0.78, 0.72, 0.68)
"""Heights of the upper teeth, centimetres, from the middle incisor to the second molar."""
LOWER_HEIGHTS = (0.82, 0.84, 0.92, 0.82, 0.76, 0.72, 0.68)
"""Heights of the lower teeth."""
THICKNESS = (0.34, 0.34, 0.42, 0.55, 0.6, 0.85, 0.85)
"""Depth of the teeth, upper and lower."""
ARCH_WIDTH, ARCH_DEPTH, ARCH_POWER = 2.55, 4.7, 2.4
"""Half axes, centimetres, and power of the superellipse on which the upper teeth stand: broader in front than an
ellipse, so that from the side the row of teeth goes on round the curve."""
LOWER_SCALE = 0.93
"""Size of the lower arch relative to the upper one."""
GUM_LINE = 1.47
"""Height of the gums' middle over the biting edges, centimetres: raised lips bare teeth, not their necks."""
TEETH_BEHIND = 0.9
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
        across, along = (np.sign(part) * np.abs(part) ** (2 / ARCH_POWER) for part in (np.sin(s), np.cos(s)))
        z = self.front - ARCH_DEPTH * self.scale * (1 - along)
        return np.stack([ARCH_WIDTH * self.scale * across, z], axis=-1)

    def angles(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angles at arc lengths from the middle."""
        s = np.linspace(0, 1.6, 800)
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(self.point(s), axis=0), axis=1))])
        return np.interp(lengths, arc, s)


def build_teeth(arch: Arch) -> tuple[Points, Index]:
    """Fourteen rounded boxes of 26 vertices."""
    heights = UPPER_HEIGHTS if arch.direction > 0 else LOWER_HEIGHTS
    box, faces = rounded_box(6)
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
    taper = 1 - 0.08 * up**2
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


# --- The tongue.

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


# --- Colours.

TOOTH = np.array([0.95, 0.93, 0.88])
"""Teeth, before they yellow towards the root."""
MOLARS = np.array([0.54, 0.62, 0.65])
"""How much darker the last teeth are, by channel: little light comes to them past lips and cheeks."""
GUM = np.array([0.74, 0.40, 0.40])
"""Gums."""
TONGUE = np.array([0.76, 0.40, 0.40])
"""Tongue."""


def paint_teeth(vertices: Points, arch_edge: float, direction: float, front: float) -> Points:
    """Colours (V, 3): ivory, yellower at the root, darker towards the molars, sooner below, where lips shade them."""
    root = np.clip(direction * (vertices[:, 1] - arch_edge), 0, 1.2) / 1.2
    colours = TOOTH - root[:, None] * (0.05, 0.08, 0.13)
    first, last = (front - 0.3, front - 3.2) if direction > 0 else (front - 0.2, front - 2.4)
    depth = smoothstep(first, last, vertices[:, 2])
    return colours * (1 - depth[:, None] * MOLARS) * (1.0 if direction > 0 else 0.94)


def paint_soft(vertices: Points, colour: Points, front: float) -> Points:
    """Colours (V, 3) of gums and tongue, darker in the depth of the mouth."""
    depth = smoothstep(front - 0.6, front - 4.0, vertices[:, 2])
    return colour * (1 - 0.75 * depth)[:, None]
