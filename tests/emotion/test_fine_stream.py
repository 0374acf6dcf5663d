"""Fine-grained emotions in a stream: what whole recordings would get if they ended at the look-ahead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import from_samples, load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.diarizer_model import ROW, DiarizerConfig
from sedtalker.emotion.emotion_stream import (
    NAMED_KINDS,
    DiarizerStream,
    StreamFrames,
    frames_of,
    strongest_kinds,
    summaries,
)
from sedtalker.emotion.events import stream_changes, track_changes
from sedtalker.emotion.fine import FineConfig, FineEmotions
from sedtalker.emotion.network import DiarizerNetwork, FineNetwork
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from sedtalker.speech.features import SpeechFeatures
from tests.speech.test_stream import voice_like

SPEECH = Path(__file__).parents[2] / "data/samples/four_moods.wav"
KINDS = ("awe", "relief", "pain", "guilt")


@pytest.fixture(scope="module")
def small() -> tuple[DiarizerNetwork, MelEncoder, FineEmotions]:
    """Random weights and short windows: quick to run."""
    torch.manual_seed(1)
    sizes = SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))
    encoder = MelEncoder(SpeechEncoder(sizes).eval().requires_grad_(False))
    config = DiarizerConfig(hidden_channels=16, windows=(0.4,), width=8, members=2)
    heads = FineNetwork(FineConfig(kinds=KINDS, hidden_channels=16, seconds=1.0, width=8)).eval().requires_grad_(False)
    return DiarizerNetwork(config).eval().requires_grad_(False), encoder, FineEmotions(heads)


@settings(max_examples=12)
@given(st.integers(10, 400), st.integers(0, 500), st.data())
def test_values_of_some_frames_are_those_of_all(small, count, seed, data):
    """Of a recording cut at any place before, far enough away."""
    *_, fine = small
    features = small[1](from_samples(voice_like(count / 50, seed), 16_000))
    whole = np.column_stack([*fine(features).values()])
    since = data.draw(st.integers(0, len(features) - 1))
    wanted = data.draw(st.integers(1, len(features) - since))
    first = data.draw(st.integers(0, max(0, since - fine.context)))
    got = fine.of_frames(features.part(first, len(features)), first, since - first, wanted)
    assert np.allclose(got, whole[since : since + wanted], atol=1e-5)


@pytest.mark.parametrize(("look_ahead", "hop"), [(0.5, 0.32), (0.0, 0.1), (1.0, 0.7)])
def test_frames_equal_those_of_the_recording_so_far(small, look_ahead, hop):
    network, encoder, fine = small
    sound = voice_like(5.0, 3)
    stream = DiarizerStream(network, encoder, look_ahead, hop, fine=fine)
    parts = [stream.push(sound), stream.flush()]
    got = StreamFrames(*map(np.concatenate, zip(*parts, strict=True)))
    assert got.fine.shape == (len(got.times), len(KINDS))
    for frame in range(0, len(got.times), 37):
        hops = -(-(frame + 1 + round(50 * look_ahead)) // round(50 * hop))
        prefix = sound[: round(hops * hop * 16_000)]
        features: SpeechFeatures = encoder(from_samples(prefix, 16_000))
        whole = np.column_stack([*fine(features).values()])
        assert np.abs(whole[frame] - got.fine[frame]).max() < DiarizerStream.TOLERANCE, frame


def test_a_stream_without_them_has_none(small):
    network, encoder, _ = small
    stream = DiarizerStream(network, encoder)
    frames = stream.push(voice_like(2.0, 0))
    assert stream.kinds == ()
    assert frames.fine.shape == (len(frames.times), 0)
    assert frames.part(slice(0, 3)).fine.shape == (3, 0)
    assert stream.push(np.zeros(10, np.float32)).fine.shape == (0, 0)


def test_the_strongest_are_named_in_summaries_and_events():
    values = np.tile(np.array([[0.1, 0.4, 0.2, 0.3]], np.float32), (50, 1))
    posterior = np.tile(np.eye(7, dtype=np.float32)[3], (50, 1))
    frames = StreamFrames((np.arange(50) + 0.5) / 50, posterior, np.full(50, 0.5, np.float32), np.ones(50, bool),
                          np.full(50, 3), posterior, values)  # fmt: skip
    wanted = {"relief": 0.4, "guilt": 0.3, "pain": 0.2}
    labels = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
    assert list(strongest_kinds(KINDS, values[0])) == list(wanted)
    for summary in summaries([frames], labels, KINDS):
        assert summary["fine"] == pytest.approx(wanted)
    assert "fine" not in next(summaries([frames], labels))
    (change,) = stream_changes([frames], labels, KINDS)
    assert change.line().endswith("confidence 1.00 kinds relief 0.40 guilt 0.30 pain 0.20")
    assert change.as_dict()["fine"] == pytest.approx(wanted)
    assert "fine" not in next(stream_changes([frames], labels)).as_dict()


def test_the_built_in_heads_stream_and_say_nearly_what_whole_recordings_do():
    diarizer = Diarizer.from_pretrained().with_fine()
    sound = load_audio(SPEECH)
    part = from_samples(sound.samples[: 8 * 16_000], 16_000)
    frames = [f for f in frames_of(diarizer.stream(), [part.samples]) if len(f.times)]
    curves = np.concatenate([f.fine for f in frames])
    whole = np.column_stack([*diarizer(part).extras.values()])
    assert curves.shape == whole.shape
    middle = slice(150, 300)
    agree = np.corrcoef(curves[middle].ravel(), whole[middle].ravel())[0, 1]
    assert agree > 0.8
    assert len(track_changes(diarizer(part))[0].fine) == NAMED_KINDS


def test_a_window_reaches_half_its_width_and_two_rows_back(small):
    assert small[2].context == 25 + 2 * ROW
