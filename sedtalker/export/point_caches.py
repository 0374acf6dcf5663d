"""Vertices over time, and where the user's own mesh file has them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import Floats
from sedtalker.storage import whole_file

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


# --- MDD vertex caches (LightWave's Motion Designer): every vertex of every frame, for the mesh the user has.


def write_mdd(path: Path, frames: Iterable[NDArray[np.floating]], shape: tuple[int, int, int], fps: float) -> None:
    """Write the frames (V, 3) of ``shape`` (T, V, 3); the file appears whole or not at all.

    Raises:
        InputError: there is nothing to write.
        ValueError: the frames are not those of ``shape``.
    """
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack(">ii", *shape[:2]))
        file.write((np.arange(shape[0]) / fps).astype(">f4").tobytes())
        for frame in checked(frames, shape):
            file.write(np.ascontiguousarray(frame, dtype=">f4").tobytes())


def read_mdd(path: Path) -> PointCache:
    """All frames of an MDD file.

    Raises:
        InputError: no such file, not an MDD file, cut short, or larger than 2 GiB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
        with path.open("rb") as file:
            header = file.read(8)
            count, points = struct.unpack(">ii", header) if len(header) == 8 else (0, 0)
            if count < 1 or points < 1 or size != 8 + 4 * count + 12 * count * points:
                raise InputError(f"{path}: not an MDD file, or cut short")
            times = np.frombuffer(file.read(4 * count), dtype=">f4").astype(np.float64)
            values = np.frombuffer(file.read(), dtype=">f4").astype(np.float32)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return PointCache(times, values.reshape(count, points, 3))


# --- PC2 vertex caches (3ds Max' Point Cache 2): every vertex of every frame, for the mesh the user has.

_HEADER = struct.Struct("<12siiffi")
_MAGIC = b"POINTCACHE2\0"


def write_pc2(path: Path, frames: Iterable[NDArray[np.floating]], shape: tuple[int, int, int]) -> None:
    """Write the frames (V, 3) of ``shape`` (T, V, 3), the first at frame 0; the file appears whole or not at all.

    Raises:
        InputError: there is nothing to write.
        ValueError: the frames are not those of ``shape``.
    """
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(_HEADER.pack(_MAGIC, 1, shape[1], 0.0, 1.0, shape[0]))
        for frame in checked(frames, shape):
            file.write(np.ascontiguousarray(frame, dtype="<f4").tobytes())


def read_pc2(path: Path, fps: float) -> PointCache:
    """All samples of a PC2 file; ``fps`` turns its frames into seconds.

    Raises:
        InputError: no such file, not a PC2 file, cut short, or larger than 2 GiB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            whole = len(header) == _HEADER.size
            magic, version, points, start, step, count = _HEADER.unpack(header) if whole else (b"", 0, 0, 0.0, 1.0, 0)
            if magic != _MAGIC or version != 1 or points < 1 or count < 1 or size != 32 + 12 * count * points:
                raise InputError(f"{path}: not a PC2 file, or cut short")
            values = np.frombuffer(file.read(), dtype="<f4").astype(np.float32)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return PointCache((start + step * np.arange(count)) / fps, values.reshape(count, points, 3))


# --- Plain numpy: absolute vertex positions (T, V, 3) float32, metres, +Y up.


def write_npy(path: Path, frames: Iterable[NDArray[np.floating]], shape: tuple[int, int, int]) -> None:
    """Write frames (V, 3) as one array of ``shape`` (T, V, 3), one at a time; it appears whole or not at all.

    Raises:
        InputError: there is nothing to write.
        ValueError: the frames are not those of ``shape``.
    """
    if 0 in shape:
        raise InputError("the animation has no frames")
    with whole_file(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for row, frame in zip(array, checked(frames, shape), strict=True):
            row[:] = frame
        array.flush()
        del array


def read_npy(path: Path) -> NDArray[np.float32]:
    """What ``write_npy`` wrote, mapped from the file.

    Raises:
        InputError: not such a file.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise InputError(f"{path}: not a numpy array") from None
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.float32:
        raise InputError(f"{path}: expected vertices (frames, vertices, 3) float32")
    return array
