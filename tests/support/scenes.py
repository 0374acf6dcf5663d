"""Scenes of several small heads for tests."""

from __future__ import annotations

import dataclasses

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.scene import Scene, places_beside
from sedtalker.face.face import Face
from sedtalker.speakers.turns import Turn, Turns
from tests.support.moving import moving_cube
from tests.support.standing import standing


def painted(face: Face, colour: tuple[float, float, float]) -> Face:
    """The face in one sRGB colour."""
    colours = np.tile(np.array(colour, np.float32), (len(face.mesh.vertices), 1))
    return dataclasses.replace(face, mesh=dataclasses.replace(face.mesh, colours=colours))


def scene_of(**animations: Animation) -> Scene:
    """Heads side by side; all talk, one after another, each for an equal part of the time."""
    first = next(iter(animations.values()))
    each = first.duration / len(animations)
    turns = tuple(Turn(k * each, (k + 1) * each, name) for k, name in enumerate(animations))
    return Scene(
        animations,
        places_beside({name: one.face for name, one in animations.items()}),
        Turns(turns, first.duration, tuple(animations)),
    )


def two_figures(frames: int = 6, fps: float = 30.0) -> Scene:
    """A red figure on the left and a blue one on the right, in wild motion, both with shoulders."""
    red, blue = (painted(standing(), colour) for colour in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)))
    return scene_of(red=moving_cube(frames, fps, red), blue=moving_cube(frames, fps, blue))
