"""FBX 7.4's container: records of values, and records inside them.

Described by the Blender Foundation ("FBX binary file format specification", 2013); the footer is that of files by
Autodesk's FBX SDK.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sedtalker.errors import InputError

MOST_FBX_BYTES = 2**32 - 1
"""Largest file: version 7.4 counts its bytes with 32 bits."""
VERSION = 7400
"""Version of the format: 7.4."""
CREATED = b"1970-01-01 10:00:00:000"
"""The time of creation that ``FILE_ID`` and ``_FOOT_ID`` belong to: a fixed one, for the same bytes every time."""
FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
"""That of ``CREATED``."""
_FOOT_ID = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
"""The same at the end of the file."""
_END = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
"""The last bytes of every file."""


@dataclass
class Record:
    """A record: a name, values, and records inside. Arrays are numpy's; int is 32 bits, ``np.int64`` 64."""

    name: str
    values: tuple[Any, ...] = ()
    inner: list[Record] = field(default_factory=list)


def encoded(records: Sequence[Record]) -> Iterator[bytes]:
    """The bytes of a file with these records, piece by piece.

    Raises:
        InputError: there are more than the format counts.
    """
    place = 27
    yield b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", VERSION)
    for record in records:
        written = _encoded(record, place)
        place += len(written)
        yield written
    place += 13 + 16 + 4
    yield bytes(13) + _FOOT_ID + bytes(4) + bytes(16 - place % 16) + struct.pack("<I", VERSION) + bytes(120) + _END


def _encoded(record: Record, place: int) -> bytes:
    """The bytes of a record that begins at ``place``; where it ends is in them."""
    name, values = record.name.encode(), b"".join(_value(value) for value in record.values)
    inner, begin = [], place + 13 + len(name) + len(values)
    for one in record.inner:
        inner.append(_encoded(one, begin))
        begin += len(inner[-1])
    if record.inner or not record.values:
        inner.append(bytes(13))  # the end of what is inside
        begin += 13
    if begin > MOST_FBX_BYTES:
        raise InputError("more than 4 GiB; write glb or usd")
    head = struct.pack("<IIIB", begin, len(record.values), len(values), len(name))
    return b"".join([head, name, values, *inner])


_ARRAYS = {np.dtype(np.float64): b"d", np.dtype(np.float32): b"f", np.dtype(np.int64): b"l", np.dtype(np.int32): b"i"}
"""Letters of arrays by the kind of their numbers."""


def _value(value: Any) -> bytes:
    """A value with the letter of its kind before it."""
    if isinstance(value, np.ndarray):
        packed = zlib.compress(np.ascontiguousarray(value).tobytes(), 6)
        return _ARRAYS[value.dtype] + struct.pack("<III", value.size, 1, len(packed)) + packed
    if isinstance(value, str):
        text = value.encode(errors="replace")
        return b"S" + struct.pack("<I", len(text)) + text
    if isinstance(value, bytes):
        return b"R" + struct.pack("<I", len(value)) + value
    kind, form = (
        (b"D", "<d") if isinstance(value, float) else (b"L", "<q") if isinstance(value, np.int64) else (b"I", "<i")
    )
    return kind + struct.pack(form, value)


def one(name: str, value: Any) -> Record:
    """A record of one value."""
    return Record(name, (value,))


def named(name: str, kind: str, label: str, *values: Any, flags: str = "") -> Record:
    """A property of an object: its kind, a label, and flags (``A``: can be animated, ``U``: the user's)."""
    return Record("P", (name, kind, label, flags, *values))


def properties(*inner: Record) -> Record:
    """The properties of an object."""
    return Record("Properties70", (), list(inner))
