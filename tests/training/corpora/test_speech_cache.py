"""The cache of speech features."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from sedtalker.audio import Audio
from sedtalker.training.corpora.feature_store import SpeechCache


class Encoder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, audio: Audio) -> np.ndarray:
        self.calls += 1
        return audio.samples[:1600].reshape(-1, 16)


def sound(path: Path, seed: int) -> Path:
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(3200), 16_000)
    return path


def test_computed_once_for_each_sound_and_model(tmp_path: Path) -> None:
    first, second, encoder = sound(tmp_path / "a.wav", 0), sound(tmp_path / "b.wav", 1), Encoder()
    copy = Path(shutil.copy(first, tmp_path / "copy.wav"))
    cache = SpeechCache(tmp_path / "cache", "model one", encoder)
    values = cache.get(first)
    assert (values.shape, values.dtype) == ((100, 16), np.float16)
    assert isinstance(values, np.memmap)
    assert np.array_equal(cache.get(copy), values)
    assert not np.array_equal(cache.get(second), values)
    assert encoder.calls == 2
    SpeechCache(tmp_path / "cache", "model one", encoder).get(first)
    assert encoder.calls == 2
    SpeechCache(tmp_path / "cache", "model two", encoder).get(first)
    assert encoder.calls == 3


def test_many_writers_leave_whole_files_and_no_open_ones(tmp_path: Path) -> None:
    files = [sound(tmp_path / f"{i}.wav", i) for i in range(6)]
    caches = [SpeechCache(tmp_path / "cache", "model", Encoder()) for _ in range(8)]
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda cache: [np.array(cache.get(path)) for path in files], caches))
    assert all(np.array_equal(a, b) for row in results for a, b in zip(row, results[0], strict=True))
    assert sorted(path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()) == [".npy"] * 6
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 2
