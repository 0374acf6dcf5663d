"""Making lids and lips meet on the target, where copied motion closes too little or too much."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from sedtalker.face.registration.alignment import Borders, Skin, Values, bind, taper, tighten
from sedtalker.face.registration.features import SAMPLES
from sedtalker.face.registration.lids import close_lids
from sedtalker.face.registration.parts import LEFT_EYE, RIGHT_EYE, Eyeball

EYES = ((RIGHT_EYE, "eyeBlinkRight"), (LEFT_EYE, "eyeBlinkLeft"))
CLOSING_ROUNDS = 4  # lips of few polygons do not follow their rim at once
LIP_REACH = 0.006  # how far from the contact line lips are corrected
LIP_TOLERANCE = 0.0001
PRESSED = {"mouthRollUpper": 0.0, "mouthRollLower": 1.0}
"""Shapes that press the lips together, also where they are a little open at rest: the lower lip's share in it."""
SEAL_REACH = 0.016  # how far from the line of sealed lips they move together


def meet(offsets: Values, index: dict[str, int], skin: Skin, eyes: dict[int, Eyeball]) -> None:
    """Correct the blinks and what closes the lips of a target's skin offsets (K, M, 3), in place."""
    for (role, shape), line in zip(EYES, skin.features.lids, strict=True):
        if shape in index and line.found:
            close_lids(offsets[index[shape]], skin, bind(skin, line, lip=False), eyes.get(role))
    line = skin.features.lips
    lips = bind(skin, line, lip=True)
    if not line.found:
        seal(offsets, skin, lips)
        return
    if {"jawOpen", "mouthClose"} <= set(index):
        jaw, close = index["jawOpen"], index["mouthClose"]
        closed = 0.5 * (offsets[jaw] + offsets[close])
        for _ in range(CLOSING_ROUNDS):
            closed += lip_correction(closed, skin, lips)
        tighten(closed, lips, 0.0, 1.0)
        offsets[close] = 2.0 * closed - offsets[jaw]
    for shape, lower in PRESSED.items():
        if shape in index:
            offsets[index[shape]] += lip_correction(offsets[index[shape]], skin, lips, lower)
    if {"mouthPressLeft", "mouthPressRight"} <= set(index):
        left, right = index["mouthPressLeft"], index["mouthPressRight"]
        change = lip_correction(offsets[left] + offsets[right], skin, lips)
        middle = line.upper[SAMPLES // 2, 0]
        width = 0.1 * (line.upper[-1, 0] - line.upper[0, 0])
        share = (1.0 / (1.0 + np.exp(-(skin.points[:, 0] - middle) / width)))[:, None]
        offsets[left] += share * change
        offsets[right] += (1.0 - share) * change


def seal(offsets: Values, skin: Skin, lips: Borders) -> None:
    """Let sealed lips move together, in place: near their line each takes the mean of both, lest a membrane stretch."""
    middle = 0.5 * (lips.line.upper + lips.line.lower)
    order = np.argsort(middle[:, 0])
    x, rim_x = skin.points[:, 0], middle[order, 0]
    rim = np.stack([np.interp(x, rim_x, middle[order, k]) for k in (1, 2)], axis=1)
    beyond = np.maximum(np.maximum(rim_x[0] - x, x - rim_x[-1]), 0.0)
    squared = ((skin.points[:, 1:] - rim) ** 2).sum(1) + beyond**2
    share = np.exp(-squared / SEAL_REACH**2)
    for offset in offsets:
        mean = 0.5 * (lips.upper @ offset + lips.lower @ offset)
        for axis in range(3):
            offset[:, axis] += share * (np.interp(x, rim_x, mean[order, axis]) - offset[:, axis])


def lip_correction(offset: Values, skin: Skin, lips: Borders, lower: float = 0.5) -> Values:
    """What must be added (M, 3) so that a closed mouth's lips just touch; ``lower`` is the share of the lower lip."""
    gap = lips.gap(offset)
    gap = np.where(np.abs(gap) > LIP_TOLERANCE, gap, 0.0)
    gap = gaussian_filter1d(gap * taper(), 1.0, mode="nearest")
    change = np.zeros_like(offset)
    side = skin.features.lip_side
    for sign, border, share in ((1, lips.line.upper, 1.0 - lower), (-1, lips.line.lower, lower)):
        order = np.argsort(border[:, 0])
        x = skin.points[:, 0]
        rim = np.stack([np.interp(x, border[order, 0], border[order, k]) for k in (1, 2)], axis=1)
        distance = np.linalg.norm(skin.points[:, 1:] - rim, axis=1)
        inside = np.interp(x, border[order, 0], gap[order], left=0.0, right=0.0)
        change[:, 1] -= np.where(side == sign, share * sign * inside * np.exp(-((distance / LIP_REACH) ** 2)), 0.0)
    return change


def gaps(offsets: Values, index: dict[str, int], skin: Skin) -> tuple[float | None, float | None]:
    """Largest openings left, metres at rig scale, in the middle three fifths: of lids in a blink, of closed lips.

    Lips are closed by ``jawOpen`` and ``mouthClose`` at one half. None where the mesh has no such line or shape.
    """
    blink = [
        bind(skin, line, lip=False).opening(offsets[index[shape]])
        for (_, shape), line in zip(EYES, skin.features.lids, strict=True)
        if shape in index and line.found
    ]
    lips = None
    if skin.features.lips.found and {"jawOpen", "mouthClose"} <= set(index):
        closed = 0.5 * (offsets[index["jawOpen"]] + offsets[index["mouthClose"]])
        lips = bind(skin, skin.features.lips, lip=True).opening(closed)
    return (max(blink) if blink else None), lips
