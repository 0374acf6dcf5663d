"""Making lids and lips meet on the target, where copied motion closes them too little or too much."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import eye
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Ints
from sedtalker.face.registration.alignment import Borders, Skin, attach_to, bind, taper, tighten
from sedtalker.face.registration.features import SAMPLES, Line
from sedtalker.face.registration.parts import LEFT_EYE, RIGHT_EYE, Eyeball
from sedtalker.mesh.surface import Points, laplacian, triangle_normals

EYES = ((RIGHT_EYE, "eyeBlinkRight"), (LEFT_EYE, "eyeBlinkLeft"))
"""Role of each eyeball and the shape that closes its lids, subject's right first."""


def meet(offsets: Doubles, index: dict[str, int], skin: Skin, eyes: dict[int, Eyeball]) -> None:
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
        for _ in range(LIP_ROUNDS):
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


# --- Lips: they just touch where a shape closes them; sealed ones move together.

LIP_ROUNDS = 4
"""Rounds of correcting closed lips: those of few polygons do not follow their rim at once."""
LIP_REACH = 0.006
"""Metres from the contact line within which lips are corrected."""
LIP_TOLERANCE = 0.0001
"""Metres: a smaller gap or overlap of closed lips is left."""
PRESSED = {"mouthRollUpper": 0.0, "mouthRollLower": 1.0}
"""Shapes that press the lips together, also where they are a little open at rest: the lower lip's share in it."""
SEAL_REACH = 0.016
"""Metres from the line of sealed lips within which both move together."""


def seal(offsets: Doubles, skin: Skin, lips: Borders) -> None:
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


def lip_correction(offset: Doubles, skin: Skin, lips: Borders, lower: float = 0.5) -> Doubles:
    """Offsets (M, 3) that make a closed mouth's lips just touch; ``lower`` is the share of the lower lip."""
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


# --- Lids: the upper one comes to lie on the lower one and in front of the eyeball.

CREASE = 0.001
"""Metres at rig scale over which a blink is spread on the skin round the eye."""
OVERLAP = 0.0005
"""Metres at rig scale by which closed lids overlap."""
LID_ROUNDS = 4
"""Rounds of correcting closed lids: those of few polygons do not follow their rim at once."""
CLEARING_ROUNDS = 4
"""Rounds of pushing a closed lid out of the eyeball."""
FURTHEST_PUSH = 0.005
"""Metres that a closed lid is pushed at most."""
CLEARANCE = 0.0003
"""Metres that a closed lid keeps over the eyeball."""
LOWER_EFFORT = 4.0
"""Cost of moving the lower lid, beside the upper."""
RIM_STEPS = 400
"""Steps along a rim in which the nearest place of a point is sought."""
WITHIN = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
"""Barycentric places all over a triangle."""


def still_eye_shapes(shapes: tuple[str, ...], skin: Skin) -> list[str]:
    """Shapes that make no sense where an eye has no open lids: blink, gaze and widening of that side."""
    sides = [side for side, line in zip(("Right", "Left"), skin.features.lids, strict=True) if not line.found]
    words = ("eyeBlink", "eyeLook", "eyeWide")
    return [name for name in shapes if name.startswith(words) and name.endswith(tuple(sides))] if sides else []


def close_lids(offset: Doubles, skin: Skin, borders: Borders, ball: Eyeball | None) -> None:
    """Let the upper lid of a full blink come to lie on the lower lid and in front of the eyeball; in place.

    Every point of the upper lid takes the rim's correction in the share in which it takes part in the blink.
    """
    line = borders.line
    smooth_lids(offset, skin, line)
    at = along_rim(line.upper, skin.points)
    share = part_in_blink(offset, skin, borders, at)
    for _ in range(LID_ROUNDS):
        upper, lower = borders.moved(offset)
        missing = lower - upper + (0.0, -OVERLAP, OVERLAP)
        missing[:, 2] = np.maximum(missing[:, 2], 0.0)  # in front of the lower lid is closed as well
        # Borders are read off a picture: what is not smooth along them is noise.
        missing = gaussian_filter1d(missing * taper()[:, None], 1.2, axis=0, mode="nearest")
        for axis in (1, 2):
            offset[:, axis] += share * on_rim(missing[:, axis], at)
    lift_hanging(offset, skin, borders, at, share)
    if ball is not None:
        clear_eyeball(offset, skin, ball, share)
    tighten(offset, borders, OVERLAP, LOWER_EFFORT)


def lift_hanging(offset: Doubles, skin: Skin, borders: Borders, at: Doubles, share: Doubles) -> None:
    """Lift points that a blink moves more than ``2 * OVERLAP`` below the lower rim up to there, in place.

    The places at which the rims are sampled lie between points, so that a single one can hang lower.

    Args:
        offset: (M, 3) of the skin, as in ``close_lids``, with the places (M,) along the rim, and shares (M,) in [0, 1].
    """
    lowest = on_rim(borders.moved(offset)[1][:, 1], at) - 2 * OVERLAP
    offset[:, 1] += np.clip(3.0 * share, 0.0, 1.0) * np.maximum(lowest - skin.points[:, 1] - offset[:, 1], 0.0)


def smooth_lids(offset: Doubles, skin: Skin, line: Line) -> None:
    """Spread a blink's offsets (M, 3) over ``CREASE`` of the skin round an eye, in place.

    Where edges are longer, hardly anything changes; where they are shorter, closest points leave pleats.
    """
    middle = 0.5 * (line.upper + line.lower)
    width = float(np.ptp(middle[:, 0]))
    near = np.linalg.norm(skin.points - middle.mean(axis=0), axis=1) < width
    triangles = skin.triangles[near[skin.triangles].all(axis=1)]
    used, local = np.unique(triangles, return_inverse=True)
    renumbered = local.reshape(-1, 3).astype(np.int32)
    if not len(used):
        return
    corners = skin.points[triangles]
    edge = float(np.median(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)))
    system = eye(len(used)) + (CREASE / edge) ** 2 * laplacian(len(used), renumbered)
    offset[used] = splu(system.tocsc()).solve(offset[used])


def along_rim(rim: Points, points: Points) -> Doubles:
    """Position of each point (M, 3) along a rim (S, 3), in [0, 1]; at a corner rims run straight back."""
    along = np.linspace(0, 1, RIM_STEPS)
    steps = np.stack([on_rim(rim[:, axis], along) for axis in (0, 2)], axis=1)
    return np.asarray(along[cKDTree(steps).query(points[:, [0, 2]])[1]])


def on_rim(values: Doubles, at: Doubles) -> Doubles:
    """Values (S,) at the samples of a rim, read between them at places (M,) in [0, 1]."""
    return np.interp(at, np.linspace(0, 1, len(values)), values)


def part_in_blink(offset: Doubles, skin: Skin, borders: Borders, at: Doubles) -> Doubles:
    """Share (M,) by which points follow the rim of the upper lid: 1 at the rim, 0 at the brow and below the eye."""
    line, x = borders.line, skin.points[:, 0]
    low, high = line.upper[:, 0].min(), line.upper[:, 0].max()
    above = skin.points[:, 1] - on_rim(0.5 * (line.upper + line.lower)[:, 1], at)
    width = high - low
    near = (x > low - 0.3 * width) & (x < high + 0.3 * width) & (above > 0.0) & (above < 0.8 * width)
    fall = np.minimum(gaussian_filter1d((borders.upper @ offset)[:, 1], 1.2), -1e-5)
    return np.asarray(np.clip(offset[:, 1] / on_rim(fall, at), 0.0, 1.0) * near)


def clear_eyeball(offset: Doubles, skin: Skin, ball: Eyeball, share: Doubles) -> None:
    """Push the closed lid (``share`` (M,) of each point in it) out of the eyeball; in place.

    Large triangles dip into the ball between their corners: places all over them are looked at, and those under the
    ball's own points, the pupil's among them.
    """
    lid = skin.triangles[skin.seen & (share[skin.triangles] > 0.0).any(axis=1)]
    pushed = np.zeros(len(share))
    for _ in range(CLEARING_ROUNDS):
        moved = skin.points + offset - ball.centre
        outer = lid[(triangle_normals(moved, lid) * moved[lid].mean(axis=1)).sum(1) > 0.0]  # not the lid's underside
        if not len(outer):
            return
        corners, weights, inside = dips(moved, outer, ball)
        inside *= np.clip(3.0 * (share[corners] * weights).sum(1), 0.0, 1.0)
        weights = weights * (inside > 0.0)[:, None]
        total = np.bincount(corners.ravel(), weights.ravel(), len(share)) + 1e-12
        push = np.bincount(corners.ravel(), (inside[:, None] * weights).ravel(), len(share)) / total
        push = np.minimum(push * skin.outside, FURTHEST_PUSH - pushed)
        pushed += push
        offset += moved / (np.linalg.norm(moved, axis=1, keepdims=True) + 1e-12) * push[:, None]


def dips(moved: Points, lid: Ints, ball: Eyeball) -> tuple[Ints, Doubles, Doubles]:
    """Places on a lid's triangles, as corners (P, 3) and weights (P, 3), and how far (P,) they lie inside the ball.

    ``moved`` (M, 3) is about the ball's centre.
    """
    points = ball.points - ball.centre
    under, at = attach_to(moved, lid, points)
    corners = np.concatenate([np.repeat(lid, len(WITHIN), axis=0), under])
    weights = np.concatenate([np.tile(WITHIN, (len(lid), 1)), at])
    places = (moved[corners] * weights[..., None]).sum(1)
    reach = ball.reach(places + ball.centre)
    beside = np.linalg.norm(places[-len(points) :] - points, axis=1) > FURTHEST_PUSH
    reach[-len(points) :] = np.where(beside, 0.0, np.linalg.norm(points, axis=1))
    return corners, weights, np.clip(reach + CLEARANCE - np.linalg.norm(places, axis=1), 0.0, FURTHEST_PUSH)


# --- What stays open, for the report.


def gaps(offsets: Doubles, index: dict[str, int], skin: Skin) -> tuple[float | None, float | None]:
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
