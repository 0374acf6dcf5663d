"""Pickled dictionaries of arrays, as FLAME and VOCASET publish them; everything is checked before use."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.pickles import read_pickle
from sedtalker.reading import read_bytes

MOST_PICKLED = 2**30
"""Bytes of a pickle that is read."""
MOST_SHOWN = 8
"""How many times the size of the file its arrays may have together: a number of two bytes in a list becomes eight."""
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Types of numbers that arrays may hold."""
_DEEPEST = 32
"""Axes of an array."""


def read_array_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A pickled dictionary of arrays of numbers; lists of numbers are arrays, too.

    Raises:
        InputError: anything else.
    """
    data = read_bytes(path, "a pickle of arrays", MOST_PICKLED)
    try:
        held = read_pickle(io.BytesIO(data), _names(len(data)))
        if not isinstance(held, dict):
            raise InputError(f"it holds {type(held).__name__}")
        arrays = {str(name): _array(value) for name, value in held.items()}
        if sum(array.nbytes for array in arrays.values()) > MOST_SHOWN * len(data):
            raise InputError("its arrays are larger than the file")
        return arrays
    except InputError as error:
        raise InputError(f"{path}: not a pickled dictionary of arrays ({error})") from None


def _array(value: Any) -> NDArray[Any]:
    """A value as an array of numbers."""
    if isinstance(value, _Array):
        return value.array
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int | float | np.number | np.bool_) for number in numbers):
        raise InputError(f"one of its values is {type(value).__name__}")
    try:
        array = np.asarray(value)
    except (OverflowError, ValueError):
        raise InputError("one of its numbers is too large") from None
    if array.dtype.kind not in "biuf":
        raise InputError("one of its numbers is too large")
    return array


class _Type:
    """Stands for ``numpy.dtype``: a type of numbers, whose order of bytes comes later."""

    def __init__(self, text: Any, *_: Any):
        if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
            raise InputError("an array does not hold numbers")
        self.dtype = np.dtype(text)

    def build(self, state: Any) -> None:
        """See ``dtype.__setstate__``: the second is the order."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "=", "|"):
            raise InputError("the order of an array's bytes is not said")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for an array: what it begins as, then what it holds."""

    def __init__(self) -> None:
        self.array: NDArray[Any] = np.empty(0, np.uint8)

    def build(self, state: Any) -> None:
        """See ``ndarray.__setstate__``: (version,) shape, type, whether it is in Fortran's order, bytes."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise InputError("an array's contents are not said")
        shape, kind, fortran, raw = state[-4:]
        self.fill(shape, kind, "F" if fortran else "C", raw)

    def fill(self, shape: Any, kind: Any, order: str, raw: Any) -> None:
        """Take contents that are as many bytes as shape and type say."""
        if isinstance(raw, str):  # of Python 2
            raw = raw.encode("latin-1")
        if not isinstance(kind, _Type) or not isinstance(raw, bytes | bytearray) or not isinstance(shape, tuple):
            raise InputError("an array's contents are not bytes")
        if len(shape) > _DEEPEST or not all(type(size) is int and 0 <= size < 2**48 for size in shape):
            raise InputError("an array's shape is none")
        if math.prod(shape) * kind.dtype.itemsize != len(raw):
            raise InputError("an array does not hold as many numbers as it says")
        self.array = np.ndarray(shape, kind.dtype, raw, order="F" if order == "F" else "C")


def _names(size: int) -> Mapping[tuple[str, str], Any]:
    """What pickles of arrays call.

    Args:
        size: of the file; texts that become bytes are together no longer, however often one of them is named.
    """
    left = size

    def encoded(text: Any, code: Any) -> bytes:
        nonlocal left
        if not isinstance(text, str) or code not in ("latin1", "latin-1"):
            raise InputError("it asks for codecs.encode")
        left -= len(text)
        if left < 0:
            raise InputError("it holds more bytes than the file")
        return text.encode("latin-1")

    def empty(kind: Any, shape: Any, code: Any) -> _Array:
        return _Array()

    def uncalled(*_: Any) -> None:
        raise InputError("it makes an array that holds nothing")

    def scalar(kind: Any, raw: Any) -> Any:
        made = _Array()
        made.fill((), kind, "C", raw)
        return made.array[()]

    def from_buffer(raw: Any, kind: Any, shape: Any, order: Any, *_: Any) -> _Array:
        made = _Array()
        made.fill(shape, kind, order, raw)
        return made

    names: dict[tuple[str, str], Any] = {("numpy", "ndarray"): uncalled, ("numpy", "dtype"): _Type}
    for core in ("core", "_core"):
        names[f"numpy.{core}.multiarray", "_reconstruct"] = empty
        names[f"numpy.{core}.multiarray", "scalar"] = scalar
        names[f"numpy.{core}.numeric", "_frombuffer"] = from_buffer
    return {**names, ("_codecs", "encode"): encoded}
