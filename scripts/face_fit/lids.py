"""Correctives that keep the lids on the eyeball where lid shapes and looks meet, all fitted together."""

from __future__ import annotations

from itertools import product

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from face_fit.expressions import Expressions
from face_fit.target import Points
from sedtalker.face.builtin.cage import EYE_SOCKET
from sedtalker.face.builtin.parts import GAZE_ANGLES, cornea_profile, gaze_axis

Sources = tuple[str, ...]
Pose = dict[str, float]

CLEARANCE = 0.01
"""Centimetres between the eyeball and the inside of a lid that is aimed at."""
LOOKS = ("eyeLookDownLeft", "eyeLookUpLeft", "eyeLookInLeft", "eyeLookOutLeft")
PAIRS: tuple[Sources, ...] = (
    ("eyeBlinkLeft", "eyeLookInLeft"), ("eyeBlinkLeft", "eyeLookOutLeft"), ("eyeLookDownLeft", "eyeWideLeft"),
    ("eyeLookInLeft", "eyeWideLeft"), ("eyeLookOutLeft", "eyeWideLeft"), ("eyeLookDownLeft", "eyeLookInLeft"),
    ("eyeLookDownLeft", "eyeLookOutLeft"),
)  # fmt: skip
"""Pairs that have a corrective only for this."""
SWEEPS, STIFF, LARGEST_GAP = 250, 0.05, 0.03


def lid_poses() -> list[Pose]:
    """Blinks by quarters with each look, also diagonal ones, with a squint or wide eyes."""
    looks: list[Pose] = [{}, *({name: 1.0} for name in LOOKS)]
    looks += [{up: 0.7, side: 0.7} for up in LOOKS[:2] for side in LOOKS[2:]]
    lids: list[Pose] = [{}, {"eyeSquintLeft": 0.5}, {"eyeSquintLeft": 1.0}, {"eyeWideLeft": 0.5}, {"eyeWideLeft": 1.0}]
    blinks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [{"eyeBlinkLeft": blink, **look, **lid} for blink, look, lid in product(blinks, looks, lids)]


def corrective_value(sources: Sources, pose: Pose) -> float:
    """What a corrective weighs in a pose (see ``sedtalker.face.face.Corrective``)."""
    values = [pose.get(name, 0.0) for name in sources]
    return 4 * values[0] * (1 - values[0]) if len(values) == 1 else float(np.prod(values))


def clear_lids(e: Expressions, offsets: dict[str, Points], fixes: dict[Sources, Points]) -> dict[Sources, Points]:
    """The left lids' correctives (sources → cage offsets) with those of ``PAIRS``, pushed until no lid of
    ``lid_poses`` lies in the eyeball: accelerated projected steps down the squared depth (Nesterov 1983)."""
    f, poses = e.fitter, lid_poses()
    inside, upper, lower = e.lid_rows()
    rows = np.unique(np.concatenate([inside, upper, lower]))
    free = np.flatnonzero([k[0] == "eye_left" and k[1] != EYE_SOCKET for k in f.cage.keys])
    sources = [*fixes, *PAIRS]
    values = np.array([[corrective_value(s, pose) for s in sources] for pose in poses])
    still = np.stack([f.matrix[rows] @ (e.neutral + sum((w * offsets[n] for n, w in pose.items()),
                     start=np.zeros_like(e.neutral))) for pose in poses])  # fmt: skip
    matrix, spread = _spread(e, rows, free)
    start = [fixes.get(s, np.zeros_like(e.neutral)) for s in sources]
    change = ahead = np.zeros((len(sources), len(free), 3))
    still = still + _apply(values, np.stack([f.matrix[rows] @ s for s in start]))
    step = 1.0 / np.linalg.norm(values, 2) ** 2
    edges = np.searchsorted(rows, upper), np.searchsorted(rows, lower)
    axes = np.stack([_axis(pose) for pose in poses])
    shut = np.array([pose["eyeBlinkLeft"] == 1.0 for pose in poses])
    for number in range(SWEEPS):
        points = still + _apply(values, np.stack([matrix @ c for c in ahead]))
        push = _pushes(e, points, axes)
        push[np.ix_(shut, edges[0])] += _gaps(points[shut], *edges)
        moved = np.stack([spread(p) for p in push])
        following = ahead + step * _apply(values.T, moved)
        ahead = following + number / (number + 3) * (following - change)
        change = following
    return {s: _added(own, free, more) for s, own, more in zip(sources, start, change, strict=True)}


def _added(own: Points, free: NDArray[np.int64], more: Points) -> Points:
    out = own.copy()
    out[free] += more
    return out


def _apply(weights: NDArray[np.float64], rows: Points) -> Points:
    """(P, n, 3) mixtures (P, R) of rows (R, n, 3)."""
    return np.tensordot(weights, rows, 1)


def _spread(e: Expressions, rows: NDArray[np.int64], free: NDArray[np.int64]):
    """Refinement of the free cage points to ``rows``, and the smooth cage offsets that make offsets of these rows."""
    f = e.fitter
    matrix, lap = f.matrix[rows][:, free], f.laplacian[:, free]
    normal = matrix.T @ matrix + STIFF * lap.T @ lap + 0.005 * sparse.identity(len(free))
    solver = splu(sparse.csc_matrix(normal))
    return matrix, lambda push: solver.solve(matrix.T @ push)


def _axis(pose: Pose) -> Points:
    """Unit vector of the gaze in a pose: the eyeball's front pole is blended like any vertex."""
    rest = gaze_axis()
    axis = rest + sum((w * (gaze_axis(n) - rest) for n, w in pose.items() if n in GAZE_ANGLES), start=np.zeros(3))
    return axis / np.linalg.norm(axis)


def _pushes(e: Expressions, points: Points, axes: Points) -> Points:
    """(P, n, 3) how far points (P, n, 3) must go outwards to lie before the eyeball with gaze ``axes`` (P, 3)."""
    ray = points - e.ball.centre
    distance = np.linalg.norm(ray, axis=2, keepdims=True)
    cosine = np.einsum("pnd,pd->pn", ray / distance, axes)
    least = e.ball.radius + cornea_profile(cosine)[..., None] + CLEARANCE
    return ray / distance * np.maximum(least - distance, 0.0)


def _gaps(points: Points, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> Points:
    """(P, n, 3) what the upper edge lacks to lie on the lower one where it stays open."""
    gap = points[:, lower] - points[:, upper]
    return gap * (gap[..., 1:2] < -LARGEST_GAP)
