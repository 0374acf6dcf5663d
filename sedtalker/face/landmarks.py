"""The landmark detector: 68 points on plain geometry, without textures; a small heatmap network with a face score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from sedtalker.arrays import Floats
from sedtalker.checkpoint import builtin_checkpoint, read_model
from sedtalker.nn.engine import Arrays, load_in_torch, open_graph

LANDMARKS = 68
"""Points of the iBUG 300-W annotation (Sagonas et al. 2013)."""


class LandmarkConfig(BaseModel):
    """Sizes of the network; stored beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = 128
    widths: tuple[int, int, int, int] = (20, 48, 96, 160)
    head_width: int = 64


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


BATCH = 16
"""Views that go through the network at once."""


@dataclass(frozen=True, eq=False)
class LandmarkDetector:
    """The network ready for use on the CPU.

    Attributes:
        net: views (N, 4, size, size) to points (N, 68, 2), their spread (N, 68) and face probability (N,).
        size: pixels of a view.
    """

    net: Callable[[Floats], Arrays]
    size: int

    def detect(self, channels: Floats) -> Detection:
        """Landmarks in geometry views (N, 4, size, size) from ``views.geometry_channels``."""
        views = np.ascontiguousarray(channels, dtype=np.float32)
        found = [self.net(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
        return Detection(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


@lru_cache(maxsize=2)
def load_detector(folder: Path | None = None) -> LandmarkDetector:
    """The detector from a checkpoint folder, by default the built-in one: its graph, or in torch.

    Raises:
        InputError: the checkpoint is missing or damaged.
    """
    folder = folder or builtin_checkpoint("landmarks")
    size = read_model(folder, "landmarks", LandmarkConfig).size
    if (graph := open_graph(folder, "landmarks")) is not None:
        return LandmarkDetector(graph, size)
    return LandmarkDetector(load_in_torch(folder, "landmarks").found, size)
