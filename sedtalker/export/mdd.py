"""MDD vertex caches (LightWave's Motion Designer): every vertex of every frame, for the mesh the user has.

Big-endian throughout: int32 frames, int32 points, float32 seconds of each frame, then float32 x y z of every point,
frame by frame. Read by Blender (Mesh Cache modifier), Houdini and LightWave, among others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.export.point_cache import MAX_BYTES, PointCache, checked
from sedtalker.whole_file import whole_file


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
