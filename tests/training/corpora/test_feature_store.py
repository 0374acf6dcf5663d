from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.training.corpora.augmentation import SpeechAugmenter
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.feature_store import SpeechCache, open_features

AUGMENTER = SpeechAugmenter()


def _write(path, seconds=1.0, hertz=200.0):
    t = np.arange(int(16000 * seconds)) / 16000
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * hertz * t) * (t > 0.5 * seconds), 16000)
    return path


def test_features_are_computed_once_and_crops_keep_time(tmp_path):
    recordings = [("a", _write(tmp_path / "a.wav")), ("b", _write(tmp_path / "b.wav", 2.0))]
    store = open_features("test", recordings, 3, AUGMENTER, tmp_path / "cache")
    again = open_features("test", recordings, 3, AUGMENTER, tmp_path / "cache")
    assert store.copies == again.copies
    longer = [copy for copy in store.copies if copy.key == "b"]
    assert [c.copy for c in longer] == [0, 1, 2]
    assert longer[0].speed == 1.0
    for copy in longer:
        assert abs(copy.duration - 2.0) < 0.05
        crop = store.crop(copy, 0.0, 200)
        onset = crop.times[np.argmax(crop.prosody[:, 0] > crop.prosody[:, 0].max() - 4)]
        assert abs(onset - 1.0) < 0.08, copy


def test_other_recordings_of_the_same_number_names_and_sizes_are_computed_anew(tmp_path):
    for folder, hertz in (("one", 200.0), ("two", 330.0)):
        (tmp_path / folder).mkdir()
        _write(tmp_path / folder / "a.wav", hertz=hertz)
    made = {
        name: open_features("t", [(key, tmp_path / folder / "a.wav")], 1, AUGMENTER, tmp_path / "cache")
        for name, folder, key in (("first", "one", "a"), ("other", "two", "a"), ("again", "one", "a"))
    }
    values = {name: store.rows(store.copies[0]) for name, store in made.items()}
    assert np.array_equal(values["first"], values["again"])
    assert not np.array_equal(values["first"], values["other"])
    stores = [WaveformStore.open([tmp_path / folder / "a.wav"], tmp_path / "cache") for folder in ("one", "two")]
    assert stores[0].key != stores[1].key
    assert not np.array_equal(stores[0][0], stores[1][0])
    with pytest.raises(InputError, match=r"b\.wav: cannot be read"):
        WaveformStore.open([tmp_path / "b.wav"], tmp_path / "cache")


def test_crops_reach_beyond_the_recording(tmp_path):
    store = open_features("t", [("a", _write(tmp_path / "a.wav"))], 1, AUGMENTER, tmp_path / "cache")
    crop = store.crop(store.copies[0], -0.5, 200)
    assert crop.mel.shape == (200, 80)
    assert not crop.inside[:40].any()
    assert crop.inside[60:140].all()
    assert np.isfinite(crop.mel).all()


def test_tempo_stretches_times(tmp_path):
    store = open_features("t", [("a", _write(tmp_path / "a.wav", 3.0))], 1, AUGMENTER, tmp_path / "cache")
    crop = store.crop(store.copies[0], 0.0, 100, tempo=2.0)
    assert np.isclose(np.diff(crop.times), 0.02).all()


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
