"""Making lids and lips meet on the target, where copied motion closes too little or too much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sedtalker.face.registration.alignment import Skin, attach
from sedtalker.face.registration.features import SAMPLES, Line
from sedtalker.face.registration.parts import LEFT_EYE, RIGHT_EYE, Eyeball

Offsets = NDArray[np.float64]
EYES = ((RIGHT_EYE, "eyeBlinkRight"), (LEFT_EYE, "eyeBlinkLeft"))
OVERLAP = 0.0003  # metres at rig scale by which closed lids overlap
CLOSING_ROUNDS = 4  # lids and lips of few polygons do not follow their rim at once
FURTHEST_PUSH = 0.005  # of a closed lid out of the eyeball
CLEARANCE = 0.0003  # of the closed lid over the eyeball
LIP_REACH = 0.006  # how far from the contact line lips are corrected
LIP_TOLERANCE = 0.0001
SEAL_REACH = 0.016  # how far from the line of sealed lips they move together


def meet(offsets: Offsets, index: dict[str, int], skin: Skin, eyes: dict[int, Eyeball]) -> None:
    """Correct blinks, ``mouthClose`` and ``mouthPress`` of a target's skin offsets (K, M, 3), in place."""
    for (role, shape), line in zip(EYES, skin.features.lids, strict=True):
        if shape in index and line.found:
            close_lids(offsets[index[shape]], skin, line, eyes.get(role))
    line = skin.features.lips
    if not line.found:
        seal(offsets, skin, line)
        return
    if {"jawOpen", "mouthClose"} <= set(index):
        for _ in range(CLOSING_ROUNDS):
            half = 0.5 * (offsets[index["jawOpen"]] + offsets[index["mouthClose"]])
            offsets[index["mouthClose"]] += 2.0 * lip_correction(half, skin, line)
    if {"mouthPressLeft", "mouthPressRight"} <= set(index):
        left, right = index["mouthPressLeft"], index["mouthPressRight"]
        change = lip_correction(offsets[left] + offsets[right], skin, line)
        middle = line.upper[SAMPLES // 2, 0]
        width = 0.1 * (line.upper[-1, 0] - line.upper[0, 0])
        share = (1.0 / (1.0 + np.exp(-(skin.points[:, 0] - middle) / width)))[:, None]
        offsets[left] += share * change
        offsets[right] += (1.0 - share) * change


def still_eye_shapes(shapes: tuple[str, ...], skin: Skin) -> list[str]:
    """Shapes that make no sense where an eye has no open lids: blink, gaze and widening of that side."""
    sides = [side for side, line in zip(("Right", "Left"), skin.features.lids, strict=True) if not line.found]
    words = ("eyeBlink", "eyeLook", "eyeWide")
    return [name for name in shapes if name.startswith(words) and name.endswith(tuple(sides))] if sides else []


def seal(offsets: Offsets, skin: Skin, line: Line) -> None:
    """Let sealed lips move together, in place: near their line each takes the mean of both, lest a membrane stretch."""
    moved = []
    for places, side in ((line.upper, 1), (line.lower, -1)):
        corners, weights = attach(skin, places, side)
        moved.append((offsets[:, corners] * weights[None, ..., None]).sum(2))
    middle = 0.5 * (line.upper + line.lower)
    order = np.argsort(middle[:, 0])
    x, rim_x = skin.points[:, 0], middle[order, 0]
    rim = np.stack([np.interp(x, rim_x, middle[order, k]) for k in (1, 2)], axis=1)
    beyond = np.maximum(np.maximum(rim_x[0] - x, x - rim_x[-1]), 0.0)
    squared = ((skin.points[:, 1:] - rim) ** 2).sum(1) + beyond**2
    share = np.exp(-squared / SEAL_REACH**2)
    for k, mean in enumerate(0.5 * (moved[0] + moved[1])):
        for axis in range(3):
            offsets[k, :, axis] += share * (np.interp(x, rim_x, mean[order, axis]) - offsets[k, :, axis])


def border_offsets(offset: Offsets, skin: Skin, line: Line, lip: bool) -> tuple[Offsets, Offsets]:
    """Offsets (S, 3) of the upper and the lower border of a line."""
    moved = []
    for places, side in ((line.upper, 1), (line.lower, -1)):
        corners, weights = attach(skin, places, side if lip else 0)
        moved.append((offset[corners] * weights[..., None]).sum(1))
    return moved[0], moved[1]


def taper() -> NDArray[np.float64]:
    """Weight of a line's samples (S,): nothing at its ends."""
    along = np.linspace(0, 1, SAMPLES)
    return np.clip(6.0 * np.minimum(along, 1 - along), 0.0, 1.0)


def close_lids(offset: Offsets, skin: Skin, line: Line, ball: Eyeball | None) -> None:
    """Let the upper lid of a full blink come to lie on the lower lid and in front of the eyeball; in place.

    Every point of the upper lid takes the rim's correction in the share in which it takes part in the blink.
    """
    x, order = skin.points[:, 0], np.argsort(line.upper[:, 0])
    rim_x = line.upper[order, 0]
    middle = np.interp(x, rim_x, (0.5 * line.upper + 0.5 * line.lower)[order, 1])
    width = rim_x[-1] - rim_x[0]
    near = (x > rim_x[0] - 0.3 * width) & (x < rim_x[-1] + 0.3 * width)
    near &= (skin.points[:, 1] > middle) & (np.abs(skin.points[:, 1] - middle) < 0.8 * width)
    upper, _ = border_offsets(offset, skin, line, lip=False)
    fall = np.minimum(gaussian_filter1d(upper[:, 1], 1.2), -1e-5)
    share = np.clip(offset[:, 1] / np.interp(x, rim_x, fall[order]), 0.0, 1.0) * near
    for k in range(CLOSING_ROUNDS):
        last = k + 1 == CLOSING_ROUNDS
        if last and ball is not None:
            clear_eyeball(offset, skin, ball, share)
        upper, lower = border_offsets(offset, skin, line, lip=False)
        missing = (line.lower + lower) - (line.upper + upper) + (0.0, -OVERLAP, OVERLAP)
        # Borders are read off a picture: what is not smooth along them is noise.
        missing = gaussian_filter1d(missing * taper()[:, None], 1.2, axis=0, mode="nearest")
        for axis in (1,) if last else (1, 2):
            offset[:, axis] += share * np.interp(x, rim_x, missing[order, axis])


def clear_eyeball(offset: Offsets, skin: Skin, ball: Eyeball, share: NDArray[np.float64]) -> None:
    """Push the closed lid (``share`` (M,) of each point in it) out of the eyeball; in place."""
    away = skin.points + offset - ball.centre
    distance = np.linalg.norm(away, axis=1)
    inside = np.clip(ball.reach(skin.points + offset) + CLEARANCE - distance, 0.0, FURTHEST_PUSH)
    depth = inside * skin.outside * np.clip(3.0 * share, 0.0, 1.0)
    offset += away / (distance[:, None] + 1e-12) * depth[:, None]


def lip_correction(offset: Offsets, skin: Skin, line: Line) -> Offsets:
    """What must be added (M, 3) to a closed mouth's offsets so that upper and lower lip just touch."""
    upper, lower = border_offsets(offset, skin, line, lip=True)
    gap = (line.upper + upper - line.lower - lower)[:, 1]
    gap = np.where(np.abs(gap) > LIP_TOLERANCE, gap, 0.0)
    gap = gaussian_filter1d(gap * taper(), 1.0, mode="nearest")
    change = np.zeros_like(offset)
    side = skin.features.lip_side
    for sign, border in ((1, line.upper), (-1, line.lower)):
        order = np.argsort(border[:, 0])
        x = skin.points[:, 0]
        rim = np.stack([np.interp(x, border[order, 0], border[order, k]) for k in (1, 2)], axis=1)
        distance = np.linalg.norm(skin.points[:, 1:] - rim, axis=1)
        inside = np.interp(x, border[order, 0], gap[order], left=0.0, right=0.0)
        change[:, 1] -= np.where(side == sign, 0.5 * sign * inside * np.exp(-((distance / LIP_REACH) ** 2)), 0.0)
    return change


def gaps(offsets: Offsets, index: dict[str, int], skin: Skin) -> tuple[float | None, float | None]:
    """Largest openings left, metres at rig scale, in the middle three fifths: of lids in a blink, of closed lips.

    Lips are closed by ``jawOpen`` and ``mouthClose`` at one half. None where the mesh has no such line or shape.
    """
    blink = [
        middle_gap(offsets[index[shape]], skin, line, lip=False)
        for (_, shape), line in zip(EYES, skin.features.lids, strict=True)
        if shape in index and line.found
    ]
    lips = None
    if skin.features.lips.found and {"jawOpen", "mouthClose"} <= set(index):
        closed = 0.5 * (offsets[index["jawOpen"]] + offsets[index["mouthClose"]])
        lips = middle_gap(closed, skin, skin.features.lips, lip=True)
    return (max(blink) if blink else None), lips


def middle_gap(offset: Offsets, skin: Skin, line: Line, lip: bool) -> float:
    """Largest opening, metres at rig scale, between a line's moved borders, away from its ends; 0 if they overlap."""
    upper, lower = border_offsets(offset, skin, line, lip)
    gap = gaussian_filter1d((line.upper + upper - line.lower - lower)[:, 1], 1.5, mode="nearest")
    return max(float(gap[SAMPLES // 5 : -(SAMPLES // 5)].max()), 0.0)
