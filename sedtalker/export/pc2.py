"""PC2 vertex caches (3ds Max' Point Cache 2): every vertex of every frame, for the mesh the user has.

Little-endian: ``POINTCACHE2\\0``, int32 version 1, int32 points, float32 first frame, float32 frames a sample, int32
samples, then float32 x y z of every point, sample by sample. Times are frames: how long one is, the file does not say.
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
