"""A performance captured elsewhere, such as a phone's take, on any face: ARKit weights in, an animation out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.gains import Gains
from sedtalker.audio import LONGEST_SECONDS, FrameClock, resample_frames
from sedtalker.errors import InputError
from sedtalker.export.arkit import ArkitMotion, read_arkit_csv
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.face import Face
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.version import __version__

MOST_BYTES = 512 * 2**20
"""Larger files are refused."""


def read_take(path: Path, names: ShapeMap | None = None) -> ArkitMotion:
    """A CSV of Live Link Face, or one with the names of another rig.

    Raises:
        InputError: no such file, not such a file, its times go backwards, or it is longer than an hour.
    """
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: a performance is a .csv of Live Link Face, or of sedtalker animate --to arkit")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB: cut it")
    take = read_arkit_csv(path, rate=None, names=names)
    if not np.isfinite(take.weights).all() or not np.isfinite(take.head_rotation).all():
        raise InputError(f"{path}: it has weights or angles that are no numbers")
    if len(take.times) > 1 and float(np.diff(take.times).min()) < 0.0:
        raise InputError(f"{path}: its timecodes go backwards: cut the take where they do")
    if take.times[-1] > LONGEST_SECONDS:
        raise InputError(f"{path}: longer than an hour: cut it")
    return take


def perform(
    face: Face, take: ArkitMotion, fps: float = 30.0, *, gains: Gains = Gains(), head: bool = True, source: str = ""
) -> Animation:
    """A take on a face, at ``fps`` frames a second; a shape that the face lacks is left out.

    Args:
        face: what moves, with ARKit shapes.
        take: of ``read_take``.
        fps: frames a second.
        gains: of which those of single shapes are used; there is no emotion to tell from speech.
        head: whether the head turns.
        source: hash of the take, for the provenance.

    Raises:
        InputError: the face has none of the shapes.
    """
    known = [name for name in ARKIT_52 if name in face.shape_index]
    if not known:
        raise InputError(f"the face '{face.name}' has no ARKit shapes: a performance cannot move it")
    times = FrameClock(fps).times(max(round((float(take.times[-1]) + 1.0 / 60) * fps), 1))
    weights = np.clip(resample_frames(take.weights, take.times, times), 0.0, 1.0)
    coefficients = np.zeros((len(times), len(face.shapes)), np.float32)
    for name in known:
        column = weights[:, INDEX[name]] * np.float32(gains.shapes.get(name, 1.0))
        coefficients[:, face.shape_index[name]] = np.clip(column, 0.0, 1.0)
    turns = resample_frames(take.head_rotation, take.times, times)
    provenance = {**face.provenance, "sedtalker": __version__, "performance_sha256": source, "licences": {}}
    return Animation(coefficients, fps, face, turns if head else np.zeros_like(turns), None, provenance)


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
