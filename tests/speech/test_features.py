from __future__ import annotations

import numpy as np
import pytest

from sedtalker.speech.features import mel_filters


def test_mel_filters_are_slaneys() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 257)
    assert filters.dtype == np.float32
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    assert ((filters > 0).sum(axis=1) > 0).all()
    assert filters.sum() == pytest.approx(2.5583, rel=1e-4)


def test_they_equal_those_of_librosa_bit_for_bit() -> None:
    """The shipped weights were trained on librosa's."""
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80, fmax=8000.0)
    assert np.array_equal(mel_filters(), theirs)
