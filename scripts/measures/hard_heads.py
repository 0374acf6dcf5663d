"""Heads made by code from the reference rig: thirteen that are hard to register, with known landmarks and shapes, and
some that anyone would call broken, none of which may be judged good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measures.registration_targets import CENTIMETRE, Head, cut, opened_rig, rig_masks, rig_offsets
from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.face.arkit import ARKIT_52
from sedtalker.mesh.mesh import Mesh, from_triangles, grid_triangles
from sedtalker.training.corpora.landmark_samples import random_rotation, stylise, torus, warp

Points = NDArray[np.float64]
Warp = Callable[[Points], Points]

MOUTH_INSIDE = ("teeth", "gums", "tongue")
"""Masks of the rig that are left out where a head has no mouth."""
AJAR = 0.25
"""Share of the rig's jawOpen by which a mouth is open that does not close at rest."""
EXAGGERATED = (3, 11)
"""Seeds of the two stylised heads."""


@dataclass(frozen=True, eq=False)
class HardRig:
    """The light reference rig in centimetres: (V, 3) neutral, (52, V, 3) offsets, triangles, landmarks, masks (V,)."""

    neutral: Points
    offsets: Floats
    triangles: Ints
    landmarks: Ints
    masks: dict[str, NDArray[np.bool_]]

    def shape(self, name: str) -> Floats:
        """Offsets (V, 3) of one shape."""
        return np.asarray(self.offsets[ARKIT_52.index(name)])


def hard_heads(data: Path, seed: int = 0) -> Iterator[Head]:
    """The heads, each in a random rotation and place, in centimetres.

    Raises:
        InputError: the reference rig is missing.
    """
    rig, rng = read_hard_rig(data), np.random.default_rng(seed + 7)
    yield _head(rig, "decimated to 3,000", rng, kind="3000")
    yield _head(rig, "remeshed, no mouth", rng, kind="remeshed", without=(*MOUTH_INSIDE, "mouth_socket"))
    for k, way in enumerate(EXAGGERATED):
        yield _head(rig, f"exaggerated {k}", rng, bend=_stylised(rig, way))
    shut = rig.shape("eyeBlinkLeft") + rig.shape("eyeBlinkRight")
    yield _head(rig, "eyes closed", rng, rest=shut, without=("eyeball",), still=("eyeBlink", "eyeWide", "eyeLook"))
    yield _head(rig, "no mouth", rng, without=(*MOUTH_INSIDE, "mouth_socket"))
    yield _head(
        rig, "open at rest, no mouth", rng, rest=AJAR * rig.shape("jawOpen"), without=(*MOUTH_INSIDE, "mouth_socket")
    )
    yield _head(rig, "asymmetric", rng, bend=lambda points: warp(points, np.random.default_rng(5), 6, 0.7, False))
    yield _head(rig, "beard", rng, more=_beard(rig))
    yield _head(rig, "glasses", rng, more=_glasses(rig))
    yield _head(rig, "body in T-pose", rng, more=_body(rig, arms=True))
    yield _head(rig, "bust on a base", rng, more=_body(rig, arms=False), without=MOUTH_INSIDE)
    yield _head(rig, "no eyeballs", rng, without=("eyeball",))


def restyled_heads(data: Path, seeds: Iterable[int]) -> Iterator[Head]:
    """The rig's person as it is, then with other proportions, a head a seed; its true shapes are bent with it.

    Raises:
        InputError: the reference rig is missing.
    """
    rig, rng = read_hard_rig(data), np.random.default_rng(0)
    yield _head(rig, "as it is", rng)
    for seed in seeds:
        yield _head(rig, f"proportions {seed}", rng, bend=_stylised(rig, seed))


def read_hard_rig(data: Path) -> HardRig:
    """The rig that hard and broken heads are made from.

    Raises:
        InputError: it is missing.
    """
    with opened_rig(data) as rig:
        neutral, triangles = rig["neutral"].astype(np.float64), rig["triangles"].astype(np.int32)
        return HardRig(neutral, rig_offsets(rig), triangles, rig["landmarks68"], rig_masks(rig))


def _stylised(rig: HardRig, seed: int) -> Warp:
    """Other proportions of eyes, nose, mouth, jaw and skull, the same for any points."""
    marks = rig.neutral[rig.landmarks]
    return lambda points: stylise(points, marks, np.random.default_rng(seed))


def _head(
    rig: HardRig,
    name: str,
    rng: np.random.Generator,
    kind: str = "same",
    rest: Floats | None = None,
    bend: Warp | None = None,
    without: tuple[str, ...] = (),
    still: tuple[str, ...] = (),
    more: tuple[Points, Ints] | None = None,
) -> Head:
    """One head.

    Args:
        rig: the rig; name: what to call it; rng: of its rotation and place.
        kind: how its surface is cut into triangles, see ``cut``.
        rest: offsets (V, 3) that it has at rest.
        bend: what its proportions are changed by; its true shapes are bent with it.
        without: masks of what is left out.
        still: beginnings of shapes that it cannot show.
        more: vertices and triangles of further pieces.
    """
    bend = bend or (lambda points: points)
    base = rig.neutral if rest is None else rig.neutral + rest
    neutral = bend(base)
    offsets = np.stack([bend(base + offset) - neutral for offset in rig.offsets])
    offsets[[k for k, shape in enumerate(ARKIT_52) if shape.startswith(still)] if still else []] = 0.0
    gone = np.zeros(len(base), bool)
    for mask in without:
        gone |= rig.masks[mask]
    mean, triangles = cut(kind, neutral, rig.triangles[~gone[rig.triangles].any(axis=1)], rng)
    points, moved = mean @ neutral, np.stack([mean @ offset for offset in offsets])
    outside = ~(rig.masks["eyeball"] | rig.masks["teeth"] | rig.masks["gums"] | rig.masks["tongue"])
    skin = np.asarray(mean @ (~outside).astype(float) == 0)
    if more is not None:
        triangles = np.concatenate([triangles, more[1] + len(points)]).astype(np.int32)
        moved = np.pad(moved, ((0, 0), (0, len(more[0])), (0, 0)))
        skin = np.pad(skin, (0, len(more[0])))
        points = np.concatenate([points, more[0]])
    rotation, shift = random_rotation(rng), 10.0 * rng.normal(size=3)
    return Head(
        name,
        "hard",
        from_triangles((points @ rotation.T + shift).astype(np.float32), triangles),
        rotation,
        1.0 / CENTIMETRE,
        neutral[rig.landmarks] @ rotation.T + shift,
        (moved @ rotation.T).astype(np.float32),
        skin,
    )


# --- Further pieces, in centimetres.


def _beard(rig: HardRig) -> tuple[Points, Ints]:
    """A shell 1.2 cm before the skin of chin and jaw."""
    marks = rig.neutral[rig.landmarks]
    low = (rig.neutral[:, 1] < marks[57, 1] - 0.6) & (rig.neutral[:, 1] > marks[8, 1] - 1.5)
    front = rig.masks["skin"] & low & (rig.neutral[:, 2] > marks[[3, 13], 2].mean())
    triangles = rig.triangles[front[rig.triangles].all(axis=1)]
    used, corners = np.unique(triangles, return_inverse=True)
    middle = marks[[2, 14]].mean(0)
    away = rig.neutral[used] - middle
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return rig.neutral[used] + 1.2 * away, corners.reshape(-1, 3).astype(np.int32)


def _glasses(rig: HardRig) -> tuple[Points, Ints]:
    """Two rims before the eyes and a bridge between them."""
    marks = rig.neutral[rig.landmarks]
    pieces: list[tuple[Points, Ints]] = []
    for eye in (marks[36:42], marks[42:48]):
        points, triangles = torus(2.4, 0.15)
        pieces.append((points + eye.mean(0) + (0.0, 0.0, 2.2), triangles))
    ends = [eye.mean(0) + (0.0, 0.3, 2.4) for eye in (marks[36:42], marks[42:48])]
    pieces.append(_tube(np.stack([ends[0] + (2.3, 0, 0), ends[1] - (2.3, 0, 0)]), [(0.2, 0.2)] * 2, 8))
    return _joined(pieces)


def _body(rig: HardRig, arms: bool) -> tuple[Points, Ints]:
    """A torso under the neck, with arms held out or on a round base."""
    neck = rig.neutral[:, 1].min()
    middle = rig.neutral[rig.neutral[:, 1] < neck + 1.0].mean(0)
    heights = (1.0, -4.0, -8.0, -30.0, -50.0, -90.0) if arms else (1.0, -4.0, -8.0, -16.0, -18.0, -22.0)
    sizes = [(6.0, 5.5), (14.0, 8.0), (20.0, 10.0), (17.0, 11.0), (17.0, 12.0), (15.0, 10.0)]
    if not arms:
        sizes[3:] = [(15.0, 10.0), (10.0, 10.0), (14.0, 14.0)]
    pieces = [_tube(np.array([middle + (0.0, height, 0.0) for height in heights]), sizes, 32)]
    for side in (1.0, -1.0) if arms else ():
        ends = np.array([middle + (side * away, -9.0, 0.0) for away in (18.0, 40.0, 65.0)])
        pieces.append(_tube(ends, [(5.0, 5.0), (4.0, 4.0), (2.5, 2.5)], 16))
    return _joined(pieces)


def _tube(spine: Points, sizes: list[tuple[float, float]], around: int) -> tuple[Points, Ints]:
    """Ellipses (half width, half depth) along a spine (N, 3), joined: level ones, or upright ones along X."""
    along = np.abs(spine[-1] - spine[0]).argmax()
    u, v = (np.eye(3)[0], np.eye(3)[2]) if along == 1 else (np.eye(3)[1], np.eye(3)[2])
    angle = np.linspace(0.0, 2.0 * np.pi, around)
    rings = [
        c + a * np.cos(angle)[:, None] * u + b * np.sin(angle)[:, None] * v
        for c, (a, b) in zip(spine, sizes, strict=True)
    ]
    return np.concatenate(rings), grid_triangles(len(spine), around)


def _joined(pieces: list[tuple[Points, Ints]]) -> tuple[Points, Ints]:
    starts = np.cumsum([0, *(len(points) for points, _ in pieces)])
    triangles = [triangles + start for (_, triangles), start in zip(pieces, starts[:-1], strict=True)]
    return np.concatenate([points for points, _ in pieces]), np.concatenate(triangles).astype(np.int32)


# --- Broken heads.

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
