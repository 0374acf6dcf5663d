"""The cache of training: what is slow to compute is written once to disk and read through memory maps afterwards.

A key (a hash of everything a result depends on) names a folder or the files of one result. ``open_arrays`` builds
several ``.npy`` files item by item, so memory does not grow with the data; a build that was interrupted goes on where
it stopped; other processes that want the same wait for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.audio import load_audio
from sedtalker.errors import InputError
from sedtalker.processes import try_lock, wait_for_lock
from sedtalker.progress import Hook, no_progress
from sedtalker.storage import whole_file, write_text

Array = NDArray[Any]
Item = Mapping[str, Array]
"""What one recording adds to each array of a result, along the first axis."""
MakeItems = Callable[[int], Iterable[Item]]
"""``make(first)``: the items from the one numbered ``first`` on."""

JOURNAL_EVERY = 64
"""Items between two entries of the journal: at most so many are computed again after an interruption."""
READ_BYTES = 2**16
"""Bytes of a recording that tell it from another of its name and size: most clips of speech are hardly longer."""
STARTS = "starts"
"""The array of offsets, see ``open_arrays``."""
INT16_SCALE = 32767.0
"""Full scale of 16-bit samples."""


def cache_key(*parts: object) -> str:
    """A hash of JSON data, 16 hex digits long."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def sounds_key(files: Iterable[Path]) -> str:
    """A key of recordings: their names, their sizes, and of each the ``READ_BYTES`` in its middle.

    Raises:
        InputError: one is not there.
    """
    try:
        return cache_key(*([path.name, *_seen(path, path.stat().st_mtime_ns)] for path in files))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); sedtalker data index --force") from None


@cache
def _seen(path: Path, changed: int) -> tuple[int, str]:
    """Size and hash of a file that was ``changed`` at this time."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, (size - READ_BYTES) // 2))
        return size, hashlib.sha256(stream.read(READ_BYTES)).hexdigest()[:16]


def open_array(path: Path) -> Array:
    """A ``.npy`` file, memory-mapped."""
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def save_array(path: Path, array: Array) -> None:
    """Write a ``.npy`` file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def open_arrays(
    paths: Mapping[str, Path], make: MakeItems, step: str, total: int = 0, hook: Hook = no_progress
) -> dict[str, Array]:
    """The arrays of a result by name, memory-mapped; built first if the last of its files is missing.

    Args:
        paths: one ``.npy`` file an array, all in one folder; the last one marks the end of the build.
        make: gives the items; each has all the names of ``paths``. An item gives the length (1,) of its part as
            ``starts``, which becomes the offsets (items + 1,) of all parts.
        step: name of the work, for the hook.
        total: how many items there are, 0 if unknown.
    """
    last = list(paths.values())[-1]
    if not last.is_file():
        last.parent.mkdir(parents=True, exist_ok=True)
        with _alone(last.with_name(f".{last.stem}.partial")) as folder:
            if not last.is_file():
                _build(folder, paths, make, partial(hook, step), total)
        shutil.rmtree(folder, ignore_errors=True)
    return {name: open_array(path) for name, path in paths.items()}


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """A folder to build in, once no other process does; where files have no locks, one of this process' own."""
    while True:
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # the process that had it has just ended
            descriptor = os.open(folder / "owner", os.O_RDWR | os.O_CREAT)
            break
    try:
        if try_lock(descriptor) is None:
            folder = folder.with_name(f"{folder.name}-{os.getpid()}")
            folder.mkdir(exist_ok=True)
        else:
            wait_for_lock(descriptor, math.inf)
        yield folder
    finally:
        os.close(descriptor)


def _build(
    folder: Path, paths: Mapping[str, Path], make: MakeItems, progress: Callable[[int, int], None], total: int
) -> None:
    """Append the items of all arrays to raw files in a folder, then turn those into ``.npy`` files."""
    with _PartialBuild(folder, tuple(paths)) as build:
        progress(build.items, total)
        for item in make(build.items):
            build.append(item)
            if not total or build.items < total:
                progress(build.items, total)
        build.flush()
        for name, path in paths.items():
            with whole_file(path) as temporary:
                build.write(name, temporary)
        progress(max(build.items, 1), max(build.items, 1))


@dataclass
class _PartialBuild:
    """One raw file an array in a folder, and a journal of what they hold; a context manager."""

    folder: Path
    names: tuple[str, ...]
    items: int = 0
    shapes: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    """Type and shape beyond the first axis of each array."""
    streams: dict[str, BinaryIO] = field(default_factory=dict)

    def __enter__(self) -> _PartialBuild:
        sizes = self._read_journal()
        for name in self.names:
            stream = (self.folder / name).open("r+b" if sizes else "w+b")
            stream.truncate(sizes.get(name, 0))
            stream.seek(0, os.SEEK_END)
            self.streams[name] = stream
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self.streams.values():
            stream.close()

    def _read_journal(self) -> dict[str, int]:
        """Sizes in bytes of the raw files when the journal was written; empty where there is none to go on from."""
        try:
            entry = json.loads((self.folder / "journal.json").read_text())
            sizes = {name: int(entry["sizes"][name]) for name in self.names}
            shapes = {name: (str(entry["shapes"][name][0]), list(entry["shapes"][name][1])) for name in self.names}
            if any((self.folder / name).stat().st_size < size for name, size in sizes.items()):
                return {}
            self.items, self.shapes = int(entry["items"]), shapes
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return {}
        return sizes

    def append(self, item: Item) -> None:
        """Add one item; all items agree in type and in shape beyond the first axis."""
        for name in self.names:
            array = np.asarray(item[name])
            self.shapes.setdefault(name, (array.dtype.str, list(array.shape[1:])))
            self.streams[name].write(np.ascontiguousarray(array).tobytes())
        self.items += 1
        if self.items % JOURNAL_EVERY == 0:
            self.flush()

    def flush(self) -> None:
        """Bring everything to disk, then say so in the journal."""
        for stream in self.streams.values():
            stream.flush()
        sizes = {name: stream.tell() for name, stream in self.streams.items()}
        held = {"items": self.items, "sizes": sizes, "shapes": self.shapes}
        write_text(self.folder / "journal.json", json.dumps(held))

    def write(self, name: str, path: Path) -> None:
        """Write one array as a ``.npy`` file."""
        if name not in self.shapes:  # no items at all
            save_array(path, np.zeros(1, np.int64) if name == STARTS else np.zeros(0, np.float32))
            return
        kind, shape = np.dtype(self.shapes[name][0]), self.shapes[name][1]
        stream = self.streams[name]
        count = stream.tell() // max(1, kind.itemsize * int(np.prod(shape)))
        stream.seek(0)
        with path.open("wb") as out:
            if name == STARTS:
                np.save(out, starts_of(np.frombuffer(stream.read(), kind)), allow_pickle=False)
                return
            header = {"descr": kind.str, "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(out, header)
            shutil.copyfileobj(stream, out)


# --- Decoded waveforms of many files in one array, so that training never decodes twice.


@dataclass(frozen=True, eq=False)
class WaveformStore:
    """16 kHz mono waveforms.

    Attributes:
        samples: (total,) int16, memory-mapped; all clips one after another.
        starts: (clips + 1,) int64 offsets into ``samples``.
        key: of the files that it was made of.
    """

    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    key: str = ""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Floats:
        """Clip ``index`` as float32 (N,) in [-1, 1]."""
        return self.samples[self.starts[index] : self.starts[index + 1]].astype(np.float32) / INT16_SCALE

    @staticmethod
    def open(files: Sequence[Path], cache: Path, hook: Hook = no_progress) -> WaveformStore:
        """The store of these files, decoded on first use."""
        key = sounds_key(files)
        paths = {"samples": cache / f"waveforms-{key}.npy", STARTS: cache / f"waveforms-{key}-starts.npy"}
        made = open_arrays(paths, lambda first: map(_decoded, files[first:]), "decoding recordings", len(files), hook)
        return WaveformStore(made["samples"], made[STARTS], key)


def _decoded(path: Path) -> dict[str, Array]:
    samples = np.round(load_audio(path).samples * INT16_SCALE).astype("<i2")
    return {"samples": samples, STARTS: np.array([len(samples)], np.int64)}


def starts_of(lengths: Array) -> NDArray[np.int64]:
    """(N + 1,) offsets of N parts that lie one after another."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
