"""The 52 ARKit blend shape names (``ARFaceAnchor.BlendShapeLocation``), and which of them speech moves."""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats, Reals
from sedtalker.errors import meant

ARKIT_52: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The names, in the order of Live Link Face."""


def nearest_shape(name: str) -> str:
    """What to do about a name that is none of the 52: take the nearest, or look at all of them."""
    return meant(name, ARKIT_52) or "`sedtalker face list --json` names them"


def ict_to_arkit(name: str) -> str:
    """ARKit name of an ICT-FaceKit expression (``browDown_L`` → ``browDownLeft``, ``cheekPuff_L`` → ``cheekPuff``)."""
    stem, _, side = name.partition("_")
    if stem in ("browInnerUp", "cheekPuff") or not side:
        return stem
    return stem + {"L": "Left", "R": "Right"}[side]


# --- Which of the 52 shapes speech moves, which the emotion, and which neither.

INDEX: dict[str, int] = {name: i for i, name in enumerate(ARKIT_52)}
"""Position of each name in ``ARKIT_52``."""

SPEECH_SHAPES: tuple[str, ...] = tuple(
    name
    for name in ARKIT_52
    if name.startswith(("jaw", "mouth", "cheek", "noseSneer"))
    and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
)
"""Mouth, jaw, cheek and nose; sideways motion is a talker's own habit and is left out."""

PAIRS: tuple[tuple[int, int], ...] = tuple(
    (INDEX[name], INDEX[name.removesuffix("Left") + "Right"])
    for name in ARKIT_52
    if name.endswith("Left") and name.removesuffix("Left") not in ("jaw", "mouth")
)
"""Left and right halves of one shape."""


def symmetrise(coefficients: Reals) -> Floats:
    """(T, 52) with both halves of each pair at their mean."""
    even = np.array(coefficients, np.float32)
    for left, right in PAIRS:
        even[:, left] = even[:, right] = 0.5 * (even[:, left] + even[:, right])
    return even


def speech_only(coefficients: Reals) -> Floats:
    """(T, 52) with both sides even and everything that speech does not move at zero: no eyes, no brows."""
    even = symmetrise(coefficients)
    keep = np.zeros(len(ARKIT_52), np.float32)
    keep[[INDEX[name] for name in SPEECH_SHAPES]] = 1.0
    return even * keep


def both_sides(*names: str) -> list[int]:
    """Indices of the named shapes, of both halves where a shape has two."""
    return [INDEX[name + side] for name in names for side in ("", "Left", "Right") if name + side in INDEX]


TALKING_SHAPES: tuple[str, ...] = (
    *(name.removesuffix("Left") for name in SPEECH_SHAPES if not name.endswith("Right")),
    "tongueOut",
)
"""Shapes of a talking mouth, the same on both sides: what networks read out of speech alone."""
TALKING_SIDES = np.array([np.isin(np.arange(len(ARKIT_52)), both_sides(n)) for n in TALKING_SHAPES], np.float32)
"""(S, 52) matrix from ``TALKING_SHAPES`` to the shapes of both sides."""
TALKING_INDEX: list[int] = TALKING_SIDES.argmax(1).tolist()
"""Place of each of ``TALKING_SHAPES`` in ``ARKIT_52``: of the left half of a pair."""
