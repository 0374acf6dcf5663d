"""Decoded waveforms in one memory-mapped file, so that training never decodes twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, load_audio
from sedtalker.storage import whole_file

INT16_SCALE = 32767.0


@dataclass(frozen=True, eq=False)
class WaveformStore:
    """16 kHz mono waveforms.

    Attributes:
        samples: (total,) int16, memory-mapped; all clips one after another.
        starts: (clips + 1,) int64 offsets into ``samples``.
    """

    samples: NDArray[np.int16]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Clip ``index`` as float32 (N,) in [-1, 1]."""
        return self.samples[self.starts[index] : self.starts[index + 1]].astype(np.float32) / INT16_SCALE

    @staticmethod
    def open(files: Sequence[Path], cache: Path) -> WaveformStore:
        """The store of these files, decoded on first use.

        The key is the list of names and sizes; concurrent builders each write their own file and the last rename wins.
        """
        names = json.dumps([[path.name, path.stat().st_size] for path in files])
        key = hashlib.sha256(names.encode()).hexdigest()[:16]
        data, index = cache / f"waveforms-{key}.npy", cache / f"waveforms-{key}-starts.npy"
        if not index.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            save_array(index, _decode(files, data))
        return WaveformStore(np.load(data, mmap_mode="r"), np.load(index))


def _decode(files: Sequence[Path], target: Path) -> NDArray[np.int64]:
    """Write the samples of all files into one ``.npy``, a file in memory at a time; returns the offsets."""
    starts = [0]
    with whole_file(target) as temporary, tempfile.TemporaryFile(dir=target.parent) as raw:
        for path in files:
            samples = np.round(load_audio(path).samples * INT16_SCALE).astype("<i2")
            raw.write(samples.tobytes())
            starts.append(starts[-1] + len(samples))
        raw.seek(0)
        with temporary.open("wb") as stream:
            header = {"descr": "<i2", "fortran_order": False, "shape": (starts[-1],)}
            np.lib.format.write_array_header_1_0(stream, header)
            shutil.copyfileobj(raw, stream)
    return np.array(starts, np.int64)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a ``.npy`` file, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


# --- Speech features of recordings on disk: computed once for each model and sound, memory-mapped, safe to share.


class SpeechCache:
    """Arrays (T, D) float16 by sound file."""

    def __init__(self, folder: Path, model: str, listen: Callable[[Audio], NDArray[np.floating]]):
        """``model`` is a hash of the weights behind ``listen``."""
        self.model, self.listen = model, listen
        self.folder = folder / f"speech-{model[:16]}"
        self._hashes: dict[Path, str] = {}

    def get(self, path: Path) -> NDArray[np.float16]:
        """What ``listen`` says of a sound file, memory-mapped."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        stored = self.folder / f"{self._hashes[path]}.npy"
        if not stored.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            save_array(stored, np.asarray(self.listen(load_audio(path)), np.float16))
        return np.load(stored, mmap_mode="r", allow_pickle=False)
