"""A face as plain arrays, which animation files and the registration cache keep, and as a ``.sedface`` file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Reals
from sedtalker.errors import InputError
from sedtalker.face.face import Corrective, Face, report_from_json
from sedtalker.mesh.files import MAX_BYTES, check_mesh
from sedtalker.mesh.mesh import FARTHEST, Material, Mesh
from sedtalker.reading import is_file
from sedtalker.storage import UNREADABLE, ArraySpec, read_arrays, write_arrays
from sedtalker.version import __version__

if TYPE_CHECKING:
    from sedtalker.face.quality import Quality

Arrays = dict[str, NDArray[Any]]

FACE_ARRAYS = {
    "face_vertices": ArraySpec("f", ("V", 3), -FARTHEST, FARTHEST),
    "face_polygon_sizes": ArraySpec("iu", ("P",), least=0),
    "face_polygon_vertices": ArraySpec("iu", ("C",), least=0),
    "face_basis": ArraySpec("f", ("B", "V", 3), -FARTHEST, FARTHEST),
    "face_pivot": ArraySpec("f", (3,), -FARTHEST, FARTHEST),
    "face_shapes": ArraySpec("U", ("S",)),
    "face_uvs": ArraySpec("f", ("W", 2), optional=True),
    "face_polygon_uvs": ArraySpec("iu", ("C",), least=-1, optional=True),
    "face_colours": ArraySpec("f", ("V", 3), optional=True),
    "face_polygon_groups": ArraySpec("iu", ("P",), least=0, optional=True),
    "face_polygon_smoothing": ArraySpec("iu", ("N",), optional=True),
    "face_landmarks": ArraySpec("iu", ("L",), least=0, optional=True),
    "face_regions": ArraySpec("b", ("R", "V"), optional=True),
    "face_json": ArraySpec("U", ()),
}
"""Types and shapes of a face's arrays, see ``read_arrays``: V vertices, P polygons of C corners, S shapes."""


STRONGEST = 1e3
"""Greatest gain of a corrective, of either sign."""


def face_arrays(face: Face) -> Arrays:
    """Everything of a face as arrays without objects: nothing needs pickling."""
    mesh = face.mesh
    held = vars(mesh) | vars(face) | {"shapes": np.array(face.shapes, dtype=np.str_)}
    held["regions"] = np.stack(list(face.regions.values())) if face.regions else None
    named = {name: held.get(name.removeprefix("face_")) for name in FACE_ARRAYS}
    arrays: Arrays = {name: array for name, array in named.items() if array is not None}
    for k, material in enumerate(mesh.materials):
        if material is not None and material.texture is not None:
            arrays[f"face_texture_{k}"] = np.frombuffer(material.texture, np.uint8)
        if material is not None and material.normal is not None:
            arrays[f"face_normal_map_{k}"] = np.frombuffer(material.normal, np.uint8)
    described = {
        "name": face.name,
        "materials": [None if m is None else {**asdict(m), "texture": None, "normal": None} for m in mesh.materials],
        "groups": list(mesh.group_names),
        "regions": list(face.regions),
        "correctives": [[c.name, list(c.sources), c.gain, c.beyond] for c in face.correctives],
    }
    arrays["face_json"] = np.array(json.dumps(described, ensure_ascii=False), dtype=np.str_)
    return arrays


def face_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Face:
    """The face that ``face_arrays`` took apart.

    Raises:
        KeyError, ValueError: the arrays are not those of a face.
    """
    contents = json.loads(str(arrays["face_json"]))
    json.dumps(contents, allow_nan=False)  # a ValueError for NaN and infinity, which Python's JSON has
    keys = ("uvs", "polygon_uvs", "colours", "polygon_groups", "polygon_smoothing")
    optional = {key: arrays.get(f"face_{key}") for key in keys}
    mesh = Mesh(
        vertices=arrays["face_vertices"],
        polygon_sizes=arrays["face_polygon_sizes"],
        polygon_vertices=arrays["face_polygon_vertices"],
        group_names=tuple(contents["groups"]),
        materials=tuple(_material(arrays, k, described) for k, described in enumerate(contents.get("materials", ()))),
        notes=(),  # a face file names no other
        **optional,
    )
    face = Face(
        name=contents["name"],
        mesh=mesh,
        shapes=tuple(str(name) for name in arrays["face_shapes"]),
        basis=arrays["face_basis"],
        correctives=tuple(Corrective(name, tuple(sources), *how) for name, sources, *how in contents["correctives"]),
        regions=dict(zip(contents["regions"], arrays.get("face_regions", ()), strict=True)),
        landmarks=arrays.get("face_landmarks"),
        pivot=arrays["face_pivot"],
    )
    _check(face)
    return face


def _check(face: Face) -> None:
    """Raise ValueError where the arrays of a face do not fit each other: compiled code trusts their indices."""
    mesh, count = face.mesh, len(face.mesh.vertices)
    if not all(isinstance(name, str) for name in (face.name, *mesh.group_names, *face.regions)):
        raise ValueError("a name is not text")
    corners, polygons = len(mesh.polygon_vertices), len(mesh.polygon_sizes)
    if mesh.vertices.shape != (count, 3) or face.pivot.shape != (3,):
        raise ValueError("positions are not (V, 3)")
    if mesh.polygon_sizes.min(initial=1) < 0 or int(mesh.polygon_sizes.sum(dtype=np.int64)) != corners:
        raise ValueError("the polygons do not have as many corners as there are")
    within(mesh.polygon_vertices, 0, count)
    if mesh.polygon_uvs is not None and len(mesh.polygon_uvs) == corners:
        within(mesh.polygon_uvs, -1, 0 if mesh.uvs is None else len(mesh.uvs))
    elif mesh.polygon_uvs is not None:
        raise ValueError("the polygons' texture coordinates are not as many as their corners")
    if mesh.polygon_groups is not None and len(mesh.polygon_groups) == polygons:
        within(mesh.polygon_groups, 0, len(mesh.group_names))
    elif mesh.polygon_groups is not None:
        raise ValueError("the polygons' groups are not as many as the polygons")
    if len(mesh.materials) not in (0, len(mesh.group_names)):
        raise ValueError("the materials are not as many as the groups")
    if mesh.polygon_smoothing is not None and len(mesh.polygon_smoothing) > corners:
        raise ValueError("the polygons' smoothing has more corners than they have")
    if mesh.colours is not None and mesh.colours.shape != (count, 3):
        raise ValueError("colours are not (V, 3)")
    if face.landmarks is not None:
        within(face.landmarks, 0, count)
    if face.basis.shape != (len(face.shapes) + len(face.correctives), count, 3):
        raise ValueError("the basis does not have as many shapes as there are names")
    if any(mask.shape != (count,) for mask in face.regions.values()):
        raise ValueError("regions are not (V,)")
    if any(abs(c.gain) > STRONGEST for c in face.correctives):
        raise ValueError("a corrective is too strong")
    if not all(isinstance(c.name, str) and c.sources and isinstance(c.beyond, bool) for c in face.correctives):
        raise ValueError("a corrective has no name or no sources")
    if any(source not in face.shape_index for corrective in face.correctives for source in corrective.sources):
        raise ValueError("a corrective is driven by a shape that is not there")


def within(indices: NDArray[Any], low: int, high: int) -> None:
    """Raise ValueError where an index is not a whole number in [low, high)."""
    if indices.dtype.kind not in "iu" or (len(indices) and not low <= indices.min() <= indices.max() < high):
        raise ValueError("an index is out of range")


def _material(arrays: Mapping[str, NDArray[Any]], k: int, described: dict[str, Any] | None) -> Material | None:
    if described is None:
        return None
    pictures: dict[str, bytes | None] = {}
    for kind, name in (("texture", "face_texture"), ("normal", "face_normal_map")):
        held = arrays.get(f"{name}_{k}")
        pictures[kind] = None if held is None else held.astype(np.uint8).tobytes()
    return Material(**{**described, "colour": tuple(described["colour"]), **pictures})


@cache
def code_hash() -> str:
    """Hash of what faces that are kept depend on: code and numbers of this package, its meshes and its libraries."""
    digest = hashlib.sha256(f"{__version__} {np.__version__} {scipy.__version__}".encode())
    here = Path(__file__).parent
    own = (path for kind in ("*.py", "*.npz", "*.toml") for path in here.rglob(kind))
    for path in sorted([*own, *here.parent.glob("mesh/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_hash(what: str, *held: Mapping[str, NDArray[Any]]) -> str:
    """Name under which something that is made of some arrays is kept: a hash of them, and of ``code_hash``."""
    digest = hashlib.sha256(f"{code_hash()} {what}".encode())
    for arrays in held:
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:40]


def bare(face: Face) -> Face:
    """A face without its name and materials, on which no fit depends."""
    return replace(face, name="", mesh=replace(face.mesh, materials=()))


# --- .sedface: such arrays in a zip, with the report and the quality of the fit as JSON.


STEP = 2.0**-19
"""Metres, 1.9 µm: offsets are written as whole numbers of such steps, which pack into a quarter of the space."""


PACKING = 4
"""Level of compression: a third of the time of NumPy's 6, for a twentieth more bytes."""


def in_steps(basis: Reals) -> Floats:
    """Offsets (B, V, 3) to the nearest ``STEP``, in its own arrays."""
    rounded = np.empty(basis.shape, np.float32)
    for offsets, out in zip(basis, rounded, strict=True):
        np.rint(offsets / STEP, out=out)
        out *= STEP
        out += 0.0  # a zero has no sign
    return rounded


def write_sedface(path: Path, face: Face, quality: Quality | None = None) -> None:
    """Write a face: NumPy arrays in a zip, nothing pickled; the file appears whole or not at all.

    Offsets are rounded to ``STEP``.

    Args:
        face: a registered face with its report, or any other.
        quality: how good the fit is, for programs that read it.
    """
    arrays = {**face_arrays(face), "face_basis": in_steps(face.basis)}
    if face.report is not None:
        arrays["report"] = np.array(face.report.to_json())
    if quality is not None:
        arrays["quality"] = np.array(quality.to_json())
    write_arrays(path, arrays, PACKING)


def read_sedface(path: Path) -> Face:
    """The face that ``write_sedface`` wrote, with its report.

    Raises:
        InputError: the file is missing, too large, or no such file.
    """
    path = Path(path)
    if not is_file(path):
        raise InputError(f"{path}: no such file; `sedtalker mesh register` writes it")
    what = "a face that `sedtalker mesh register` wrote"
    arrays = read_arrays(path, FACE_ARRAYS, what, 4 * MAX_BYTES)
    try:
        face = face_from_arrays(arrays)
        if "report" in arrays:
            face = replace(face, report=report_from_json(str(arrays["report"])))
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: not {what} ({type(error).__name__})") from None
    check_mesh(face.mesh, path)
    return face
