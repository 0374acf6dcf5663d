"""Features of sound that is still going on equal those of the recording so far."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import from_samples
from sedtalker.nn.calls import alone
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from sedtalker.speech.features import PITCH_WINDOW, pitch_frames, prosody_tracks
from sedtalker.speech.speech_stream import ALIGNMENT, EncoderStream, likely_lags

HOP = 5120


def voice_like(seconds: float, seed: int) -> np.ndarray:
    """Harmonics with a moving pitch, level and pauses, over faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    pitch = rng.uniform(90, 220) * (1 + 0.2 * np.sin(rng.uniform(1, 4) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    wave = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 25))
    knots = np.arange(0.0, seconds + 1.0, 0.7)
    level = np.interp(time, knots, 10 ** rng.uniform(-2.2, -0.5, len(knots)))
    talks = np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * time) > -0.6
    return (0.2 * level * talks * wave + 1e-4 * rng.normal(size=len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> MelEncoder:
    torch.manual_seed(0)
    config = SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))
    return MelEncoder(SpeechEncoder(config).eval().requires_grad_(False))


@settings(max_examples=8)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(0, HOP - 1))
def test_while_everything_is_kept_it_equals_encode(encoder, seed, hops, rest):
    sound = voice_like((hops * HOP + rest) / 16_000, seed)
    stream = EncoderStream(encoder, 10_000)
    for start in range(0, len(sound), HOP):
        latest = alone(stream.steps(sound[start : start + HOP]))
    whole = encoder(from_samples(sound, 16_000))
    assert (latest.first, latest.total, len(latest.features)) == (0, len(whole), len(whole))
    assert latest.features.clock == whole.clock
    for name in ("mel", "prosody", "hidden"):
        assert np.abs(getattr(latest.features, name) - getattr(whole, name)).max() < 2e-2, name
    assert np.array_equal(latest.features.speech, whole.speech)


def test_what_has_left_the_buffer_still_counts(encoder):
    sound = np.concatenate([0.05 * voice_like(12, 3), voice_like(12, 4)])
    stream, kept = EncoderStream(encoder, 150), []
    for start in range(0, len(sound), HOP):
        latest = alone(stream.steps(sound[start : start + HOP]))
        kept.append(len(latest.features))
        if start % (10 * HOP) == 0 and latest.first:
            whole = encoder(from_samples(sound[: start + HOP], 16_000))
            now, since = slice(ALIGNMENT, None), slice(latest.first + ALIGNMENT, None)
            assert np.abs(latest.features.mel[now] - whole.mel[since]).max() < 0.02
            assert np.abs(latest.features.prosody[now] - whole.prosody[since]).max() < 2e-3
            assert np.mean(latest.features.speech[now] != whole.speech[since]) < 0.01
    assert max(kept) < 150 + 4 * ALIGNMENT, "the buffer does not grow"
    assert latest.features.clock.offset == pytest.approx(0.01 + latest.first / 50)


def test_silence_is_heard_without_a_warning(encoder):
    stream = EncoderStream(encoder, 100)
    for _ in range(20):
        latest = alone(stream.steps(np.zeros(HOP, np.float32)))
    assert np.isfinite(latest.features.mel).all()
    assert np.isfinite(latest.features.hidden).all()
    assert not latest.features.prosody[:, 2].any()


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_a_few_lags_say_the_pitch_under_any_gain(seed, gain):
    frames = pitch_frames(voice_like(2, seed)[: 39 * PITCH_WINDOW].reshape(-1, PITCH_WINDOW))
    few, every = prosody_tracks(likely_lags(frames), gain), prosody_tracks(frames, gain)
    assert np.array_equal(few[:, :2], every[:, :2])
    assert np.abs(few[:, 2] - every[:, 2]).max() < 0.01
