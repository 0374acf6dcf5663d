"""The emotion encoder: bounded context, pairs of frames, and the same over a stream."""

from __future__ import annotations

import torch

from sedtalker.speech.emotion_encoder import GRID, EmotionEncoder, EmotionEncoderConfig

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
    whole, context = encoder(mel), encoder.context
    assert context % GRID == 0
    start = 60
    window = encoder(mel[:, 2 * (start - context) : 2 * (start + 40 + context)])
    assert torch.allclose(window[:, context : context + 40], whole[:, start : start + 40], atol=1e-5)
