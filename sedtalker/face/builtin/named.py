"""The built-in faces by name, kept in the user's cache folder: building one takes a second, reading it a tenth.

What builds them, and the parts of SciPy that it needs, is imported when a face has to be built.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from sedtalker.errors import InputError, one_of
from sedtalker.face.builtin.characters import DEFAULT, KNOWN, HairStyle, random_character
from sedtalker.face.face import Face
from sedtalker.face.sedface import code_hash, face_arrays, face_from_arrays
from sedtalker.storage import UNREADABLE, keep, user_cache

FACES: dict[str, str] = {name: character.about for name, character in KNOWN.items()}
"""Descriptions of the built-in faces by name; the first is the default."""
VERTICES: dict[HairStyle, int] = {"swept": 19740, "bob": 20802, "bun": 19182, "curly": 23124, "crop": 19866}
"""Vertices of a face by its hair, in which alone they differ: building all faces to count them would take seconds."""
_RANDOM = "random-"
"""Prefix of the names of random faces; a seed follows."""


def load_face(name: str = DEFAULT) -> Face:
    """The built-in face of that name; ``random-7`` is the random face of seed 7.

    The skin comes first, then the other parts, always in the same order. Shapes are the 52 of ARKit followed by six of
    the tongue (``sedtalker.face.builtin.parts``). All faces have the same skin, shapes and landmarks; landmarks 62 and
    66 are the middles of the upper and lower lip's contact line: their distance is the inner lip height.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    seed = checked_seed(name)
    return _named_face(name) if seed is None else random_face(seed)


def checked_seed(name: str) -> int | None:
    """The seed in the name of a random face; None for the other built-in ones.

    Raises:
        InputError: as ``load_face``.
    """
    seed = name.removeprefix(_RANDOM)
    if name.startswith(_RANDOM) and seed.isascii() and seed.isdigit() and len(seed) < 10:
        return int(seed)
    if name not in FACES:
        known = one_of(name, FACES, f", or {_RANDOM}SEED for a random one")
        raise InputError(f"there is no built-in face '{name}': {known}")
    return None


@lru_cache(maxsize=8)
def _named_face(name: str) -> Face:
    kept = kept_face(name)
    if kept is not None:
        return kept
    from sedtalker.face.builtin.load import build_face

    face = build_face(KNOWN[name])
    keep_face(name, face)
    return face


def faces_of_size(count: int) -> list[str]:
    """Names of the built-in faces with so many vertices."""
    return [name for name, character in KNOWN.items() if VERTICES[character.hair] == count]


def random_face(seed: int) -> Face:
    """A plausible random person; the same seed, from 0 on, gives the same face."""
    if seed < 0:
        raise InputError(f"there is no random face of the seed {seed}: give 0 or more")
    from sedtalker.face.builtin.identity import read_parameters
    from sedtalker.face.builtin.load import build_face

    return build_face(random_character(seed, read_parameters().identity))


# --- What has been built is kept.


def kept_face(name: str) -> Face | None:
    """A face that ``keep_face`` wrote, to the last bit; None where there is none, or the entry is damaged."""
    try:
        # opened here: NumPy leaves a file open that is no archive
        with _entry(name).open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            return face_from_arrays({key: kept[key] for key in kept.files})
    except UNREADABLE:
        return None


def keep_face(name: str, face: Face) -> None:
    """Keep a face for the next program, in place of what older versions kept of it (23 MB each).

    A folder that cannot be written only costs time.
    """
    entry = _entry(name)
    keep(entry, lambda path: np.savez(path, **face_arrays(face)))  # type: ignore[arg-type]
    with suppress(OSError):
        for old in entry.parent.glob(f"{name}-*.npz"):
            if old != entry:
                old.unlink(missing_ok=True)


def _entry(name: str) -> Path:
    return user_cache() / "builtin" / f"{name}-{code_hash()[:16]}.npz"
