"""The faces in the box, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.face.face import Face


class Entry(NamedTuple):
    """How a face is made, and one line that says who it is."""

    load: Callable[[], Face]
    about: str


def _builtin() -> Face:
    from sedtalker.face.builtin import load_builtin

    return load_builtin()


DEFAULT = "builtin"
FACES: dict[str, Entry] = {
    "builtin": Entry(_builtin, "the head that every other mesh learns its shapes from"),
}
"""Faces by name; nothing is built before it is asked for."""


def load_face(name: str = DEFAULT) -> Face:
    """The built-in face of that name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in FACES:
        raise InputError(f"there is no built-in face '{name}': use {' or '.join(FACES)}")
    return FACES[name].load()
