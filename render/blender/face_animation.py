"""A face and its motion as plain arrays, and how it lands on another mesh of the same vertices. Needs only numpy."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


BROKEN = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What reading a file raises that is cut short, damaged, or another program's."""


class UnusableFile(Exception):
    """What a file lacks, in words for a person."""


@dataclass(frozen=True)
class Segment:
    """A span of one emotion: seconds, label, intensity in [0, 1]."""

    start: float
    end: float
    label: str
    intensity: float


@dataclass(frozen=True)
class FaceAnimation:
    """Motion of V vertices over T frames by S shapes.

    Attributes:
        name: of the face.
        vertices: (V, 3) at rest, metres, +Y up, +Z out of the face.
        polygon_sizes: (F,) corners of each polygon.
        polygon_vertices: (sum of sizes,) vertex of each corner.
        corner_uvs: (sum of sizes, 2), or None.
        colours: (V, 3) sRGB in [0, 1], or None.
        group_names: names of the polygon groups.
        polygon_groups: (F,) into ``group_names``.
        shapes: (S,) names.
        offsets: (S, V, 3) metres at weight 1.
        weights: (T, S).
        fps: frames a second; frame i is at i / fps seconds.
        head_turns: (T, 4) unit quaternions w x y z about ``pivot``.
        pivot: (3,) what the head turns about.
        followers: (V,) how far each vertex follows the head, 0 to 1.
        segments: the emotion, in order; empty where the file does not say.
        audio: the recording, relative to the file; ``None`` where it does not say.
    """

    name: str
    vertices: np.ndarray
    polygon_sizes: np.ndarray
    polygon_vertices: np.ndarray
    corner_uvs: np.ndarray | None
    colours: np.ndarray | None
    group_names: tuple[str, ...]
    polygon_groups: np.ndarray
    shapes: tuple[str, ...]
    offsets: np.ndarray
    weights: np.ndarray
    fps: float
    head_turns: np.ndarray
    pivot: np.ndarray
    followers: np.ndarray
    segments: tuple[Segment, ...] = ()
    audio: str | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` where the arrays do not fit one another: Blender does not look."""
        count, shapes, frames = len(self.vertices), len(self.shapes), len(self.weights)
        corners = np.asarray(self.polygon_vertices)
        shaped = (self.vertices.shape, self.offsets.shape, self.weights.shape, self.head_turns.shape)
        if shaped != ((count, 3), (shapes, count, 3), (frames, shapes), (frames, 4)) or not frames:
            raise ValueError("arrays of different sizes")
        if (
            len(corners) != np.sum(self.polygon_sizes)
            or not 0 <= corners.min(initial=0) <= corners.max(initial=0) < count
        ):
            raise ValueError("polygons of vertices that are not there")
        if not (0.0 < self.fps < np.inf and np.isfinite(self.weights).all() and np.isfinite(self.head_turns).all()):
            raise ValueError("motion that is no number")

    def frame(self, index: int) -> np.ndarray:
        """Vertices (V, 3) of one frame, head motion included (linear blend skinning)."""
        offsets = (self.weights[index] @ self.offsets.reshape(len(self.offsets), -1)).reshape(-1, 3)
        still = self.vertices + offsets
        turn = rotation_matrix(self.head_turns[index]) - np.eye(3)
        return still + self.followers[:, None] * ((still - self.pivot) @ turn.T)


@dataclass(frozen=True)
class Placement:
    """The similarity that lays a face on a mesh, ``scale · rotation · x + shift``, and how well.

    ``misfit`` is the root mean square distance left, in parts of the mesh's size.
    """

    scale: float
    rotation: np.ndarray
    shift: np.ndarray
    misfit: float = 0.0

    def points(self, points: np.ndarray) -> np.ndarray:
        """Positions (…, 3) on the mesh."""
        return self.directions(points) + self.shift

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Offsets (…, 3) on the mesh."""
        return self.scale * (vectors @ self.rotation.T)


UPRIGHT = Placement(1.0, Y_UP_TO_Z_UP, np.zeros(3))
"""Blender's world: +Z up, faces look along −Y."""


def place(source: np.ndarray, target: np.ndarray) -> Placement:
    """The similarity that best lays points ``source`` (V, 3) on ``target`` (V, 3): Umeyama (1991).

    So neither the units nor the axes of the user's mesh matter.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    a, b = source - middle, target - goal
    left, stretch, right = np.linalg.svd(b.T @ a / len(a))
    sign = np.ones(3)
    sign[2] = np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0
    rotation = (left * sign) @ right
    spread = float((a * a).sum() / len(a))
    scale = float((stretch * sign).sum()) / max(spread, 1e-30)
    shift = goal - scale * rotation @ middle
    left_over = scale * a @ rotation.T - b
    size = max(float(np.ptp(target, axis=0).max()), 1e-30)
    return Placement(scale, rotation, shift, float(np.sqrt((left_over**2).sum(axis=1).mean())) / size)


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of a unit quaternion w x y z."""
    w, x, y, z = (float(v) for v in quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same turns (T, 4), neighbours in one hemisphere, so that interpolation takes the short way."""
    flips = np.where((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    return quaternions * np.cumprod(np.concatenate([[1.0], flips]))[:, None]


def segments_from(entries: Sequence[object]) -> tuple[Segment, ...]:
    """Segments from the plain data of a track; what is no segment is left out.

    Raises:
        ValueError, TypeError: times that are no numbers.
    """
    made = []
    for entry in entries:
        if isinstance(entry, dict) and {"start", "end", "label"} <= set(entry):
            intensity = float(entry.get("intensity", 0.7))
            made.append(Segment(float(entry["start"]), float(entry["end"]), str(entry["label"]), intensity))
    return tuple(sorted(made, key=lambda segment: segment.start))
