"""A small decoder over a given track, sound in pieces: strengths, neutral twins, refusals."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from sedtalker.animation.animation_stream import (
    CROSSFADE,
    AnimationStream,
    FaceStream,
    HopCrossfade,
    MotionFrames,
    StreamedFrame,
    _interpolated,
    emotion_stream,
    frame_delay,
)
from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.decoder_network import Decoder
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Floats
from sedtalker.cli.live import stream
from sedtalker.emotion.face_streams import TrackStream
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.shown import Direction
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.calls import alone
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from tests.speech.test_stream import voice_like


@pytest.fixture(scope="module")
def small() -> tuple[MelEncoder, Decoder]:
    torch.manual_seed(1)
    sizes = SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))
    encoder = MelEncoder(SpeechEncoder(sizes).eval().requires_grad_(False))
    decoder = Decoder(DecoderConfig(hidden=16, width=32, condition=16, heads=2, radius=3, layout="MA")).eval()
    for parameter in decoder.parameters():  # adaptive norms start at zero and would hide errors
        torch.nn.init.normal_(parameter, std=0.2) if parameter.abs().max() == 0 else None
    return encoder, decoder.requires_grad_(False)


def pushed(face: FaceStream, samples: Floats) -> list[MotionFrames]:
    """What has become final with the next samples, hop by hop."""
    made = [alone(face.steps(piece)) for piece in face.pieces(samples)]
    return [frames for frames in made if len(frames.times)]


def run(small, text: str = "happy:0.3", step: int = 16_000, **options):
    encoder, decoder = small
    face = FaceStream(TrackStream(constant_track(text, 1.0), encoder, 0.12, 0.08), decoder, **options)
    sound = voice_like(1.3, 4)
    parts = [made for at in range(0, len(sound), step) for made in pushed(face, sound[at : at + step])]
    parts.append(alone(face.last_steps()))
    twins = None if parts[0].neutral is None else np.concatenate([p.neutral for p in parts])
    return np.concatenate([p.times for p in parts]), np.concatenate([p.weights for p in parts]), twins, parts


def test_the_strength_is_scaled_and_stays_at_most_one(small) -> None:
    cases = (("happy:0.6", 1.0), ("happy:0.3", 2.0), ("happy:0.9", 2.0))
    plain, doubled, full = (run(small, text, direction=Direction(strength))[1] for text, strength in cases)
    np.testing.assert_allclose(doubled, plain, atol=1e-6)
    np.testing.assert_allclose(full, run(small, "happy:1")[1], atol=1e-6)
    assert np.abs(full - plain).max() > 1e-3


def test_a_neutral_twin_is_the_same_speech_without_emotion(small) -> None:
    times, weights, twin, parts = run(small, "happy:0.8", split=True)
    assert twin is not None
    np.testing.assert_allclose(twin, run(small, "happy:0")[1], atol=1e-6)
    np.testing.assert_allclose(weights, run(small, "happy:0.8")[1], atol=1e-6)
    assert np.abs(twin - weights).max() > 1e-3
    np.testing.assert_allclose(times, 0.01 + np.arange(65) / 50)
    assert all(p.weights.shape == p.neutral.shape == (len(p.times), 52) for p in parts)
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0


@pytest.mark.parametrize("step", [100, 1280, 5000])
def test_the_pieces_do_not_matter(small, step: int) -> None:
    for one, other in zip(run(small)[:2], run(small, step=step)[:2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_frames_wait_for_the_hop_the_look_ahead_and_the_decoders_own(small) -> None:
    encoder, decoder = small
    face = FaceStream(TrackStream(constant_track("sad", 1.0), encoder, 0.12, 0.08), decoder, Style())
    sound, until = voice_like(1.0, 2), 0.0
    for end in range(0, len(sound), 1280):
        for made in pushed(face, sound[end : end + 1280]):
            until = made.times[-1] + 0.01
        given = (end + 1280) / 16_000
        assert given - 0.12 - 0.02 * decoder.config.look_ahead - 0.081 <= until <= max(0.0, given - 0.12)
    assert alone(face.last_steps()).times[-1] == pytest.approx(0.99)


def test_lips_are_given_the_frames_after_a_hop_that_closures_look_at(small) -> None:
    encoder, decoder = small
    emotions = TrackStream(constant_track("sad", 1.0), encoder, 0.12, 0.08)
    face, sound = FaceStream(emotions, decoder), voice_like(1.0, 2)
    for end in range(0, len(sound) - 1280, 1280):
        for made in pushed(face, sound[end : end + 1280]):
            assert len(emotions.features) >= len(made.times) + RULES.streamed.ahead_frames


@pytest.mark.parametrize(("hop", "ahead"), [(4, 12), (1, 3), (7, 0)])
def test_frames_that_no_later_sound_changes_stay_as_they_are(hop: int, ahead: int) -> None:
    values, crossfade = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32), HopCrossfade()
    parts = [crossfade.push(values[start : start + hop + ahead], hop)[:hop] for start in range(0, 60, hop)]
    np.testing.assert_allclose(np.concatenate(parts), values, atol=1e-6)


def test_where_hops_meet_is_no_step() -> None:
    crossfade = HopCrossfade()
    parts = [crossfade.push(np.full((16, 1), 0.1 * hop, np.float32), 4)[:4] for hop in range(8)]
    made = np.concatenate(parts)[4:, 0]  # every hop says .1 more of all frames
    steps = np.diff(made)
    assert steps.max() < 0.51 * 0.1
    assert steps.min() > 0.0
    assert len(CROSSFADE) == 4


def test_a_stream_of_nothing_is_empty(small) -> None:
    face = FaceStream(TrackStream(constant_track("sad", 1.0), small[0], 0.12, 0.08), small[1], split=True)
    assert pushed(face, np.zeros(0, np.float32)) == []
    last = alone(face.last_steps())
    assert last.weights.shape == last.neutral.shape == (0, 52)


def test_an_emotion_stream_is_of_the_track_that_is_given(small) -> None:
    settings = StreamSettings(emotion="fear:0.4", look_ahead=0.2, hop=0.1)
    made = emotion_stream(lambda: pytest.fail("no diarizer is needed"), small[0], settings)
    assert isinstance(made, TrackStream)
    assert (made.delay, made.hop) == (10, 5)
    with pytest.raises(InputError, match="needs whole recordings"):
        emotion_stream(lambda: None, object(), settings)
    with pytest.raises(InputError, match="cannot stream"):
        FaceStream(made, replace)


def test_the_library_streams_as_the_command_does_by_default(small) -> None:
    encoder, decoder = small
    usual = StreamSettings(emotion="happy:0.3")
    given = {name: option.default for name, option in inspect.signature(stream).parameters.items()}
    for name in ("look_ahead", "hop", "fps", "intensity", "seed"):
        assert getattr(usual, name) == given[name], name
    made = AnimationStream(emotion_stream(pytest.fail, encoder, usual), decoder, usual)
    sound = voice_like(1.0, 4)
    frames = [*made.push(sound), *made.flush()]
    assert [frame.time for frame in frames[:4]] == [0.0, 0.0167, 0.0333, 0.05]
    assert len(frames) == 60
    assert {(frame.emotion, round(frame.intensity, 5)) for frame in frames} == {("happy", 0.3)}


def test_frames_between_two_moments_are_in_proportion() -> None:
    weights = np.array([[0.0], [1.0], [0.5]], np.float32)
    times = np.array([0.01, 0.03, 0.05])
    at = np.array([-1.0, 0.01, 0.015, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(_interpolated(at, times, weights)[:, 0], [0, 0, 0.25, 1, 0.75, 0.5], atol=1e-6)
    assert _interpolated(np.zeros(0), times, weights).shape == (0, 1)


def test_weights_by_name() -> None:
    weights = np.arange(len(ARKIT_52), dtype=np.float32)
    frame = StreamedFrame(0.0, weights, np.zeros(3), "neutral", 0.0, np.array([0.5, 0.0, 0.0], np.float32))
    assert frame["jawOpen"] == weights[17]
    assert frame[TONGUE[0]] == 0.5
    with pytest.raises(KeyError):
        frame["jawWide"]


@pytest.mark.parametrize("options", [{}, {"look_ahead": 0.4, "hop": 0.16}, {"expressivity": 1.2}])
def test_the_delay_that_is_announced_is_the_measured_one(small, options: dict) -> None:
    encoder, decoder = small
    settings = StreamSettings(emotion="happy:0.3", fps=50.0, **options)
    stream = AnimationStream(emotion_stream(pytest.fail, encoder, settings), decoder, settings)
    late, step = list[float](), round(16_000 * settings.hop)
    for k in range(30):
        said = (k + 1) * settings.hop
        late += [said - frame.time for frame in stream.push(np.zeros(step, np.float32))]
    ahead = decoder.config.look_ahead / 50  # of this decoder; the built-in one has none
    assert max(late) == pytest.approx(frame_delay(settings) + ahead, abs=0.04)
