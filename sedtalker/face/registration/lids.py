"""Closing lids on the target, where copied motion closes them too little or too much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from sedtalker.face.registration.alignment import Borders, Skin, Values, attach_to, taper, tighten
from sedtalker.face.registration.parts import Eyeball
from sedtalker.mesh.mesh import Ints
from sedtalker.mesh.surface import Points, triangle_normals

OVERLAP = 0.0005  # metres at rig scale by which closed lids overlap
CLOSING_ROUNDS = 4  # lids of few polygons do not follow their rim at once
CLEARING_ROUNDS = 4
FURTHEST_PUSH = 0.005  # of a closed lid out of the eyeball
CLEARANCE = 0.0003  # of the closed lid over the eyeball
LOWER_EFFORT = 4.0  # of moving the lower lid, beside the upper
RIM_STEPS = 400
WITHIN = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
"""Barycentric places all over a triangle."""


def still_eye_shapes(shapes: tuple[str, ...], skin: Skin) -> list[str]:
    """Shapes that make no sense where an eye has no open lids: blink, gaze and widening of that side."""
    sides = [side for side, line in zip(("Right", "Left"), skin.features.lids, strict=True) if not line.found]
    words = ("eyeBlink", "eyeLook", "eyeWide")
    return [name for name in shapes if name.startswith(words) and name.endswith(tuple(sides))] if sides else []


def close_lids(offset: Values, skin: Skin, borders: Borders, ball: Eyeball | None) -> None:
    """Let the upper lid of a full blink come to lie on the lower lid and in front of the eyeball; in place.

    Every point of the upper lid takes the rim's correction in the share in which it takes part in the blink.
    """
    line = borders.line
    at = along_rim(line.upper, skin.points)
    share = part_in_blink(offset, skin, borders, at)
    for _ in range(CLOSING_ROUNDS):
        upper, lower = borders.moved(offset)
        missing = lower - upper + (0.0, -OVERLAP, OVERLAP)
        missing[:, 2] = np.maximum(missing[:, 2], 0.0)  # in front of the lower lid is closed as well
        # Borders are read off a picture: what is not smooth along them is noise.
        missing = gaussian_filter1d(missing * taper()[:, None], 1.2, axis=0, mode="nearest")
        for axis in (1, 2):
            offset[:, axis] += share * on_rim(missing[:, axis], at)
    if ball is not None:
        clear_eyeball(offset, skin, ball, share)
    tighten(offset, borders, OVERLAP, LOWER_EFFORT)


def along_rim(rim: Points, points: Points) -> Values:
    """Where on a rim (S, 3), in [0, 1], each point (M, 3) lies above or below: at a corner rims run straight back."""
    along = np.linspace(0, 1, RIM_STEPS)
    steps = np.stack([on_rim(rim[:, axis], along) for axis in (0, 2)], axis=1)
    return np.asarray(along[cKDTree(steps).query(points[:, [0, 2]])[1]])


def on_rim(values: Values, at: Values) -> Values:
    """Values (S,) at the samples of a rim, read between them at places (M,) in [0, 1]."""
    return np.interp(at, np.linspace(0, 1, len(values)), values)


def part_in_blink(offset: Values, skin: Skin, borders: Borders, at: Values) -> Values:
    """How far (M,) each point goes with the rim of the upper lid: 1 at the rim, 0 at the brow and below the eye."""
    line, x = borders.line, skin.points[:, 0]
    low, high = line.upper[:, 0].min(), line.upper[:, 0].max()
    above = skin.points[:, 1] - on_rim(0.5 * (line.upper + line.lower)[:, 1], at)
    width = high - low
    near = (x > low - 0.3 * width) & (x < high + 0.3 * width) & (above > 0.0) & (above < 0.8 * width)
    fall = np.minimum(gaussian_filter1d((borders.upper @ offset)[:, 1], 1.2), -1e-5)
    return np.asarray(np.clip(offset[:, 1] / on_rim(fall, at), 0.0, 1.0) * near)


def clear_eyeball(offset: Values, skin: Skin, ball: Eyeball, share: Values) -> None:
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


def dips(moved: Points, lid: Ints, ball: Eyeball) -> tuple[Ints, Values, NDArray[np.float64]]:
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
