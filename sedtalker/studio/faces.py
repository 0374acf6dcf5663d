"""Pictures of the built-in faces for the page, drawn once and kept in the user's cache folder."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.face.builtin import FACES
from sedtalker.storage import whole_file
from sedtalker.studio.head import thumbnail
from sedtalker.version import __version__

_DRAWING = threading.Lock()
"""Held while a face is built and drawn: one at a time, so that a page which asks for all does not stop the rest."""


def list_faces() -> list[dict[str, str]]:
    """Names, descriptions and where their pictures are."""
    return [{"name": name, "title": about, "thumbnail": f"api/faces/{name}.png"} for name, about in FACES.items()]


def face_picture(name: str) -> bytes:
    """The picture of a built-in face as PNG.

    Raises:
        InputError: there is no such face.
    """
    if name not in FACES:
        raise InputError(f"there is no built-in face '{name}'")
    kept = _cache_folder() / f"{__version__}-{name}.png"
    with _DRAWING:
        with suppress(OSError):
            return kept.read_bytes()
        made = thumbnail(Face.builtin(name))
        with suppress(OSError, InputError):  # a cache that cannot be written is no reason to fail
            kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as temporary:
                temporary.write_bytes(made)
    return made


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sedtalker" / "studio"
