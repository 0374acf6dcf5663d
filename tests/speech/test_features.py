from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.arrays import Floats
from sedtalker.audio import load_audio
from sedtalker.audio.activity import speech_activity
from sedtalker.audio.audio import without_offset
from sedtalker.nn.calls import alone
from sedtalker.speech.encoder import MelEncoder, open_encoder
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


@pytest.fixture(scope="module")
def encoder() -> MelEncoder:
    made = open_encoder(articulates=False)
    assert isinstance(made, MelEncoder)
    return made


@pytest.mark.parametrize("offset", [0.003, -0.1])
def test_a_constant_offset_changes_no_feature(offset: float, encoder: MelEncoder) -> None:
    """In pauses an offset of .003 moved the lowest band by up to 7, natural logarithm."""
    sound = load_audio(SAMPLE).samples[: 4 * 16_000]
    moved = sound + np.float32(offset)
    one, other = analyse(sound), analyse(moved)
    np.testing.assert_allclose(other.mel, one.mel, atol=0.02)
    np.testing.assert_allclose(other.prosody, one.prosody, atol=0.02)
    assert np.array_equal(other.speech, one.speech)
    streamed, same = (alone(EncoderStream(encoder, 400).steps(samples)).features for samples in (sound, moved))
    np.testing.assert_allclose(same.mel, streamed.mel, atol=0.02)
    assert np.array_equal(same.speech, streamed.speech)


def _noisy_take(seed: int) -> Floats:
    """Two seconds of voice with a pause on either side, over audible noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(3 * 16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) * (1 + 0.3 * np.sin(8 * np.pi * time))
    spoken = (time > 0.5) & (time < 2.5)
    return (0.1 * voice * spoken + 4e-3 * rng.normal(size=len(time))).astype(np.float32)


@settings(max_examples=10)
@given(st.integers(0, 99), st.integers(0, 100), st.integers(0, 100))
def test_digital_silence_around_a_recording_changes_nothing_in_it(
    encoder: MelEncoder, seed: int, before: int, after: int
) -> None:
    """Noise counted as speech beside it, and a neutral voice was shown at .9 of an emotion in place of .2."""
    sound, frame = _noisy_take(seed), 320
    bare = analyse(sound)
    silence = (np.zeros(count * frame, np.float32) for count in (before, after))
    whole = np.concatenate([next(silence), sound, next(silence)])
    inside = slice(before, before + len(sound) // frame)
    padded = analyse(whole)
    (tracks, speech), (own, spoken) = padded.frames, bare.frames
    assert np.mean(speech[inside] != spoken) < 0.03
    assert not speech[: max(0, before - 5)].any()
    np.testing.assert_allclose(padded.means, bare.means, atol=0.05)
    np.testing.assert_allclose(tracks[inside][5:-5], own[5:-5], atol=0.02)
    found = speech_activity(tracks[:, 0], tracks[:, 2], 50.0)
    assert np.mean(found[inside] != speech_activity(own[:, 0], own[:, 2], 50.0)) < 0.03
    streamed = alone(EncoderStream(encoder, 10_000).steps(whole)).features
    assert np.array_equal(streamed.speech, speech)


def test_noise_between_two_takes_with_digital_silence_is_no_speech() -> None:
    takes = [_noisy_take(seed) for seed in (1, 2)]
    tracks, speech = analyse(np.concatenate([takes[0], np.zeros(2 * 16_000, np.float32), takes[1]])).frames
    times = np.arange(len(speech)) / 50
    voice = ((times > 0.5) & (times < 2.5)) | ((times > 5.5) & (times < 7.5))
    assert np.mean(speech == voice) > 0.95
    assert np.mean(speech_activity(tracks[:, 0], tracks[:, 2], 50.0) == voice) > 0.95


def test_digital_silence_after_an_offset_is_silent_at_once() -> None:
    made = without_offset(np.concatenate([_noisy_take(0) + np.float32(0.05), np.zeros(3200, np.float32)]))
    assert not made[-3200:].any()
