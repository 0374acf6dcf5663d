"""Heads that anyone would call broken, made by code from the reference rig: none of them may be judged good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sedtalker.mesh.mesh import Ints, Mesh, from_triangles
from sedtalker.training.corpora.tracked_motion import CENTIMETRE
from sedtalker.training.evaluation.hard_heads import HardRig, Points, read_hard_rig

HOLE = 1.4
"""Centimetres: radius of the holes in the cheeks."""
TURNED = 0.5
"""Share of the polygons that are wound the other way."""
MISSING = 0.12
"""Share of the polygons that are not there."""
NOISE = 0.2
"""Centimetres: deviation of every vertex of a bad scan."""
BEFORE = 2.5
"""Centimetres that teeth stand before where they belong."""
FINS = 0.3
"""Share of the polygons on which another one stands upright."""


def broken_heads(data: Path, seed: int = 0) -> Iterator[tuple[str, Mesh]]:
    """Name and mesh of each, in metres.

    Raises:
        InputError: the reference rig is missing.
    """
    rig, rng = read_hard_rig(data), np.random.default_rng(seed + 3)
    points, triangles = rig.neutral, rig.triangles
    yield "holes in the cheeks", _mesh(points, triangles[~_in_cheeks(rig)])
    turned = rng.random(len(triangles)) < TURNED
    yield "turned polygons", _mesh(points, np.where(turned[:, None], triangles[:, ::-1], triangles))
    yield "missing polygons", _mesh(points, triangles[rng.random(len(triangles)) > MISSING])
    yield "noise", _mesh(points + rng.normal(0.0, NOISE, points.shape), triangles)
    yield "teeth before the lips", _mesh(_moved(rig, ("teeth", "gums"), (0.0, 0.0, BEFORE)), triangles)
    both = np.concatenate([triangles, triangles + len(points)])
    yield "a head in a head", _mesh(np.concatenate([points, 0.97 * points]), both)
    yield "fins", _with_fins(points, triangles, rng)


def _mesh(points: Points, triangles: Ints) -> Mesh:
    return from_triangles((CENTIMETRE * points).astype(np.float32), triangles.astype(np.int32))


def _in_cheeks(rig: HardRig) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Triangles (T,) of the skin within two discs on the cheeks."""
    middle = rig.neutral[rig.triangles].mean(axis=1)
    x, y = np.abs(middle[:, 0]) - 5.0, middle[:, 1] - rig.neutral[rig.landmarks[33], 1]
    skin = rig.masks["skin"][rig.triangles].all(axis=1)
    return np.asarray((x**2 + y**2 < HOLE**2) & (middle[:, 2] > 0.0) & skin)


def _moved(rig: HardRig, parts: tuple[str, ...], step: tuple[float, float, float]) -> Points:
    points = rig.neutral.copy()
    for part in parts:
        points[rig.masks[part]] = rig.neutral[rig.masks[part]] + step
    return points


def _with_fins(points: Points, triangles: Ints, rng: np.random.Generator) -> Mesh:
    """A third of the polygons carry a triangle that shares an edge and points anywhere."""
    bearing = triangles[rng.random(len(triangles)) < FINS]
    tips = points[bearing].mean(axis=1) + 0.4 * rng.normal(size=(len(bearing), 3))
    fins = np.column_stack([bearing[:, :2], len(points) + np.arange(len(bearing))])
    return _mesh(np.concatenate([points, tips]), np.concatenate([triangles, fins]))
