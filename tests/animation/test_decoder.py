from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.articulation import PUCKER
from sedtalker.animation.conditioning import Style, UpperFaceStream, emotional
from sedtalker.animation.decoder import DecoderConfig, DecoderStream, decoder_speech, eased_emotion
from sedtalker.animation.decoder_network import Decoder
from sedtalker.animation.mouth_rules import RULES
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.speech.features import FRAME_CLOCK, PHONE_INDEX, SpeechFeatures

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


@settings(max_examples=15)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.sampled_from(["MMAMMA", "A", "M", "AA"]))
def test_stream_equals_one_pass(lengths, layout):
    decoder = _decoder(layout=layout)
    speech, posterior, intensity = _inputs(sum(lengths))
    with torch.no_grad():
        whole = decoder(speech, posterior, intensity, torch.zeros(1, 4))
    stream, parts, start = DecoderStream(decoder, Style()), [], 0
    for i, length in enumerate(lengths):
        part = slice(start, start + length)
        given = (values[0, part].numpy() for values in (speech, posterior, intensity))
        parts.append(stream.push(*given, i == len(lengths) - 1))
        start += length
    np.testing.assert_allclose(np.concatenate(parts), whole[0].numpy(), atol=TOLERANCE)


def test_long_recording_equals_one_pass():
    decoder, features = _decoder(), _features(1700)
    got = decoder.motion(features, _track("happy", 0.7))
    speech = torch.from_numpy(decoder_speech(12, features))[None]
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


def _closing(seed: int = 0) -> Decoder:
    """The decoder with a phone head that finds nothing but vowels."""
    alone = _decoder(seed)
    made = Decoder(alone.config.model_copy(update={"closes": True})).eval().requires_grad_(False)
    made.load_state_dict(alone.state_dict(), strict=False)
    assert made.phone_head is not None
    made.phone_head.weight.zero_()
    made.phone_head.bias.zero_()
    made.phone_head.bias[PHONE_INDEX["AA"]] = 99.0
    return made


def test_without_bilabials_lips_are_rounder_and_otherwise_stay_as_they_are():
    closing, features = _closing(), _features(80)
    for track in (_track("angry", 5.0), _track("neutral", 0.0)):
        rounder = _decoder().predict(features, track)
        rounder[:, PUCKER] = np.clip(RULES.rounding * rounder[:, PUCKER], 0.0, 1.0)
        np.testing.assert_allclose(closing.predict(features, track), rounder, atol=1e-7)


@pytest.mark.parametrize("label", ["neutral", "angry"])
def test_a_bilabial_closes_the_lips_under_any_emotion(label):
    closing, features = _closing(), _features(80)
    closing.coefficients.bias[INDEX["jawOpen"]] += 2.0
    track = _track(label, 0.0 if label == "neutral" else 5.0)
    opened = closing.predict(features, track)
    assert closing.phone_head is not None
    features.hidden[:] = 0.0
    features.hidden[40] = 1.0
    before = closing.predict(features, track)
    closing.phone_head.weight[PHONE_INDEX["M"]] = 99.0
    after = closing.predict(features, track)
    assert opened[:, INDEX["jawOpen"]].min() > 0.9
    assert after[40, INDEX["mouthClose"]] > before[40, INDEX["mouthClose"]] + 0.3
    reached = 40 + np.arange(-len(RULES.emotional_beside), len(RULES.emotional_beside) + 1)
    np.testing.assert_array_equal(np.delete(after, reached, 0), np.delete(before, reached, 0))


def test_motion_and_closing_are_what_predict_does():
    closing, features, track = _closing(), _features(60), _track("sad", 0.7)
    eased = eased_emotion(features, track)
    share = emotional(*eased, Style())
    assert share.shape == (60, 1)
    full = UpperFaceStream(closing.moved).push(closing.motion(features, track), *eased)
    made = closing.closed(full, features, share)
    np.testing.assert_array_equal(made, closing.predict(features, track))
