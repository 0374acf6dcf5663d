"""Landmarks that a person gives: JSON, in the mesh file's own coordinates."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.registration.pose import OUTER_EYE_CORNERS, GivenLandmarks, Similarity, similarity
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.surface import Points

NAMES: dict[str, int] = {
    "right_temple": 0, "chin": 8, "left_temple": 16, "right_brow_outer": 17, "right_brow_inner": 21,
    "left_brow_inner": 22, "left_brow_outer": 26, "nose_bridge": 27, "nose_tip": 30, "right_nostril": 31,
    "nose_base": 33, "left_nostril": 35, "right_eye_outer": 36, "right_eye_inner": 39, "left_eye_inner": 42,
    "left_eye_outer": 45, "mouth_right": 48, "upper_lip_top": 51, "mouth_left": 54, "lower_lip_bottom": 57,
    "upper_lip_bottom": 62, "lower_lip_top": 66,
}  # fmt: skip
"""Names of the landmarks that a person can point at, among the 68; right and left are the subject's."""
FEWEST = 5
FILLED = 0.4  # confidence of a landmark that only follows from the others
BEND = 0.35  # how far a given landmark pulls others along, in outer-eye-corner distances
UNLIKE = 0.3  # RMS distance to a human face's, in outer-eye-corner distances, from which on they cannot be meant so
FAR = 1.0  # the same, of a landmark from the mesh
MAX_BYTES = 4 * 2**20


def read_landmarks(path: Path, mesh: Mesh, reference: Points) -> GivenLandmarks:
    """Landmarks of a face on ``mesh``.

    The file is an object with ``landmarks``: either 68 points ``[x, y, z]`` in the iBUG order, ``null`` where unknown,
    or points by name (``NAMES``, or the number). What ``sedtalker mesh inspect --json`` prints can be given, edited or
    as it is. The rest follows from at least five, spread over the face.

    Args:
        path: the file.
        mesh: the mesh, in whose coordinates they are.
        reference: (68, 3) landmarks of a known face, +Y up, +Z front.

    Raises:
        InputError: no such file, too few points, or points that make no face.
    """
    points = _points(path)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(axis=1))
    if known.sum() < FEWEST:
        raise InputError(f"{path}: {known.sum()} landmarks are too few: give at least {FEWEST}, such as {_examples()}")
    fit = similarity(reference[known], points[known], np.ones(int(known.sum())))
    spread = np.linalg.svd(points[known] - points[known].mean(0), compute_uv=False)
    if spread[1] < 0.1 * spread[0] or fit.scale <= 0:
        raise InputError(f"{path}: the landmarks lie on one line: give some of both eyes, the nose and the mouth")
    size = fit.scale * float(np.linalg.norm(np.subtract(*reference[list(OUTER_EYE_CORNERS)])))
    off = np.linalg.norm(fit.apply(reference[known]) - points[known], axis=1)
    if float(np.sqrt((off**2).mean())) > UNLIKE * size:
        raise InputError(
            f"{path}: the landmarks make no face (right and left are the subject's own); the worst is "
            f"{_name(int(np.flatnonzero(known)[off.argmax()]))}"
        )
    _check_near(path, points, known, mesh, size)
    filled = complete(points, known, reference, fit, size)
    return GivenLandmarks(filled, np.where(known, 1.0, FILLED))


def complete(points: Points, known: NDArray[np.bool_], reference: Points, fit: Similarity, size: float) -> Points:
    """All landmarks (68, 3): the known ones, and the reference's, bent as the known ones near them ask."""
    there = fit.apply(reference)
    error = points[known] - there[known]
    distance = np.linalg.norm(there[:, None] - there[known][None], axis=2)
    weight = np.exp(-((distance / (BEND * size)) ** 2)) + 1e-9
    bent = there + (weight @ error) / np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    return np.where(known[:, None], points, bent)


def _points(path: Path) -> Points:
    """(68, 3) points, NaN where the file gives none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: too large for a file of landmarks")
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{path}: no such file of landmarks") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not JSON") from None
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
        near = difflib.get_close_matches(name, NAMES, 1, 0.4)
        raise InputError(f"{path}: there is no landmark '{name}': use {near[0] if near else _examples()}")
    return NAMES[name]


def _point(path: Path, k: int, point: Any) -> tuple[float, float, float]:
    try:
        x, y, z = (float(value) for value in point)
    except (TypeError, ValueError):
        raise InputError(f"{path}: the landmark {_name(k)} is no point [x, y, z]") from None
    if not np.isfinite([x, y, z]).all():
        raise InputError(f"{path}: the landmark {_name(k)} is not finite")
    return x, y, z


def _check_near(path: Path, points: Points, known: NDArray[np.bool_], mesh: Mesh, size: float) -> None:
    """Raise InputError where a landmark lies far from every vertex."""
    from scipy.spatial import cKDTree

    distance = cKDTree(mesh.vertices.astype(np.float64)).query(points[known])[0]
    if distance.max() > FAR * size:
        worst = _name(int(np.flatnonzero(known)[distance.argmax()]))
        raise InputError(f"{path}: the landmark {worst} lies off the mesh: give the coordinates of the mesh file")


def _name(k: int) -> str:
    return next((name for name, index in NAMES.items() if index == k), str(k))


def _examples() -> str:
    return "right_eye_outer, left_eye_outer, nose_tip, mouth_right, mouth_left, chin"
