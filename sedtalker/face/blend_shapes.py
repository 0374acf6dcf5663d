"""Blend shapes that a mesh or a rig brings along: which of ARKit's their names mean, and what they move."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.registration.pose import UNIT_TOLERANCE, Similarity, axis_rotations, robust_similarity
from sedtalker.mesh.files import MAX_BYTES, MAX_VERTICES, check_format, read_mesh, read_scene
from sedtalker.mesh.mesh import Mesh
from sedtalker.reading import is_folder
from sedtalker.storage import ArraySpec, read_arrays

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""The words of a name in camel case, snake case or capitals, and its numbers."""
_SIDES = {"left": "Left", "l": "Left", "lt": "Left", "right": "Right", "r": "Right", "rt": "Right"}
"""Words that mean the subject's left or right, and how our names end there."""
_WHOLE_ONLY = ("jaw", "mouth")
"""Stems whose left and right are no halves of one shape: ``jawLeft`` moves the whole jaw."""
_NO_SHAPE = ("fix", "corrective", "combo")
"""Words in the names of correctives, which several shapes drive."""


@dataclass(frozen=True)
class ShapeName:
    """Meaning of a target: a ``shape``, or only its ``side``; a shape of a pair without a side is both at once.

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

FEWEST = 3
"""ARKit shapes from which on a file's targets count as a basis."""
STILL = 1e-5
"""Share of the mesh size: a target that moves less is empty."""
SHARED = 0.05
"""Share of the vertices: targets of one name that overlap by more are rivals, by less parts of one shape."""


@dataclass(frozen=True, eq=False)
class BlendShapes:
    """Morph targets by name: ``offsets`` (K, V, 3) in the coordinates of the mesh they belong to."""

    names: tuple[str, ...]
    offsets: Floats


@dataclass(frozen=True, eq=False)
class OwnShapes:
    """Our shapes as far as a mesh's own blend shapes provide them.

    Attributes:
        offsets: (V, 3) of each shape that they give, in the file's coordinates.
        ignored: names of targets that are no shape of ours; empty: those that move nothing.
        doubled: names of targets whose shape another target had already given.
    """

    offsets: dict[str, Doubles]
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


def own_shapes(given: BlendShapes, shapes: Sequence[str], size: float, left_share: Callable[[], Doubles]) -> OwnShapes:
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
    offsets: dict[str, Doubles] = {}
    moved: dict[tuple[str, str], Mask] = {}
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


def _share(shape: str, meaning: ShapeName, left_share: Callable[[], Doubles]) -> Doubles | None:
    """The offsets of a target that belong to a shape: all, or those of its side."""
    if len(meaning.shapes) == 1:
        return None
    left = left_share()
    return left if shape.endswith("Left") else 1.0 - left


# --- A rig of the user's own: a folder of OBJ files, a .npz, or a GLB or USD file with shapes of the mesh's topology.

NEUTRALS = ("generic_neutral_mesh", "neutral", "base", "basis", "rest")
"""Names, in lower case, of the file that holds a rig's neutral face."""
MAX_SHAPES = 400
"""Folders with more shapes are refused."""
NEARLY_AXES = 1.0 + 2.0 * float(np.cos(np.radians(6.0)))
"""Trace of a rotation by less than 6°, which is taken for none."""
RIG_ARRAYS = {
    "neutral": ArraySpec("f", ("V", 3)),
    "expression_deltas": ArraySpec("f", ("K", "V", 3)),
    "expression_names": ArraySpec("U", ("K",)),
}
"""Types and shapes of a rig's arrays: V vertices, K shapes."""
OTHER_TOPOLOGY = 0.08
"""RMS distance, in the mesh's size, above which vertices of one number are not the same place on a face."""


def read_rig(path: Path, mesh: Mesh, shapes: tuple[str, ...]) -> BlendShapes:
    """A rig's shapes on a mesh of its topology, turned and scaled as the mesh is.

    A folder holds one OBJ file a shape, named for it, and the neutral as ``neutral.obj`` or, as in ICT-FaceKit's
    ``FaceXModel``, ``generic_neutral_mesh.obj``. A ``.npz`` holds ``neutral`` (V, 3), ``expression_names`` (K,) and
    ``expression_deltas`` (K, V, 3).

    Args:
        mesh: the mesh that gets its shapes: another person in the same vertices, at any place, scale and turn.
        shapes: names that count as shapes.

    Raises:
        InputError: no rig, of another topology, or without shapes of these names.
    """
    rest, given = _read_rig(Path(path), shapes)
    if len(rest) != len(mesh.vertices):
        raise InputError(f"{path}: the rig has {len(rest)} vertices, the mesh {len(mesh.vertices)}: not one topology")
    if not is_basis(given.names, shapes):
        raise InputError(f"{path}: no rig: there are no files or shapes with ARKit names such as jawOpen in it")
    if not ((np.abs(rest) < 1e12).all() and np.isfinite(given.offsets).all()):
        raise InputError(f"{path}: the rig has coordinates that are not finite, or of no head")
    here = mesh.vertices.astype(np.float64)
    found = robust_similarity(rest, here)[0]
    if not (np.isfinite(found.scale) and found.scale > 0.0):
        raise InputError(f"{path}: the rig's neutral is a point: not one topology")
    fit = settled(found)
    there = fit.apply(rest)
    off = float(np.std(there - here))
    if off > OTHER_TOPOLOGY * float(np.ptp(here, axis=0).max()):
        raise InputError(f"{path}: the rig's neutral and the mesh lie far apart, vertex for vertex: not one topology")
    turned = given.offsets.astype(np.float64) @ (fit.scale * fit.rotation).T
    return BlendShapes(given.names, turned.astype(np.float32))


def settled(fit: Similarity) -> Similarity:
    """A similarity between rig and mesh without what is only the other person's: near a unit, near the axes."""
    power = 10.0 ** round(float(np.log10(fit.scale)))
    scale = power if abs(fit.scale / power - 1.0) < UNIT_TOLERANCE else fit.scale
    near = next((axes for axes in axis_rotations() if np.trace(axes.T @ fit.rotation) > NEARLY_AXES), fit.rotation)
    return Similarity(scale, near, fit.translation)


def check_rig(path: Path) -> None:
    """Raise ``InputError`` where there is no rig; what is in its files is looked at when they are read."""
    if not path.exists():
        raise InputError(f"{path}: no such rig: give a folder of OBJ files, a .npz, or a .glb or USD file with shapes")
    if is_folder(path):
        _neutral_of(path, _obj_files(path))
    elif path.suffix.lower() != ".npz":
        check_format(path)


def _read_rig(path: Path, shapes: tuple[str, ...]) -> tuple[Doubles, BlendShapes]:
    if is_folder(path):
        return _read_folder(path, shapes)
    check_rig(path)
    if path.suffix.lower() == ".npz":
        return _read_arrays(path)
    scene = read_scene(path)
    return scene.mesh.vertices.astype(np.float64), BlendShapes(scene.target_names, scene.targets)


def _read_folder(folder: Path, shapes: tuple[str, ...]) -> tuple[Doubles, BlendShapes]:
    files = _obj_files(folder)
    mesh = read_mesh(_neutral_of(folder, files))
    named = {stem: file for stem, file in files.items() if understand(stem, shapes) is not None}
    if len(named) > MAX_SHAPES:
        raise InputError(f"{folder}: {len(named)} shapes are over the limit of {MAX_SHAPES}")
    rest = mesh.vertices.astype(np.float64)
    offsets = [read_obj_vertices(file, len(rest)) - rest for file in named.values()]
    stacked = np.stack(offsets).astype(np.float32) if offsets else np.zeros((0, *rest.shape), np.float32)
    return rest, BlendShapes(tuple(named), stacked)


def _obj_files(folder: Path) -> dict[str, Path]:
    """OBJ files by their names."""
    return {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() == ".obj"}


def _neutral_of(folder: Path, files: dict[str, Path]) -> Path:
    """The file of the face at rest among those of a rig's folder; ``InputError`` where there is none."""
    lower = {stem.lower(): file for stem, file in files.items()}
    neutral = next((lower[name] for name in NEUTRALS if name in lower), None)
    if neutral is None:
        raise InputError(f"{folder}: no rig: there is no neutral.obj or generic_neutral_mesh.obj in it")
    return neutral


def read_obj_vertices(file: Path, count: int) -> Doubles:
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


def _read_arrays(path: Path) -> tuple[Doubles, BlendShapes]:
    arrays = read_arrays(path, RIG_ARRAYS, "a rig", 4 * MAX_BYTES)
    rest = np.asarray(arrays["neutral"], dtype=np.float64)
    offsets = np.asarray(arrays["expression_deltas"], dtype=np.float32)
    names = tuple(str(name) for name in arrays["expression_names"])
    if not names:
        raise InputError(f"{path}: no rig: there is no shape in it")
    if len(rest) > MAX_VERTICES:
        raise InputError(f"{path}: {len(rest)} vertices are over the limit of {MAX_VERTICES}")
    return rest, BlendShapes(names, offsets)
