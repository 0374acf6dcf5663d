"""The camera, and how it frames a head."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sedtalker.animation.scene import Place, moved
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.rasteriser import turn

Matrix = Doubles
Point = tuple[float, float, float]

SMALLEST = 1e-3
"""Half height of a picture, in sizes of the mesh, at zoom 1: the landmarks of a file may lie on one another."""
HEAD_DEPTH = 0.5
"""What counts for the width of a head ends so far below the middle of its portrait, in half heights: at the neck."""
MARGIN = 0.2
"""What is kept free beside the outermost heads, in half heights of a portrait."""
EDGE = 0.05
"""How far above the cut edges of shoulders pictures end, in heights of a portrait: those behind look higher."""


@dataclass(frozen=True)
class Camera:
    """A perspective camera; lengths in the units of the mesh.

    Attributes:
        position: where the camera is.
        target: the point in the middle of the picture.
        up: roughly upwards.
        fov: vertical field of view, degrees.
        near: nearest visible distance.
        far: farthest visible distance.
    """

    position: Point
    target: Point
    up: Point = (0.0, 1.0, 0.0)
    fov: float = 20.0
    near: float = 0.05
    far: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 < self.near < self.far:
            raise InputError(f"a camera sees from near to far: {self.near:g} to {self.far:g} is no such range")

    @property
    def distance(self) -> float:
        """From the camera to its target."""
        return math.dist(self.position, self.target)

    @property
    def half_height(self) -> float:
        """Half of what the picture shows vertically at the target."""
        return self.distance * math.tan(math.radians(self.fov) / 2)

    def view(self) -> Matrix:
        """(4, 4) world to camera; the camera looks along −Z, as in OpenGL."""
        position = np.asarray(self.position, dtype=np.float64)
        back = position - np.asarray(self.target)
        matrix = np.eye(4)
        matrix[:3, :3] = facing(back / np.linalg.norm(back), self.up)
        matrix[:3, 3] = -matrix[:3, :3] @ position
        return matrix

    def projection(self, aspect: float = 1.0) -> Matrix:
        """(4, 4) camera to clip space, OpenGL convention; ``aspect`` is width / height."""
        scale = 1.0 / math.tan(math.radians(self.fov) / 2)
        span = self.near - self.far
        matrix = np.zeros((4, 4))
        matrix[0, 0] = scale / aspect
        matrix[1, 1] = scale
        matrix[2, 2:] = (self.far + self.near) / span, 2 * self.far * self.near / span
        matrix[3, 2] = -1.0
        return matrix


def facing(back: Reals, up: Point = (0.0, 1.0, 0.0)) -> Matrix:
    """(3, 3) right, up and ``back``, a unit vector, of what looks against it; ``up`` says roughly where that is."""
    back = np.asarray(back, dtype=np.float64)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back])


def frame_head(
    subject: Face | Mesh | Floats,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    fov: float = 20.0,
    zoom: float = 1.0,
    aspect: float = 1.0,
) -> Camera:
    """A portrait camera in front (+Z) of the head of ``subject``.

    With landmarks the head is measured from the eyes and the chin; otherwise it is what stands
    above the neck, so long necks and whole bodies are framed at the head too.

    Args:
        subject: a face, a mesh or vertices (V, 3).
        yaw: degrees the camera walks to the subject's left (the right of the picture's head turns towards us).
        pitch: degrees the camera rises.
        fov: vertical field of view, degrees; about 20 is a portrait lens.
        zoom: above 1 is closer.
        aspect: width of the picture / its height; a narrow picture shows all of the head, too.
    """
    return frame_heads([(subject, Place())], aspect, yaw=yaw, pitch=pitch, fov=fov, zoom=zoom)


def frame_heads(
    heads: Sequence[tuple[Face | Mesh | Floats, Place]],
    aspect: float,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    fov: float = 20.0,
    zoom: float = 1.0,
) -> Camera:
    """A camera that shows all heads at their places; one alone as in its portrait, where that is wide enough.

    Where the width decides, the picture ends lower than a portrait, as far as shoulders reach, and the rest is above.

    Args:
        heads: what is shown, at least one, and where it stands.
        aspect, yaw, pitch, fov, zoom: as for ``frame_head``.
    """
    to_camera, boxes, everything = turn(-yaw), [], []
    measured = [measure_head(subject) for subject, _ in heads]
    for (subject, place), (centre, half, lowest) in zip(heads, measured, strict=True):
        pivot = subject.pivot if isinstance(subject, Face) else np.zeros(3)
        vertices = moved(_vertices(subject), pivot, place)
        seen, (x, y, z) = vertices @ to_camera.T, to_camera @ moved(centre.astype(np.float32), pivot, place)
        across = seen[seen[:, 1] > y - HEAD_DEPTH * half, 0]
        left = max(across.min(initial=x) - MARGIN * half, x - half)
        right = min(across.max(initial=x) + MARGIN * half, x + half)
        boxes.append((left, right, y - half, y + half, lowest + y - centre[1], z))
        everything.append(vertices)
    lefts, rights, bottoms, tops, lowest, depths = np.array(boxes).T
    left, right, bottom, top = lefts.min(), rights.max(), bottoms.max(), tops.max()
    more = (right - left) / aspect - (top - bottom)
    (alone, place), *others = heads
    if not more > 0 and not others and place == Place():
        centre, half, _ = measured[0]
        return camera_around(centre, half / zoom, _vertices(alone), yaw=yaw, pitch=pitch, fov=fov)
    bottom -= np.clip(more, 0.0, max(bottom - lowest.max() - EDGE * (top - bottom), 0.0))
    half = max(top - bottom, (right - left) / aspect) / 2
    middle = np.array([(left + right) / 2, bottom + half, depths.mean()]) @ to_camera
    return camera_around(middle, half / zoom, np.concatenate(everything), yaw=yaw, pitch=pitch, fov=fov)


class Portion(NamedTuple):
    """What a portrait shows of a mesh: the middle (3,) and half height of the picture, see ``frame_head``.

    The picture may also end lower, at the height ``lowest``, above which no cut edge of a neck or of shoulders is seen.
    """

    centre: Doubles
    half: float
    lowest: float


def measure_head(subject: Face | Mesh | Floats) -> Portion:
    """What a portrait shows of ``subject``."""
    vertices = _vertices(subject)
    landmarks = subject.landmarks if isinstance(subject, Face) else None
    if landmarks is not None and len(landmarks) == 68:
        found = _from_landmarks(vertices, vertices[landmarks])
    else:
        found = _from_profile(vertices)
    size = float(np.ptp(vertices, axis=0).max())
    return found._replace(half=max(found.half, SMALLEST * size, sys.float_info.min))


def _vertices(subject: Face | Mesh | Floats) -> Floats:
    mesh = subject.mesh if isinstance(subject, Face) else subject
    return mesh.vertices if isinstance(mesh, Mesh) else np.asarray(mesh)


def camera_around(
    centre: Doubles, half: float, vertices: Floats, *, yaw: float = 0.0, pitch: float = 0.0, fov: float
) -> Camera:
    """A camera whose picture has ``centre`` (3,) in its middle and is ``half`` high on either side.

    It sees all ``vertices`` (V, 3); ``yaw``, ``pitch`` and ``fov`` as for ``frame_head``.
    """
    distance = half / math.tan(math.radians(fov) / 2)
    aside, rise = math.radians(yaw), math.radians(pitch)
    direction = np.array([math.sin(aside) * math.cos(rise), math.sin(rise), math.cos(aside) * math.cos(rise)])
    x, y, z = centre
    extent = float(np.linalg.norm(vertices - centre, axis=1).max())
    eye = centre + distance * direction
    return Camera(
        position=(float(eye[0]), float(eye[1]), float(eye[2])),
        target=(float(x), float(y), float(z)),
        fov=fov,
        near=max(distance - extent, 0.1 * distance),
        far=distance + 1.1 * extent,
    )


def _from_landmarks(vertices: Floats, points: Floats) -> Portion:
    """From iBUG landmarks: a head is about twice as high as eyes to chin.

    Where there is a neck, its cut edge stays below the picture, also when the head nods.
    """
    eyes = points[[36, 39, 42, 45]].mean(axis=0, dtype=np.float64)
    drop = max(float(eyes[1] - points[8, 1]), 0.9 * float(np.linalg.norm(points[45] - points[36])))
    top = min(float(vertices[:, 1].max()), float(eyes[1]) + 1.9 * drop) + 0.12 * drop
    edge = float(vertices[:, 1].min())
    has_neck = edge < float(points[8, 1]) - 0.3 * drop
    lowest = edge + (0.2 if has_neck else -0.12) * drop
    bottom = max(lowest, float(eyes[1]) - 1.7 * drop)
    return Portion(np.array([eyes[0], (top + bottom) / 2, eyes[2] - 0.6 * drop]), (top - bottom) / 2, lowest)


def _from_profile(vertices: Floats) -> Portion:
    """From the outline: the head ends in the narrows above the shoulders."""
    points = vertices[np.isfinite(vertices).all(axis=1)].astype(np.float64)
    top = float(points[:, 1].max())
    width, step = _outline(points)
    bottom = top - _head_slices(width, step) * step
    head = points[points[:, 1] >= bottom]
    low, high = head.min(axis=0), head.max(axis=0)
    centre, half = (low + high) / 2, float(max(high[1] - low[1], high[0] - low[0])) / 2 * 1.12
    return Portion(centre, half, float(centre[1] - half))


def _outline(points: Doubles, slices: int = 96) -> tuple[Doubles, float]:
    """Width (slices,) of horizontal slices from the top down, and their thickness."""
    top = points[:, 1].max()
    step = max(float(top - points[:, 1].min()), 1e-9) / slices
    index = np.minimum(((top - points[:, 1]) / step).astype(int), slices - 1)
    least, most = np.full(slices, np.inf), np.full(slices, -np.inf)
    np.minimum.at(least, index, points[:, 0])
    np.maximum.at(most, index, points[:, 0])
    filled = np.flatnonzero(most >= least)
    return np.interp(np.arange(slices), filled, (most - least)[filled]), step


def _head_slices(width: Doubles, step: float) -> float:
    """How many slices from the top are head and neck."""
    widest, neck = 0.0, None
    for i, here in enumerate(width):
        widest = max(widest, here) if neck is None else widest
        if (i + 1) * step > 0.6 * widest and here < 0.75 * widest and (neck is None or here < width[neck]):
            neck = i
        if neck is not None and here > 1.4 * width[neck]:
            return neck + 1 + 0.1 * widest / step
    return min(len(width), 1.7 * widest / step)


def orthographic_matrix(
    centre: tuple[float, float, float] | Reals,
    half_size: float,
    depth: float,
    rotation: Reals | None = None,
) -> Matrix:
    """(4, 4) world to clip: looks along −Z at ``centre`` after ``rotation`` (3, 3), showing ``± half_size`` both ways.

    ``depth`` is how far before and behind the centre is visible.
    """
    turn = np.eye(3) if rotation is None else np.asarray(rotation, dtype=np.float64)
    scale = np.array([1 / half_size, 1 / half_size, -1 / depth])
    matrix = np.eye(4)
    matrix[:3, :3] = scale[:, None] * turn
    matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(centre, dtype=np.float64)
    return matrix
