"""Blend shapes from a rig of the user's own: a folder of OBJ files, a .npz, or a GLB or USD file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.blend_shapes import BlendShapes, is_basis, understand
from sedtalker.face.registration.pose import UNIT_TOLERANCE, Similarity, axis_rotations, robust_similarity
from sedtalker.mesh.files import MAX_BYTES, MAX_VERTICES, read_mesh, read_scene
from sedtalker.mesh.mesh import Mesh

NEUTRALS = ("generic_neutral_mesh", "neutral", "base", "basis", "rest")
MAX_SHAPES = 400
NEARLY_AXES = 1.0 + 2.0 * float(np.cos(np.radians(6.0)))  # trace of a rotation by less than that
UNLIKE = 0.08  # RMS distance, in the mesh's size, above which vertices of one number are not the same place


def read_rig(path: Path, mesh: Mesh, shapes: tuple[str, ...]) -> BlendShapes:
    """A rig's shapes on a mesh of its topology, turned and scaled as the mesh is.

    A folder holds one OBJ file a shape, named for it, and the neutral as ``neutral.obj`` or, as in ICT-FaceKit's
    ``FaceXModel``, ``generic_neutral_mesh.obj``. A ``.npz`` holds ``neutral`` (V, 3), ``expression_names`` (K,) and
    ``expression_deltas`` (K, V, 3).

    Args:
        path: the rig.
        mesh: the mesh that gets its shapes: another person in the same vertices, at any place, scale and turn.
        shapes: names that count as shapes.

    Raises:
        InputError: no rig, of another topology, or without shapes of these names.
    """
    rest, given = _read(Path(path), shapes)
    if len(rest) != len(mesh.vertices):
        raise InputError(f"{path}: the rig has {len(rest)} vertices, the mesh {len(mesh.vertices)}: not one topology")
    if not is_basis(given.names, shapes):
        raise InputError(f"{path}: no rig: there are no files or shapes with ARKit names such as jawOpen in it")
    if not (np.isfinite(rest).all() and np.isfinite(given.offsets).all()):
        raise InputError(f"{path}: the rig has coordinates that are not finite")
    here = mesh.vertices.astype(np.float64)
    fit = settled(robust_similarity(rest, here)[0])
    there = fit.apply(rest)
    off = float(np.std(there - here))
    if off > UNLIKE * float(np.ptp(here, axis=0).max()):
        raise InputError(f"{path}: the rig's neutral and the mesh lie far apart, vertex for vertex: not one topology")
    turned = given.offsets.astype(np.float64) @ (fit.scale * fit.rotation).T
    return BlendShapes(given.names, turned.astype(np.float32))


def settled(fit: Similarity) -> Similarity:
    """A similarity between rig and mesh without what is only the other person's: near a unit, near the axes."""
    power = 10.0 ** round(float(np.log10(fit.scale)))
    scale = power if abs(fit.scale / power - 1.0) < UNIT_TOLERANCE else fit.scale
    near = next((axes for axes in axis_rotations() if np.trace(axes.T @ fit.rotation) > NEARLY_AXES), fit.rotation)
    return Similarity(scale, near, fit.translation)


def _read(path: Path, shapes: tuple[str, ...]) -> tuple[NDArray[np.float64], BlendShapes]:
    if not path.exists():
        raise InputError(f"{path}: no such rig: give a folder of OBJ files, a .npz, or a .glb or USD file with shapes")
    if path.is_dir():
        return _read_folder(path, shapes)
    if path.suffix.lower() == ".npz":
        return _read_arrays(path)
    scene = read_scene(path)
    return scene.mesh.vertices.astype(np.float64), BlendShapes(scene.target_names, scene.targets)


def _read_folder(folder: Path, shapes: tuple[str, ...]) -> tuple[NDArray[np.float64], BlendShapes]:
    files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() == ".obj"}
    lower = {stem.lower(): file for stem, file in files.items()}
    neutral = next((lower[name] for name in NEUTRALS if name in lower), None)
    if neutral is None:
        raise InputError(f"{folder}: no rig: there is no neutral.obj or generic_neutral_mesh.obj in it")
    mesh = read_mesh(neutral)
    named = {stem: file for stem, file in files.items() if understand(stem, shapes) is not None}
    if len(named) > MAX_SHAPES:
        raise InputError(f"{folder}: {len(named)} shapes are over the limit of {MAX_SHAPES}")
    rest = mesh.vertices.astype(np.float64)
    offsets = [read_obj_vertices(file, len(rest)) - rest for file in named.values()]
    stacked = np.stack(offsets).astype(np.float32) if offsets else np.zeros((0, *rest.shape), np.float32)
    return rest, BlendShapes(tuple(named), stacked)


def read_obj_vertices(file: Path, count: int) -> NDArray[np.float64]:
    """Only the vertices (count, 3) of an OBJ file.

    Raises:
        InputError: it has another number of them, or a broken one.
    """
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"{file}: too large for a shape of a rig")
    try:
        rows = [line.split()[1:4] for line in file.read_bytes().splitlines() if line.startswith(b"v ")]
        vertices = np.array(rows, dtype=np.float64).reshape(-1, 3)
    except ValueError:
        raise InputError(f"{file}: a vertex cannot be understood") from None
    if len(vertices) != count:
        raise InputError(f"{file}: {len(vertices)} vertices where the rig's neutral has {count}")
    return vertices


def _read_arrays(path: Path) -> tuple[NDArray[np.float64], BlendShapes]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 4 * MAX_BYTES:
            raise InputError(f"{path}: {unpacked / 2**20:.0f} MiB unpacked is too much for a rig")
        with np.load(path, allow_pickle=False) as kept:
            rest = np.asarray(kept["neutral"], dtype=np.float64)
            offsets = np.asarray(kept["expression_deltas"], dtype=np.float32)
            names = tuple(str(name) for name in kept["expression_names"])
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        detail = f"there is no {error} in it" if isinstance(error, KeyError) else "cannot be read"
        raise InputError(f"{path}: no rig: {detail}") from None
    if rest.ndim != 2 or rest.shape[1:] != (3,) or offsets.shape != (len(names), *rest.shape) or len(names) == 0:
        raise InputError(
            f"{path}: no rig: neutral (V, 3), expression_names (K,), expression_deltas (K, V, 3) are wanted"
        )
    if len(rest) > MAX_VERTICES:
        raise InputError(f"{path}: {len(rest)} vertices are over the limit of {MAX_VERTICES}")
    return rest, BlendShapes(names, offsets)
