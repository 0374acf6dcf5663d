"""ARKit weights of an animation: bounded, temporally smooth least squares on its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats

SMOOTHNESS = 2e-3
"""Cost of acceleration at 30 frames a second, against that of a vertex error of the same size."""

WINDOW, OVERLAP = 3600, 120
"""Frames solved at once, so that memory does not grow with the recording, and those two neighbours share."""


@dataclass(frozen=True, eq=False)
class ArkitWeights:
    """Weights (T, 52) in [0, 1] in the order of ``ARKIT_52``.

    Attributes:
        weights: the weights.
        residual: RMS over vertices and frames of what they miss, metres.
        share: ``residual`` over the RMS of the motion; 0 where nothing moves.
    """

    weights: Floats
    residual: float
    share: float


def solve_arkit(face: Face, coefficients: NDArray[np.floating], fps: float) -> ArkitWeights:
    """Weights x that minimise Σ_t |B x_t − d_t|² + s Σ_t |x_{t+1} − 2 x_t + x_{t−1}|² with 0 ≤ x ≤ 1.

    B are the ARKit shapes of the face and d the offsets of its vertices, head at rest. The 52 are nearly its own
    coefficients; what correctives and further shapes add is spread over them as well as it goes. Shapes that the face
    does not have stay 0. ``s`` weighs each shape by the size of its motion. Solved by L-BFGS-B over windows of 3600
    frames, which overlap by 120: beyond a second nothing is felt of an end.

    Raises:
        InputError: the face has none of the shapes.
    """
    known = [k for k, name in enumerate(ARKIT_52) if name in face.shape_index]
    own = [face.shape_index[ARKIT_52[k]] for k in known]
    if not own:
        raise InputError(f"the face '{face.name}' has no ARKit shapes: its weights cannot be solved")
    flat = face.flat_basis.astype(np.float64)
    gram = flat @ flat.T
    motion = face.expand(coefficients).astype(np.float64)
    size = np.sqrt(np.maximum(np.diag(gram)[own], 1e-18))
    inner = gram[np.ix_(own, own)] / np.outer(size, size)
    pull = motion @ gram[:, own] / size
    start = np.clip(np.asarray(coefficients, dtype=np.float64)[:, own], 0.0, 1.0) * size
    smooth = SMOOTHNESS * (fps / 30.0) ** 3  # the same motion has (30 / fps)² the acceleration, in fps / 30 the frames

    for first in range(0, len(start), WINDOW - OVERLAP):
        window = slice(first, first + WINDOW)
        solved = _solve(start[window], pull[window], inner, size, smooth)
        settled = OVERLAP // 2 if first else 0  # the window before knows better
        start[first + settled : first + WINDOW] = solved[settled:]
    weights = np.zeros((len(start), len(ARKIT_52)), dtype=np.float32)
    weights[:, known] = np.clip(start / size, 0.0, 1.0)
    lost = motion.copy()
    lost[:, own] -= weights[:, known]
    error, whole = (motion_rms(face, values) for values in (lost, motion))
    return ArkitWeights(weights, error, error / whole if whole > 0 else 0.0)


def motion_rms(face: Face, values: NDArray[np.floating]) -> float:
    """RMS over vertices and frames, metres, of offsets by values (T, shapes + correctives) of the face's own basis."""
    flat = face.flat_basis.astype(np.float64)
    square = float(((values @ (flat @ flat.T)) * values).sum())
    return float(np.sqrt(max(square, 0.0) / max(len(values) * len(face.mesh.vertices), 1)))


def _solve(
    start: NDArray[np.float64],
    pull: NDArray[np.float64],
    inner: NDArray[np.float64],
    size: NDArray[np.float64],
    smooth: float,
) -> NDArray[np.float64]:
    """Scaled weights (T, K) in [0, size] of one window; ``inner`` (K, K), ``pull`` (T, K): the normal equations."""

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = flat.reshape(start.shape)
        image = scaled @ inner
        slope = image - pull
        value = 0.5 * (scaled * image).sum() - (scaled * pull).sum()
        if len(scaled) > 2:
            bend = np.diff(scaled, 2, axis=0)
            value += 0.5 * smooth * (bend * bend).sum()
            slope[:-2] += smooth * bend
            slope[1:-1] -= 2.0 * smooth * bend
            slope[2:] += smooth * bend
        return float(value), slope.reshape(-1)

    bounds = np.stack([np.zeros(start.size), np.broadcast_to(size, start.shape).reshape(-1)], axis=1)
    solved = minimize(cost, start.reshape(-1), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300})
    return np.asarray(solved.x).reshape(start.shape)
