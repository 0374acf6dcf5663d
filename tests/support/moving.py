"""Animations for the tests of exports."""

from __future__ import annotations

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.emotion.formats import constant_track
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from tests.support.cube import cube_face


def moving_cube(frames: int = 12, fps: float = 30.0, face: Face | None = None) -> Animation:
    """A cube that does everything at once."""
    face = face or cube_face()
    rng = np.random.default_rng(frames)
    coefficients = rng.uniform(0, 1, (frames, len(face.shapes))).astype(np.float32)
    head = rng.normal(scale=0.2, size=(frames, 3)).astype(np.float32)
    return Animation(coefficients, fps, face, head, constant_track("happy:0.8", frames / fps), {"seed": 1})


def speaking_face(frames: int = 24, fps: float = 30.0) -> Animation:
    """The built-in face as speech moves it: both sides alike, smooth, with blinks and a turning head."""
    face = load_face()
    time = np.arange(frames)[:, None] / fps
    rng = np.random.default_rng(5)
    names = [
        name
        for name in ARKIT_52
        if not name.startswith(("jawLeft", "jawRight", "jawForward", "tongue", "mouthLeft", "mouthShrug"))
    ]
    stems = {name.removesuffix("Left").removesuffix("Right") for name in names}
    motion = {
        stem: 0.15 * (1.0 + np.sin(2 * np.pi * (rng.uniform(0.5, 3.0) * time[:, 0] + rng.uniform())))
        for stem in sorted(stems)
    }
    motion["eyeBlink"] = np.clip(1.2 - 9.0 * np.abs(time[:, 0] - 0.4), 0.0, 1.0)
    coefficients = np.zeros((frames, len(face.shapes)), np.float32)
    for name in names:
        coefficients[:, face.shape_index[name]] = motion[name.removesuffix("Left").removesuffix("Right")]
    head = (0.1 * np.sin(np.pi * time * [0.7, 1.1, 0.4])).astype(np.float32)
    return Animation(coefficients, fps, face, head, constant_track("sad:0.5", frames / fps), {})
