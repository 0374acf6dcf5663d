from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from sedtalker.animation import animation_stream
from sedtalker.animation.animation_stream import AnimationStream, FaceStream, emotion_stream
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import DecoderConfig, GraphDecoder
from sedtalker.animation.decoder_network import Decoder
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import FrameClock
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.emotion.face_streams import TrackStream
from sedtalker.emotion.formats import constant_track
from sedtalker.errors import InputError
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import PHONE_INDEX
from sedtalker.speech.speech_stream import STREAMED
from tests.animation.test_face_stream import pushed


@pytest.fixture(scope="module")
def networks():
    decoder = open_model("decoder")
    assert isinstance(decoder, GraphDecoder)
    return open_encoder(), decoder


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(0)
    t = np.arange(int(16000 * 1.7)) / 16000
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    return (0.05 * voice * (1 + np.sin(2 * np.pi * 3 * t)) + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


def _run(networks, pieces):
    encoder, decoder = networks
    face = FaceStream(TrackStream(constant_track("happy:0.6", 1.7), encoder, 0.2, 0.32), decoder, Style())
    moved = [m for piece in pieces for m in pushed(face, piece)]
    moved.append(alone(face.last_steps()))
    return np.concatenate([m.times for m in moved]), np.concatenate([m.weights for m in moved])


def test_every_frame_comes_once_and_in_order(networks, sound):
    times, weights = _run(networks, [sound])
    assert np.allclose(np.diff(times), 0.02)
    assert times[0] == pytest.approx(0.01)
    assert len(times) == -(-len(sound) // 320)
    assert weights.shape == (len(times), 52)
    assert weights.min() >= 0
    assert weights.max() <= 1


@pytest.mark.parametrize("more", [{}, {"look_ahead": 0.0}, {"articulation": 1.2}], ids=str)
@pytest.mark.parametrize(("count", "fps", "frames"), [(23_457, 30, 44), (16_320, 60, 62), (20_000, 60, 75)])
def test_a_stream_has_as_many_frames_as_the_animation_of_its_sound(networks, sound, count, fps, frames, more):
    settings = StreamSettings(fps=fps, emotion="happy", **more)
    stream = AnimationStream(emotion_stream(pytest.fail, networks[0], settings), networks[1], settings)
    made = [*stream.push(sound[:1000]), *stream.push(sound[1000:count]), *stream.flush()]
    assert [round(frame.time * fps) for frame in made] == list(range(frames))
    assert FrameClock(fps).frames(count / SAMPLE_RATE) == frames
    weights = np.array([frame.weights for frame in made])
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0


@settings(max_examples=4)
@given(st.integers(100, 9000))
def test_how_the_sound_is_cut_does_not_matter(networks, sound, length):
    _, whole = _run(networks, [sound])
    _, cut = _run(networks, [sound[i : i + length] for i in range(0, len(sound), length)])
    assert np.array_equal(whole, cut)


def test_a_decoder_that_streams_equals_its_offline_run(networks):
    import torch

    from sedtalker.animation.decoder import DecoderStream

    decoder, face = networks[1], load_face()
    assert decoder.config.look_ahead == 0
    rng = np.random.default_rng(0)
    speech = rng.standard_normal((200, decoder.config.hidden + 4), np.float32)
    posterior = softmax(3 * rng.standard_normal((200, 7), np.float32), -1)
    intensity, style = rng.random(200, np.float32), np.zeros(len(decoder.config.styles), np.float32)
    given = (torch.from_numpy(values)[None] for values in (speech, posterior, intensity, style))
    with torch.no_grad():
        offline = open_model("decoder", in_torch=True)(*given)[0].clamp(0, 1).numpy()
    stream, parts = DecoderStream(decoder, Style()), []
    for start in range(0, 200, 7):
        part = slice(start, start + 7)
        parts.append(stream.push(speech[part], posterior[part], intensity[part], start + 7 >= 200))
        assert parts[-1].shape[0] == min(7, 200 - start)
    streamed = np.concatenate(parts).clip(0, 1)
    pad = ((0, 0), (0, len(face.shapes) - 52))
    a, b = (face.deform(np.pad(c, pad)) for c in (offline, streamed))
    assert np.linalg.norm(a - b, axis=-1).max() < 1e-4


@pytest.mark.parametrize("finds", [True, False], ids=["network", "phone head"])
def test_a_stream_closes_lips_on_a_bilabial_that_begins(networks, sound, finds, monkeypatch):
    """By the phones of the network that reads the vectors, or of the decoder's own head where there is none."""

    def streamed(phone):
        decoder, network = (open_model(name, in_torch=True) for name in ("decoder", STREAMED))
        decoder.coefficients.bias[INDEX["jawOpen"]] += 1.0
        for head in (decoder.phone_head, network.phones.outputs):
            head.weight.zero_()
            head.bias[PHONE_INDEX[phone]] = 99.0
        monkeypatch.setattr(animation_stream, "articulation_network", lambda _: network if finds else None)
        monkeypatch.setattr(animation_stream, "at_rest", lambda features, presence: features)  # the sound is no voice
        return _run((networks[0], decoder), [sound])[1]

    opened, closed = streamed("AA"), streamed("M")
    assert opened[:, INDEX["mouthClose"]].max() < 0.3
    assert closed[:, INDEX["mouthClose"]].min() > 0.4, "every frame is a peak where all are alike"


def test_what_cannot_stream_is_refused(networks):
    emotions = TrackStream(constant_track("sad", 1.0), networks[0], 0.2, 0.32)
    with pytest.raises(InputError, match="cannot stream"):
        FaceStream(emotions, object())
    with pytest.raises(InputError, match="another encoder"):
        FaceStream(emotions, Decoder(DecoderConfig(hidden=8, width=16)))
