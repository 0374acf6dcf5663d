"""Where sealed lips meet: the valley between them, seen from the front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from sedtalker.face.landmarks.views import View, rasterise
from sedtalker.face.mesh import Floats, Ints
from sedtalker.face.registration.surface import Points

PICTURE = 320
SEARCH = 0.055  # of the outer-eye-corner distance: how far from the landmarks the valley may lie, up or down
STIFF = 0.6  # cost of a step of one row from column to column, against the deepest valley
HOME = 0.5  # cost of the largest distance from the landmarks' line
SMOOTH = 0.02  # of the outer-eye-corner distance along the line


@dataclass(frozen=True, eq=False)
class LipLine:
    """The line between sealed lips of an upright face, in metres.

    Attributes:
        x: (N,) increasing, from the right corner to the left; y, z: (N,) height and depth there.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]

    def height(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Height of the line at any x; level beyond the corners."""
        return np.interp(x, self.x, self.y)


def find_lip_line(vertices: Floats, triangles: Ints, landmarks: Points) -> LipLine:
    """The line where the lips of an upright head meet.

    A path from corner to corner through a picture of the face's depth, along the sharpest valley near the inner lips.

    Args:
        vertices: (V, 3) metres, +Y up, +Z front; triangles: (T, 3).
        landmarks: (68, 3) on it.
    """
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    right, left = 0.5 * (landmarks[48] + landmarks[60]), 0.5 * (landmarks[54] + landmarks[64])
    inner = np.stack([right, *(0.5 * (landmarks[61:64] + landmarks[[67, 66, 65]])), left])
    half = 0.55 * float(left[0] - right[0])
    view = View(np.eye(3), inner.mean(axis=0), half)
    _, depth = rasterise(view.project(vertices), triangles, PICTURE)
    pixel = 2.0 * half / PICTURE
    deep = gaussian_filter(
        np.where(np.isfinite(depth), depth, np.nanmin(np.where(np.isfinite(depth), depth, np.nan))), 2.0
    )
    valley = np.maximum(gaussian_filter1d(deep * half, 0.008 * outer / pixel, axis=0, order=2), 0.0)
    centres = (np.arange(PICTURE) + 0.5) * pixel - half
    x, rows_y = centres + view.centre[0], view.centre[1] - centres
    columns = np.flatnonzero((x > right[0]) & (x < left[0]))
    expected = np.interp(x[columns], inner[:, 0], inner[:, 1])
    off = np.abs(rows_y[:, None] - expected[None]) / (SEARCH * outer)
    gain = valley[:, columns] / (valley[:, columns][off < 1.0].max(initial=0.0) + 1e-12)
    cost = np.where(off < 1.0, HOME * off**2 - gain, 1e3)
    y = gaussian_filter1d(rows_y[_path(cost)], SMOOTH * outer / pixel, mode="nearest")
    rows = np.clip(np.round((view.centre[1] - y + half) / pixel - 0.5).astype(int), 0, PICTURE - 1)
    z = gaussian_filter1d(deep[rows, columns] * half + view.centre[2], 0.01 * outer / pixel, mode="nearest")
    return LipLine(x[columns], y, z)


def _path(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row (C,) of each column of the cheapest path through a cost picture (R, C), a row up or down a column at most."""
    total = cost[:, 0].copy()
    back = np.zeros(cost.shape, np.int64)
    step = STIFF / len(cost) * 20.0
    for column in range(1, cost.shape[1]):
        options = np.stack([np.append(np.inf, total[:-1]) + step, total, np.append(total[1:], np.inf) + step])
        choice = options.argmin(axis=0)
        back[:, column] = np.arange(len(total)) + choice - 1
        total = options[choice, np.arange(len(total))] + cost[:, column]
    path = [int(total.argmin())]
    for column in range(cost.shape[1] - 1, 0, -1):
        path.append(int(back[path[-1], column]))
    return np.array(path[::-1])
