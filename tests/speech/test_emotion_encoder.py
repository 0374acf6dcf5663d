"""The emotion encoder: bounded context, pairs of frames, and the same over a stream."""

from __future__ import annotations

import numpy as np
import torch

from sedtalker.audio import from_samples
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import GRID, EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder

SIZES = EmotionEncoderConfig(stem_channels=8, width=16, channels=12, dilations=(1, 2))


def _encoder() -> EmotionEncoder:
    torch.manual_seed(0)
    return EmotionEncoder(SIZES).eval().requires_grad_(False)


def test_frames_share_a_hidden_vector_in_pairs() -> None:
    hidden = _encoder()(torch.randn(1, 2 * 31, 80))
    assert hidden.shape == (1, 31, 12)
    assert torch.equal(hidden[:, 0:30:2], hidden[:, 1:31:2])


def test_a_window_that_begins_at_an_even_frame_equals_one_pass() -> None:
    encoder, mel = _encoder(), torch.randn(1, 2 * 200, 80)
    whole, context = encoder(mel), encoder.config.context
    assert context % GRID == 0
    start = 60
    window = encoder(mel[:, 2 * (start - context) : 2 * (start + 40 + context)])
    assert torch.allclose(window[:, context : context + 40], whole[:, start : start + 40], atol=1e-5)


def test_the_long_term_spectrum_is_read_and_the_level_is_not() -> None:
    rng = np.random.default_rng(0)
    sound = (rng.standard_normal(32000) * np.repeat([0.02, 0.2, 0.05, 0.1], 8000)).astype(np.float32)
    dark = np.convolve(sound, np.full(4, 0.25, np.float32), "same")
    encode = MelEncoder(_encoder())
    plain, louder, darker = (encode(from_samples(x, 16000)).hidden for x in (sound, 4 * sound, dark))
    assert np.abs(louder - plain).max() < 1e-3
    assert np.abs(darker - plain).max() > 0.02
