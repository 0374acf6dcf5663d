"""The network of the landmark detector in torch; ``sedtalker.face.registration.pose`` runs it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.face.registration.pose import LANDMARKS, LandmarkConfig
from sedtalker.mesh.rasteriser import CHANNELS
from sedtalker.nn import torch_threads
from sedtalker.nn.engine import Arrays


class Block(nn.Module):
    """Residual 3 × 3 convolution: (N, in, H, W) → (N, out, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)))
        return x + y if self.keeps else y


class LandmarkNet(nn.Module):
    """Geometry views (N, 4, S, S) → heatmap logits (N, 68, S/4, S/4) and face logits (N,)."""

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.widths
        self.stem = Block(CHANNELS, a, 2)
        self.quarter = nn.Sequential(Block(a, b, 2), Block(b, b))
        self.eighth = nn.Sequential(Block(b, c, 2), Block(c, c), Block(c, c))
        self.sixteenth = nn.Sequential(Block(c, d, 2), Block(d, d), Block(d, d), Block(d, d))
        self.context = nn.Linear(d, d)
        self.up_eighth = Block(d + c, c)
        self.up_quarter = Block(c + b, config.head_width)
        self.heatmaps = nn.Conv2d(config.head_width, LANDMARKS, 1)
        self.face = nn.Sequential(nn.Linear(2 * d, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        quarter = self.quarter(self.stem(x))
        eighth = self.eighth(quarter)
        deep = self.sixteenth(eighth)
        pooled = deep.mean(dim=(2, 3))
        face = self.face(torch.cat([pooled, deep.amax(dim=(2, 3))], dim=1))[:, 0]
        deep = deep + self.context(pooled)[:, :, None, None]
        eighth = self.up_eighth(torch.cat([F.interpolate(deep, scale_factor=2.0), eighth], dim=1))
        quarter = self.up_quarter(torch.cat([F.interpolate(eighth, scale_factor=2.0), quarter], dim=1))
        return self.heatmaps(quarter), face

    @torch.inference_mode()
    def run(self, views: Floats) -> Arrays:
        """Points, spread and face probability of arrays, on one thread, so that they depend on no number of cores."""
        with torch_threads(1):
            return tuple(part.numpy() for part in LandmarksGraph(self)(torch.from_numpy(views)))


class LandmarksGraph(nn.Module):
    """A ``LandmarkNet`` that gives points, their spread and the probability of a face."""

    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heatmaps, face = self.net(views)
        return *expected_points(heatmaps), face.sigmoid()


def expected_points(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of softmax heatmaps (N, L, H, W): points (N, L, 2) in [-1, 1], y up, and their spread (N, L)."""
    n, landmarks, height, width = heatmaps.shape
    weights = heatmaps.float().flatten(2).softmax(dim=2).view(n, landmarks, height, width)
    xs = (torch.arange(width, device=heatmaps.device) + 0.5) * (2.0 / width) - 1.0
    ys = 1.0 - (torch.arange(height, device=heatmaps.device) + 0.5) * (2.0 / height)
    x, y = (weights.sum(2) * xs).sum(-1), (weights.sum(3) * ys).sum(-1)
    spread = (weights.sum(2) * (xs - x[..., None]) ** 2).sum(-1) + (weights.sum(3) * (ys - y[..., None]) ** 2).sum(-1)
    return torch.stack([x, y], dim=-1), spread.clamp_min(0).sqrt()
