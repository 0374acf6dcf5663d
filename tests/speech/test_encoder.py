from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import from_samples
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig, analyse, encode, load_encoder
from sedtalker.speech.features import FRAME_CLOCK, centre_bands, level_gain, log_mel, prosody, speech_mask


def _speechlike(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(int(16000 * seconds)) / 16000
    tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    return (0.1 * tone * (np.sin(2 * np.pi * 2.5 * t) > 0) + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def _encoder(channels: int = 16) -> SpeechEncoder:
    torch.manual_seed(0)
    return SpeechEncoder(SpeechEncoderConfig(channels=channels)).eval()


@settings(max_examples=10, deadline=None)
@given(st.integers(1600, 40_000))
def test_frames_cover_the_audio(count):
    features = encode(_encoder(), from_samples(_speechlike(3)[:count], 16000))
    assert len(features) == -(-count // 320)
    assert features.hidden.shape == (len(features), 16)
    assert features.mel.shape == (len(features), 80)
    assert features.prosody.shape == (len(features), 4)
    assert features.speech.dtype == np.bool_
    assert features.clock == FRAME_CLOCK


def test_windows_equal_one_pass():
    samples = torch.from_numpy(_speechlike(75))
    scaled = samples[None] * level_gain(samples[None])
    mel, track = log_mel(scaled), prosody(scaled)
    speech = speech_mask(mel)
    windowed = analyse(samples)
    centred = centre_bands(mel, speech)
    assert torch.allclose(windowed[0], centred[0], atol=1e-4)
    assert torch.allclose(windowed[1], track[0], atol=1e-4)
    encoder = _encoder()
    with torch.no_grad():
        whole = encoder(centred)[0].numpy()
    assert np.abs(encode(encoder, from_samples(samples.numpy(), 16000)).hidden - whole).max() < 1e-4


def test_a_hidden_vector_sees_its_context_only():
    encoder, mel = _encoder(), torch.randn(1, 400, 80)
    changed = mel.clone()
    changed[0, 200:202] += 1.0
    with torch.no_grad():
        moved = np.flatnonzero((encoder(changed) - encoder(mel)).abs().amax(-1)[0] > 1e-7)
    assert moved.min() >= 100 - encoder.context
    assert moved.max() <= 100 + encoder.context


def test_level_and_microphone_hardly_matter():
    sound = _speechlike(2)
    loud, quiet = (encode(_encoder(), from_samples(g * sound, 16000)).mel for g in (0.8, 0.01))
    assert np.abs(loud - quiet).mean() < 0.05


def test_silence_is_encoded():
    features = encode(_encoder(), from_samples(np.zeros(8000, np.float32), 16000))
    assert np.isfinite(features.hidden).all()


def test_builtin_encoder_hears_phones():
    encoder = load_encoder()
    assert sum(p.numel() for p in encoder.parameters()) < 1.5e6
    features = encode(encoder, from_samples(_speechlike(1), 16000))
    posterior = torch.softmax(encoder.phones(torch.from_numpy(features.hidden)), -1)
    assert posterior.shape == (50, 40)
    assert torch.allclose(posterior.sum(-1), torch.ones(50), atol=1e-5)


@pytest.mark.parametrize("frames", [2, 4])
def test_shortest_input(frames):
    assert _encoder()(torch.zeros(1, frames, 80)).shape == (1, frames // 2, 16)
