"""Files that appear whole or not at all, and archives of arrays that are checked before they are believed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from tokenize import TokenError
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError
from sedtalker.reading import is_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


def user_cache() -> Path:
    """The folder of this user where work that can be done again is kept: ``$XDG_CACHE_HOME/sedtalker``."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sedtalker"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, of the same ending, that takes its place when the block ends well.

    When the block fails, nothing of it is left and what stood at ``path`` is untouched.

    Raises:
        InputError: the disk is full, the folder is not there or must not be written to.
    """
    temporary = path.parent / f".{path.stem}.{os.getpid()}-{get_ident()}{path.suffix}"
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and temporary.name not in str(error.filename) and str(path) != error.filename:
            raise  # something else that the block has opened
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path, force: bool) -> None:
    """Raise ``InputError`` when a single result file already exists and ``force`` is off, or a folder is there."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to overwrite")


# --- Several results at once.

LEFT_OVER = ".sedtalker-"
"""How the folders begin in which results are written before they are moved to their place."""
ABANDONED = 24 * 3600.0
"""Seconds after which such a folder is that of a program that was killed, and is removed."""


class OutputFolder:
    """A folder of results that are written beside their place and moved in when all of them are done.

    Raises:
        InputError: on entry, when a result already exists and ``force`` is off, or the folder cannot be made; at the
            end, when a result cannot be moved to its place.
    """

    def __init__(self, folder: Path, names: Sequence[str], force: bool):
        self.folder, self.names, self.force = folder, tuple(names), force

    def __enter__(self) -> OutputFolder:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file: the results need a folder; name one with --output")
        for path in (self.folder / name for name in self.names):
            if path.is_dir():
                raise InputError(f"{path} is a folder where a result would go; use --output for another place")
            if path.exists() and not self.force:
                raise InputError(f"{path} exists; use --force to overwrite or --output for another folder")
        self.made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=LEFT_OVER, dir=self.folder))
        except OSError as error:
            self._remove_made()
            raise InputError(f"{self.folder}: cannot write there ({error.strerror})") from None
        self._remove_abandoned()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for name in self.names:
                    (self.path / name).replace(self.folder / name)
        except OSError as problem:
            raise InputError(f"{self.folder / name}: cannot be written ({problem.strerror})") from None
        finally:
            shutil.rmtree(self.path, ignore_errors=True)
            if kind is not None:
                self._remove_made()
        if isinstance(error, InputError) and str(self.path) in str(error):  # name the place that the user knows
            raise InputError(str(error).replace(str(self.path), str(self.folder))) from None

    def _remove_made(self) -> None:
        """Remove the folders made on entry, as far as nobody else has put something there."""
        with suppress(OSError):
            for folder in self.made:
                folder.rmdir()

    def _remove_abandoned(self) -> None:
        """Remove what killed runs have left here."""
        with suppress(OSError):
            for folder in self.folder.glob(f"{LEFT_OVER}*"):
                if folder.is_dir() and time.time() - folder.stat().st_mtime > ABANDONED:
                    shutil.rmtree(folder, ignore_errors=True)


# --- Archives of arrays (.npz) from elsewhere.

UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, MemoryError, NotImplementedError,
    RuntimeError, OverflowError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What ``zipfile`` and numpy raise on damaged archives, and parsers of plain data on what is in them."""
MOST_BYTES = 4 << 30
"""What an archive may hold unpacked, unless its reader says otherwise."""
MOST_ARRAYS = 4096
"""How many arrays an archive may hold."""


@dataclass(frozen=True)
class ArraySpec:
    """What an array of an archive must be.

    Attributes:
        kind: letters of numpy's kinds that it may be of: ``f`` numbers, ``iu`` whole numbers, ``b`` truth, ``U`` text.
        shape: a number must be met; a letter stands for the same size in every array of the archive.
        least: no value is smaller.
        most: no value is larger.
        optional: whether it may be absent.
    """

    kind: str
    shape: tuple[int | str, ...]
    least: float | None = None
    most: float | None = None
    optional: bool = False


def read_arrays(
    path: Path, schema: Mapping[str, ArraySpec], what: str, most_bytes: int = MOST_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file that may be damaged or made to do harm: nothing is unpickled, sizes are checked
    before anything is unpacked, and the arrays of ``schema`` are what they must be; numbers are finite.

    Args:
        path: the file.
        schema: by name; arrays that it does not name are read as they are.
        what: what the file should be, for error messages: ``a SEDTalker animation``.
        most_bytes: refuse more, unpacked.

    Raises:
        InputError: the file is missing, too large, or not that.
    """
    if not is_file(path):
        raise InputError(f"{path}: no such file")
    try:
        arrays = _unpack(path, most_bytes)
        sizes: dict[str, int] = {}
        for name, spec in schema.items():
            if name in arrays:
                _check_array(name, arrays[name], spec, sizes)
            elif not spec.optional:
                raise InputError(f"there is no array '{name}'")
    except InputError as error:
        raise InputError(f"{path}: not {what}: {error}") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: not {what}, or damaged ({type(error).__name__})") from None
    return arrays


def _unpack(path: Path, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Every array whose header claims as many bytes as its entry has."""
    import numpy as np

    arrays = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > most_bytes or len(entries) > MOST_ARRAYS:
            raise InputError(f"{len(entries)} arrays of {total / 2**20:.0f} MiB are too much")
        for entry in entries:
            with archive.open(entry) as stream:
                version = np.lib.format.read_magic(stream)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, _, dtype = read[version](stream)
                claimed = dtype.itemsize
                for size in shape:
                    claimed *= size
                if dtype.hasobject or claimed != entry.file_size - stream.tell():
                    raise InputError(f"the array '{entry.filename}' is not what it claims to be")
            with archive.open(entry) as stream:
                arrays[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def _check_array(name: str, array: NDArray[Any], spec: ArraySpec, sizes: dict[str, int]) -> None:
    """Raise ``InputError`` where an array is not as it must be; ``sizes`` are those of the letters so far."""
    import numpy as np

    wanted = "(" + ", ".join(map(str, spec.shape)) + ")"
    if array.dtype.kind not in spec.kind:
        raise InputError(f"'{name}' holds {array.dtype}")
    for size, expected in zip(array.shape, spec.shape, strict=False):
        if size != (expected if isinstance(expected, int) else sizes.setdefault(expected, size)):
            raise InputError(f"'{name}' has the shape {array.shape}, not {wanted}")
    if array.ndim != len(spec.shape):
        raise InputError(f"'{name}' has the shape {array.shape}, not {wanted}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"'{name}' holds values that are not numbers")
    if array.size and spec.least is not None and array.min() < spec.least:
        raise InputError(f"'{name}' holds values below {spec.least:g}")
    if array.size and spec.most is not None and array.max() > spec.most:
        raise InputError(f"'{name}' holds values above {spec.most:g}")
