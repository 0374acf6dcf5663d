"""Finding 68 facial landmarks in geometry views with the built-in network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.face.landmarks.network import LandmarkConfig, LandmarkNet, expected_points
from sedtalker.face.mesh import Floats


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
        with torch.inference_mode():
            for batch in torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32)).split(16):
                heatmaps, face = self.net(batch)
                found.append((*expected_points(heatmaps), face.sigmoid()))
        points, spread, face = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return Detection(points, spread, face)


@lru_cache(maxsize=2)
def load_detector(folder: Path | None = None) -> LandmarkDetector:
    """The detector from a checkpoint folder, by default the built-in one.

    Raises:
        InputError: the checkpoint is missing or damaged.
    """
    _, config, weights = read_checkpoint(folder or builtin_checkpoint("landmarks"), "landmarks", LandmarkConfig)
    net = LandmarkNet(config)
    net.load_state_dict(weights)
    return LandmarkDetector(net.eval(), config.size)
