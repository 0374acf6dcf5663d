"""Coefficients from shape names, as a person writes them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats

SIDES = ("Left", "Right")
LARGEST = 3.0


def sides(face: Face, name: str) -> tuple[str, ...]:
    """Shapes of ``face`` that a name stands for: itself, or its left and right half (``mouthSmile``).

    Raises:
        InputError: there is no such shape.
    """
    if name in face.shape_index:
        return (name,)
    if name in paired_names(face.shapes):
        return tuple(name + side for side in SIDES)
    known = [*paired_names(face.shapes), *face.shapes]
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`sedtalker face list --json` names them"
    raise InputError(f"{face.name} has no shape '{name}': {hint}")


def paired_names(shapes: Sequence[str]) -> list[str]:
    """Names of shapes, left and right halves as one; a jaw or a mouth going left or right is no half of anything."""
    names = []
    for shape in shapes:
        stem = shape.removesuffix("Left").removesuffix("Right")
        paired = stem not in ("jaw", "mouth") and all(stem + side in shapes for side in SIDES)
        names.append(stem if paired else shape)
    return list(dict.fromkeys(names))


def pose(face: Face, weights: Mapping[str, float]) -> Floats:
    """(K,) coefficients; a name without a side sets both sides.

    Raises:
        InputError: there is no such shape.
    """
    row = np.zeros(len(face.shapes), np.float32)
    for name, weight in weights.items():
        for shape in sides(face, name):
            row[face.shape_index[shape]] = weight
    return row


def parse_weights(words: Iterable[str]) -> dict[str, float]:
    """``jawOpen:0.5`` or ``jawOpen`` (1) each, as weights by name.

    Raises:
        InputError: not a number, or one beyond ±3.
    """
    weights = {}
    for word in words:
        name, colon, text = word.partition(":")
        try:
            weight = float(text) if colon else 1.0
        except ValueError:
            raise InputError(f"'{word}' is not SHAPE:WEIGHT, such as jawOpen:0.5") from None
        if not -LARGEST <= weight <= LARGEST:
            raise InputError(f"'{word}': a weight lies between {-LARGEST:g} and {LARGEST:g}; 1 is the full shape")
        weights[name] = weight
    return weights
