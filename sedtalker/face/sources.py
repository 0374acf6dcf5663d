"""Sources of faces: the built-in ones, users' meshes, and ``.sedface`` files.

These are ``Face.builtin``, ``Face.from_mesh``, ``Face.load`` and ``Face.save``. What they need (SciPy, PyTorch, the
landmark network) is imported when they are called, so that ``from sedtalker.face import Face`` is quick.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.sedface import read_sedface, write_sedface
from sedtalker.mesh.mesh import Mesh, Scene
from sedtalker.progress import Hook

logger = logging.getLogger(__name__)


def builtin_face(name: str | None, seed: int | None) -> Face:
    """See ``Face.builtin``."""
    from sedtalker.face.builtin import DEFAULT, load_face, random_face

    if seed is None:
        return load_face(DEFAULT if name is None else name)
    if name is not None:
        raise InputError("give the name of a built-in face or the seed of a random one, not both")
    return random_face(seed)


def face_from_mesh(
    mesh: Path | str | Mesh | Scene,
    landmarks: Path | str | ArrayLike | None,
    rig: Path | str | None,
    options: dict[str, Any],
    hook: Hook,
) -> Face:
    """See ``Face.from_mesh``; ``options`` are the fields of ``FitOptions`` that are taken as they are."""
    if isinstance(mesh, str | Path) and Path(mesh).suffix.lower() == ".sedface":
        usual = inspect.signature(Face.from_mesh).parameters
        asked = any(value != usual[name].default for name, value in options.items())
        if asked or rig is not None or landmarks is not None:
            raise InputError(
                f"{mesh}: a .sedface holds one finished face: it takes no head number, landmarks, rig or other options "
                "of the fit"
            )
        return read_sedface(Path(mesh))
    from sedtalker.face.fitting import FitOptions, fit
    from sedtalker.face.given_landmarks import given_landmarks
    from sedtalker.nn import torch_threads

    scene, name = _scene(mesh)
    source = builtin_face(None, None)
    given = None if landmarks is None else given_landmarks(landmarks, scene.mesh, source.marks)
    wanted = FitOptions(given, None if rig is None else Path(rig), **options)
    with torch_threads(1):  # the fit must not depend on the number of threads
        face, report = fit(scene, source, name, wanted, hook)
    label = Path(mesh).name if isinstance(mesh, str | Path) else name
    logger.info("%s: %s: %s", label, report.way, report.basis)
    for warning in report.warnings:
        logger.warning("%s: %s", label, warning)
    return with_file(face, Path(mesh)) if isinstance(mesh, str | Path) else face


def with_file(face: Face, mesh: Path) -> Face:
    """The face, which knows the file that its mesh was read from where an animation can go into it."""
    return replace(face, file=mesh) if mesh.suffix.lower() in (".glb", ".vrm") else face


def _scene(mesh: Path | str | Mesh | Scene) -> tuple[Scene, str]:
    """A mesh from a file or from memory, and the name of its face."""
    if isinstance(mesh, Scene):
        return mesh, "mesh"
    if isinstance(mesh, Mesh):
        return Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32)), "mesh"
    from sedtalker.mesh.files import read_scene

    return read_scene(Path(mesh)), Path(mesh).stem


def save_face_file(path: Path, face: Face) -> None:
    """See ``Face.save``."""
    from sedtalker.face.quality import judge

    if path.suffix.lower() != ".sedface":
        raise InputError(f"{path}: a face is saved as a file that ends in .sedface")
    write_sedface(path, face, None if face.report is None else judge(face, face.report))
