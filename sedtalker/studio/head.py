"""A face for the browser: one still GLB with every morph target, then only their weights, frame by frame."""

from __future__ import annotations

import threading
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Floats
from sedtalker.errors import InputError, one_of
from sedtalker.export.glb import write_glb
from sedtalker.export.targets import MorphTargets
from sedtalker.face import Face
from sedtalker.face.builtin import FACES
from sedtalker.metrics.motion import lip_aperture
from sedtalker.render.camera import frame_head
from sedtalker.render.renderer import make_renderer
from sedtalker.storage import keep, temporary_folder, user_cache
from sedtalker.version import __version__

_DRAWING = threading.Lock()
"""Held while a face is built and drawn: one at a time, so that a page which asks for all does not stop the rest."""


def head_glb(face: Face) -> bytes:
    """The face at rest as GLB, with all its shapes and correctives as morph targets.

    The node ``head`` turns about the pivot, which ``asset.extras.pivot`` names; where the mesh has shoulders it is a
    joint that the neck follows.
    """
    count = len(face.basis)
    targets = MorphTargets(face.basis_names, face.basis, np.zeros((0, count), np.float32), np.eye(count))
    extras: dict[str, Any] = {"pivot": [float(x) for x in face.pivot], "name": face.name}
    still = np.zeros((1, 3), np.float32)
    with temporary_folder() as folder:
        path = folder / "head.glb"
        write_glb(path, face, head_rotation=still, extras=extras, targets=targets)
        return path.read_bytes()


def weight_rows(animation: Animation, first: int, last: int) -> Floats:
    """(t, columns) of frames ``first`` to ``last``: weights of the targets, rotation vector of the head in radians,
    and the distance of the inner lips in outer-eye-corner distances (0 for a face without landmarks).
    """
    face, coefficients = animation.face, animation.coefficients[first:last]
    lips = np.zeros(len(coefficients), np.float32)
    if face.landmarks is not None and len(face.landmarks) == 68 and len(coefficients):
        lips = lip_aperture(face, coefficients)
    parts = [face.expand(coefficients), animation.head_rotation[first:last], lips[:, None]]
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype="<f4")


def thumbnail(face: Face) -> bytes:
    """A picture of the face at rest as PNG."""
    from PIL import Image

    with make_renderer(face, frame_head(face), 160, "numba", threads=1) as view:  # pixels
        picture = view.render(face.mesh.vertices)
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


# --- Pictures of the built-in faces, drawn once and kept in the user's cache folder.


def list_faces() -> list[dict[str, str]]:
    """Names, descriptions and where their pictures are."""
    return [{"name": name, "title": about, "thumbnail": f"api/faces/{name}.png"} for name, about in FACES.items()]


def face_picture(name: str) -> bytes:
    """The picture of a built-in face as PNG."""
    if name not in FACES:
        raise InputError(f"there is no built-in face '{name}': {one_of(name, FACES)}")
    kept = user_cache() / "studio" / f"{__version__}-{name}.png"
    with _DRAWING:
        with suppress(OSError):
            return kept.read_bytes()
        made = thumbnail(Face.builtin(name))
        keep(kept, lambda path: path.write_bytes(made))
    return made
