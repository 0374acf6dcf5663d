"""Decoded waveforms in one memory-mapped file, so that training never decodes twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.whole_file import whole_file

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
            clips = [np.round(load_audio(path).samples * INT16_SCALE).astype(np.int16) for path in files]
            save_array(data, np.concatenate(clips))
            save_array(index, np.cumsum([0] + [len(clip) for clip in clips], dtype=np.int64))
        return WaveformStore(np.load(data, mmap_mode="r"), np.load(index))


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a ``.npy`` file, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
