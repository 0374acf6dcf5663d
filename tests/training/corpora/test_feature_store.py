from __future__ import annotations

import numpy as np
import soundfile

from sedtalker.training.corpora.augmentation import SPEECH_RECIPE, Augmenter
from sedtalker.training.corpora.feature_store import open_features

AUGMENTER = Augmenter(SPEECH_RECIPE)


def _write(path, seconds=1.0, hertz=200.0):
    t = np.arange(int(16000 * seconds)) / 16000
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * hertz * t) * (t > 0.5 * seconds), 16000)
    return path


def test_features_are_computed_once_and_crops_keep_time(tmp_path):
    recordings = [("a", _write(tmp_path / "a.wav")), ("b", _write(tmp_path / "b.wav", 2.0))]
    store = open_features("test", recordings, 3, AUGMENTER, tmp_path / "cache", seed=1)
    again = open_features("test", recordings, 3, AUGMENTER, tmp_path / "cache", seed=1)
    assert store.copies == again.copies
    assert [c.copy for c in store.of("b")] == [0, 1, 2]
    assert store.of("b")[0].speed == 1.0
    for copy in store.of("b"):
        assert abs(copy.duration - 2.0) < 0.05
        crop = store.crop(copy, 0.0, 200)
        onset = crop.times[np.argmax(crop.prosody[:, 0] > crop.prosody[:, 0].max() - 4)]
        assert abs(onset - 1.0) < 0.08, copy


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
