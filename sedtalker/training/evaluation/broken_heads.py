"""Heads that anyone would call broken, made by code from the reference rig: none of them may be judged good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sedtalker.mesh.mesh import Ints, Mask, Mesh, from_triangles
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
SLANT = 0.35
"""Centimetres aside for each upwards: a head that was sheared."""
SPIKES = 40
"""Vertices of the face that are pulled out 3 cm."""
OUT_OF_PLACE: dict[str, tuple[tuple[str, ...], tuple[float, float, float]]] = {
    "teeth through the lips": (("teeth", "gums"), (0.0, 0.0, 1.0)),
    "a tongue before the lips": (("tongue",), (0.0, 0.0, 4.0)),
    "a tongue above the lips": (("tongue",), (0.0, 4.0, 4.0)),
    "a tongue on the cheek": (("tongue",), (6.0, 0.0, 6.0)),
    "a tongue beside the cheek": (("tongue",), (9.0, 0.0, 0.0)),
    "an eye on the cheek": (("right eye",), (0.0, -1.5, 2.0)),
    "a bulging eye": (("right eye",), (0.0, 0.0, 1.2)),
    "a sunk eye": (("right eye",), (0.0, 0.0, -2.5)),
}
"""Parts, and where they are moved to, in centimetres."""


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
    for name, (moved, step) in OUT_OF_PLACE.items():
        yield name, _mesh(_moved(rig, moved, step), triangles)
    yield from _misshapen(rig, rng)


def _misshapen(rig: HardRig, rng: np.random.Generator) -> Iterator[tuple[str, Mesh]]:
    """Heads that are slanted, put together wrongly, or torn."""
    points, triangles, marks = rig.neutral, rig.triangles, rig.neutral[rig.landmarks]
    middle = points[triangles].mean(axis=1)
    yield "sheared", _mesh(points + np.outer(points[:, 1] - marks[30, 1], [SLANT, 0.0, 0.0]), triangles)
    lower = points - np.where(points[:, :1] > 0.05, (0.0, 1.5, 0.0), 0.0)
    yield "one half 1.5 cm lower", _mesh(lower, triangles)
    yield (
        "one half mirrored onto the other",
        _mesh(points * np.where(points[:, :1] > 0.0, (-1.0, 1.0, 1.0), 1.0), triangles),
    )
    for name, size in (("eyeballs twice as large", 2.0), ("eyeballs half as large", 0.5)):
        grown = points.copy()
        for eye in (_part(rig, "right eye"), _part(rig, "left eye")):
            grown[eye] = points[eye].mean(axis=0) + size * (points[eye] - points[eye].mean(axis=0))
        yield name, _mesh(grown, triangles)
    yield "lips through each other", _mesh(_bitten(rig), triangles)
    spiked = points.copy()
    front = np.nonzero(rig.masks["skin"] & (points[:, 2] > marks[3, 2]))[0]
    spiked[rng.choice(front, SPIKES, replace=False), 2] += 3.0
    yield "spikes", _mesh(spiked, triangles)
    both = np.concatenate([triangles, triangles + len(points)])
    yield "two heads merged", _mesh(np.concatenate([points, points + (4.0, 0.0, 0.0)]), both)
    turned = middle[:, :1] > 0.0
    yield "one half inside-out", _mesh(points, np.where(turned, triangles[:, ::-1], triangles))
    yield "no jaw", _mesh(points, triangles[(middle[:, 1] > marks[57, 1]) | (middle[:, 2] < marks[4, 2])])


def _mesh(points: Points, triangles: Ints) -> Mesh:
    return from_triangles((CENTIMETRE * points).astype(np.float32), triangles.astype(np.int32))


def _in_cheeks(rig: HardRig) -> Mask:
    """Triangles (T,) of the skin within two discs on the cheeks."""
    middle = rig.neutral[rig.triangles].mean(axis=1)
    x, y = np.abs(middle[:, 0]) - 5.0, middle[:, 1] - rig.neutral[rig.landmarks[33], 1]
    skin = rig.masks["skin"][rig.triangles].all(axis=1)
    return np.asarray((x**2 + y**2 < HOLE**2) & (middle[:, 2] > 0.0) & skin)


def _moved(rig: HardRig, parts: tuple[str, ...], step: tuple[float, float, float]) -> Points:
    points = rig.neutral.copy()
    for part in parts:
        points[_part(rig, part)] += step
    return points


def _part(rig: HardRig, name: str) -> Mask:
    """Vertices (V,) of a part; the eyes one by one."""
    if name in ("right eye", "left eye"):
        return np.asarray(rig.masks["eyeball"] & ((rig.neutral[:, 0] < 0.0) == (name == "right eye")))
    return rig.masks[name]


def _bitten(rig: HardRig) -> Points:
    """Each lip pushed a centimetre through the other."""
    points, marks = rig.neutral.copy(), rig.neutral[rig.landmarks]
    skin, upper = rig.masks["skin"] | rig.masks["mouth_socket"], rig.neutral[:, 1] >= marks[[62, 66], 1].mean()
    for lip, middle, down in ((skin & upper, marks[51], -1.2), (skin & ~upper, marks[57], 1.2)):
        near = np.exp(-((rig.neutral[lip] - middle) ** 2).sum(axis=1) / (2.0 * 1.2**2))
        points[lip, 1] += down * near
    return points


def _with_fins(points: Points, triangles: Ints, rng: np.random.Generator) -> Mesh:
    """A third of the polygons carry a triangle that shares an edge and points anywhere."""
    bearing = triangles[rng.random(len(triangles)) < FINS]
    tips = points[bearing].mean(axis=1) + 0.4 * rng.normal(size=(len(bearing), 3))
    fins = np.column_stack([bearing[:, :2], len(points) + np.arange(len(bearing))])
    return _mesh(np.concatenate([points, tips]), np.concatenate([triangles, fins]))
