"""Speech features of recordings on disk: computed once for each model and sound, memory-mapped, safe to share.

A file is named by what the model's weights and the sound's bytes hash to, so neither renaming nor copying a recording
computes it again, and another model never reads a stale one. Files appear whole: any number of processes may fill one
cache at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, load_audio
from sedtalker.datasets.waveforms import save_array


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
