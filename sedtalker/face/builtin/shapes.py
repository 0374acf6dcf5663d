"""Named vertex masks of the built-in head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin.cage import PATCHES, Cage, patch
from sedtalker.face.builtin.identity import Parameters
from sedtalker.face.builtin.parts import GAZE_ANGLES, Part, Points, Skin, gaze_rotation
from sedtalker.face.face import Corrective
from sedtalker.mesh.mesh import Mask

OF_PARTS = {
    "skin": ("skin",), "eyes": ("eye_left", "eye_right"), "teeth": ("teeth_upper", "teeth_lower"),
    "upper_teeth": ("teeth_upper",), "lower_teeth": ("teeth_lower",), "gums": ("gums",), "tongue": ("tongue",),
    "brows": ("brows",), "lashes": ("lashes",), "creases": ("creases",), "hair": ("hair",), "collar": ("collar",),
}  # fmt: skip


def part_regions(parts: list[Part]) -> dict[str, Mask]:
    """Masks over all vertices that are whole parts."""
    owner = np.repeat([p.name for p in parts], [len(p.vertices) for p in parts])
    masks = {region: np.isin(owner, names) for region, names in OF_PARTS.items()}
    return {region: mask for region, mask in masks.items() if mask.any()}


def skin_regions(cage: Cage, vertices: Points, landmarks: NDArray[np.int32], count: int) -> dict[str, Mask]:
    """Masks over all ``count`` vertices that lie on the skin (the first vertices)."""
    marks = vertices[landmarks]
    ring, height = cage.place(patch("mouth"))
    lips = (ring >= 3.9) & (ring <= 7.1)
    socket = ring > 7.1
    lids = np.zeros(len(vertices), bool)
    ears = np.zeros(len(vertices), bool)
    for p in PATCHES:
        at = cage.place(p)[0]
        lids |= (at >= 1.9) & p.name.startswith("eye")
        ears |= (at >= 1.0) & p.name.startswith("ear")
    front = vertices[:, 2] > 2.0
    y = vertices[:, 1]
    jaw = np.interp(vertices[:, 2], [2.0, 6.0, 10.0], [-5.5, marks[5, 1] - 0.6, marks[8, 1] - 0.7])
    neck = (y < jaw) & ~socket
    middle = marks[29, 1]
    chosen = {
        "lips": lips,
        "upper_lip": lips & (height >= 0),
        "lower_lip": lips & (height <= 0),
        "mouth_socket": socket,
        "eyelids": lids,
        "ears": ears,
        "neck": neck,
        "upper_face": front & (y >= middle) & ~socket & ~ears,
        "lower_face": front & (y < middle) & ~socket & ~ears & ~neck,
    }
    return {name: np.concatenate([mask, np.zeros(count - len(mask), bool)]) for name, mask in chosen.items()}


# --- The coefficients of the built-in head and what they do to skin, jaw, eyeballs and tongue.

TONGUE_SHAPES = ("tongueUp", "tongueWide", "tongueRoll")
"""Extra shapes: tip to the upper ridge (l, n, t, d), wide and flat (s, i), sides rolled up."""
SHAPES = (*ARKIT_52, *TONGUE_SHAPES)
TONGUE_OUT = {"jawOpen": 0.24, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15}
"""The lips and jaw make way for the tongue."""
LAP_RINGS, LAP = (6.0, 6.5, 7.0, 7.5, 8.0), (0.0, 0.065, 0.115, 0.060, 0.0)
"""Further overlap of each lip, centimetres, by ring of the mouth behind the contact line."""


def correctives(parameters: Parameters) -> tuple[Corrective, ...]:
    """The correctives in the order of their basis rows."""
    return tuple(
        Corrective("fix_" + names.replace("-", "_beyond_"), tuple(names.split("-")), beyond=True)
        if "-" in names
        else Corrective("fix_" + names.replace("*", "_"), tuple(names.split("*")))
        for names in parameters.correctives
    )


def refine_skin(cage: Cage, parameters: Parameters) -> Skin:
    """Subdivide the neutral cage and every offset once."""
    sub = cage.subdivision
    rows = _mixed(parameters, parameters.offsets.astype(np.float32))
    rows = np.concatenate([rows, parameters.corrective_offsets.astype(np.float32)])
    k, n, _ = rows.shape
    offsets = sub.matrix.astype(np.float32) @ rows.transpose(1, 0, 2).reshape(n, 3 * k)
    ears = np.maximum(*(cage.place(patch(f"ear_{side}"))[0] for side in ("left", "right"))) >= 0.9
    return Skin(
        vertices=sub.matrix @ parameters.cage.astype(float) + _lap(cage),
        quads=sub.quads,
        offsets=offsets.reshape(-1, k, 3).transpose(1, 0, 2).copy(),
        mirror=cage.refined_mirror,
        ears=ears,
    )


def _lap(cage: Cage) -> Points:
    """(V, 3) how much further than the cage says the lips overlap behind the line where they meet, so that no tooth
    glints through the hair's breadth that a smile opens."""
    ring, height = cage.place(patch("mouth"))
    lap = np.interp(ring, LAP_RINGS, LAP, left=0.0, right=0.0) * np.clip(height / 0.4, -1, 1)
    return np.stack([np.zeros_like(lap), -lap, np.zeros_like(lap)], axis=1)


def _mixed(parameters: Parameters, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of ``values`` (one per fitted shape) in the order of ``SHAPES``; shapes of our own are mixtures."""
    at = {name: i for i, name in enumerate(parameters.shapes)}
    out = np.zeros((len(SHAPES), *values.shape[1:]), np.float32)
    for i, name in enumerate(SHAPES):
        if name in at:
            out[i] = values[at[name]]
        elif name == "tongueOut":
            out[i] = sum(share * values[at[other]] for other, share in TONGUE_OUT.items())
    return out


def jaw_offsets(parameters: Parameters, points: Points) -> NDArray[np.float32]:
    """(K + C, n, 3) offsets of points that the lower jaw carries."""
    jaws = _mixed(parameters, parameters.jaws)
    rows = np.concatenate([points, np.ones((len(points), 1))], axis=1).astype(np.float32)
    still = np.zeros((len(parameters.correctives), len(points), 3), np.float32)
    return np.concatenate([rows @ jaws, still])


def eye_offsets(parameters: Parameters, points: Points, centre: Points, side: str) -> NDArray[np.float32]:
    """(K + C, n, 3) offsets of an eyeball's points: exact rotations at coefficient 1."""
    out = np.zeros((len(SHAPES) + len(parameters.correctives), len(points), 3), np.float32)
    for name in GAZE_ANGLES:
        if name.endswith(side):
            out[SHAPES.index(name)] = (points - centre) @ (gaze_rotation(name).T - np.eye(3))
    return out


def tongue_offsets(
    parameters: Parameters, points: Points, place: NDArray[np.float64], front: float
) -> NDArray[np.float32]:
    """(K + C, n, 3): the tongue follows the jaw and has shapes of its own; ``place`` is 0 at the root, 1 at the tip."""
    out = jaw_offsets(parameters, points)
    x, y, _ = points.T
    tip = np.clip((place - 0.25) / 0.75, 0, 1)
    middle = y - np.interp(
        place, np.linspace(0, 1, 14), [y[np.abs(place - p) < 1e-3].mean() for p in np.linspace(0, 1, 14)]
    )
    zero = np.zeros_like(x)
    reach = tip**1.1
    out[SHAPES.index("tongueOut")] += np.stack(
        [
            -0.12 * x * reach,
            0.48 * np.clip(tip * 1.6, 0, 1) - 1.6 * np.clip(tip - 0.6, 0, 1) ** 1.3 - 0.35 * middle * reach,
            3.45 * reach,
        ],
        axis=1,
    )
    out[SHAPES.index("tongueUp")] += np.stack([-0.10 * x * tip, 0.78 * tip**2.2, 0.25 * tip - 0.05], axis=1)
    out[SHAPES.index("tongueWide")] += np.stack([0.12 * x * (0.3 + tip), -0.25 * middle + 0.12, zero], axis=1)
    out[SHAPES.index("tongueRoll")] += np.stack([-0.25 * x * tip, 0.32 * (x / 1.4) ** 2 * tip, zero], axis=1)
    return out
