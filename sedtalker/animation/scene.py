"""A scene: several talking heads on one clock, each with its own animation and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.errors import InputError
from sedtalker.face.builtin.named import FACES, load_face
from sedtalker.face.face import Face
from sedtalker.mesh.rasteriser import turn
from sedtalker.speakers.turns import Turns

BETWEEN = 0.34
"""Metres between the middles of neighbouring heads, at least: without shoulders they turn freely."""
FREE = 0.05
"""Metres that are free between heads, hair included: a head may turn."""
TOUCH = 0.05
"""Metres of rounded shoulders that neighbours share: ends of busts that are apart look like what they are."""
TOWARDS = 30.0
"""Degrees by which the outermost heads are turned towards the middle; both faces stay visible from the front."""


@dataclass(frozen=True)
class Place:
    """Where a head stands in a scene: first it turns about the vertical through its own pivot, then it is moved.

    Attributes:
        position: metres that the head is moved: +X to the right of the picture, +Y up, +Z towards the camera.
        yaw: degrees about +Y; positive turns the face to the right of the picture.
    """

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Several animated heads.

    Attributes:
        animations: of each speaker by name, in the order from left to right; all of one length and rate.
        places: where each head stands, by the same names.
    """

    animations: Mapping[str, Animation]
    places: Mapping[str, Place]
    turns: Turns

    def __post_init__(self) -> None:
        lengths = {(len(animation), animation.fps) for animation in self.animations.values()}
        if len(lengths) != 1 or set(self.animations) != set(self.places):
            raise InputError("the animations of a scene need one length, one rate, and a place each")

    @property
    def _first(self) -> Animation:
        return next(iter(self.animations.values()))

    def __len__(self) -> int:
        return len(self._first)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._first.fps

    @property
    def duration(self) -> float:
        """Seconds."""
        return self._first.duration

    @property
    def names(self) -> tuple[str, ...]:
        """The speakers from left to right."""
        return tuple(self.animations)


def with_others(faces: Sequence[Face], count: int) -> list[Face]:
    """So many faces: the given ones, then built-in ones that are not among them, then random ones."""
    named = {face.name for face in faces}
    more = (name for name in chain(FACES, (f"random-{seed}" for seed in range(count))) if name not in named)
    return [*faces[:count], *(load_face(name) for name in islice(more, max(0, count - len(faces))))]


def places_beside(faces: Mapping[str, Face]) -> dict[str, Place]:
    """Places of heads side by side, eyes at one height, turned towards each other."""
    names, count = list(faces), len(faces)
    eyes = {name: _eye_height(face) for name, face in faces.items()}
    turns = np.linspace(TOWARDS, -TOWARDS, count) if count > 1 else np.zeros(1)
    sides = [_sides(face, yaw) for face, yaw in zip(faces.values(), turns, strict=True)]
    steps = [max(BETWEEN, *(right - left + (FREE, -TOUCH))) for (_, right), (left, _) in pairwise(sides)]
    across = np.cumsum([0.0, *steps])
    across -= across[-1] / 2
    places, (home, *_) = {}, [face.pivot for face in faces.values()]
    for name, x, yaw in zip(names, across, turns, strict=True):
        aside, _, ahead = home - faces[name].pivot
        position = float(x + aside), eyes[names[0]] - eyes[name], float(ahead)
        places[name] = Place(position, float(yaw))
    return places


def _sides(face: Face, yaw: float) -> Doubles:
    """(2, 2) how far to the left and to the right of its pivot a head at rest reaches, turned by ``yaw`` degrees.

    The first column is what lies above the pivot, the second all; metres.
    """
    vertices = moved(face.mesh.vertices, face.pivot, Place(yaw=yaw)) - face.pivot
    across, above = vertices[:, 0], vertices[vertices[:, 1] > 0, 0]
    return np.array([[part.min(initial=0.0), part.max(initial=0.0)] for part in (above, across)]).T


def moved(vertices: Floats, pivot: Reals, place: Place) -> Floats:
    """Vertices (…, V, 3) of a head, metres, at its place; ``pivot`` (3,) is that of its face."""
    pivot = np.asarray(pivot, np.float64)
    return np.asarray((vertices - pivot) @ turn(place.yaw).T + pivot + place.position, np.float32)


def directions(faces: Mapping[str, Face], places: Mapping[str, Place]) -> dict[str, dict[str, tuple[float, float]]]:
    """Where each head sees every other one: degrees from its rest, yaw to the subject's left and pitch up."""
    eyes = {
        name: np.array([face.pivot[0], _eye_height(face), face.pivot[2]]) + places[name].position
        for name, face in faces.items()
    }
    found = dict[str, dict[str, tuple[float, float]]]()
    for name, own in eyes.items():
        found[name] = {}
        for other, there in eyes.items():
            across, up, ahead = (there - own).tolist()
            yaw = (np.degrees(np.arctan2(across, ahead)) - places[name].yaw + 180.0) % 360.0 - 180.0
            if other != name:
                found[name][other] = float(yaw), float(np.degrees(np.arctan2(up, np.hypot(across, ahead))))
    return found


def _eye_height(face: Face) -> float:
    """Height of the eyes of a face at rest, metres; of its middle where it has no eyes."""
    eyes = [mask for name, mask in face.regions.items() if name.startswith("eye") and mask.any()]
    chosen = face.mesh.vertices[np.logical_or.reduce(eyes)] if eyes else face.mesh.vertices
    return float((chosen[:, 1].min() + chosen[:, 1].max()) / 2)
