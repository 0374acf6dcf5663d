"""The faces in the box, by name, and strangers by number."""

from __future__ import annotations

from sedtalker.errors import InputError
from sedtalker.face.builtin import CHARACTERS, load_character, random_face
from sedtalker.face.builtin.characters import DEFAULT, KNOWN
from sedtalker.face.face import Face

__all__ = ["DEFAULT", "FACES", "load_face"]

FACES: dict[str, str] = {name: KNOWN[name].about for name in CHARACTERS}
"""What the faces are, by name; the first is the default."""
_STRANGER = "random-"


def load_face(name: str = DEFAULT) -> Face:
    """The face of that name; ``random-7`` is the stranger drawn from seed 7.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    seed = name.removeprefix(_STRANGER)
    if name.startswith(_STRANGER) and seed.isascii() and seed.isdigit() and len(seed) < 10:
        return random_face(int(seed))
    if name not in FACES:
        raise InputError(
            f"there is no built-in face '{name}': use {', '.join(FACES)}, or {_STRANGER}SEED for a stranger"
        )
    return load_character(name)
