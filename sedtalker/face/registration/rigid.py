"""Motion of what is not skin: eyeballs, teeth, tongue and things worn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sedtalker.face.mesh import Floats
from sedtalker.face.registration.parts import Eyeball
from sedtalker.face.registration.surface import Points


def rotations(points: Points, offsets: Floats) -> tuple[Points, Points]:
    """Best rotation (K, 3, 3) about the points' mean and shift (K, 3) of it, for offsets (K, N, 3)."""
    local = points - points.mean(0)
    turned, shifts = [], []
    for offset in offsets.astype(np.float64):
        shift = offset.mean(0)
        u, _, vt = np.linalg.svd((local + offset - shift).T @ local)
        sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
        turned.append(u @ sign @ vt)
        shifts.append(shift)
    return np.stack(turned), np.stack(shifts)


def eye_offsets(source: Points, offsets: Floats, points: Points, ball: Eyeball) -> NDArray[np.float64]:
    """Offsets (K, M, 3) of an eye's points that turn about its own centre as the source's eye (N, 3) turns."""
    turned, _ = rotations(source, offsets)
    local = points - ball.centre
    return np.einsum("kij,mj->kmi", turned - np.eye(3), local)


def affine_offsets(source: Points, offsets: Floats, points: Points) -> NDArray[np.float64]:
    """Offsets (K, M, 3) of points by the affine motion that best explains the source part's (N, 3)."""
    middle = source.mean(0)
    size = float(np.abs(source - middle).max()) + 1e-9
    system = np.concatenate([(source - middle) / size, np.ones((len(source), 1))], axis=1)
    normal = system.T @ system + np.diag([1e-3 * len(source)] * 3 + [0.0])
    flat = offsets.transpose(1, 0, 2).reshape(len(source), -1).astype(np.float64)
    solution = np.linalg.solve(normal, system.T @ flat)
    there = np.concatenate([(points - middle) / size, np.ones((len(points), 1))], axis=1)
    return (there @ solution).reshape(len(points), len(offsets), 3).transpose(1, 0, 2)


def nearby_offsets(source: Points, offsets: Floats, points: Points, count: int = 6) -> NDArray[np.float64]:
    """Offsets (K, M, 3) of points as an inverse-distance mean of the nearest source points' (N, 3)."""
    count = min(count, len(source))
    distance, nearest = cKDTree(source).query(points, k=count)
    distance, nearest = distance.reshape(len(points), count), nearest.reshape(len(points), count)
    weight = 1.0 / (distance + 0.2 * distance.mean(axis=1, keepdims=True) + 1e-9) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    return sum((offsets[:, nearest[:, k]] * weight[None, :, k, None] for k in range(count)), np.zeros(())).astype(
        np.float64
    )


def worn_offsets(
    skin: Points, offsets: NDArray[np.float64], points: Points, component: NDArray[np.int32], mouth: float
) -> NDArray[np.float64]:
    """Offsets (K, M, 3) of hair, lashes, brows, glasses: small or close-lying pieces bend with the skin below them.

    Pieces that stand off the skin (more than 8 mm, at rig scale) keep to the skull, as hair, hats and glasses do, or
    where they lie lower than ``mouth``, the height where the upper lip begins, move as one with the skin near them, as
    beards do. Those that are nowhere near it (3 cm) stay where they are.
    """
    out = np.zeros((len(offsets), len(points), 3))
    tree = cKDTree(skin)
    distance, _ = tree.query(points)
    for c in np.unique(component):
        mine = np.nonzero(component == c)[0]
        if distance[mine].min() > 0.03:
            continue
        stiff = np.quantile(distance[mine], 0.8) > 0.008
        if stiff and points[mine, 1].mean() > mouth:
            continue
        own = nearby_offsets(skin, offsets.astype(np.float32), points[mine])
        out[:, mine] = own.mean(axis=1, keepdims=True) if stiff else own
    return out
