"""Texture coordinates and vertex colours of the built-in head.

The skin's texture is the cylinder grid unrolled, its features inside their own rectangles; its colours are painted from
the distances to its own features.
"""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Doubles
from sedtalker.face.builtin.cage import EYE_EDGE, EYE_RIM, Cage, patch
from sedtalker.face.builtin.characters import Palette
from sedtalker.face.builtin.parts import RING_ANGLES, SPOKES, Points

# --- Vertex colours (sRGB).

SOCK = np.array([0.24, 0.07, 0.066])
"""Inside of the lips (sRGB)."""
DEPTH = np.array([0.15, 0.045, 0.042])
"""The back of the mouth."""
WHITE = np.array([0.94, 0.93, 0.915])
"""White of the eyes."""
LIGHT = np.array([0.900, 0.715, 0.625])
"""The skin for which fixed shades were chosen; other skins take them relative to their own."""


def smoothstep(low: float, high: float, x: Doubles) -> Doubles:
    """0 below ``low``, 1 above ``high``, smooth between; also for low > high."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _spot(points: Points, centre: Points, size: float | tuple[float, float, float]) -> Doubles:
    return np.exp(-((((points - centre) / size) ** 2).sum(1)))


def _mix(colours: Points, towards: Points, amount: Doubles) -> Points:
    return colours + np.clip(amount, 0, 1)[:, None] * (towards - colours)


def paint_skin(cage: Cage, vertices: Points, marks: Points, scalp: Doubles, palette: Palette) -> Points:
    """Colours (V, 3) of the refined skin.

    Args:
        vertices: (V, 3) centimetres.
        marks: (68, 3) landmarks.
        scalp: (V,) centimetres along the skin from the hairline up.
    """
    skin, blush = np.array(palette.skin), np.array(palette.blush)
    colours = skin * _variation(vertices, palette.unevenness)
    mirrored = vertices * (-1, 1, 1)
    socket, cheek = marks[42:48].mean(0), 0.5 * (marks[45] + marks[54]) + (1.0, -0.3, 0.2)
    for side in (vertices, mirrored):
        colours = _mix(colours, blush, 0.24 * _spot(side, cheek, (2.1, 1.6, 3.0)))
        colours = _mix(colours, blush, 0.25 * _spot(side, np.array([8.0, 1.2, 0.0]), (1.2, 3.0, 2.5)))
        colours = _mix(colours, skin * (0.80, 0.70, 0.70), 0.20 * _spot(side, socket + (0, -0.9, 0), (1.6, 0.6, 2.0)))
        colours = _mix(colours, skin * (0.86, 0.74, 0.72), 0.25 * _spot(side, socket + (0, 0.9, 0), (1.7, 0.8, 2.0)))
        bone = cheek + (-0.2, 1.4, 0.6)
        colours = _mix(colours, skin * (1.05, 1.06, 1.07), 0.55 * _spot(side, bone, (1.5, 0.7, 2.0)))
        hollow = cheek + (0.7, -2.0, -0.6)
        colours = _mix(colours, skin * (0.88, 0.83, 0.82), 0.45 * _spot(side, hollow, (1.5, 1.7, 2.5)))
        fold = np.array([0.5 * (marks[35] + marks[54]) + (0.75, 0.1, 0.0)])[0]
        colours = _mix(colours, skin * (0.86, 0.76, 0.74), 0.30 * _spot(side, fold, (0.5, 1.1, 2.0)))
    colours = _mix(colours, blush, 0.20 * _spot(vertices, marks[30], (1.3, 1.0, 1.5)))
    colours = _mix(colours, blush, 0.14 * _spot(vertices, marks[8] + (0, 0.8, 0), (1.5, 1.0, 2.0)))
    colours = _mix(colours, blush, 0.10 * _spot(vertices, marks[57] + (0, -0.8, 0), (1.6, 0.6, 1.5)))
    colours = _mix(colours, skin * (1.03, 1.04, 1.04), 0.5 * _spot(vertices, marks[27] + (0, 3.5, 0), (3.5, 2.5, 4.0)))
    colours = _mix(colours, skin * (0.80, 0.76, 0.76), 0.6 * smoothstep(marks[8, 1] - 0.4, marks[8, 1] - 2.6,
                   vertices[:, 1]) * smoothstep(9.0, 4.0, vertices[:, 2]))  # fmt: skip
    colours = _paint_beard(vertices, marks, colours, palette)
    colours = _mix(colours, np.array(palette.hair) * 0.9, 0.85 * smoothstep(-0.15, 0.75, scalp))
    colours = _paint_lids(cage, vertices, colours, palette)
    colours = _paint_mouth(cage, vertices, colours, palette)
    return np.clip(_paint_holes(cage, colours, skin), 0, 1)


def _variation(vertices: Points, amount: float) -> Points:
    """(V, 3) factors near 1: soft patches of lighter, darker and redder skin."""
    rng = np.random.default_rng(3)
    tone, red = np.zeros(len(vertices)), np.zeros(len(vertices))
    for size in (4.0, 2.3):
        for _ in range(5):
            wave = rng.normal(size=3) / size
            tone += np.sin(vertices @ wave * 2.5 + rng.uniform(0, 6.3)) * size**0.5
            red += np.sin(vertices @ wave[::-1] * 2.5 + rng.uniform(0, 6.3)) * size**0.5
    tone, red = tone / tone.std(), red / red.std()
    return 1 + amount * (0.012 * tone[:, None] + 0.012 * red[:, None] * (0.3, -0.8, -0.6))


def _paint_beard(vertices: Points, marks: Points, colours: Points, palette: Palette) -> Points:
    """The shadow of a shaven beard: jaw, chin, upper lip; not on the cheeks."""
    if palette.stubble == 0:
        return colours
    x, y, _ = vertices.T
    nose, corner = marks[33, 1], marks[48, 1]
    heights = [nose - 0.1, nose - 0.4, corner - 0.2, corner + 0.2, 1.2, 2.4]
    line = np.interp(np.abs(x), [0, 1.6, 3.0, 5.0, 6.6, 7.4], heights)
    grown = smoothstep(0.9, -0.7, y - line) * smoothstep(marks[8, 1] - 3.4, marks[8, 1] - 0.8, y)
    grown *= smoothstep(0.2, 2.2, vertices[:, 2])
    return _mix(colours, np.array(palette.brow) * 0.9 + 0.1, 0.55 * palette.stubble * grown)


def _paint_lids(cage: Cage, vertices: Points, colours: Points, palette: Palette) -> Points:
    skin = np.array(palette.skin)
    for side in ("left", "right"):
        ring, height = cage.place(patch(f"eye_{side}"))
        seen = ring >= 0
        upper = smoothstep(-0.15, 0.25, height) * seen
        fold = np.exp(-(((ring - 2.9) / 0.55) ** 2)) * upper
        colours = _mix(colours, skin * (0.62, 0.47, 0.42), 0.34 * fold)
        colours = _mix(colours, skin * (0.9, 0.78, 0.75), 0.35 * smoothstep(2.0, 4.0, ring) * seen)
        colours = _mix(colours, np.array(palette.lid), palette.lid_cover * smoothstep(1.6, 3.4, ring) * upper)
        line = smoothstep(EYE_EDGE - 0.9, EYE_EDGE - 0.1, ring) * seen
        colours = _mix(colours, np.array(palette.lash) * 0.95, 0.80 * line * upper)
        colours = _mix(colours, _relative(skin, 0.60, 0.36, 0.33), 0.55 * line * (1 - upper))
        inner = smoothstep(0.35, 0.0, np.abs(vertices[:, 0]) - np.abs(vertices[seen, 0]).min() - 0.9)
        tissue = np.array([0.62, 0.33, 0.31]) + (1 - inner)[:, None] * np.array([-0.42, -0.22, -0.21])
        colours = _mix(colours, tissue, smoothstep(EYE_RIM - 0.3, EYE_RIM + 0.5, ring) * seen)
    return colours


def _paint_mouth(cage: Cage, vertices: Points, colours: Points, palette: Palette) -> Points:
    ring, height = cage.place(patch("mouth"))
    lip = np.array(palette.lip)
    outline = smoothstep(3.45, 4.35, ring)
    tone = lip * np.where(height > 0, 0.92, 1.0)[:, None]
    colours = colours + (palette.lip_cover * outline)[:, None] * (tone - colours)
    colours = _mix(colours, lip * 1.10, 0.30 * np.exp(-(((ring - 4.9) / 0.5) ** 2)) * (height < 0))
    colours = _mix(colours, lip * 0.48, 0.85 * smoothstep(5.2, 6.0, ring))
    colours = _mix(colours, SOCK, smoothstep(7.0, 8.3, ring))  # evenly dark before: the line where lips meet is thin
    back = smoothstep(10.0, 6.0, vertices[:, 2])
    return _mix(colours, DEPTH, np.where(ring > 7, back, 0.0))


def _paint_holes(cage: Cage, colours: Points, skin: Points) -> Points:
    for side in ("left", "right"):
        ring, _ = cage.place(patch(f"nostril_{side}"))
        colours = _mix(colours, _relative(skin, 0.20, 0.09, 0.08), 0.95 * smoothstep(0.9, 2.0, ring))
        colours = _mix(colours, _relative(skin, 0.55, 0.32, 0.28), 0.35 * smoothstep(0.3, 1.0, ring))
        ring, height = cage.place(patch(f"ear_{side}"))
        hollow = smoothstep(-0.75, -0.35, height)
        colours = _mix(colours, _relative(skin, 0.50, 0.27, 0.23), 0.60 * smoothstep(6.1, 7.6, ring) * hollow)
        groove = np.exp(-(((ring - 4.9) / 0.5) ** 2)) * hollow
        colours = _mix(colours, _relative(skin, 0.60, 0.36, 0.31), 0.35 * groove)
    return colours


def _relative(skin: Points, red: float, green: float, blue: float) -> Points:
    """A shade chosen for the light skin, as dark relative to this one."""
    return skin * (np.array([red, green, blue]) / LIGHT)


def paint_eyeball(degrees: Doubles, palette: Palette) -> Points:
    """Colours (V, 3) of an eyeball's vertices: white, limbal ring, fibred iris, pupil and a catch-light."""
    rng = np.random.default_rng(7)
    fibre = np.concatenate([[0.0], np.tile(rng.normal(0, 1, SPOKES), len(RING_ANGLES))])
    fibre = fibre + 0.5 * np.concatenate([[0.0], rng.normal(0, 1, SPOKES * len(RING_ANGLES))])
    spread = smoothstep(10.5, 21, degrees)
    inner, outer = np.array(palette.iris_inner), np.array(palette.iris_outer)
    iris = inner + spread[:, None] * (outer - inner)
    iris = iris * (1 + 0.10 * np.clip(fibre, -2, 2))[:, None]
    iris = iris * (0.55 + 0.45 * smoothstep(25.8, 20, degrees))[:, None]
    white = WHITE - smoothstep(35, 75, degrees)[:, None] * (0.05, 0.13, 0.13)
    colours = np.where((degrees <= 25)[:, None], iris, white)
    colours = np.where(((degrees > 25) & (degrees < 29))[:, None], WHITE * 0.72, colours)
    colours = np.where((degrees <= 9.5)[:, None], 0.02, colours)
    angle = np.concatenate([[0.0], np.tile(np.arange(SPOKES) * 2 * np.pi / SPOKES, len(RING_ANGLES))])
    light = np.abs(angle - np.radians(135)) * np.sin(np.radians(degrees)) < 0.06
    colours[light & (degrees > 9.5) & (degrees < 14)] = (0.99, 0.99, 0.99)
    return np.clip(colours, 0, 1)
