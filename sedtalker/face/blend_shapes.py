"""The names that programs and artists give to ARKit's blend shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.arkit import ARKIT_52
from sedtalker.mesh.mesh import Floats

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"left": "Left", "l": "Left", "lt": "Left", "right": "Right", "r": "Right", "rt": "Right"}
_WHOLE_ONLY = ("jaw", "mouth")  # jawLeft is no half of anything
_NO_SHAPE = ("fix", "corrective", "combo")  # what names correctives, which several shapes drive


@dataclass(frozen=True)
class ShapeName:
    """What a target is: a ``shape``, or only its ``side``; a shape of a pair without a side is both at once.

    ``mouthSmile_L`` is mouthSmileLeft; ``browInnerUp_L`` the left side of browInnerUp; ``mouthSmile`` both sides.
    """

    shapes: tuple[str, ...]
    side: str = ""


def understand(name: str, shapes: Sequence[str] = ARKIT_52) -> ShapeName | None:
    """The shape that a morph target's name means, or None.

    Understood are other cases and separators (``eye_blink_left``, ``JawOpen``), sides as ``_L`` ``.R`` ``Left``
    ``L_`` at either end, words before it (``head_jawOpen``, ``blendShape1.jawOpen``, ``A25_Jaw_Open``) and numbers
    after it (``jawOpen.001``).
    """
    known = {shape.lower(): shape for shape in shapes}
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if "+" in name or any(word in words for word in _NO_SHAPE):
        return None
    for first in range(len(words)):
        found = _exact("".join(words[first:]), known) or _sided(words[first:], known)
        if found is not None:
            return found
    return None


def _exact(text: str, known: dict[str, str]) -> ShapeName | None:
    if text in known:
        return ShapeName((known[text],))
    both = [known.get(text + side) for side in ("left", "right")]
    if text not in _WHOLE_ONLY and all(both):
        return ShapeName(tuple(shape for shape in both if shape))
    return None


def _sided(words: list[str], known: dict[str, str]) -> ShapeName | None:
    """A side at either end, spelt out or as a letter."""
    for side, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
        if side not in _SIDES or not rest:
            continue
        stem, word = "".join(rest), _SIDES[side]
        if stem + word.lower() in known:
            return ShapeName((known[stem + word.lower()],))
        if stem in known and not stem.endswith(("left", "right")):
            return ShapeName((known[stem],), word)
    return None


# --- Blend shapes that a mesh brings along, as shapes of ours.

FEWEST = 3  # ARKit shapes from which on a file's targets count as a basis
STILL = 1e-5  # of the mesh's size: a target that moves less is empty
SHARED = 0.05  # of the vertices: two targets of one name that share more are rivals, fewer are parts


@dataclass(frozen=True, eq=False)
class BlendShapes:
    """Morph targets by name: ``offsets`` (K, V, 3) in the coordinates of the mesh they belong to."""

    names: tuple[str, ...]
    offsets: Floats


@dataclass(frozen=True, eq=False)
class OwnShapes:
    """What a mesh's own blend shapes say about the shapes of ours.

    Attributes:
        offsets: (V, 3) of each shape that they give, in the file's coordinates.
        ignored: names of targets that are no shape of ours; empty: those that move nothing.
        doubled: names of targets whose shape another target had already given.
    """

    offsets: dict[str, NDArray[np.float64]]
    ignored: tuple[str, ...]
    empty: tuple[str, ...]
    doubled: tuple[str, ...]


def meanings(names: Sequence[str], shapes: Sequence[str]) -> dict[str, ShapeName]:
    """Targets that mean shapes, in the file's order."""
    found = {name: understand(name, shapes) for name in names}
    return {name: meaning for name, meaning in found.items() if meaning is not None}


def is_basis(names: Sequence[str], shapes: Sequence[str]) -> bool:
    """Whether targets of these names are enough of ours to be a basis."""
    return len({shape for meaning in meanings(names, shapes).values() for shape in meaning.shapes}) >= FEWEST


def own_shapes(
    given: BlendShapes, shapes: Sequence[str], size: float, left_share: Callable[[], NDArray[np.float64]]
) -> OwnShapes:
    """The shapes that morph targets give.

    Targets of one meaning on different parts of the mesh (head, teeth, lashes) are added; of two that move the same
    vertices the first counts. A target for both sides is parted between left and right, halves of one shape are added.

    Args:
        given: the targets; shapes: names of ours.
        size: extent of the mesh, in the file's unit.
        left_share: gives how far each vertex (V,) lies on the subject's left, in [0, 1].
    """
    meaning = meanings(given.names, shapes)
    exact = sorted(range(len(given.names)), key=lambda k: given.names[k] not in shapes)  # full names first
    offsets: dict[str, NDArray[np.float64]] = {}
    moved: dict[tuple[str, str], NDArray[np.bool_]] = {}
    empty, doubled = [], []
    for k in exact:
        name = given.names[k]
        if name not in meaning:
            continue
        offset = given.offsets[k].astype(np.float64)
        mine = np.abs(offset).max(axis=1, initial=0.0) > STILL * size
        if not mine.any():
            empty.append(name)
            continue
        for shape in meaning[name].shapes:
            part = (shape, meaning[name].side)
            before = moved.get(part, np.zeros_like(mine))
            if (before & mine).sum() > SHARED * min(mine.sum(), max(before.sum(), 1)):
                doubled.append(name)
                continue
            moved[part] = before | mine
            share = _share(shape, meaning[name], left_share)
            offsets[shape] = offsets.get(shape, 0.0) + (offset if share is None else share[:, None] * offset)
    ignored = tuple(name for name in given.names if name not in meaning)
    return OwnShapes(offsets, ignored, tuple(empty), tuple(dict.fromkeys(doubled)))


def _share(shape: str, meaning: ShapeName, left_share: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """What of a target's offsets a shape takes: all, or those of its side."""
    if len(meaning.shapes) == 1:
        return None
    left = left_share()
    return left if shape.endswith("Left") else 1.0 - left
