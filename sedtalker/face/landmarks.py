"""The landmark detector: 68 points on plain geometry, without textures; a small heatmap network with a face score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Floats
from sedtalker.nn.engine import Model

LANDMARKS = 68
"""Points of the iBUG 300-W annotation (Sagonas et al. 2013)."""


class LandmarkConfig(BaseModel, extra="forbid", frozen=True):
    """Sizes of the network; stored beside the weights."""

    size: int = 128
    widths: tuple[int, int, int, int] = (20, 48, 96, 160)
    head_width: int = 64


# --- Finding 68 facial landmarks in geometry views with the built-in network.


@dataclass(frozen=True, eq=False)
class Detection:
    """Detections in N views.

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


def detect(network: Model, channels: Floats) -> Detection:
    """Landmarks in geometry views.

    Args:
        network: ``open_model("landmarks")``: views to points (N, 68, 2), their spread and face probability.
        channels: (N, 4, size, size) from ``views.geometry_channels``; the size is that of the network's configuration.
    """
    views = np.ascontiguousarray(channels, dtype=np.float32)
    found = [network.run(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
    return Detection(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
