"""The small file of fitted numbers from which the built-in head is built, and other heads on the same topology.

The numbers were fitted to a blend of identities and to the expressions of ICT-FaceKit (MIT licence, © 2020 USC
Institute for Creative Technologies) by ``scripts/fit_builtin_face.py``; the file holds no vertex of that model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Reals
from sedtalker.errors import InputError, one_of
from sedtalker.face.builtin.cage import EYE_EDGE, EYE_RIM, MOUTH_BODY, MOUTH_CONTACT, Cage, patch
from sedtalker.face.builtin.parts import Part, Points

PATH = Path(__file__).with_name("parameters.npz")
"""The parameter file of this package."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """Centimetres throughout.

    Attributes:
        cage: (N, 3) neutral positions of the cage.
        shapes: (K,) ARKit names (all but ``tongueOut``).
        offsets: (K, N, 3) cage offsets of the shapes.
        jaws: (K, 4, 3) affine maps [x y z 1] → offset of what the lower jaw carries.
        correctives: (C,) source shapes joined by ``*``, or by ``-`` where the first exceeds the second.
        corrective_offsets: (C, N, 3).
        identity: (D,) names of the directions in which heads differ.
        identity_offsets: (D, N, 3) cage offsets at weight 1.
        eye_centre, eye_radius: left eyeball; the right one is its mirror image.
        landmarks: (68,) refined skin vertices.
    """

    cage: Floats
    shapes: tuple[str, ...]
    offsets: Reals
    jaws: Floats
    correctives: tuple[str, ...]
    corrective_offsets: Reals
    identity: tuple[str, ...]
    identity_offsets: NDArray[np.float16]
    eye_centre: Floats
    eye_radius: float
    landmarks: Ints


def read_parameters(path: Path = PATH) -> Parameters:
    """Read the parameter file, whose arrays have the names of the attributes."""
    with np.load(path, allow_pickle=False) as kept:
        arrays = dict(kept)
    names = {name: tuple(arrays[name].tolist()) for name in ("shapes", "correctives", "identity")}
    return Parameters(**{**arrays, **names, "eye_radius": float(arrays["eye_radius"])})


# --- Other heads on the same topology: a weighted sum of identity directions, and expressions that fit the new form.


@dataclass(frozen=True, eq=False)
class Placement:
    """Affine placement of a part: ``x → target + (x − origin) · matrixᵀ``; offsets are multiplied by ``matrix`` alone.

    Attributes:
        origin, target: (3,) centimetres.
        matrix: (3, 3).
    """

    origin: Points
    target: Points
    matrix: Points

    def apply(self, points: Points) -> Points:
        """Points (n, 3) at their new place."""
        return self.target + (points - self.origin) @ self.matrix.T

    def move(self, part: Part) -> Part:
        """The part with its shapes at its new place."""
        offsets = (part.offsets @ self.matrix.T.astype(np.float32)).astype(np.float32)
        return replace(part, vertices=self.apply(part.vertices), offsets=offsets)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head after its identity was applied.

    Attributes:
        parameters: cage and offsets of the new head; eyeball and jaw maps stay those of the fitted one.
        eyes: placements of the left and the right eyeball.
        mouth: placement of teeth, gums and tongue.
    """

    parameters: Parameters
    eyes: tuple[Placement, Placement]
    mouth: Placement


def eye_zone(points: Points, centre: Points) -> Doubles:
    """(n,) 1 on the lids of the eye at ``centre``, 0 beyond the orbit, smooth between: here heads differ rigidly."""
    middle = centre + (0.12 * np.sign(centre[0]), -0.1, 0.0)
    x, y = ((points - middle)[:, :2] / (2.15, 1.45)).T
    t = np.clip((np.where(x * centre[0] < 0, 1.5, 1.75) - np.hypot(x, y)) / 0.65, 0, 1)
    return t * t * (3 - 2 * t) * (np.abs(points[:, 2] - centre[2]) < 4) * (points[:, 0] * centre[0] > 0)


def similarity(before: Points, after: Points, cage: Cage, side: str) -> Placement:
    """Shift, growth and turn about +Z that carry the lids of one eye nearest to where they went."""
    p = patch(f"eye_{side}")
    at = np.concatenate([cage.ring(p, EYE_EDGE), cage.ring(p, EYE_RIM)])
    a, b = before[at], after[at]
    origin, target = a.mean(0), b.mean(0)
    u, v = a - origin, b - target
    size = (u[:, :2] ** 2).sum()
    scale = (u[:, :2] * v[:, :2]).sum() / size
    turn = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum() / size
    return Placement(origin, target, np.array([[scale, -turn, 0], [turn, scale, 0], [0, 0, scale]]))


def apply_identity(cage: Cage, parameters: Parameters, weights: Mapping[str, float]) -> Fitted:
    """The head with identity directions at ``weights``; lips still meet and lids still close on the eyeball.

    Raises:
        InputError: an unknown direction.
    """
    unknown = sorted(set(weights) - set(parameters.identity))
    if unknown:
        raise InputError(f"unknown identity direction '{unknown[0]}': {one_of(unknown[0], parameters.identity)}")
    neutral = parameters.cage.astype(float)
    row = np.array([weights.get(name, 0.0) for name in parameters.identity])
    after = neutral + np.tensordot(row, parameters.identity_offsets.astype(float), 1)
    after = seal_lips(cage, after) if any(row) else after
    eyes = (similarity(neutral, after, cage, "left"), similarity(neutral, after, cage, "right"))
    growth = _growth(cage, neutral, after, parameters.eye_centre.astype(float), eyes)
    carried = {
        name: np.einsum("nij,knj->kni", growth, getattr(parameters, name).astype(np.float32)).astype(np.float32)
        for name in ("offsets", "corrective_offsets")
    }
    return Fitted(
        replace(parameters, cage=after.astype(np.float32), **carried), eyes, _mouth_placement(cage, neutral, after)
    )


SEALED = 0.012
"""Centimetres by which the lips overlap at rest."""


def seal_lips(cage: Cage, points: Points) -> Points:
    """The cage (N, 3) with lips that overlap by a hair everywhere, so that no light shows between them."""
    p, out = patch("mouth"), points.copy()
    rows = cage.subdivision.matrix[cage.ring(p, MOUTH_CONTACT)]
    opposite = np.array([p.lattice.index((i, p.height - j)) for i, j in p.lattice])
    sign = np.sign(np.round(p.disc[:, 1], 6))
    wanted = -SEALED * np.minimum(2 * np.sqrt(np.clip(1 - p.disc[:, 0] ** 2, 0, 1)), 1)
    for _ in range(10):
        contact = rows @ out
        apart = contact - contact[opposite]
        move = 0.5 * apart
        move[:, 1] -= 0.5 * sign * wanted
        move[sign == 0] = 0
        for ring, share in ((MOUTH_CONTACT, 1.0), (MOUTH_BODY, 0.6)):
            out[cage.ring(p, ring)] -= share * move
    return out


WINDOW = 1.6
"""Centimetres of skin round a vertex from which its local growth is estimated."""
STIFFNESS = 0.06
"""Shrinkage of that estimate towards no change."""


def _growth(cage: Cage, before: Points, after: Points, eye_centre: Points, eyes: tuple[Placement, Placement]) -> Floats:
    """(N, 3, 3) local linear map of the change of form, by which offsets are multiplied; the same where lips touch."""
    outside = np.array([not (k[0] == "mouth" and k[1] > MOUTH_CONTACT) and not k[0].startswith("nostril")
                        for k in cage.keys])  # fmt: skip
    a, b = before[outside], after[outside]
    x, y, z = ((before[:, None, axis] - a[:, axis]) ** 2 for axis in range(3))
    weight = np.exp(-(x + y + z) / (2 * WINDOW**2))
    weight /= weight.sum(1, keepdims=True)
    moments = weight @ (a[:, :, None] * a[:, None]).reshape(len(a), 9)
    cross = weight @ (b[:, :, None] * a[:, None]).reshape(len(a), 9)
    mean_a, mean_b = weight @ a, weight @ b
    spread = moments.reshape(-1, 3, 3) - mean_a[:, :, None] * mean_a[:, None]
    shared = cross.reshape(-1, 3, 3) - mean_b[:, :, None] * mean_a[:, None]
    still = STIFFNESS * np.trace(spread, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    growth = np.linalg.solve((spread + still).transpose(0, 2, 1), (shared + still).transpose(0, 2, 1))
    growth = growth.transpose(0, 2, 1)
    for sign, eye in zip((1, -1), eyes, strict=True):
        zone = eye_zone(before, eye_centre * (sign, 1, 1))[:, None, None]
        growth = growth + zone * (eye.matrix - growth)
    return growth.astype(np.float32)


def _mouth_placement(cage: Cage, before: Points, after: Points) -> Placement:
    """Teeth and tongue shift and widen with the line where the lips meet."""
    at = cage.ring(patch("mouth"), MOUTH_CONTACT)
    origin, target = before[at].mean(0), after[at].mean(0)
    wide = np.ptp(after[at, 0]) / np.ptp(before[at, 0])
    wide = 1 + 0.6 * (wide - 1)
    return Placement(origin * (0, 1, 1), target * (0, 1, 1), np.diag([wide, 1.0, 1.0]))
