from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import CorrectedDecoder, CorrectedDecoderConfig, Decoder, DecoderConfig, DecoderStream
from sedtalker.animation.mouth_model import MOUTH_SHAPES
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.encoder import SpeechEncoderConfig
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

TOLERANCE = 1e-4


def _decoder(seed: int = 0, **config) -> Decoder:
    torch.manual_seed(seed)
    decoder = Decoder(DecoderConfig(hidden=12, width=32, condition=16, heads=2, radius=4, **config)).eval()
    for parameter in decoder.parameters():  # adaptive norms start at zero and would hide errors
        torch.nn.init.normal_(parameter, std=0.1) if parameter.abs().max() == 0 else None
    return decoder


def _inputs(frames: int, seed: int = 0, width: int = 16):
    g = torch.Generator().manual_seed(seed)
    posterior = torch.softmax(torch.randn(1, frames, 7, generator=g), -1)
    return torch.randn(1, frames, width, generator=g), posterior, torch.rand(1, frames, generator=g)


def _features(frames: int, hidden: int = 12) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    draw = lambda width: rng.standard_normal((frames, width)).astype(np.float32)  # noqa: E731
    return SpeechFeatures(FRAME_CLOCK, draw(hidden), draw(80), draw(4), np.ones(frames, bool))


def _track(label: str, intensity: float, labels=CATEGORIES) -> EmotionTrack:
    posterior = np.zeros((2, len(labels)), np.float32)
    posterior[:, labels.index(label)] = 1
    flat = np.full(2, intensity, np.float32)
    return EmotionTrack(np.array([0.0, 10.0]), posterior, flat, flat, flat, labels)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.sampled_from(["MMAMMA", "A", "M", "AA"]))
def test_stream_equals_one_pass(lengths, layout):
    decoder = _decoder(layout=layout)
    speech, posterior, intensity = _inputs(sum(lengths))
    with torch.no_grad():
        whole = decoder(speech, posterior, intensity, torch.zeros(1, 4))
    stream, parts, start = DecoderStream(decoder, Style()), [], 0
    for i, length in enumerate(lengths):
        part = slice(start, start + length)
        parts.append(stream.push(speech[:, part], posterior[:, part], intensity[:, part], i == len(lengths) - 1))
        start += length
    assert torch.allclose(torch.cat(parts, 1), whole, atol=TOLERANCE)


def test_long_recording_equals_one_pass():
    decoder, features = _decoder(), _features(1700)
    got = decoder.predict(features, _track("happy", 0.7))
    speech = torch.cat([torch.from_numpy(features.hidden), torch.from_numpy(features.prosody)], 1)
    from sedtalker.animation.decoder import speech_input

    speech = speech_input(torch.from_numpy(features.hidden), torch.from_numpy(features.prosody))[None]
    posterior = torch.zeros(1, 1700, 7)
    posterior[..., CATEGORIES.index("happy")] = 1
    with torch.no_grad():
        whole = decoder(speech, posterior, torch.full((1, 1700), 0.7), torch.zeros(1, 4))[0].clamp(0, 1).numpy()
    assert np.abs(got - whole).max() < TOLERANCE
    assert got.shape == (1700, 52)


def test_shapes_that_never_move_stay_at_zero():
    decoder = _decoder(shapes=("jawOpen", "mouthClose"))
    got = decoder.predict(_features(40), _track("sad", 1.0))
    moving = {ARKIT_52[i] for i in np.flatnonzero(got.any(0))}
    assert moving <= {"jawOpen", "mouthClose"}


def test_zero_intensity_of_any_emotion_is_neutral():
    decoder, features = _decoder(), _features(30)
    assert np.array_equal(
        decoder.predict(features, _track("angry", 0.0)), decoder.predict(features, _track("neutral", 0.0))
    )


def test_same_input_gives_the_same_bytes():
    decoder, features = _decoder(), _features(90)
    assert (
        decoder.predict(features, _track("fear", 0.4)).tobytes()
        == decoder.predict(features, _track("fear", 0.4)).tobytes()
    )


def test_wrong_encoder_and_wrong_categories_are_told():
    with pytest.raises(InputError, match="12 features"):
        _decoder().predict(_features(10, hidden=5), _track("sad", 1.0))
    with pytest.raises(InputError, match="categories"):
        _decoder().predict(_features(10), _track("joy", 1.0, ("joy", "grief")))


def test_one_frame():
    assert _decoder().predict(_features(1), _track("sad", 1.0)).shape == (1, 52)


def _corrected(seed: int = 0) -> CorrectedDecoder:
    sizes = SpeechEncoderConfig(hop=20, channels=16, dilations=(1, 2, 4), motion_channels=len(MOUTH_SHAPES))
    alone = _decoder(seed)
    made = CorrectedDecoder(CorrectedDecoderConfig(decoder=alone.config, mouth_model=sizes))
    made.decoder.load_state_dict(alone.state_dict())
    return made.eval().requires_grad_(False)


def test_a_mouth_model_moves_nothing_but_closures_under_emotion():
    corrected, features = _corrected(), _features(80)
    torch.nn.init.constant_(corrected.mouth_model.encoder.phone_head.bias[0], 99.0)  # silence: no lips that close
    alone = corrected.decoder.predict(features, _track("angry", 5.0))
    assert np.allclose(corrected.predict(features, _track("angry", 5.0)), alone, atol=1e-6)
    assert np.abs(corrected.predict(features, _track("angry", 0.0)) - alone).max() > 0.01


def test_a_neutral_mouth_is_the_mean_of_both_networks():
    corrected, features = _corrected(), _features(80)
    alone = corrected.decoder.predict(features, _track("neutral", 0.0))
    mouth = corrected.mouth_model.predict(torch.from_numpy(features.mel)[None])
    mixed = alone + corrected.mouth_model.moved.numpy() / 2 * (mouth.motion[0].numpy() - alone)
    got = corrected.predict(features, _track("neutral", 0.0))
    unclosed = mouth.closure[0, :, 0].numpy() == 0
    assert unclosed.sum() > 20
    assert np.allclose(got[unclosed], mixed[unclosed].clip(0, 1), atol=1e-5)


def test_a_style_fades_the_mouth_model_out():
    corrected, features = _corrected(), _features(60)
    plain, styled = (corrected.predict(features, _track("neutral", 0.0), Style(a)) for a in (0.0, 1.0))
    alone = corrected.decoder.predict(features, _track("neutral", 0.0), Style(1.0))
    assert np.abs(styled - alone).mean() < 0.3 * np.abs(plain - alone).mean()
