"""Atomic writing of files, and ``.npz`` archives that are validated before use.

``sedtalker.staging`` describes how files are written and what happens to the files of a killed process.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError, written
from sedtalker.reading import is_file
from sedtalker.staging import Staging, appear, clear_left_over, is_staged

if TYPE_CHECKING:
    from numpy.typing import NDArray


_cleared: set[Path] = set()
"""Folders in which this process has looked for what killed programs left of single files: once is enough."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path of the same name that takes the place of ``path`` when the block ends well.

    When the block fails, nothing of it is left and what stood at ``path`` is untouched. What a killed program left in
    the folder is cleared; a folder that is not there is made.

    Raises:
        InputError: the disk is full, or the folder must not be written to.
    """
    temporary, staging = path, None
    try:
        if not is_staged(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if (folder := path.parent.absolute()) not in _cleared:
                clear_left_over(folder)
                _cleared.add(folder)
            staging = Staging(path.parent)
            temporary = staging.new / path.name
        yield temporary
        if staging is not None:
            os.replace(temporary, path)
    except BaseException as error:
        if staging is None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        named = Path(str(error.filename2 or error.filename or path))
        own = path.parent if staging is None else staging.path
        if named not in (path, *path.parents) and str(own) not in str(named):
            raise  # something else that the block has opened
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        if staging is not None:
            staging.close()


def write_text(path: Path, text: str) -> None:
    """Write a text (UTF-8), whole or not at all, see ``whole_file``; what is no UTF-8 in names of files becomes "?"."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")


@contextmanager
def whole_files(paths: Sequence[Path], force: bool = True) -> Iterator[list[Path]]:
    """Temporary paths, as ``whole_file`` gives one, for several results of a command.

    They appear when the block ends well: those of one folder together, several folders one after the other. Folders
    that are not there are made.

    Raises:
        InputError: as ``OutputFolder``.
    """
    with ExitStack() as stack:
        opened: dict[Path, OutputFolder] = {}
        for path in paths:
            if path.parent not in opened:
                names = [other.name for other in paths if other.parent == path.parent]
                opened[path.parent] = stack.enter_context(OutputFolder(path.parent, names, force))
        yield [opened[path.parent].path / path.name for path in paths]


_inputs: ContextVar[tuple[Path, ...]] = ContextVar("inputs", default=())
"""Files that the command reads, see ``inputs_kept``."""


@contextmanager
def inputs_kept(paths: Iterable[Path]) -> Iterator[None]:
    """No result may take the place of one of these files while the block runs, not even with ``force``."""
    token = _inputs.set(tuple(paths))
    try:
        yield
    finally:
        _inputs.reset(token)


def is_input(path: Path) -> bool:
    """Whether the command reads this file, see ``inputs_kept``."""
    return is_file(path) and any(is_file(other) and path.samefile(other) for other in _inputs.get())


def _check_no_input(path: Path) -> None:
    """Raise ``InputError`` where a result would replace a file that the command reads."""
    if is_input(path):
        raise InputError(f"{path}: this command reads this file and would overwrite it; name another place")


def check_writable(path: Path, force: bool) -> None:
    """Raise ``InputError`` when a single result file already exists and ``force`` is off, or a folder is there."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    _check_no_input(path)
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to overwrite")


def check_folder(folder: Path, force: bool) -> None:
    """Raise ``InputError`` when a folder of results holds something and ``force`` is off, or a file is there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder")
    if folder.is_dir() and not force and any(folder.iterdir()):
        raise InputError(f"{folder} exists; use --force to overwrite")


LONGEST_NAME = 120
"""Bytes that are kept of the name of a file that somebody sends."""


def plain_name(given: str, otherwise: str) -> str:
    """A file name without folders and signs that a system could not take; its ending stays."""
    name = Path(given.replace("\\", "/")).name
    name = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in name).strip(" .")
    stem, suffix = Path(name).stem, Path(name).suffix[:20]
    room = LONGEST_NAME - len(suffix.encode("utf-8", "replace"))  # systems count bytes
    kept = stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{kept}{suffix}" or otherwise


# --- The user's cache: work that can be done again.


def user_cache() -> Path:
    """The folder of this user where work that can be done again is kept, where the system has such folders:
    ``$XDG_CACHE_HOME/sedtalker``, or ``~/.cache``, ``~/Library/Caches`` or ``%LOCALAPPDATA%``.

    A user without a home has none that can be written, see ``keep``.
    """
    import platformdirs

    try:
        return platformdirs.user_cache_path("sedtalker", appauthor=False)
    except RuntimeError:  # no HOME, and no entry of this user
        return Path(os.devnull) / "sedtalker"


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file of a cache, in a folder that is made, whole or not at all: ``write`` gets another path beside it.

    A cache that cannot be written only costs time.
    """
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            write(temporary)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for files of this process alone (in ``$TMPDIR``), readable by this user alone and removed at the end.

    That of a process that was killed is removed by the next one that asks for such a folder.
    """
    try:
        root = Path(tempfile.gettempdir())
        clear_left_over(root)
        staging = Staging(root)
    except OSError as error:
        raise InputError(f"there is no folder for temporary files ({error.strerror or error}); set TMPDIR") from None
    try:
        yield staging.new
    finally:
        staging.close()


# --- Several results at once.


class OutputFolder:
    """A folder of results that are made beside their place and appear when all of them are done.

    Args:
        folder: where they appear; it is made where it is missing.
        names: of the results; None: all that the block writes, which may replace others.
        outdated: whether a file of this name, of an earlier run, vanishes where it is no result of this one.

    Attributes:
        path: where the block writes them.

    Raises:
        InputError: on entry, when a result already exists and ``force`` is off, or the folder cannot be made; at the
            end, when a result cannot be moved to its place.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str] | None,
        force: bool,
        outdated: Callable[[str], bool] | None = None,
    ):
        self.folder, self.names, self.force = folder, names, force or names is None
        self.outdated = outdated

    def __enter__(self) -> OutputFolder:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file: the results need a folder")
        clear_left_over(self.folder)
        clear_left_over(self.folder.parent)
        for path in (self.folder / name for name in self.names or ()):
            if path.is_dir():
                raise InputError(f"{path} is a folder where a result would go: name another place")
            _check_no_input(path)
            if path.exists() and not self.force:
                raise InputError(f"{path} exists; use --force to overwrite, or name another folder")
        if self.outdated is not None and self.folder.is_dir():
            for name in filter(self.outdated, os.listdir(self.folder)):
                _check_no_input(self.folder / name)
        self.made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            with written(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._staging = Staging(self.folder.parent if self.made else self.folder)
                self.path = self._staging.new
        except BaseException:
            self._remove_made()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        appeared = False
        try:
            if kind is None:
                self._check_written()
                appear(self._staging, self.folder, bool(self.made), self.force, self.outdated)
                appeared = True
        except OSError as problem:
            place = str(problem.filename2 or problem.filename or self.folder).replace(str(self.path), str(self.folder))
            raise InputError(f"{place}: cannot be written ({problem.strerror or problem})") from None
        finally:
            self._staging.close()
            if not appeared:
                self._remove_made()
        # name the place that the user knows
        if isinstance(error, InputError) and str(self.path) in str(error):
            raise InputError(str(error).replace(str(self.path), str(self.folder))) from None
        named = str(getattr(error, "filename2", None) or getattr(error, "filename", None) or self.path)
        if isinstance(error, OSError) and str(self.path) in named:  # one without a name came while it was written
            place = named.replace(str(self.path), str(self.folder))
            raise InputError(f"{place}: cannot be written ({error.strerror or error})") from None

    def _check_written(self) -> None:
        """Raise ``OSError`` where a result was announced and not written; what was not announced is no result."""
        for name in self.names or ():
            os.stat(self.path / name)
        for name in set(os.listdir(self.path)).difference(self.names) if self.names is not None else ():
            os.unlink(self.path / name)

    def _remove_made(self) -> None:
        """Remove the folders made on entry, as far as nobody else has put something there."""
        with suppress(OSError):
            for folder in self.made:
                folder.rmdir()


# --- Archives of arrays (.npz) from elsewhere.

UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, MemoryError, NotImplementedError,
    RuntimeError, OverflowError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What ``zipfile`` and numpy raise on damaged archives, and parsers of plain data on what is in them."""
MOST_ARCHIVE_BYTES = 2 << 30
"""What an archive may hold unpacked, unless its reader says otherwise."""
PACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}
"""Methods of archives, and how many bytes one byte may become (zlib, technical details: at most 1032 to 1)."""


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


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], level: int) -> None:
    """Write an ``.npz`` archive, whole or not at all, packed as far as a ``level`` of zlib says; nothing is pickled.

    The same arrays give the same bytes. ``numpy.savez_compressed`` knows level 6 alone.
    """
    import numpy as np

    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as z:
        for name, array in arrays.items():
            with z.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def read_arrays(
    path: Path, schema: Mapping[str, ArraySpec], what: str, most_bytes: int = MOST_ARCHIVE_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file that may be damaged or made to do harm: nothing is unpickled, sizes are checked
    before anything is unpacked, and the arrays of ``schema`` are what they must be; numbers are finite.

    Args:
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
        known = f", or damaged ({type(error).__name__})" if path.suffix.lower() == ".npz" else ": that is an .npz file"
        raise InputError(f"{path}: not {what}{known}") from None
    return arrays


def _unpack(path: Path, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Every array whose header claims as many bytes as its entry has."""
    import numpy as np

    arrays = {}
    with zipfile.ZipFile(path) as archive:
        check_entries(archive, path.stat().st_size, most_bytes, most_entries=4096)
        for entry in archive.infolist():
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


def check_entries(archive: zipfile.ZipFile, size: int, most_bytes: int, most_entries: int) -> None:
    """Raise ``InputError`` where an archive of ``size`` bytes claims more than it can hold, or than it may."""
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if total > most_bytes or len(entries) > most_entries:
        raise InputError(f"{len(entries)} arrays of {total / 2**20:.0f} MiB are too much")
    for entry in entries:
        if entry.file_size > entry.compress_size * PACKED.get(entry.compress_type, 0):
            raise InputError(f"the array '{entry.filename}' is not what it claims to be")
    if sum(entry.compress_size for entry in entries) > size:
        raise InputError("it claims more than its bytes")


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
