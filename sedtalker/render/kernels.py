"""How numba compiles the loops that draw, and the first of them: vertices in the picture."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import IndexDataCacheFile

from sedtalker.arrays import Doubles, Floats
from sedtalker.reading import is_file
from sedtalker.render.camera import Matrix
from sedtalker.storage import keep, user_cache

DIGEST = hashlib.sha256().digest_size
"""Bytes of a hash."""
Function = TypeVar("Function", bound=Callable[..., object])


def _cache_possible() -> bool:
    """Whether numba finds a folder to keep compiled code in; it raises where it does not."""
    here = Path(__file__).parent
    home = user_cache().parent
    parents = [here, home, home.parent]
    return "NUMBA_CACHE_DIR" in os.environ or any(p.is_dir() and os.access(p, os.W_OK) for p in parents)


class _CheckedCache(IndexDataCacheFile):
    """Compiled code as numba keeps it, after the hash of its bytes: what is damaged is compiled anew, and what cannot
    be kept is not; numba runs the code that it finds, or fails.
    """

    def _load_index(self) -> dict[Any, str]:
        with suppress(Exception):  # of another numba
            stamp, version, overloads = pickle.loads(_checked(Path(self._index_path)))
            if (stamp, version) == (self._source_stamp, self._version):
                return dict(overloads)
        return {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        _keep(Path(self._index_path), self._dump((self._source_stamp, self._version, overloads)))

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_checked(Path(self._data_path(name))))

    def _save_data(self, name: str, data: Any) -> None:
        _keep(Path(self._data_path(name)), self._dump(data))


def _checked(path: Path) -> bytes:
    """What ``_keep`` wrote.

    Raises:
        OSError: it is not there, or not what was written.
    """
    data = path.read_bytes() if is_file(path) else b""
    if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        raise OSError(f"{path} is damaged")
    return data[DIGEST:]


def _keep(path: Path, data: bytes) -> None:
    keep(path, lambda temporary: temporary.write_bytes(hashlib.sha256(data).digest() + data))


def kernel(function: Function, **more: bool) -> Function:
    """Compile a function, which may make arrays, without the interpreter lock: threads share the bands of a picture.

    And without ``fastmath``: where sums may be taken in another order, code that was just compiled, a part of its
    caller, and the same code out of the cache gave pictures that differed in a few bytes of ten million.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", **more}
    made = numba.njit(cache=_cache_possible(), **options)(function)
    cache = getattr(made, "_cache", None)
    if cache is not None and hasattr(cache, "_cache_file"):
        held = cache._cache_file
        cache._cache_file = _CheckedCache(held._cache_path, f"{cache._impl.filename_base}.sha256", held._source_stamp)
    return cast(Function, made)


def inner_kernel(function: Function) -> Function:
    """Compile a function that makes none: it does not count the owners of those that it is given.

    Counting is a locked instruction each time an array gets a name, and takes most of the time of small functions.
    """
    return kernel(function, _nrt=False)


def part_of_kernel(function: Function) -> Function:
    """``inner_kernel`` that becomes part of its callers: a call takes longer than a few lines of work."""
    return kernel(function, _nrt=False, forceinline=True)


@kernel
def to_screen(vertices: Floats, matrix: Matrix, width: int, height: int) -> Doubles:
    """(V, 4): x and y in samples from the top left corner, normalised depth, 1 / w (0 for points behind the camera)."""
    screen = np.empty((len(vertices), 4), dtype=np.float64)
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        w = matrix[3, 0] * x + matrix[3, 1] * y + matrix[3, 2] * z + matrix[3, 3]
        if not w > 1e-12:
            screen[i, :] = 0.0
            continue
        inverse = 1.0 / w
        cx = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]) * inverse
        cy = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]) * inverse
        cz = (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]) * inverse
        if not (cz >= -1.0 and cz <= 1.0 and abs(cx) < 1e6 and abs(cy) < 1e6):
            screen[i, :] = 0.0
            continue
        screen[i, 0] = (0.5 + 0.5 * cx) * width
        screen[i, 1] = (0.5 - 0.5 * cy) * height
        screen[i, 2] = cz
        screen[i, 3] = inverse
    return screen
