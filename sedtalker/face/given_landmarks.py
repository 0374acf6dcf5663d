"""Landmarks that are given, or found on a part of the mesh.

A person gives landmarks in a file; a file holds several people, each looked at alone; or the mesh's own blend shapes
show by what they move where eyes, nose and mouth are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.errors import InputError, meant
from sedtalker.face.face import Face, outer_eyes
from sedtalker.face.registration.parts import prepare_source
from sedtalker.face.registration.pose import GivenLandmarks, find_face, robust_similarity, similarity
from sedtalker.face.registration.register import FEWEST_TRIANGLES
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.surface import Points, Surface, at_vertices, component_bounds, weld
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import read_json

# --- Landmarks that a person gives, in the mesh file's own coordinates.

NAMES: dict[str, int] = {
    "right_temple": 0, "chin": 8, "left_temple": 16, "right_brow_outer": 17, "right_brow_inner": 21,
    "left_brow_inner": 22, "left_brow_outer": 26, "nose_bridge": 27, "nose_tip": 30, "right_nostril": 31,
    "nose_base": 33, "left_nostril": 35, "right_eye_outer": 36, "right_eye_inner": 39, "left_eye_inner": 42,
    "left_eye_outer": 45, "mouth_right": 48, "upper_lip_top": 51, "mouth_left": 54, "lower_lip_bottom": 57,
    "upper_lip_bottom": 62, "lower_lip_top": 66,
}  # fmt: skip
"""Names of the landmarks that a person can point at, among the 68; right and left are the subject's."""
FEWEST_GIVEN = 5
"""Landmarks that a person must give at least; the others follow from them."""
FILLED = 0.4
"""Confidence of a landmark that only follows from the others."""
BEND = 0.35
"""Radius within which a given landmark moves others, in outer-eye-corner distances."""
UNLIKE_FACE = 0.3
"""RMS distance to a human face's landmarks, in outer-eye-corner distances, from which on the given ones must be an
error."""
FAR = 1.0
"""Greatest distance of a given landmark from the mesh, in the same unit."""
MAX_BYTES = 4 * 2**20
"""Larger files of landmarks are refused."""


def given_landmarks(given: Path | str | ArrayLike, mesh: Mesh, reference: Points) -> GivenLandmarks:
    """Landmarks that a person gives, completed by those of a known face.

    A file is an object with ``landmarks``: either 68 points ``[x, y, z]`` in the iBUG order, ``null`` where unknown, or
    points by name (``NAMES``, or the number). What ``sedtalker mesh inspect --json`` prints can be given, edited or as
    it is. The rest follows from at least five, spread over the face.

    Args:
        given: a JSON file, or points (68, 3), NaN where unknown.
        mesh: the mesh they lie on, in whose coordinates they are.
        reference: (68, 3) landmarks of a known face, +Y up, +Z front.

    Raises:
        InputError: no such file, too few points, or points that make no face.
    """
    if isinstance(given, str | Path):
        return _completed(Path(given), landmark_points(Path(given)), mesh, reference)
    points = np.asarray(given, dtype=np.float64)
    if points.shape != (68, 3):
        raise InputError(f"landmarks have the shape {points.shape}: give (68, 3) in the iBUG order, NaN where unknown")
    return _completed("landmarks", points, mesh, reference)


def _completed(label: Path | str, points: Points, mesh: Mesh, reference: Points) -> GivenLandmarks:
    """All landmarks by those that are given, after checking that they make a face on the mesh; errors call them so.

    Raises:
        InputError: too few points, or points that make no face.
    """
    known: Mask = np.asarray(np.isfinite(points).all(axis=1))
    if known.sum() < FEWEST_GIVEN:
        raise InputError(
            f"{label}: {known.sum()} landmarks are too few: give at least {FEWEST_GIVEN}, such as {_examples()}"
        )
    fit = similarity(reference[known], points[known], np.ones(int(known.sum())))
    spread = np.linalg.svd(points[known] - points[known].mean(0), compute_uv=False)
    if spread[1] < 0.1 * spread[0] or fit.scale <= 0:
        raise InputError(f"{label}: the landmarks lie on one line: give some of both eyes, the nose and the mouth")
    size = fit.scale * outer_eyes(reference)
    there = fit.apply(reference)
    error = points[known] - there[known]
    off = np.linalg.norm(error, axis=1)
    if float(np.sqrt((off**2).mean())) > UNLIKE_FACE * size:
        raise InputError(
            f"{label}: the landmarks make no face (right and left are the subject's own); the worst is "
            f"{_name(int(np.flatnonzero(known)[off.argmax()]))}"
        )
    _check_near(label, points, known, mesh, size)
    filled = np.where(known[:, None], points, _bent(there, there[known], error, BEND * size))
    return GivenLandmarks(filled, np.where(known, 1.0, FILLED))


def _bent(points: Points, anchors: Points, error: Doubles, radius: float) -> Points:
    """Points (N, 3), moved by what the anchors within about a radius of them are off."""
    weight = np.exp(-((np.linalg.norm(points[:, None] - anchors[None], axis=2) / radius) ** 2))
    return points + (weight @ error) / np.maximum(weight.sum(axis=1, keepdims=True), 1.0)


def landmark_points(path: Path) -> Points:
    """(68, 3) points, NaN where the file gives none; ``InputError`` where it is no file of landmarks."""
    read: Any = read_json(path, "a file of landmarks", MAX_BYTES)
    inspected = read.get("face") if isinstance(read, dict) else None
    holder = inspected if isinstance(inspected, dict) else read
    given = holder.get("landmarks") if isinstance(holder, dict) else None
    points = np.full((68, 3), np.nan)
    if isinstance(given, list) and len(given) == 68:
        rows = dict(enumerate(given))
    elif isinstance(given, dict):
        rows = {_index(path, name): point for name, point in given.items()}
    else:
        raise InputError(f"{path}: 'landmarks' should be 68 points, or points by name such as {_examples()}")
    for k, point in rows.items():
        if point is None:
            continue
        points[k] = _point(path, k, point)
    return points


def _index(path: Path, name: str) -> int:
    if name.isascii() and name.isdigit() and int(name) < 68:
        return int(name)
    if name not in NAMES:
        hint = meant(name, NAMES, 1, 0.4) or f"use {_examples()}"
        raise InputError(f"{path}: there is no landmark '{name}': {hint}")
    return NAMES[name]


def _point(path: Path, k: int, point: Any) -> tuple[float, float, float]:
    try:
        x, y, z = (float(value) for value in point)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: the landmark {_name(k)} is no point [x, y, z]") from None
    if not np.isfinite([x, y, z]).all():
        raise InputError(f"{path}: the landmark {_name(k)} is not finite")
    return x, y, z


def _check_near(label: Path | str, points: Points, known: Mask, mesh: Mesh, size: float) -> None:
    """Raise InputError where a landmark lies far from every vertex."""
    distance = cKDTree(mesh.vertices.astype(np.float64)).query(points[known])[0]
    if distance.max() > FAR * size:
        worst = _name(int(np.flatnonzero(known)[distance.argmax()]))
        raise InputError(f"{label}: the landmark {worst} lies off the mesh: give the coordinates of the mesh file")


def _name(k: int) -> str:
    return next((name for name, index in NAMES.items() if index == k), str(k))


def _examples() -> str:
    return "right_eye_outer, left_eye_outer, nose_tip, mouth_right, mouth_left, chin"


# --- Several people in one file: separate figures, and the faces on them.

MOST = 8
"""Figures that are looked at, the largest first."""
_GAP = 0.02
"""Pieces nearer than that belong to one figure, in diagonals of the larger one's box."""
_LEAST = 0.1
"""Pieces smaller than that are no figure, in extents of the largest figure."""
_MANY = 3000
"""Pieces from which on a mesh is one figure: a soup of triangles."""


def figures(surface: Surface) -> list[Ints]:
    """Triangles of each figure, the one with most triangles first: pieces whose boxes touch belong together."""
    everything = np.arange(len(surface.triangles), dtype=np.int32)
    used = np.unique(surface.component[surface.triangles[:, 0]])
    bounds = component_bounds(surface.points, surface.component)
    if not 1 < len(used) <= _MANY:
        return [everything]
    boxes = np.stack([bounds[int(c)] for c in used])
    gap = np.maximum(boxes[:, None, 0] - boxes[None, :, 1], boxes[None, :, 0] - boxes[:, None, 1]).max(axis=2)
    size = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    near = coo_matrix(gap < _GAP * np.maximum(size[:, None], size[None]))
    figure_of = np.zeros(int(surface.component.max()) + 1, np.int64)
    figure_of[used] = connected_components(near, directed=False)[1]
    mine = figure_of[surface.component[surface.triangles[:, 0]]]
    found = [everything[mine == k] for k in range(int(mine.max()) + 1)]
    extent = [float(np.ptp(surface.points[surface.triangles[part]].reshape(-1, 3), axis=0).max()) for part in found]
    least, sized = _LEAST * max(extent), zip(found, extent, strict=True)
    real = [part for part, length in sized if len(part) >= FEWEST_TRIANGLES and length > least]
    return sorted(real, key=len, reverse=True) or [everything]


def heads_of(mesh: Mesh, source: Face, hook: Hook = no_progress) -> list[GivenLandmarks]:
    """The faces on the figures of a mesh, the largest figure's first; empty where there is only one figure.

    Args:
        mesh: any mesh; source: a face with landmarks, to compare with.
        hook: receives the progress, a step a figure.
    """
    surface = weld(mesh)
    parts = figures(surface)[:MOST]
    if len(parts) < 2:
        return []

    detector = open_model("landmarks")
    known = prepare_source(source)
    fixes = []
    for k, part in enumerate(parts):
        hook("looking at the figures", k, len(parts))
        fixes.append(find_face(alone(surface, part), known.landmarks, detector))
    hook("looking at the figures", len(parts), len(parts))
    return [GivenLandmarks(fix.landmarks, fix.confidence, fix.score) for fix in fixes if fix is not None]


def choose_head(heads: list[GivenLandmarks], number: int | None, name: str) -> GivenLandmarks | None:
    """Head ``number`` counted from 1, or the first; None where the mesh is one figure.

    Raises:
        InputError: there are fewer.
    """
    if number is not None and not 0 < number <= max(len(heads), 1):
        raise InputError(f"{name}: there is no head {number}: `sedtalker mesh inspect` lists {max(len(heads), 1)}")
    return heads[(number or 1) - 1] if heads else None


def other_people(mesh: Mesh, heads: Sequence[GivenLandmarks], mine: GivenLandmarks) -> Mask:
    """Vertices (V,) that belong to another person than one: to the figures of other faces, or nearest to those.

    Args:
        mesh: any mesh; heads: the faces on its figures.
        mine: the face of one person.
    """
    surface = weld(mesh)
    clouds = [cKDTree(surface.points[np.unique(surface.triangles[part])]) for part in figures(surface)]

    def figure_of(head: GivenLandmarks) -> int:
        return int(np.argmin([cloud.query(head.points)[0].mean() for cloud in clouds]))

    own = figure_of(mine)
    people = [own, *sorted({figure_of(head) for head in heads} - {own})]
    nearest = np.argmin([clouds[k].query(surface.points)[0] for k in people], axis=0)
    return at_vertices(nearest > 0, surface.vertex_point, False)


def alone(surface: Surface, triangles: Ints) -> Surface:
    """Some triangles of a surface as one of its own."""
    corners = surface.triangles[triangles]
    used, local = np.unique(corners, return_inverse=True)
    number = np.full(len(surface.points), -1, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    vertex_point = at_vertices(number, surface.vertex_point, -1)
    component = np.unique(surface.component[used], return_inverse=True)[1].reshape(-1).astype(np.int32)
    return Surface(
        surface.points[used], local.reshape(-1, 3).astype(np.int32), vertex_point.astype(np.int32), component
    )


# --- Landmarks by what a mesh's own blend shapes move.

LOCAL_SHAPES = tuple(
    [f"{stem}{side}" for stem in ("eyeBlink", "eyeSquint", "browOuterUp", "noseSneer", "mouthSmile", "mouthFrown")
     for side in ("Left", "Right")] + ["browInnerUp", "mouthPucker", "mouthFunnel", "jawOpen"]
)  # fmt: skip
"""Shapes that move one place of a face each."""
FEWEST_SHAPES = 6
"""Such shapes that a file must have at least."""
SURE = 0.5
"""Confidence of landmarks that follow from shapes."""
UNLIKE_SHAPES = 0.35
"""RMS distance between the middles of what shapes move, in outer-eye-corner distances, from which on they are not
those of a face."""


def shape_landmarks(vertices: Floats, offsets: Mapping[str, Reals], source: Face) -> GivenLandmarks | None:
    """Landmarks of a mesh by the middles of what its shapes move, compared with those of a known face.

    Args:
        vertices: (V, 3) in the file's coordinates; offsets: (V, 3) of shapes by our names.
        source: a face with landmarks and the same shapes.

    Returns:
        None where fewer than six such shapes are there, or they lie unlike a face's.
    """
    shared = [name for name in LOCAL_SHAPES if name in offsets and name in source.shape_index]
    if len(shared) < FEWEST_SHAPES or source.landmarks is None:
        return None
    here = np.stack([_middle(vertices, offsets[name]) for name in shared])
    there = np.stack([_middle(source.mesh.vertices, source.basis[source.shape_index[name]]) for name in shared])
    marks = source.marks
    fit, _ = robust_similarity(there, here)
    size = fit.scale * outer_eyes(marks)
    error = here - (placed := fit.apply(there))
    if not np.isfinite(here).all() or float(np.std(error)) > UNLIKE_SHAPES * size:
        return None
    return GivenLandmarks(_bent(fit.apply(marks), placed, error, 0.5 * size), np.full(68, SURE), SURE)


def _middle(vertices: Floats, offsets: Reals) -> Doubles:
    """Middle (3,) of the vertices, each as heavy as the square of its way."""
    weight = (np.asarray(offsets, dtype=np.float64) ** 2).sum(axis=1)
    return np.asarray(weight @ vertices.astype(np.float64) / max(float(weight.sum()), 1e-300))
