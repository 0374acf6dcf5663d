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
    does not have stay 0. ``s`` weighs each shape by the size of its motion. Solved over all frames at once by L-BFGS-B.

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

    def cost(flat_scaled: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = flat_scaled.reshape(start.shape)
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
    if start.size:
        solved = minimize(cost, start.reshape(-1), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300})
        start = solved.x.reshape(start.shape)
    weights = np.zeros((len(start), len(ARKIT_52)), dtype=np.float32)
    weights[:, known] = np.clip(start / size, 0.0, 1.0)
    lost = motion.copy()
    lost[:, own] -= weights[:, known]
    count = max(len(lost) * len(face.mesh.vertices), 1)
    error, whole = (np.sqrt(max(np.einsum("tk,kl,tl->", x, gram, x), 0.0) / count) for x in (lost, motion))
    return ArkitWeights(weights, float(error), float(error / whole) if whole > 0 else 0.0)
