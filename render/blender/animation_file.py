"""SEDTalker's animation file (.npz): the face, its coefficients, the head and the emotion. Needs only numpy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .face_animation import BROKEN, FaceAnimation, UnusableFile, continuous, segments_from

_NECK_BEGINS, _NECK_ENDS = 0.05, 0.85  # below the chin, in units of the eyes' height over it


def read_animation_file(path: Path) -> FaceAnimation:
    """The animation that ``sedtalker animate`` wrote.

    Raises:
        UnusableFile: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        about = json.loads(str(arrays["animation_json"]))
        if about["version"] not in (1, 2):
            raise UnusableFile(f"{path.name}: animation format {about['version']} needs a newer add-on")
        return _animation(arrays, about)
    except BROKEN:
        raise UnusableFile(f"{path.name} is no SEDTalker animation, or it is damaged") from None


def _animation(arrays: dict[str, np.ndarray], about: dict) -> FaceAnimation:
    face = json.loads(str(arrays["face_json"]))
    sizes = arrays["face_polygon_sizes"]
    shapes = [str(name) for name in arrays["face_shapes"]]
    uvs, polygon_uvs = arrays.get("face_uvs"), arrays.get("face_polygon_uvs")
    corner_uvs = None
    if uvs is not None and polygon_uvs is not None:
        corner_uvs = np.where(polygon_uvs[:, None] < 0, 0.0, uvs[polygon_uvs])
    return FaceAnimation(
        name=face["name"],
        vertices=arrays["face_vertices"],
        polygon_sizes=sizes,
        polygon_vertices=arrays["face_polygon_vertices"],
        corner_uvs=corner_uvs,
        colours=arrays.get("face_colours"),
        group_names=tuple(face["groups"]),
        polygon_groups=arrays.get("face_polygon_groups", np.zeros(len(sizes), np.int32)),
        shapes=(*shapes, *(corrective[0] for corrective in face["correctives"])),
        offsets=arrays["face_basis"],
        weights=_expand(arrays["coefficients"], shapes, face["correctives"]),
        fps=float(about["fps"]),
        head_turns=_quaternions(arrays["head_rotation"]),
        pivot=arrays["face_pivot"],
        followers=_followers(arrays["face_vertices"], arrays.get("face_landmarks")),
        segments=segments_from(about.get("segments", ())),
    )


def _expand(coefficients: np.ndarray, shapes: Sequence[str], correctives: Sequence[Sequence]) -> np.ndarray:
    """(T, S) weights: the coefficients, then the value of each corrective ``name, sources, gain, beyond``."""
    clipped = {name: np.clip(column, 0.0, 1.0) for name, column in zip(shapes, coefficients.T, strict=True)}
    extra = []
    for _, sources, gain, beyond in correctives:
        values = [clipped[source] for source in sources]
        if beyond:
            value = np.maximum(values[0] - values[1], 0.0)
        elif len(values) == 1:
            value = 4.0 * values[0] * (1.0 - values[0])
        else:
            value = np.prod(values, axis=0)
        extra.append(gain * value)
    return np.column_stack([coefficients, *extra])


def _quaternions(turns: np.ndarray) -> np.ndarray:
    """Unit quaternions (T, 4) w x y z of rotation vectors (T, 3), radians."""
    turns = np.asarray(turns, np.float64)
    angle = np.linalg.norm(turns, axis=1, keepdims=True)
    return continuous(np.hstack([np.cos(angle / 2), turns * 0.5 * np.sinc(angle / (2 * np.pi))]))


def _followers(vertices: np.ndarray, landmarks: np.ndarray | None) -> np.ndarray:
    """(V,) 1 for the head, smoothly down to 0 along the neck; all 1 without landmarks."""
    whole = np.ones(len(vertices), np.float32)
    if landmarks is None or len(landmarks) != 68:
        return whole
    height = vertices[:, 1]
    chin = float(height[landmarks[8]])
    drop = float(height[landmarks[36:48]].mean()) - chin
    if drop <= 0.0:
        return whole
    share = np.clip((height - (chin - _NECK_ENDS * drop)) / ((_NECK_ENDS - _NECK_BEGINS) * drop), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
