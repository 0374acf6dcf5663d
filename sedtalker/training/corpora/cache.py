"""The cache of training: what is slow to compute is written once to disk and read through memory maps afterwards.

A key (a hash of everything a result depends on) names a folder or the files of one result. ``open_arrays`` builds
several ``.npy`` files item by item, so memory does not grow with the data; a build that was interrupted goes on where
it stopped; other processes that want the same wait for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.audio import load_audio
from sedtalker.errors import InputError, written
from sedtalker.processes import file_lock
from sedtalker.progress import Hook, no_progress
from sedtalker.storage import whole_file

Array = NDArray[Any]
Item = Mapping[str, Array]
"""What one recording adds to each array of a result, along the first axis."""
MakeItems = Callable[[int], Iterable[Item]]
"""``make(first)``: the items from the one numbered ``first`` on."""

PART = 64
"""Items that are written together: at most so many are computed again after an interruption."""
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
        folder = last.with_name(f".{last.stem}.partial")
        with written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with file_lock(folder / "lock"):
                if not last.is_file():
                    _build(folder, paths, make, partial(hook, step), total)
        except (OSError, InputError):  # where there are no locks, another process has built it and taken the parts
            if not last.is_file():
                raise
        shutil.rmtree(folder, ignore_errors=True)
    return {name: open_array(path) for name, path in paths.items()}


def _build(
    folder: Path, paths: Mapping[str, Path], make: MakeItems, progress: Callable[[int, int], None], total: int
) -> None:
    """Write the items in parts of ``PART`` into a folder, go on after those that are there, then join them."""
    names = list(paths)
    count = sum(1 for _ in folder.glob(f"*-{names[-1]}.npy"))
    done = min(count * PART, total or count * PART)
    progress(done, total)

    def reported() -> Iterator[Item]:
        for number, item in enumerate(make(done), done + 1):
            yield item
            if not total or number < total:
                progress(number, total)

    items = reported()
    while rows := list(islice(items, PART)):
        for name in names:
            save_array(folder / f"{count}-{name}.npy", np.concatenate([np.asarray(row[name]) for row in rows]))
        count, done = count + 1, count * PART + len(rows)
    for name, path in paths.items():
        parts = [folder / f"{k}-{name}.npy" for k in range(count)]  # opened one by one: there may be thousands
        if name == STARTS:
            lengths = [length for part in parts for length in np.load(part)]
            save_array(path, starts_of(np.array(lengths, np.int64)))
            continue
        first = open_array(parts[0]) if parts else np.zeros(0, np.float32)
        shape = sum(len(open_array(part)) for part in parts), *first.shape[1:]
        header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
        with whole_file(path) as temporary, temporary.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, header)
            out.writelines(open_array(part).tobytes() for part in parts)
    progress(max(done, 1), max(done, 1))


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


def open_samples(files: Iterable[Path], cache: Path, hook: Hook = no_progress) -> tuple[Floats, ...]:
    """Waveforms of a few files, in memory, decoded on first use."""
    store = WaveformStore.open(list(files), cache, hook)
    return tuple(store[index] for index in range(len(store)))


def _decoded(path: Path) -> dict[str, Array]:
    samples = np.round(load_audio(path).samples * INT16_SCALE).astype("<i2")
    return {"samples": samples, STARTS: np.array([len(samples)], np.int64)}


def starts_of(lengths: Array) -> NDArray[np.int64]:
    """(N + 1,) offsets of N parts that lie one after another."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
