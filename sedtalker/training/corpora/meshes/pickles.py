"""Pickled dictionaries of arrays, as FLAME and VOCASET publish them, read as data.

Python's own reader gets stand-ins for a few names; what a file names is never imported. It is the reader written in
Python: the one in C takes memory for claimed numbers of the memo, and hashes any key.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.reading import read_bytes

LARGEST_PICKLE = 2**30
"""Bytes of a pickle that is read."""
MOST_INSTRUCTIONS = 1_000_000
"""Instructions of a pickle; arrays of any size are one, and a list of numbers has one for each."""
MOST_SHOWN = 8
"""How many times the size of the file its arrays may have together: a number of two bytes in a list becomes eight."""
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Types of numbers that arrays may hold."""


def read_array_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A pickled dictionary of arrays of numbers; lists of numbers are arrays, too.

    Raises:
        InputError: it is too large or damaged, or asks for anything else.
    """
    data = read_bytes(path, "a pickle of arrays", LARGEST_PICKLE)
    arrays, left = dict[str, NDArray[Any]](), MOST_SHOWN * len(data)
    try:
        held = _Reader(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(held, dict):
            raise InputError(f"it holds {type(held).__name__}")
        for name, value in held.items():
            arrays[str(name)] = array = _numbers(value)
            left -= array.nbytes
            if left < 0:
                raise InputError("its arrays are larger than the file")
    except Exception as error:  # whatever the reader and numpy raise on what is damaged
        said = error if isinstance(error, InputError) else f"damaged: {type(error).__name__}: {error}"
        raise InputError(f"{path}: not a pickled dictionary of arrays ({said})") from None
    return arrays


def _numbers(value: Any) -> NDArray[Any]:
    """A value as an array of numbers."""
    if isinstance(value, _Array):
        return value.array()
    for number in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(number, int | float | np.number | np.bool_):
            raise InputError(f"one of its values is {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise InputError("one of its numbers is too large")
    return array


# --- What stands for the names that pickles of arrays ask for.


class _Type:
    """For ``numpy.dtype``: a type of numbers, whose order of bytes comes later."""

    def __init__(self, text: str, *_: Any):
        if not _NUMBERS.fullmatch(text):
            raise InputError("an array does not hold numbers")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """For an array: shape, type, whether it is in Fortran's order, and its bytes, which may be text of Python 2."""

    state: Any = ((0,), _Type("u1"), False, b"")

    def __init__(self, *_: Any):
        """What an array begins as is not asked."""

    def __setstate__(self, state: Any) -> None:
        self.state = state[-4:]

    def array(self) -> NDArray[Any]:
        """The array; numpy compares its bytes with its shape."""
        shape, kind, fortran, raw = self.state
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        return np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C")


def _from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.state = (shape, kind, order == "F", raw)
    return made


def _scalar(kind: Any, raw: Any) -> Any:
    return _from_buffer(raw, kind, (), "C").array()[()]


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): lambda text, _: text,
}
"""Names and their stand-ins; numpy has moved some."""
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _Array
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_buffer


# --- The reader, with limits.


class _Plain(dict[Any, Any]):
    """A dictionary with plain keys: the hash of a deeply nested one never comes back, or crashes."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | bytes | int | float | None):
            raise InputError(f"a key of a dictionary is {type(key).__name__}")
        super().__setitem__(key, value)


def _dictionary(reader: Any) -> None:
    """What an instruction does that makes a dictionary; pickles fill it later."""
    reader.append(_Plain())


def _marked_dictionary(reader: Any) -> None:
    if reader.pop_mark():
        raise InputError("it makes a dictionary in a way that Python does not")
    _dictionary(reader)


def _build(reader: Any) -> None:
    """What the instruction does that gives an object its contents."""
    if not isinstance(reader.stack[-2], _Array | _Type):
        raise InputError(f"it gives attributes to {type(reader.stack[-2]).__name__}")
    reader.load_build()


class _Instructions(dict[int, Callable[[Any], None]]):
    """What the reader may do, so many times altogether."""

    left = MOST_INSTRUCTIONS

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.left -= 1
        if self.left < 0:
            raise InputError(f"it has over {MOST_INSTRUCTIONS} instructions")
        return super().__getitem__(code)


class _Reader(pickle._Unpickler):
    @property
    def dispatch(self) -> _Instructions:  # type: ignore[override]
        """The instructions that are obeyed, anew for each file: no sets, and of claimed bytes those that there are."""
        known = _Instructions(pickle._Unpickler.dispatch)
        known |= {pickle.EMPTY_DICT[0]: _dictionary, pickle.DICT[0]: _marked_dictionary, pickle.BUILD[0]: _build}
        known[pickle.BYTEARRAY8[0]] = known[pickle.BINBYTES8[0]]
        del known[pickle.ADDITEMS[0]], known[pickle.FROZENSET[0]]
        return known

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name."""
        if (module, name) not in _NAMES:
            raise InputError(f"it asks for {module[:100]}.{name[:100]}")
        return _NAMES[module, name]
