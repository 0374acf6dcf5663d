"""Vertices over time, and where the user's own mesh file has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.errors import InputError
from sedtalker.face.mesh import Floats

MAX_BYTES = 2 << 30
"""What a reader takes into memory at most."""


@dataclass(frozen=True, eq=False)
class PointCache:
    """Absolute vertex positions (T, V, 3) float32 at ``times`` (T,) seconds."""

    times: NDArray[np.float64]
    points: Floats


def mesh_file_frames(animation: Animation, metres: bool = False) -> Iterator[Floats]:
    """Vertices (V, 3) of each frame in the unit, axes and place of the mesh file, so that a cache fits the mesh in it.

    Registration brings a mesh to metres, +Y up; this undoes it. A built-in face, and any face where ``metres``, stays
    as it is.
    """
    registration = animation.provenance.get("registration")
    if registration is None or metres:
        yield from animation.frames()
        return
    rotation = np.asarray(registration["rotation"], dtype=np.float64)
    translation = np.asarray(registration["translation"], dtype=np.float64)
    for vertices in animation.frames():
        yield ((vertices - translation) @ rotation / registration["scale"]).astype(np.float32)


def checked(frames: Iterable[NDArray[np.floating]], shape: tuple[int, int, int]) -> Iterator[NDArray[np.floating]]:
    """The frames, as long as they are the ``shape`` (T, V, 3) that was announced.

    Raises:
        InputError: there is nothing to write.
        ValueError: they are not those of ``shape``.
    """
    if 0 in shape:
        raise InputError("the animation has no frames")
    count = 0
    for frame in frames:
        if frame.shape != shape[1:]:
            raise ValueError(f"frame {count} has shape {frame.shape}, expected {shape[1:]}")
        count += 1
        yield frame
    if count != shape[0]:
        raise ValueError(f"{count} frames were given, {shape[0]} announced")
