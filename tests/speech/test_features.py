from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.audio import load_audio
from sedtalker.speech.features import analyse, mel_filters
from sedtalker.speech.speech_stream import EncoderStream

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


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


@pytest.mark.parametrize("offset", [0.003, -0.1])
def test_a_constant_offset_changes_no_feature(offset: float) -> None:
    """In pauses an offset of .003 moved the lowest band by up to 7, natural logarithm."""
    sound = load_audio(SAMPLE).samples[: 4 * 16_000]
    moved = sound + np.float32(offset)
    one, other = analyse(sound), analyse(moved)
    np.testing.assert_allclose(other.mel, one.mel, atol=0.02)
    np.testing.assert_allclose(other.prosody, one.prosody, atol=0.02)
    assert np.array_equal(other.speech, one.speech)
    streamed, same = (EncoderStream(None, 400).push(samples).features for samples in (sound, moved))
    np.testing.assert_allclose(same.mel, streamed.mel, atol=0.02)
    assert np.array_equal(same.speech, streamed.speech)
