"""Phones and the mouth of recordings: found in the vectors of both encoders."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import lip_posteriors
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.audio import Audio, load_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.face.arkit import TALKING_SHAPES
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import frame_logits, open_model
from sedtalker.speech.encoder import EncoderPair, MelEncoder, open_encoder
from sedtalker.speech.encoder_model import ArticulationConfig, ConvolutionHeadConfig
from sedtalker.speech.encoder_networks import ArticulationNetwork
from sedtalker.speech.features import EMOTION, PHONES, SPEECH
from sedtalker.speech.speech_stream import ArticulationStream, articulation_network

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


@pytest.fixture(scope="module")
def sound() -> Audio:
    """A second and a half of the sample."""
    whole = load_audio(SAMPLE)
    return Audio(whole.samples[: 3 * whole.rate // 2], whole.rate)


@settings(max_examples=10)
@given(st.integers(0, 130), st.integers(20, 60))
def test_logits_of_parts_equal_one_pass(rows: int, chunk: int) -> None:
    torch.manual_seed(0)
    phones, mouth = ConvolutionHeadConfig(hidden=5, width=4), ConvolutionHeadConfig(hidden=3, width=2, dilations=(1,))
    config = ArticulationConfig(phones=phones, mouth=mouth, shapes=2)
    network = ArticulationNetwork(config).eval().requires_grad_(False)
    vectors = np.random.default_rng(0).standard_normal((rows, 5)).astype(np.float32)
    made = frame_logits(network, vectors, chunk)
    assert made.shape == (rows, len(PHONES) + 2)
    if rows:
        np.testing.assert_allclose(made, network(torch.from_numpy(vectors)[None])[0].numpy(), atol=1e-5)
        vectors[:, :2] += 1.0  # the mouth is found in the last three channels
        np.testing.assert_array_equal(frame_logits(network, vectors, chunk)[:, len(PHONES) :], made[:, len(PHONES) :])


@settings(max_examples=10)
@given(st.lists(st.integers(1, 9), min_size=8, max_size=20), st.integers(6, 12))
def test_hops_equal_one_pass_as_far_as_the_sound_after_them_is_known(hops: list[int], ahead: int) -> None:
    torch.manual_seed(0)
    head = ConvolutionHeadConfig(hidden=3, width=4, dilations=(1, 2))
    config = ArticulationConfig(phones=head, mouth=head, shapes=2)
    network = ArticulationNetwork(config).eval().requires_grad_(False)
    assert network.config.context == 6
    vectors = np.random.default_rng(0).standard_normal((sum(hops), 3)).astype(np.float32)
    whole = frame_logits(network, vectors, 1000)
    stream, start = ArticulationStream(network), 0
    for new in hops:
        known = slice(start, start + new + ahead)
        phones, mouth = alone(stream.steps(vectors[known], new))
        wanted = whole[start : start + new]
        np.testing.assert_allclose(phones[:new], wanted[:, : len(PHONES)], atol=1e-5)
        np.testing.assert_allclose(mouth[:new], wanted[:, len(PHONES) :].clip(0.0, 1.0), atol=1e-5)
        start += new


def test_only_streams_of_the_encoder_that_it_was_trained_on_are_read() -> None:
    encoder = open_encoder(articulates=False)
    assert isinstance(encoder, MelEncoder)
    network = articulation_network(encoder.sha256())
    assert network is not None
    assert (network.config.hidden, network.config.shapes) == (encoder.channels, len(TALKING_SHAPES))
    other = open_encoder(EMOTION)
    assert isinstance(other, MelEncoder)
    assert articulation_network(other.sha256()) is None


def test_only_recordings_of_that_encoder_have_phones(tmp_path: Path) -> None:
    """The phones of somebody's own encoder are found by the decoder that was trained on it."""
    own = shutil.copytree(builtin_checkpoint("speech_encoder"), tmp_path / "own")
    weights = load_file(own / "model.safetensors")
    save_file({name: 2.0 * value for name, value in weights.items()}, own / "model.safetensors")
    made, shipped = open_encoder(own), open_encoder()
    assert isinstance(made, MelEncoder)
    assert isinstance(shipped, MelEncoder)
    assert shipped.articulates
    assert not made.articulates


def test_the_network_in_the_box_reads_both_encoders() -> None:
    encoders = {part: open_encoder(part) for part in (SPEECH, EMOTION)}
    assert read_config(builtin_checkpoint("articulation")).encoder_sha256 == EncoderPair(encoders).sha256()
    config = open_model("articulation").config
    assert config.hidden == sum(encoder.channels for encoder in encoders.values())
    assert (config.mouth.hidden, config.shapes) == (encoders[EMOTION].channels, len(TALKING_SHAPES))


def test_an_animators_features_hold_phones_of_both_encoders_and_a_mouth(sound: Audio) -> None:
    animator = Animator.from_pretrained()
    decoder, features = animator.decoder, animator.encoder(sound)
    assert isinstance(decoder, ShapeDecoder)
    assert features.phones is not None
    other = open_encoder(EMOTION)
    assert isinstance(other, MelEncoder)
    found = frame_logits(open_model("articulation"), np.hstack([features.hidden, other.hidden(sound)]), 1500)
    phones, mouth = found[:, : len(PHONES)], found[:, len(PHONES) :]
    np.testing.assert_allclose(features.phones, phones, atol=1e-4)
    np.testing.assert_allclose(features.mouth, mouth.clip(0.0, 1.0), atol=1e-5)
    asked = lip_posteriors(features.phones)
    np.testing.assert_array_equal(lip_posteriors(decoder.phones_in(features)), asked)
    part = features.part(10, 20)
    np.testing.assert_array_equal(part.phones, features.phones[10:30])
    np.testing.assert_array_equal(part.mouth, features.mouth[10:30])


def test_other_features_hold_none(sound: Audio) -> None:
    for features in (open_encoder(EMOTION)(sound), MelEncoder(open_model("speech_encoder"))(sound)):
        assert features.phones is None
        assert features.mouth is None


def test_a_recording_is_encoded_once_for_phones_and_emotion(sound: Audio) -> None:
    animator = Animator.from_pretrained()
    again = Audio(sound.samples.copy(), sound.rate)
    with mock.patch.object(MelEncoder, "_encoded", autospec=True, side_effect=MelEncoder._encoded) as encoded:
        animator(again)
    assert encoded.call_count == 2  # the speech encoder and the emotion encoder
