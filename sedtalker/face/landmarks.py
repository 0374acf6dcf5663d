"""The landmark detector: 68 points on plain geometry, without textures; a small heatmap network with a face score."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.checkpoint import builtin_checkpoint, open_network
from sedtalker.mesh.rasteriser import CHANNELS

LANDMARKS = 68
"""Points of the iBUG 300-W annotation (Sagonas et al. 2013)."""


class LandmarkConfig(BaseModel):
    """Sizes of the network; stored beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = 128
    widths: tuple[int, int, int, int] = (20, 48, 96, 160)
    head_width: int = 64


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


def expected_points(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of softmax heatmaps (N, L, H, W): points (N, L, 2) in [-1, 1], y up, and their spread (N, L)."""
    n, landmarks, height, width = heatmaps.shape
    weights = heatmaps.float().flatten(2).softmax(dim=2).view(n, landmarks, height, width)
    xs = (torch.arange(width, device=heatmaps.device) + 0.5) * (2.0 / width) - 1.0
    ys = 1.0 - (torch.arange(height, device=heatmaps.device) + 0.5) * (2.0 / height)
    x, y = (weights.sum(2) * xs).sum(-1), (weights.sum(3) * ys).sum(-1)
    spread = (weights.sum(2) * (xs - x[..., None]) ** 2).sum(-1) + (weights.sum(3) * (ys - y[..., None]) ** 2).sum(-1)
    return torch.stack([x, y], dim=-1), spread.clamp_min(0).sqrt()


# --- Finding 68 facial landmarks in geometry views with the built-in network.


@dataclass(frozen=True, eq=False)
class Detection:
    """What was found in N views.

    Attributes:
        points: (N, 68, 2) picture coordinates in [-1, 1], y up.
        spread: (N, 68) standard deviation of each heatmap in the same unit: small is sure.
        face: (N,) probability that the view shows a face within about ±45° of the front.
    """

    points: Floats
    spread: Floats
    face: Floats


@dataclass(frozen=True, eq=False)
class LandmarkDetector:
    """The network ready for use on the CPU."""

    net: LandmarkNet
    size: int

    def detect(self, channels: Floats) -> Detection:
        """Landmarks in geometry views (N, 4, size, size) from ``views.geometry_channels``."""
        found = []
        with one_thread(), torch.inference_mode():
            for batch in torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32)).split(16):
                heatmaps, face = self.net(batch)
                found.append((*expected_points(heatmaps), face.sigmoid()))
        points, spread, face = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return Detection(points, spread, face)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold PyTorch to one thread, so that what is found does not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=2)
def load_detector(folder: Path | None = None) -> LandmarkDetector:
    """The detector from a checkpoint folder, by default the built-in one.

    Raises:
        InputError: the checkpoint is missing or damaged.
    """
    folder = folder or builtin_checkpoint("landmarks")
    network = open_network(folder, "landmarks", LandmarkConfig, LandmarkNet)
    return LandmarkDetector(network, network.config.size)
