"""Teeth, gums and tongue, modelled on one dental arch (centimetres)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.parts import Index, Points, rounded_box, tube

TOOTH_WIDTHS = (0.84, 0.66, 0.74, 0.68, 0.66, 0.95, 0.95)
"""From the middle incisor to the second molar."""
UPPER_HEIGHTS = (1.0, 0.86, 0.98, 0.84, 0.78, 0.72, 0.68)
LOWER_HEIGHTS = (0.82, 0.84, 0.92, 0.82, 0.76, 0.72, 0.68)
THICKNESS = (0.34, 0.34, 0.42, 0.55, 0.6, 0.85, 0.85)
ARCH_WIDTH, ARCH_DEPTH = 2.55, 4.7
LOWER_SCALE = 0.93
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


TONGUE_STATIONS, TONGUE_AROUND = 14, 16


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
