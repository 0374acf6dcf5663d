"""What the decoder is trained to get right."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.face import Face

LIP_WEIGHT = 4.0
"""How many times a vertex of the lips counts."""
SMALLEST_SCALE = 0.03
"""Least standard deviation a shape's error is divided by."""
CLOSED = 0.012
"""Lip gap that counts as closed, outer-eye distances."""
UPPER = ("brow", "eyeWide", "eyeSquint", "cheekSquint")
"""Beginnings of the names of the upper face's shapes."""
FOLLOWED_FRAMES = 25.0
"""Talking frames that a crop needs for its correlation to mean anything."""
STILL = 0.02
"""Variance, of that of all targets, that is as good as none."""


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


class LossWeights(BaseModel, extra="forbid"):
    """How much each term of ``DecoderLoss`` counts; 0 leaves it out."""

    coefficients: float = 1.0
    """Squared error of the coefficients, in standard deviations of each shape."""
    vertices: float = 1.0
    """Squared vertex error."""
    velocity: float = 20.0
    """Squared error of the frame differences."""
    width: float = 0.5
    """Squared error of the lip width and its velocity."""
    closure: float = 1.0
    """Squared gap where the lips must close."""
    emotion: float = 0.5
    """Squared error of brows, lids and cheeks."""
    swapped: float = 1.0
    """Squared error of what changes with the speech or the emotion alone."""
    follow: float = 0.0
    """1 - correlation of lip gap and width."""


def weighted_sum(losses: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """The total of the terms."""
    return torch.stack([value * getattr(weights, name) for name, value in losses.items()]).sum()


class DecoderLoss(nn.Module):
    """Terms on coefficients (B, T, 52), each about 1 for a prediction that is constant.

    ``coefficients``: squared error in standard deviations of each shape; ``vertices``: squared vertex error, lips
    weighted; ``velocity``: squared error of the frame differences; ``width``: squared error of the lip width and its
    velocity; ``closure``: squared gap beyond closed where the lips must close; ``emotion``: squared error of brows,
    lids and cheeks; ``swapped``: squared error of what changes in the lips when only the emotion changes, and in the
    upper face when only the speech does; ``follow``: 1 - correlation of each crop's lip gap and, half as much, of its
    lip width while there is talking, whatever their size.
    """

    scale: Tensor
    factor: Tensor
    gain: Tensor
    width: Tensor
    upper: Tensor

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
        self.register_buffer("upper", torch.tensor([i for n, i in INDEX.items() if n.startswith(UPPER)]))

    def forward(self, predicted: Tensor, batch: dict[str, Tensor], chained: int = 0) -> dict[str, Tensor]:
        """Losses of coefficients (B, T, 52) against ``batch["target"]``.

        ``closure`` (B, T) in [0, 1] is 1 where the lips must close; ``weight`` (B, T) says how much the target of a
        frame counts otherwise, ``talking`` (B, T) is 0 in pauses.
        Of the first ``chained`` crops, those at 0 and 1, 2 and 3 … share the speech and those at 1 and 2, 3 and 4 …
        the emotion.
        """
        self.to(predicted.device)
        target, weight = batch["target"], batch["weight"]
        root = weight.sqrt()[..., None]
        error = root * (predicted - target)
        scaled = error / self.scale
        clamped = predicted.clamp(0.0, 1.0)
        gap, width = (root[..., 0] * ((clamped - target) @ gain) for gain in (self.gain, self.width))
        opened = (clamped @ self.gain - self.closed).clamp_min(0.0)
        shut = batch["closure"]
        return {
            "coefficients": scaled.square().mean(),
            "vertices": (error @ self.factor).square().sum(-1).mean() / self.vertex_scale,
            "velocity": (scaled[:, 1:] - scaled[:, :-1]).square().mean(),
            "width": width.square().mean() + 2.0 * width.diff(dim=1).square().mean(),
            "closure": (opened.square() * shut).sum() / shut.sum().clamp_min(1.0),
            "emotion": scaled[..., self.upper].square().mean(),
            "swapped": self._swapped(scaled[:chained], gap[:chained], width[:chained]),
            "follow": self._follow(clamped, target, batch["talking"] * weight),
        }

    def _follow(self, moved: Tensor, target: Tensor, talking: Tensor) -> Tensor:
        talks = talking.sum(1) > FOLLOWED_FRAMES
        if not talks.any():
            return moved.new_zeros(())
        share = talking[talks] / talking[talks].sum(1, keepdim=True)
        moved, target = moved[talks], target[talks]
        height, width = (1.0 - _correlation(moved @ axis, target @ axis, share) for axis in (self.gain, self.width))
        return (height + 0.5 * width).mean()

    def _swapped(self, scaled: Tensor, gap: Tensor, width: Tensor) -> Tensor:
        if len(scaled) < 3:
            return scaled.new_zeros(())
        lips = sum(((x[1::2] - x[0::2]).square().mean() for x in (gap, width)), scaled.new_zeros(()))
        upper = scaled[..., self.upper]
        return lips + (upper[2::2] - upper[1:-1:2]).square().mean()


def _correlation(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """(B,) of curves (B, T) whose frames count as ``share`` (B, T), which adds up to 1; what hardly moves, follows."""
    a, b = (x - (x * share).sum(1, keepdim=True) for x in (a, b))
    power = ((a * a * share).sum(1) + STILL) * ((b * b * share).sum(1) + STILL)
    return ((a * b * share).sum(1) + STILL) / power.sqrt()
