"""Weights of other programs: named tensors of the files that ``torch.save`` writes, read as data.

torch's own reader, even with ``weights_only=True``, takes as much memory as a file claims before it looks whether the
numbers are there. Here the pickle within is read first, sizes are compared with the bytes that there are, and only
then are tensors made. Both layouts are read: the archive (since torch 1.6), and the older row of pickles and numbers.
"""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError
from sedtalker.pickles import read_pickle
from sedtalker.storage import UNREADABLE, check_entries

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "weights")
"""Keys under which other programs put the weights."""
PREFIXES = ("module.", "_orig_mod.", "_forward_module.")
"""What wrappers of models put before every name."""
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
"""Names of rows of numbers in files, and what they hold."""
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What the first two pickles of the older layout hold."""
MOST_PICKLED = 64 * 2**20
"""Bytes of the pickle in an archive, which holds names and shapes alone."""
MOST_PARTS = 200_000
"""Parts of an archive, one a tensor."""
MOST_SHOWN = 4
"""How many times the size of the file its tensors may have together; those that share numbers count each."""
_DEEPEST = 64
"""Axes of a tensor."""


def read_foreign_weights(path: Path) -> dict[str, Tensor]:
    """Named tensors of a ``.pth``, ``.pt`` or ``.ckpt`` file, wrappers taken off.

    Only tensors and plain containers are read: a file that wants to run code fails.

    Raises:
        InputError: not such a file, damaged, or there is more in it than weights.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"PK\x03\x04":
                return _named_tensors(*_from_row(data), len(data))
            with zipfile.ZipFile(file) as archive:
                return _named_tensors(*_from_archive(archive, len(data)), len(data))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError as error:
        raise InputError(f"{path}: not weights alone, and nothing else is read: {error}") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: not weights, or damaged ({str(error) or type(error).__name__})") from None


def _named_tensors(held: Any, numbers: Callable[[_Row], bytes], size: int) -> dict[str, Tensor]:
    """The tensors that a file of ``size`` bytes holds, wrappers taken off."""
    while isinstance(held, Mapping):
        inner = next((held[key] for key in WRAPPERS if isinstance(held.get(key), Mapping)), None)
        if inner is None:
            break
        held = inner
    shown = {str(k): v for k, v in held.items() if isinstance(v, _Shown)} if isinstance(held, Mapping) else {}
    if not shown:
        raise InputError("there are no named tensors in it")
    if sum(tensor.nbytes for tensor in shown.values()) > MOST_SHOWN * size:
        raise InputError("its tensors are larger than the file")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in shown):
            shown = {name.removeprefix(prefix): value for name, value in shown.items()}
    rows: dict[str, Tensor] = {}
    return {name: tensor.made(rows, numbers) for name, tensor in shown.items()}


# --- What the pickle says.


@dataclass(frozen=True)
class _Row:
    """Numbers of a file, of which tensors show parts: key, type by torch's name, bytes of one, count."""

    key: str
    kind: str
    width: int
    count: int


@dataclass(frozen=True)
class _Shown:
    """A tensor: which numbers of a row it shows."""

    row: _Row
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """It takes so many by itself."""
        return math.prod(self.size) * self.row.width

    def made(self, rows: dict[str, Tensor], numbers: Callable[[_Row], bytes]) -> Tensor:
        """The tensor; ``rows`` keeps what ``numbers`` has read, for others that share it."""
        import torch

        kind = getattr(torch, self.row.kind)
        if not self.nbytes:
            return torch.empty(self.size, dtype=kind)
        if self.row.key not in rows:
            rows[self.row.key] = torch.frombuffer(bytearray(numbers(self.row)), dtype=kind)
        return rows[self.row.key].as_strided(self.size, self.stride, self.offset)


@dataclass(frozen=True)
class _Kind:
    """A type of numbers that a pickle names; it is not called."""

    name: str


def _tensor(row: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Shown:
    """See ``torch._utils._rebuild_tensor_v2``; a tensor shows numbers of its row alone."""
    whole = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= _DEEPEST
    if not whole or not isinstance(row, _Row):
        raise InputError("a tensor has no shape")
    if not all(type(number) is int and 0 <= number < 2**48 for number in (offset, *size, *stride)):
        raise InputError("a tensor has no shape")
    last = offset + sum((number - 1) * step for number, step in zip(size, stride, strict=True))
    if math.prod(size) and last >= row.count:
        raise InputError("a tensor has more numbers than the file")
    return _Shown(row, offset, size, stride)


def _names() -> dict[tuple[str, str], Any]:
    """What files of weights call and name."""
    names: dict[tuple[str, str], Any] = {("torch", name): _Kind(kind) for name, kind in STORAGES.items()}
    names |= {("torch", kind): _Kind(kind) for kind in STORAGES.values()}
    return names | {
        ("torch.storage", "UntypedStorage"): _Kind("uint8"),
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        ("torch", "Size"): lambda sizes=(): tuple(sizes),
        ("collections", "OrderedDict"): lambda: {},
        ("collections", "Counter"): lambda counts=None: counts if isinstance(counts, dict) else {},
    }


def _row(mark: Any) -> _Row:
    """What a pickle says of numbers that are kept beside it: ("storage", type, key, device, count, …)."""
    if not isinstance(mark, tuple) or len(mark) < 5 or mark[0] != "storage":
        raise InputError("it refers to something outside")
    kind, key, count = mark[1], mark[2], mark[4]
    if not isinstance(kind, _Kind) or not isinstance(key, str) or type(count) is not int or count < 0:
        raise InputError("it refers to something outside")
    if len(mark) > 5 and mark[5] is not None:
        raise InputError("it shares numbers in a way that is no longer read; save it again with a newer torch")
    import torch

    return _Row(key, kind.name, getattr(torch, kind.name).itemsize, count)


# --- The two layouts.


def _from_archive(archive: zipfile.ZipFile, size: int) -> tuple[Any, Callable[[_Row], bytes]]:
    """What the pickle of an archive holds, and how its numbers are read; torch does not pack them."""
    check_entries(archive, size, size, MOST_PARTS)
    entries = {entry.filename: entry for entry in archive.infolist()}
    found = [name for name in entries if name.endswith("data.pkl")]
    if len(found) != 1 or entries[found[0]].file_size > MOST_PICKLED:
        raise InputError("it is an archive of something else")
    root = found[0].removesuffix("data.pkl")
    order = f"{root}byteorder"
    if order in entries and archive.read(order) != b"little":
        raise InputError("its numbers are of a machine with another order of bytes")

    def row(mark: Any) -> _Row:
        made = _row(mark)
        entry = entries.get(f"{root}data/{made.key}")
        if entry is None or entry.file_size != made.count * made.width:
            raise InputError("a tensor has more numbers than the file")
        return made

    with archive.open(found[0]) as stream:
        held = read_pickle(stream, _names(), row)  # type: ignore[arg-type]  # read and readline are all it needs
    return held, lambda row: archive.read(f"{root}data/{row.key}")


def _from_row(data: mmap.mmap) -> tuple[Any, Callable[[_Row], bytes]]:
    """The same of the older layout: five pickles, then for each key of the last one a count and so many numbers."""
    if read_pickle(data, {}) != MAGIC or read_pickle(data, {}) != PROTOCOL:  # type: ignore[arg-type]
        raise InputError("it is no file of torch")
    system, rows = read_pickle(data, {}), dict[str, _Row]()  # type: ignore[arg-type]
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise InputError("its numbers are of a machine with another order of bytes")

    def row(mark: Any) -> _Row:
        made = _row(mark)
        if made.count * made.width > len(data) or rows.setdefault(made.key, made) != made:
            raise InputError("a tensor has more numbers than the file")
        return made

    held = read_pickle(data, _names(), row)  # type: ignore[arg-type]
    keys, places = read_pickle(data, {}), dict[str, slice]()  # type: ignore[arg-type]
    for key in keys if isinstance(keys, list) else ():
        count = data.read(8)
        if not isinstance(key, str) or key not in rows or struct.pack("<q", rows[key].count) != count:
            raise InputError("its numbers are not those that it names")
        start = data.tell()
        places[key] = slice(start, start + rows[key].count * rows[key].width)
        if places[key].stop > len(data):
            raise InputError("a tensor has more numbers than the file")
        data.seek(places[key].stop)
    if rows.keys() - places.keys():
        raise InputError("its numbers are missing")
    return held, lambda row: data[places[row.key]]
