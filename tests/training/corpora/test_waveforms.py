"""Decoded waveforms in one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from sedtalker.training.corpora.waveforms import WaveformStore


def test_clips_come_back_and_are_not_decoded_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [0.5 * rng.uniform(-1, 1, n) for n in (3000, 1700, 12000)]
    files = [tmp_path / f"{i}.wav" for i in range(3)]
    for path, clip in zip(files, clips, strict=True):
        soundfile.write(path, clip, 16_000)
    store = WaveformStore.open(files, tmp_path / "cache")
    assert len(store) == 3
    assert isinstance(store.samples, np.memmap)
    for number, clip in enumerate(clips):
        np.testing.assert_allclose(store[number], clip, atol=1e-4)
    sizes = [(p, p.stat().st_mtime_ns) for p in sorted((tmp_path / "cache").iterdir())]
    assert len(sizes) == 2
    WaveformStore.open(files, tmp_path / "cache")
    assert sizes == [(p, p.stat().st_mtime_ns) for p in sorted((tmp_path / "cache").iterdir())]
