"""Non-rigid alignment: bending the source's skin onto the target's, and the borders of lips and lids on a skin."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

from sedtalker.arrays import Doubles, Ints, Mask
from sedtalker.face.registration.features import SAMPLES, Features, Line
from sedtalker.mesh.surface import (
    Points,
    border_points,
    closest_spots,
    laplacian,
    picks,
    point_normals,
    triangle_normals,
)
from sedtalker.progress import Hook, no_progress

ROUNDS = 18
"""Rounds of closest points."""
STIFFNESS = (60.0, 3.0)
"""Weight of bending in the first and the last round, for a source whose edges are ``EDGE`` long."""
EDGE = 0.0063
"""Metres: median edge of the built-in face, for which the stiffness was chosen."""
FACE = 0.11
"""Metres at rig scale round the middle of the landmarks whose edges count."""
REACH = (0.018, 0.006)
"""Metres at rig scale within which closest points count, in the first and the last round."""
NORMAL_GATE = 0.5
"""Least cosine between the normals of a point and its closest point."""
HIDDEN = 0.3
"""Weight of what lies inside mouth, nose and sockets."""
ON_LINES = ((61, 62, 63, 65, 66, 67), (37, 38, 40, 41), (43, 44, 46, 47))
"""Landmarks on the lip contact line and on the right and left lids, without the corners."""


@dataclass(frozen=True, eq=False)
class Skin:
    """One skin surface with its features, upright, at rig scale in metres.

    Attributes:
        points: (N, 3); triangles: (T, 3).
        seen: (T,) of which something is visible from outside; bare: (N,) points that are.
        landmarks: (68, 3); landmark_weights: (68,).
        features: lip and lid lines.
    """

    points: Points
    triangles: Ints
    seen: Mask
    bare: Mask
    landmarks: Points
    landmark_weights: Doubles
    features: Features

    @property
    def outside(self) -> Mask:
        """Points (N,) of triangles of which something is seen, those in folds and on rims too."""
        points = np.zeros(len(self.points), bool)
        points[self.triangles[self.seen]] = True
        return points


@dataclass(frozen=True, eq=False)
class Pins:
    """Barycentric source positions, weights (P, 3) of corners (P, 3), that go to targets (P, 3) with strength (P,)."""

    corners: Ints
    weights: Points
    targets: Points
    strength: Doubles


def align(source: Skin, target: Skin, hook: Hook = no_progress) -> Points:
    """Positions (N, 3) of the source's skin points on the target's skin.

    Non-rigid iterative closest points in the manner of Amberg, Romdhani and Vetter (2007): every round looks for the
    target's nearest point of each source point, then solves for the smoothest displacement that leads there, with less
    stiffness and a shorter reach than the round before.
    """
    n = len(source.points)
    operator = laplacian(n, source.triangles)
    bending = (operator.T @ operator).tocsr()
    marks = landmark_pins(source, target)
    lines = line_pins(source, target)
    seen = source.outside
    search, within = TargetSearch(target, target.seen), TargetSearch(target, ~target.seen)
    first, last = (value * resolution(source) for value in STIFFNESS)
    points = solve(source.points, bending, first * 3, [marks, lines], None)
    for k in range(ROUNDS):
        hook("aligning the face", k, ROUNDS)
        part = k / (ROUNDS - 1)
        stiffness = first * (last / first) ** part
        reach = REACH[0] * (REACH[1] / REACH[0]) ** part
        normals, sides = point_normals(points, source.triangles), source.features.lip_side
        goal, weight = search.goals(points, normals, sides, reach)
        hidden_goal, hidden_weight = within.goals(points, normals, sides, REACH[1])
        goal[~seen] = hidden_goal[~seen]
        weight[~seen] = HIDDEN * part * hidden_weight[~seen]
        faded = Pins(marks.corners, marks.weights, marks.targets, marks.strength * 0.75**k)
        points = solve(source.points, bending, stiffness, [faded, lines], (goal, weight))
    hook("aligning the face", ROUNDS, ROUNDS)
    return points


def resolution(source: Skin) -> float:
    """Factor of the stiffness that makes sources of any fineness bend alike: the bi-Laplacian falls with the edges."""
    face = source.triangles[source.seen]
    near = np.linalg.norm(source.points[face].mean(axis=1) - source.landmarks[17:].mean(0), axis=1) < FACE
    corners = source.points[face[near]]
    return float((EDGE / np.median(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1))) ** 4)


def solve(
    rest: Points,
    bending: csr_matrix,
    stiffness: float,
    pins: list[Pins],
    goals: tuple[Points, Doubles] | None,
) -> Points:
    """Least squares: stiffness · |L d|² + weighted distances to goals and pins, over displacements d of ``rest``."""
    n = len(rest)
    matrix = stiffness * bending + 1e-6 * diags(np.ones(n))
    right = np.zeros((n, 3))
    if goals is not None:
        goal, weight = goals
        matrix = matrix + diags(weight)
        right += weight[:, None] * np.where(weight[:, None] > 0, goal - rest, 0.0)
    for pin in pins:
        pick = picks(pin.corners, pin.weights, n)
        matrix = matrix + pick.T @ diags(pin.strength) @ pick
        right += pick.T @ (pin.strength[:, None] * (pin.targets - pick @ rest))
    # The matrix is symmetric and positive definite: no pivots are sought, which takes less than half of the time.
    factor = splu(matrix.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return rest + factor.solve(right)


class TargetSearch:
    """Closest points on the usable (T,) triangles of the target skin, each lip only to its own lip."""

    def __init__(self, target: Skin, usable: Mask) -> None:
        triangles = target.triangles[usable]
        side = target.features.lip_side[triangles]
        self.points = target.points
        self.triangles = triangles
        self.normals = triangle_normals(target.points, triangles)
        self.border = border_points(len(target.points), triangles)
        upper, lower = (np.asarray((side == sign).any(axis=1)) for sign in (1, -1))
        self.allowed = {0: np.ones(len(triangles), bool), 1: ~lower, -1: ~upper}
        self.trees = {lip: self.tree(allowed) for lip, allowed in self.allowed.items()}

    def tree(self, allowed: Mask) -> igl.AABB:
        """A tree over some of the triangles (T,), to search again and again."""
        tree = igl.AABB()
        tree.init(self.points, self.triangles[allowed].astype(np.int64))
        return tree

    def goals(
        self, points: Points, normals: Points, lip_side: NDArray[np.int8], reach: float
    ) -> tuple[Points, Doubles]:
        """Target of each point (N, 3) and its weight (N,): mostly along the target's normal."""
        goal = points.copy()
        weight = np.zeros(len(points))
        for side, allowed in self.allowed.items():
            mine = np.nonzero(lip_side == side)[0]
            if not len(mine) or not allowed.any():
                continue
            triangles = self.triangles[allowed]
            squared, hit, closest = self.trees[side].squared_distance(
                self.points, triangles.astype(np.int64), np.ascontiguousarray(points[mine])
            )
            hit, closest, normal = np.asarray(hit), np.asarray(closest), self.normals[allowed]
            distance = np.sqrt(np.asarray(squared))
            along = normal[hit]
            facing = (along * normals[mine]).sum(1)
            step = closest - points[mine]
            plane = along * (along * step).sum(1, keepdims=True)
            good = (facing > NORMAL_GATE) & (distance < reach) & ~self.on_border(triangles[hit], closest)
            goal[mine] = points[mine] + plane + 0.25 * (step - plane)
            weight[mine] = good / (1.0 + (distance / reach) ** 2)
        return goal, weight

    def on_border(self, triangles: Ints, closest: Points) -> Mask:
        """Whether closest points lie on the edge of the visible surface, where they are meaningless."""
        corners = self.points[triangles]
        flags = self.border[triangles]
        size = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
        near = np.zeros(len(triangles), bool)
        for a, b in ((0, 1), (1, 2), (2, 0)):
            edge = corners[:, b] - corners[:, a]
            t = ((closest - corners[:, a]) * edge).sum(1) / ((edge**2).sum(1) + 1e-30)
            gap = np.linalg.norm(corners[:, a] + np.clip(t, 0, 1)[:, None] * edge - closest, axis=1)
            near |= flags[:, a] & flags[:, b] & (gap < 1e-3 * size)
        return near


def landmark_pins(source: Skin, target: Skin) -> Pins:
    """Landmark k goes to landmark k, as far as both are sure."""
    corners, weights = attach(source, source.landmarks)
    strength = 8.0 * source.landmark_weights * target.landmark_weights
    mine, other = source.features, target.features
    for a, b, between in zip((mine.lips, *mine.lids), (other.lips, *other.lids), ON_LINES, strict=True):
        if a.found and b.found:
            strength[list(between)] *= 0.1  # the lines are surer
    return Pins(corners, weights, target.landmarks, strength)


def line_pins(source: Skin, target: Skin) -> Pins:
    """Lip contact and lid rims by arc length, where both faces have them."""
    lips, other = source.features.lips, target.features.lips
    borders = [(lips.upper, other.upper, 1), (lips.lower, other.lower, -1)] if lips.found and other.found else []
    for a, b in zip(source.features.lids, target.features.lids, strict=True):
        if a.found and b.found:
            borders += [(a.upper, b.upper, 0), (a.lower, b.lower, 0)]
    attached = [attach(source, start, side) for start, _, side in borders]
    corners = np.concatenate([np.zeros((0, 3), np.int32), *[c for c, _ in attached]])
    weights = np.concatenate([np.zeros((0, 3)), *[w for _, w in attached]])
    ends = np.concatenate([np.zeros((0, 3)), *[end for _, end, _ in borders]])
    along = np.linspace(0, 1, SAMPLES)
    # Where a line ends is less sure than where it runs.
    strength = 4.0 * np.clip(5.0 * np.minimum(along, 1 - along), 0.1, 1.0)
    return Pins(corners, weights, ends, np.tile(strength, len(borders)))


def attach(source: Skin, places: Points, lip_side: int = 0) -> tuple[Ints, Points]:
    """Triangle corners (P, 3) and barycentric weights (P, 3) of the source's visible skin at given places.

    ``lip_side`` +1 or −1 keeps off the other lip.
    """
    triangles = source.triangles[source.seen]
    if lip_side:
        triangles = triangles[~(source.features.lip_side[triangles] == -lip_side).any(axis=1)]
    return attach_to(source.points, triangles, places)


def attach_to(points: Points, triangles: Ints, places: Points) -> tuple[Ints, Points]:
    """Triangle corners (P, 3) and barycentric weights (P, 3) of the nearest spots to given places."""
    _, hit, closest = closest_spots(points, triangles, places)
    corners = triangles[hit]
    return corners, barycentric(closest, points, corners)


def barycentric(places: Points, points: Points, corners: Ints) -> Points:
    """Weights (P, 3) of places on triangles given by their corners (P, 3)."""
    a, b, c = (points[corners[:, k]] for k in range(3))
    u, v, w = b - a, c - a, places - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    scale = uu * vv - uv**2 + 1e-30
    second = np.clip((vv * wu - uv * wv) / scale, 0, 1)
    third = np.clip((uu * wv - uv * wu) / scale, 0, 1)
    total = np.maximum(second + third, 1.0)
    second, third = second / total, third / total
    return np.stack([1 - second - third, second, third], axis=1)


# --- The two facing borders of lips or lids, bound to the points of a skin.


@dataclass(frozen=True, eq=False)
class Borders:
    """A line of S samples on a skin of M points.

    Attributes:
        line: where the borders lie at rest.
        upper, lower: (S, M) what makes the samples' offsets of the points' offsets.
    """

    line: Line
    upper: csr_matrix
    lower: csr_matrix

    def moved(self, offset: Doubles) -> tuple[Points, Points]:
        """Positions (S, 3) of the upper and the lower border under offsets (M, 3)."""
        return self.line.upper + self.upper @ offset, self.line.lower + self.lower @ offset

    def gap(self, offset: Doubles) -> Doubles:
        """Height (S,) of the upper over the lower border under offsets (M, 3)."""
        upper, lower = self.moved(offset)
        return np.asarray((upper - lower)[:, 1])

    def opening(self, offset: Doubles) -> float:
        """Greatest height in the middle three fifths of the line, metres at rig scale; 0 if the borders overlap."""
        gap = gaussian_filter1d(self.gap(offset), 1.5, mode="nearest")
        return max(float(gap[SAMPLES // 5 : -(SAMPLES // 5)].max()), 0.0)


def bind(skin: Skin, line: Line, lip: bool) -> Borders:
    """Tie a line to the visible skin; of ``lip`` each border to its own lip."""
    upper, lower = (
        picks(*attach(skin, places, side if lip else 0), len(skin.points))
        for places, side in ((line.upper, 1), (line.lower, -1))
    )
    return Borders(line, upper, lower)


def taper() -> Doubles:
    """Weight of a line's samples (S,): nothing at its ends."""
    along = np.linspace(0, 1, SAMPLES)
    return np.clip(6.0 * np.minimum(along, 1 - along), 0.0, 1.0)


TIGHTENING_ROUNDS = 6
"""Rounds of solving for what still stays open."""
EFFORT = 0.003
"""Cost of moving a point, beside that of leaving its border open."""
OVERLAPPING = 0.01
"""Weight of an overlap relative to an opening."""


def tighten(offset: Doubles, borders: Borders, overlap: float, lower_effort: float) -> None:
    """Move the borders' own points up and down so that nothing stays open between them; in place.

    Borders of few points cannot follow each other: what lies between the points counts, openings must close, and where
    that takes an overlap elsewhere, it may be.

    Args:
        offset: (M, 3) of the skin's points.
        borders: where nothing may stay open.
        overlap: metres by which the upper border should lie below the lower.
        lower_effort: of moving the lower border, beside the upper's.
    """
    both = borders.upper - borders.lower
    own = np.unique(both.indices)
    matrix = both[:, own].toarray()
    effort = np.where(borders.upper[:, own].max(axis=0).toarray().ravel() > 0.0, 1.0, lower_effort)
    start = borders.gap(offset) + overlap
    change = np.zeros(len(own))
    for _ in range(TIGHTENING_ROUNDS):
        weight = taper() * np.where(start + matrix @ change > 0.0, 1.0, OVERLAPPING)
        system = matrix.T @ (weight[:, None] * matrix) + np.diag(EFFORT * effort)
        change = -np.linalg.solve(system, matrix.T @ (weight * start))
    offset[own, 1] += change
