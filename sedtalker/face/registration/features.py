"""Lines that must correspond exactly between two faces: where the lips meet and where the lids end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Ints, Mask, stretches
from sedtalker.face.face import outer_eyes
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points

PICTURE = 512
"""Pixels a side of the frontal picture in which lips and lids are sought."""
SAMPLES = 25
"""Samples of each lip and lid line."""
UPPER_LIP = (50, 51, 52)
"""Landmarks in the middle of the upper lip's outer border."""
HOLE = 0.12
"""Depth behind the lips, in outer-eye-corner distances, from which on what is seen is not them."""
UNCLEAR = 0.02
"""Outer-eye-corner distances: a point that is about as near to both lips belongs to neither."""
LID_BEYOND = 0.1
"""Outer-eye-corner distances by which lids may lie above or below the box of the eye's landmarks."""
LOWER_LIP = (56, 57, 58)
"""Landmarks in the middle of the lower lip's outer border."""


@dataclass(frozen=True, eq=False)
class Line:
    """Two facing borders sampled at the same fractions of their length, subject's right to left.

    Attributes:
        upper, lower: (S, 3) positions, S samples.
        found: False where the mesh has no such border (sealed lips, closed or missing eyes).
    """

    upper: Points
    lower: Points
    found: bool


@dataclass(frozen=True, eq=False)
class Features:
    """Lip and lid lines of a skin of N points.

    Attributes:
        lip_side: (N,) +1 above the contact line, −1 below, 0 elsewhere.
        upper_share: (N,) how far points of neither lip near the corners of the mouth go with the upper one, 0 to 1;
            NaN elsewhere.
        lips: contact line; lids: lid lines, the subject's right first.
    """

    lip_side: NDArray[np.int8]
    upper_share: Doubles
    lips: Line
    lids: tuple[Line, Line]


@dataclass(frozen=True, eq=False)
class Front:
    """The face seen from straight ahead.

    Attributes:
        view: the camera; pixel: its pixel size in mesh units.
        triangle: (P, P) triangle of each pixel, −1 where none.
        position: (P, P, 3) surface position, NaN where none.
        skin: (P, P) whether the pixel shows skin.
    """

    view: View
    triangle: Ints
    position: Points
    skin: Mask

    def column(self, x: float) -> int:
        """Picture column of a mesh x."""
        return self._pixel(x - self.view.centre[0])

    def row(self, y: float) -> int:
        """Picture row of a mesh y."""
        return self._pixel(self.view.centre[1] - y)

    def to_rims(self, hole: Mask, first: int, last: int, farthest: float) -> Ints:
        """Picture rows from ``first`` to ``last``, and as far beyond as a ``hole`` (P,) of the column goes on there."""
        for _ in range(int(farthest / self.view.half_width * PICTURE / 2)):
            first -= int(first > 0 and hole[first])
            last += int(last + 1 < PICTURE and hole[last])
        return np.arange(first, last + 1, dtype=np.int32)

    def _pixel(self, away: float) -> int:
        return int(np.clip(away / self.view.half_width * PICTURE / 2 + PICTURE / 2, 0, PICTURE - 1))


def look(points: Points, triangles: Ints, skin: Mask, landmarks: Points) -> Front:
    """Frontal picture of an upright face; ``skin`` (T,) marks its skin triangles."""
    outer = outer_eyes(landmarks)
    view = View(np.eye(3), landmarks[[36, 45, 48, 54]].mean(0), 0.85 * outer)
    ids, depth = rasterise(view.project(points), triangles, PICTURE)
    rows, columns = np.indices(ids.shape)
    flat = np.stack([(columns + 0.5) * (2 / PICTURE) - 1, 1 - (rows + 0.5) * (2 / PICTURE), depth], axis=-1)
    position = np.where(np.isfinite(depth)[..., None], flat, np.nan) * view.half_width + view.centre
    return Front(view, ids, position, (ids >= 0) & skin[ids])


def find_features(points: Points, triangles: Ints, skin: Mask, eyes: Mask, landmarks: Points) -> Features:
    """Lip and lid lines of an upright face.

    Args:
        points: (N, 3); triangles: (T, 3); skin, eyes: (T,) what each triangle is; landmarks: (68, 3).
    """
    outer = outer_eyes(landmarks)
    front = look(points, triangles, skin, landmarks)
    to_upper = walk(points, triangles[skin], landmarks[list(UPPER_LIP)], 0.8 * outer)
    to_lower = walk(points, triangles[skin], landmarks[list(LOWER_LIP)], 0.8 * outer)
    lips = lip_line(front, triangles, to_upper, to_lower, landmarks, outer)
    bare = skin | eyes
    uncovered = look(points, triangles[bare], skin[bare], landmarks)
    lids = (lid_line(uncovered, landmarks[36:42], outer), lid_line(uncovered, landmarks[42:48], outer))
    nearer_upper = np.minimum(to_lower, 2 * outer) - np.minimum(to_upper, 2 * outer)
    along, near = beside_mouth(points, to_upper, to_lower, landmarks, outer)
    clear = near & (along > 0.04) & (along < 0.96) & (np.abs(nearer_upper) > UNCLEAR * outer)
    sides = np.where(clear, np.sign(nearer_upper), 0).astype(np.int8)
    parted = without_corners(sides, nearer_upper, triangles[skin])
    share = np.where(parted == sides, 0.5 + 0.5 * np.clip(nearer_upper / (UNCLEAR * outer), -1.0, 1.0), 0.5)
    around = near & (np.abs(along - 0.5) < 0.65) & (parted == 0)
    return Features(parted, np.where(around, share, np.nan), lips, lids)


def walk(points: Points, triangles: Ints, starts: Points, limit: float) -> Doubles:
    """Length (N,) of the shortest way along edges from the points nearest to ``starts``, up to ``limit``."""
    i = triangles[:, [0, 1, 2]].reshape(-1)
    j = triangles[:, [1, 2, 0]].reshape(-1)
    length = np.linalg.norm(points[i] - points[j], axis=1) + 1e-12
    graph = coo_matrix((length, (i, j)), shape=(len(points), len(points))).tocsr()
    used = np.unique(triangles)
    _, nearest = cKDTree(points[used]).query(starts)
    return dijkstra(graph, directed=False, indices=used[nearest], limit=limit, min_only=True)


def beside_mouth(
    points: Points, to_upper: Doubles, to_lower: Doubles, landmarks: Points, outer: float
) -> tuple[Doubles, Mask]:
    """Place (N,) of points from the right (0) to the left corner (1) of the mouth, and whether (N,) they are near."""
    right, left = landmarks[48], landmarks[54]
    along = (points - right) @ (left - right) / ((left - right) @ (left - right))
    return along, np.minimum(to_upper, to_lower) < 0.45 * outer


def without_corners(sides: NDArray[np.int8], nearer_upper: Doubles, triangles: Ints) -> NDArray[np.int8]:
    """Lip sides (N,) without the corners of the mouth: of two points on one edge that are of different lips, the one
    about as near (N,) to both lips is of neither. Only coarse meshes have such edges."""
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    across = edges[sides[edges[:, 0]] * sides[edges[:, 1]] < 0]
    clear = np.abs(nearer_upper[across])
    out = sides.copy()
    out[across[np.arange(len(across)), clear.argmin(axis=1)]] = 0
    return out


def lip_line(
    front: Front, triangles: Ints, to_upper: Doubles, to_lower: Doubles, landmarks: Points, outer: float
) -> Line:
    """Contact line: in each picture column the skin pixels between which the way along the surface jumps most."""
    far = 2 * outer
    difference = np.where(np.isfinite(to_lower), to_lower, far) - np.where(np.isfinite(to_upper), to_upper, far)
    middle_x = landmarks[[60, 61, 62, 63, 64], 0]
    middle_y = np.array(
        [landmarks[60, 1], *((landmarks[[61, 62, 63], 1] + landmarks[[67, 66, 65], 1]) / 2), landmarks[64, 1]]
    )
    first, last = front.column(landmarks[48, 0]), front.column(landmarks[54, 0])
    centre = (first + last) // 2
    found: dict[int, tuple[float, Points, Points]] = {}
    for columns in (range(centre, last + 1), range(centre - 1, first - 1, -1)):
        previous: float | None = None
        for column in columns:
            x = (column + 0.5 - PICTURE / 2) * 2 / PICTURE * front.view.half_width + front.view.centre[0]
            y, reach = (float(np.interp(x, middle_x, middle_y)), 0.1) if previous is None else (previous, 0.02)
            rows, hole = beyond_hole(front, column, y, reach * outer, outer, landmarks)
            ajar, rows = bool(hole.any()), rows[front.skin[rows, column] & ~hole]
            depth = front.position[rows, column, 2]
            rows = rows if ajar else rows[depth > depth.max(initial=-np.inf) - 0.1 * outer]
            if len(rows) < 2:
                continue
            value = difference[triangles[front.triangle[rows, column]]].mean(axis=1)
            jump = value[:-1] - value[1:]
            k = int(np.argmax(jump))
            if jump[k] < 0.04 * outer:
                break
            found[column] = (float(jump[k]), front.position[rows[k], column], front.position[rows[k + 1], column])
            previous = float(found[column][1][1] + found[column][2][1]) / 2
    ordered = [found[column] for column in sorted(found)]
    if len(ordered) < 0.5 * (last - first) or np.median([jump for jump, _, _ in ordered]) < 0.15 * outer:
        return Line(landmarks[[60, 61, 62, 63, 64]], landmarks[[60, 67, 66, 65, 64]], False)
    upper, lower = (np.array([entry[k] for entry in ordered]) for k in (1, 2))
    return Line(resample(upper), resample(lower), True)


def beyond_hole(
    front: Front, column: int, y: float, reach: float, outer: float, landmarks: Points
) -> tuple[Ints, Mask]:
    """Picture rows within ``reach`` of a height, and on to the lips where these end in a hole, as in an open mouth.

    Returns:
        rows (R,); which of them show a hole (R,).
    """
    first, last = front.row(y + reach), front.row(y - reach)
    x = (column + 0.5 - PICTURE / 2) * 2 / PICTURE * front.view.half_width + front.view.centre[0]
    lower = landmarks[[48, 59, 58, 57, 56, 55, 54]]
    lip = min(float(np.interp(x, line[:, 0], line[:, 2])) for line in (landmarks[48:55], lower))
    hole = ~front.skin[:, column] | (front.position[:, column, 2] < lip - HOLE * outer)
    rows = front.to_rims(hole, first, last, 0.3 * outer)
    return rows, hole[rows]


def lid_line(front: Front, eye: Points, outer: float) -> Line:
    """Lid rims: in each picture column the skin above and below what is not skin, or lies deep, by the eye."""
    low_x, high_x = sorted((float(eye[0, 0]), float(eye[3, 0])))
    inset = 0.04 * (high_x - low_x)
    upper, lower = [], []
    columns = range(front.column(low_x + inset), front.column(high_x - inset) + 1)
    for column in columns:
        x = (column + 0.5 - PICTURE / 2) * 2 / PICTURE * front.view.half_width + front.view.centre[0]
        part = (x - eye[0, 0]) / (eye[3, 0] - eye[0, 0])
        middle = eye[0] + part * (eye[3] - eye[0])
        top, bottom = eye[[1, 2], 1].mean() + 0.06 * outer, eye[[4, 5], 1].mean() - 0.06 * outer
        hole = ~front.skin[:, column] | (front.position[:, column, 2] < middle[2] - 0.07 * outer)
        rows = front.to_rims(hole, front.row(top), front.row(bottom), LID_BEYOND * outer)
        hole = hole[rows]
        if not hole.any():
            continue
        centre = front.row((eye[[1, 2], 1].mean() + eye[[4, 5], 1].mean()) / 2) - rows[0]
        first, after = min(stretches(hole), key=lambda run: max(run[0] - centre, centre - run[1] + 1, 0))
        if first == 0 or after == len(hole):
            continue
        upper.append(front.position[rows[first - 1], column])
        lower.append(front.position[rows[after], column])
    if len(upper) < max(6, 0.5 * len(columns)):
        return Line(eye[[0, 1, 2, 3]], eye[[0, 5, 4, 3]], False)
    return Line(resample(np.array(upper)), resample(np.array(lower)), True)


def resample(line: Points) -> Points:
    """SAMPLES positions at equal steps along a line freed of spikes."""
    smooth = np.stack([median_filter(line[:, k], size=5, mode="nearest") for k in range(3)], axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0), axis=1) + 1e-12)])
    at = np.linspace(0, length[-1], SAMPLES)
    return np.stack([np.interp(at, length, smooth[:, k]) for k in range(3)], axis=1)
