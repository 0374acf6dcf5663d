"""What the decoder is trained to get right."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face

LIP_WEIGHT = 4.0
SMALLEST_SCALE = 0.03
CLOSED = 0.012


def vertex_factor(face: Face) -> NDArray[np.float32]:
    """(52, 52) matrix L with ‖e L‖² = mean squared vertex offset (mm²) of a coefficient error e on the face.

    Lip vertices weigh ``LIP_WEIGHT`` times. Correctives are left out: they are of second order.
    """
    weight = np.ones(len(face.mesh.vertices))
    for name in ("neck", "hair"):
        if name in face.regions:
            weight[face.regions[name]] = 0.0
    if "lips" in face.regions:
        weight[face.regions["lips"]] = LIP_WEIGHT
    weight /= weight.sum()
    basis = 1000.0 * face.basis[: len(ARKIT_52)].astype(np.float64) * np.sqrt(weight)[:, None]
    flat = basis.reshape(len(basis), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)


class DecoderLoss(nn.Module):
    """Six terms on coefficients (B, T, 52), each about 1 for a prediction that is constant.

    ``coefficients``: squared error in standard deviations of each shape; ``vertices``: squared vertex error, lips
    weighted; ``velocity``: squared error of the frame differences; ``gap``: squared error of the lip gap and its
    velocity; ``width``: the same of the lip width; ``closure``: squared gap beyond closed where the lips must close.
    """

    scale: Tensor
    factor: Tensor
    gain: Tensor
    width: Tensor

    def __init__(self, face: Face, targets: NDArray[np.float32], gap: NDArray[np.float32], width: NDArray[np.float32]):
        """``targets`` (N, 52) set the scales; ``gap`` and ``width`` (52,) are lip distances of a unit of each shape."""
        super().__init__()
        factor = vertex_factor(face)
        spread = targets - targets.mean(0)
        self.vertex_scale = float(((spread @ factor) ** 2).sum(1).mean())
        self.closed = CLOSED / float((spread @ gap).std())
        self.register_buffer("scale", torch.from_numpy(targets.std(0).clip(SMALLEST_SCALE)))
        self.register_buffer("factor", torch.from_numpy(factor))
        self.register_buffer("gain", torch.from_numpy(gap / (spread @ gap).std()))
        self.register_buffer("width", torch.from_numpy(width / (spread @ width).std()))

    def forward(self, predicted: Tensor, target: Tensor, closure: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Losses of coefficients (B, T, 52).

        ``closure`` (B, T) in [0, 1] is 1 where the lips must close; ``weight`` (B,) says how much a crop counts.
        """
        self.to(predicted.device)
        root = weight.sqrt()[:, None, None]
        error = root * (predicted - target)
        scaled = error / self.scale
        clamped = predicted.clamp(0.0, 1.0)
        gap, width = (root[..., 0] * ((clamped - target) @ gain) for gain in (self.gain, self.width))
        opened = (clamped @ self.gain - self.closed).clamp_min(0.0)
        shut = closure * weight[:, None]
        return {
            "coefficients": scaled.square().mean(),
            "vertices": (error @ self.factor).square().sum(-1).mean() / self.vertex_scale,
            "velocity": (scaled[:, 1:] - scaled[:, :-1]).square().mean(),
            "gap": gap.square().mean() + 2.0 * gap.diff(dim=1).square().mean(),
            "width": width.square().mean() + 2.0 * width.diff(dim=1).square().mean(),
            "closure": (opened.square() * shut).sum() / shut.sum().clamp_min(1.0),
        }
