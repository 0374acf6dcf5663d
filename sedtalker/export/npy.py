"""Plain numpy: absolute vertex positions (T, V, 3) float32, metres, +Y up."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.export.point_cache import checked
from sedtalker.whole_file import whole_file


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
