"""What a face reads while somebody speaks: lips at once, emotion when it is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.emotion_stream import NO_CURVES, DiarizerStream, StreamFrames
from sedtalker.emotion.face_streams import LateEmotions, TrackStream
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from tests.speech.test_stream import voice_like

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small() -> tuple[DiarizerNetwork, MelEncoder, MelEncoder]:
    """Random weights and short windows: quick to run."""
    torch.manual_seed(1)
    sizes = SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))
    hears, moves = (MelEncoder(SpeechEncoder(sizes).eval().requires_grad_(False)) for _ in range(2))
    config = DiarizerConfig(hidden_channels=16, windows=(0.4, 1.0, 2.0), width=8, members=2)
    return DiarizerNetwork(config).eval().requires_grad_(False), hears, moves


def begun(small, look_ahead: float = 0.12, hop: float = 0.08) -> LateEmotions:
    network, hears, moves = small
    return LateEmotions(DiarizerStream(network, hears), moves, look_ahead, hop)


def run(stream, pieces, settle: bool = False) -> StreamFrames:
    parts = []
    for piece in pieces:
        parts.append(stream.push(piece))
        if settle:
            stream.settle()
    return StreamFrames(*map(np.concatenate, zip(*parts, stream.flush(), strict=True)))


@settings(max_examples=3)
@given(st.integers(0, 500), st.lists(st.integers(0, 25_000), max_size=6), st.booleans())
def test_neither_the_cuts_nor_settling_change_a_bit(small, seed, cuts, settle):
    sound = voice_like(1.6, seed)
    whole = run(begun(small), [sound])
    parts = run(begun(small), np.split(sound, sorted(c for c in cuts if c < len(sound))), settle)
    for a, b in zip(whole, parts, strict=True):
        assert a.tobytes() == b.tobytes()
    assert len(whole.times) == -(-len(sound) // 320)


def test_lips_come_after_their_look_ahead_whatever_the_diarizer_waits_for(small):
    stream, sound = begun(small), voice_like(3.0, 2)
    until = 0.0
    for end in range(0, len(sound), 320):
        frames = stream.push(sound[end : end + 320])
        until = frames.times[-1] if len(frames.times) else until
        heard = (end + 320) / 16_000
        assert heard - 0.2 - 0.03 <= until <= max(0.0, heard - 0.12)


def test_the_emotion_is_the_diarizers_a_moment_later_and_changes_gently(small):
    network, hears, _ = small
    sound = voice_like(4.0, 5)
    frames = run(begun(small), [sound])
    said = run(DiarizerStream(network, hears), [sound])
    assert frames.posterior[0] == pytest.approx(np.eye(len(CATEGORIES))[0]), "neutral before anything was heard"
    assert np.abs(np.diff(frames.posterior, axis=0)).max() < 0.15
    assert np.allclose(frames.posterior.sum(1), 1.0, atol=1e-5)
    last = said.times <= 4.0 - 0.5 - 0.32
    assert np.abs(frames.intensity[-1] - said.intensity[last][-1]) < 0.1
    assert set(frames.label) <= {0, *said.label}


def test_the_diarizer_reads_the_analysis_of_the_lips(small):
    together, apart, sound = begun(small), begun(small), voice_like(3.0, 6)
    assert together.emotions.encoder_stream.source is together.encoder_stream
    assert begun(small, hop=0.12).emotions.encoder_stream.source is None, "its hops are no multiple of theirs"
    apart.emotions.encoder_stream.source = None
    for one, other in zip(run(together, [sound]), run(apart, [sound]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_memory_does_not_grow(small):
    stream, sizes = begun(small, hop=0.32), []
    for number in range(30):
        stream.push(voice_like(1.0, number % 3))
        both = (stream.encoder_stream, stream.emotions.encoder_stream)
        sizes.append(sum(len(s.frames[1]) + len(s.hidden.hidden) + len(s.tail) for s in both) + len(stream.backlog))
    assert max(sizes[24:]) <= max(sizes[18:24])
    assert len(stream.encoder_stream.frames[1]) < 2 * 50 * 5


def test_a_given_track_is_what_is_shown(small):
    posterior = np.eye(len(CATEGORIES), dtype=np.float32)[[1, 1]]
    level = np.array([0.2, 0.8], np.float32)
    track = EmotionTrack(np.array([0.0, 2.0]), posterior, level, 0 * level, 0 * level, CATEGORIES, 2.0)
    frames = run(TrackStream(track, small[2], 0.12, 0.08), [voice_like(2.0, 1)])
    assert (frames.label == 1).all()
    assert frames.intensity == pytest.approx(0.2 + 0.3 * frames.times, abs=1e-5)
    assert frames.speech.any()


class Sure:
    """A diarizer that says happy, fully, of whatever it is given."""

    hop, labels = 16, CATEGORIES
    burst_kinds = ("laugh", "cry", "sigh")

    def __init__(self) -> None:
        self.encoder_stream = SimpleNamespace(hidden=SimpleNamespace(refreshed=0), keep=1400)
        self.delay, self.hop = 25, 16

    def steps(self, samples: np.ndarray) -> Iterator[None]:
        yield from ()
        posterior = np.eye(len(CATEGORIES), dtype=np.float32)[[0, 1]]
        one = np.ones(2, np.float32)
        laughs = np.array([[0, 0, 0], [1, 0, 0]], np.float32)
        return StreamFrames(np.arange(2.0), posterior, one, one > 0, np.array([0, 1]), posterior, NO_CURVES, laughs)


def test_an_emotion_is_taken_on_with_a_time_constant_of_150_ms(small):
    sure = Sure()
    stream = LateEmotions(sure, small[2], 0.12, 0.08)
    frames = run(stream, [voice_like(1.2, 3)])
    assert sure.encoder_stream.hidden.refreshed == 200
    assert sure.encoder_stream.keep == 12 * 50 + 25 + 16
    since = np.arange(1, len(frames.times) + 1) / 50
    expected = 1 - np.exp(-since / 0.15)
    np.testing.assert_allclose(frames.intensity, expected, atol=1e-4)
    np.testing.assert_allclose(frames.posterior[:, 1], expected, atol=1e-4)
    np.testing.assert_allclose(frames.posterior[:, 0] + frames.posterior[:, 1], 1.0, atol=1e-5)
    assert (frames.label == 1).all()
    assert (frames.bursts == [1, 0, 0]).all()


def test_a_tracks_label_is_the_strongest_and_its_speech_that_of_the_sound(small):
    posterior = np.zeros((2, len(CATEGORIES)), np.float32)
    posterior[:, 2], posterior[:, 3] = 0.4, 0.6
    level = np.full(2, 0.5, np.float32)
    track = EmotionTrack(np.array([0.0, 2.0]), posterior, level, level, level, CATEGORIES, 2.0)
    silent = run(TrackStream(track, small[2], 0.12, 0.08), [np.zeros(16_000)])
    assert (silent.label == 3).all()
    assert not silent.speech.any()
    np.testing.assert_allclose(silent.times, 0.01 + np.arange(50) / 50)
