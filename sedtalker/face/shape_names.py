"""The names that programs and artists give to ARKit's blend shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sedtalker.face.arkit import ARKIT_52

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
