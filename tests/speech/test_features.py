from __future__ import annotations

import pytest
import torch

from sedtalker.speech.features import mel_filters


def test_mel_filters_are_slaneys() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 257)
    assert filters.dtype == torch.float32
    peaks = filters.argmax(dim=1)
    assert (peaks.diff() >= 0).all()
    assert ((filters > 0).sum(dim=1) > 0).all()
    torch.testing.assert_close(filters.sum(), torch.tensor(2.5583), rtol=1e-4, atol=0)


def test_they_equal_those_of_librosa_bit_for_bit() -> None:
    """The shipped weights were trained on librosa's."""
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80, fmax=8000.0)
    assert torch.equal(mel_filters(), torch.from_numpy(theirs))
