"""Vertices over time for the mesh the user has: MDD, PC2 and plain numpy."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.progress import in_parts
from sedtalker.storage import whole_file


def mesh_file_frames(animation: Animation, metres: bool = False) -> Iterator[Floats]:
    """Vertices (V, 3) of each frame in the unit, axes and place of the mesh file, so that a cache fits the mesh in it.

    Registration brings a mesh to metres, +Y up; this undoes it. A built-in face, and any face where ``metres``, stays
    as it is.

    Raises:
        InputError: the animation does not say how its mesh was placed.
    """
    registration = animation.provenance.get("registration")
    if registration is None or metres:
        yield from animation.frames()
        return
    try:
        rotation = np.asarray(registration["rotation"], dtype=np.float64).reshape(3, 3)
        translation = np.asarray(registration["translation"], dtype=np.float64).reshape(3)
        scale = float(registration["scale"])
        if not scale > 0.0 or not np.isfinite(rotation).all() or not np.isfinite(translation).all():
            raise ValueError("no placement")
    except (TypeError, KeyError, ValueError, AttributeError):
        raise InputError("the animation does not say how its mesh was placed: use --metres") from None
    for vertices in animation.frames():
        yield ((vertices - translation) @ rotation / scale).astype(np.float32)


def write_mdd(path: Path, animation: Animation, audio: str | None = None, metres: bool = False) -> dict[str, Any]:
    """MDD of LightWave's Motion Designer, big-endian: counts, the second of each frame, every vertex of every frame."""
    times = np.arange(len(animation)) / animation.fps
    head = struct.pack(">ii", len(animation), len(animation.face.mesh.vertices)) + times.astype(">f4").tobytes()
    return _write_frames(path, head, animation, mesh_file_frames(animation, metres), ">f4")


def write_pc2(path: Path, animation: Animation, audio: str | None = None, metres: bool = False) -> dict[str, Any]:
    """PC2 of 3ds Max' Point Cache 2, little-endian: one sample a frame, the first at frame 0."""
    version, start, rate = 1, 0.0, 1.0
    counts = len(animation.face.mesh.vertices), start, rate, len(animation)
    head = struct.pack("<12siiffi", b"POINTCACHE2\0", version, *counts)
    return _write_frames(path, head, animation, mesh_file_frames(animation, metres), "<f4")


def write_npy(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """One numpy array of vertex positions (T, V, 3) float32, metres, +Y up."""
    shape, head = (len(animation), len(animation.face.mesh.vertices), 3), BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return _write_frames(path, head.getvalue(), animation, animation.frames(), "<f4")


def _write_frames(path: Path, head: bytes, animation: Animation, frames: Iterator[Floats], kind: str) -> dict[str, Any]:
    """Frame after frame, so that memory does not grow with the recording; there is nothing to say about it.

    Raises:
        InputError: the disk has no room for it, which is known beforehand.
    """
    with whole_file(path) as temporary, temporary.open("wb") as file:
        size, free = 12 * len(animation) * len(animation.face.mesh.vertices), disk_usage(temporary.parent).free
        if size > free:
            sizes = f"all frames take {size / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free"
            raise InputError(f"{path}: cannot be written (No space left on device: {sizes})")
        file.write(head)
        for _, frame in zip(in_parts(range(len(animation))), frames, strict=True):
            file.write(np.ascontiguousarray(frame, dtype=kind).tobytes())
    return {}
