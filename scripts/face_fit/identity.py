"""Directions in which heads differ, as offsets of the cage.

Most are blends of the reference's identity modes: the smallest blend that changes one measure of the face (a width, a
height) by a stated length and leaves the other measures alone. What the modes do not tell apart (sex, age, fullness)
is a warp of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face_fit.expressions import Expressions, Jaw
from face_fit.target import Points, Target
from sedtalker.face.builtin.cage import MOUTH_CONTACT, patch
from sedtalker.face.builtin.identity import eye_zone, similarity

Measure = Callable[[Points], float]
RIDGE = 0.02


def _span(a: int, b: int, axis: int) -> Measure:
    return lambda m: float(m[b, axis] - m[a, axis])


def _mean(*measures: Measure) -> Measure:
    return lambda m: float(np.mean([f(m) for f in measures]))


MEASURES: dict[str, tuple[Measure, float]] = {
    "faceWidth": (_span(1, 15, 0), 0.9),
    "jawWidth": (_span(4, 12, 0), 0.9),
    "chinLength": (_span(8, 57, 1), 0.40),
    "chinForward": (lambda m: float(m[8, 2] - m[[48, 54], 2].mean()), 0.45),
    "noseLength": (_span(33, 27, 1), 0.40),
    "noseWidth": (_span(31, 35, 0), 0.40),
    "noseForward": (lambda m: float(m[30, 2] - m[[31, 35], 2].mean()), 0.25),
    "noseBridge": (lambda m: float(m[28, 2] - m[[39, 42], 2].mean()), 0.25),
    "lipFullness": (_mean(_span(62, 51, 1), _span(57, 66, 1)), 0.13),
    "mouthWidth": (_span(48, 54, 0), 0.55),
    "philtrum": (_span(51, 33, 1), 0.20),
    "browHeight": (lambda m: float(m[[19, 24], 1].mean() - m[[37, 44], 1].mean()), 0.22),
    "eyeSize": (_mean(_span(42, 45, 0), _span(36, 39, 0)), 0.22),
    "eyeSpacing": (_span(39, 42, 0), 0.35),
    "eyeTilt": (_mean(_span(42, 45, 1), _span(39, 36, 1)), 0.20),
}
"""Name → measure of the 68 landmarks and its change (centimetres) at weight 1."""


@dataclass(frozen=True)
class Push:
    """A soft push: where (left side; mirrored), how far it reaches, which way (centimetres)."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    offset: tuple[float, float, float]


WARPS: dict[str, tuple[Push, ...]] = {
    "masculine": (
        Push((5.9, -5.0, 4.5), (2.2, 2.2, 3.0), (0.42, -0.20, 0.0)),
        Push((1.6, -7.6, 9.0), (1.6, 1.3, 2.5), (0.22, -0.15, 0.20)),
        Push((2.4, 5.0, 9.8), (2.6, 0.9, 2.5), (0.0, -0.22, 0.30)),
        Push((0.0, 2.0, 11.5), (1.2, 1.8, 3.0), (0.0, 0.0, 0.20)),
        Push((0.0, 7.6, 9.8), (5.0, 2.2, 4.0), (0.0, 0.0, -0.22)),
        Push((4.6, -11.0, 0.0), (3.5, 3.0, 6.0), (0.60, 0.0, 0.0)),
        Push((0.0, -9.9, 5.0), (0.9, 1.0, 3.0), (0.0, 0.0, 0.40)),
        Push((0.0, -4.0, 11.0), (2.4, 0.35, 2.0), (0.0, 0.06, -0.10)),
    ),
    "cheekFullness": (
        Push((4.7, -2.6, 7.5), (1.9, 2.0, 3.0), (0.45, 0.0, 0.30)),
        Push((4.2, -6.0, 6.5), (2.2, 1.6, 3.0), (0.25, -0.15, 0.15)),
        Push((0.0, -9.0, 5.5), (3.0, 1.2, 3.0), (0.0, -0.30, 0.20)),
    ),
    "cheekbones": (
        Push((5.4, 0.3, 7.3), (1.5, 1.0, 2.5), (0.22, 0.05, 0.28)),
        Push((5.0, -3.2, 7.0), (1.5, 1.5, 2.5), (-0.32, 0.0, -0.22)),
    ),
    "age": (
        Push((4.4, -5.9, 7.6), (1.2, 1.2, 2.0), (0.24, -0.30, 0.14)),
        Push((2.6, -3.2, 9.8), (0.55, 1.5, 2.0), (-0.04, -0.10, -0.13)),
        Push((3.5, -2.1, 9.3), (0.9, 1.0, 2.0), (0.06, -0.18, 0.16)),
        Push((3.1, 1.35, 9.4), (1.4, 0.40, 2.0), (0.0, -0.10, 0.14)),
        Push((3.3, 0.55, 9.4), (1.4, 0.35, 2.0), (0.0, -0.05, -0.12)),
        Push((4.6, 4.7, 8.6), (1.6, 0.8, 2.0), (0.0, -0.30, 0.05)),
        Push((6.7, 4.0, 4.0), (1.2, 1.8, 2.5), (-0.22, 0.0, 0.0)),
        Push((0.0, -4.6, 11.0), (2.2, 1.0, 2.0), (0.0, 0.0, -0.14)),
        Push((0.0, -9.4, 6.0), (1.6, 1.6, 3.0), (0.0, -0.25, 0.35)),
        Push((0.0, 0.2, 12.8), (0.9, 0.8, 1.5), (0.0, -0.20, 0.05)),
    ),
    "neckWidth": (Push((4.8, -11.2, -0.5), (3.5, 3.2, 7.0), (0.75, 0.0, 0.0)),),
    "foreheadHeight": (Push((0.0, 10.5, 3.0), (9.0, 3.8, 12.0), (0.0, 0.75, 0.0)),),
}
"""Own directions, placed on the reference's mean head."""
FOOT = {0: 0.0, 1: 0.1, 2: 0.3, 3: 0.7}
"""Share of a direction that the lowest rows of the neck take: shoulders are under the collar."""
LARGE_EYES = 0.10
"""Growth of the whole orbit at weight 1 of ``largeEyes``."""


def identity_deltas(target: Target, data: Path) -> dict[str, Points]:
    """Offsets (V, 3) of the target's vertices for each direction at weight 1."""
    with np.load(data / "face" / "ict_full.npz", allow_pickle=False) as d:
        modes = d["identity_deltas"].astype(float)
    marks = target.vertices[target.landmarks]
    rest = np.array([f(marks) for f, _ in MEASURES.values()])
    moved = [marks + mode[target.landmarks] for mode in modes]
    change = np.array([[f(m) for f, _ in MEASURES.values()] for m in moved]).T - rest[:, None]
    amounts = np.array([amount for _, amount in MEASURES.values()])
    scaled = change / amounts[:, None]
    blend = scaled.T @ np.linalg.inv(scaled @ scaled.T + RIDGE * np.eye(len(rest)))
    out = {name: np.tensordot(blend[:, i], modes, 1) for i, name in enumerate(MEASURES)}
    return out | {name: _warp(target.vertices, pushes) for name, pushes in WARPS.items()}


def _large_eyes(e: Expressions) -> Points:
    """Eyes grow outwards from the sides of the nose; the orbit makes way softly."""
    out = np.zeros_like(e.neutral)
    for sign in (1, -1):
        centre = e.ball.centre * (sign, 1, 1)
        x, y = ((e.neutral - centre - (0.12 * sign, -0.1, 0))[:, :2] / (2.15, 1.45)).T
        t = np.clip((2.9 - np.hypot(x, y)) / 1.9, 0, 1)
        near = t * t * (3 - 2 * t) * (e.neutral[:, 2] > 2.0)
        near *= np.clip(e.neutral[:, 0] * sign / 0.8 + 0.5, 0, 1)
        out += LARGE_EYES * near[:, None] * (e.neutral - centre * (0.55, 1, 0) - (0, 0, 9.3))
    return out


def _warp(points: Points, pushes: tuple[Push, ...]) -> Points:
    out = np.zeros_like(points)
    for p in pushes:
        sides = (1.0,) if p.centre[0] == 0 else (1.0, -1.0)
        for sign in sides:
            flip = np.array([sign, 1.0, 1.0])
            near = np.exp(-((((points - np.array(p.centre) * flip) / p.size) ** 2).sum(1)))
            out += near[:, None] * np.array(p.offset) * flip
    return out


def fit_identity(e: Expressions, target: Target, data: Path) -> dict[str, Points]:
    """Cage offsets (N, 3) of each direction: symmetric; the lips stay closed; the eyes only move, turn and grow."""
    still = Jaw(np.zeros((4, 3)))
    mirror = e.fitter.cage.mirror
    foot = np.array([FOOT.get(k[1], 1.0) if k[0] == "grid" else 1.0 for k in e.fitter.cage.keys])
    out = {}
    for name, delta in identity_deltas(target, data).items():
        offsets = e.solve(delta, still)
        offsets = 0.5 * (offsets + offsets[mirror] * (-1, 1, 1))
        offsets = _one_lip_line(e, offsets) * foot[:, None]
        out[name] = _rigid_eyes(e, offsets)
    return out | {"largeEyes": _large_eyes(e)}


def _one_lip_line(e: Expressions, offsets: Points) -> Points:
    """Both lips follow the mean of their contact lines; the mouth's inside moves and widens with them."""
    p, cage = patch("mouth"), e.fitter.cage
    out = offsets.copy()
    for _ in range(16):
        move = e.fitter.matrix[e.contact] @ out
        half = 0.5 * (move[e.opposite] - move)
        for ring, share in ((6, 1.0), (5, 0.8), (4, 0.5), (3, 0.2)):
            out[cage.ring(p, ring)] += share * half
    lips = e.neutral[cage.ring(p, MOUTH_CONTACT)]
    move = out[cage.ring(p, MOUTH_CONTACT)]
    wider = float((move[:, 0] * lips[:, 0]).sum() / (lips[:, 0] ** 2).sum())
    shift = move.mean(0) * (0, 1, 1)
    inside = shift + wider * e.neutral * (1, 0, 0)
    for ring, share in ((7, 0.85), (8, 0.4)):
        at = cage.ring(p, ring)
        inside[at] = share * move + (1 - share) * inside[at]
    mouth = np.array([k[0] == "mouth" for k in cage.keys])
    return np.where((e.sock & mouth)[:, None], inside, out)


def _rigid_eyes(e: Expressions, offsets: Points) -> Points:
    """Replace the offsets near the eyes by the nearest shift, turn and growth of the lids."""
    cage = e.fitter.cage
    out = offsets.copy()
    for sign, side in ((1, "left"), (-1, "right")):
        centre = e.ball.centre * (sign, 1, 1)
        zone = eye_zone(e.neutral, centre)[:, None]
        fitted = similarity(e.neutral, e.neutral + offsets, cage, side)
        out = out + zone * (fitted.apply(e.neutral) - e.neutral - out)
    return out
