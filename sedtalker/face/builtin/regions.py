"""Named vertex masks of the built-in head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.cage import PATCHES, Cage, patch
from sedtalker.face.builtin.parts import Part, Points
from sedtalker.face.mesh import Mask

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
