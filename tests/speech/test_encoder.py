from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from sedtalker.audio import from_samples, load_audio
from sedtalker.audio.audio import without_offset
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.progress import one_step
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import EncoderPair, MelEncoder, open_encoder, open_trained_encoder
from sedtalker.speech.encoder_model import EmotionEncoderConfig, GraphEncoder, MelNetwork, SpeechEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder, SpeechEncoder
from sedtalker.speech.features import (
    EMOTION,
    FRAME_CLOCK,
    FROM_HUB,
    SPEECH,
    analyse,
    band_means,
    centre_bands,
    level_gain,
    log_mel,
    prosody,
    speech_mask,
)
from tests.support.tiny_backbones import save_tiny

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def _speechlike(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(int(16000 * seconds)) / 16000
    tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    return (0.1 * tone * (np.sin(2 * np.pi * 2.5 * t) > 0) + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def _encoder(channels: int = 16) -> SpeechEncoder:
    torch.manual_seed(0)
    return SpeechEncoder(SpeechEncoderConfig(channels=channels)).eval()


@settings(max_examples=10)
@given(st.integers(1600, 40_000))
def test_frames_cover_the_audio(count):
    features = MelEncoder(_encoder())(from_samples(_speechlike(3)[:count], 16000))
    assert len(features) == -(-count // 320)
    assert features.hidden.shape == (len(features), 16)
    assert features.mel.shape == (len(features), 80)
    assert features.prosody.shape == (len(features), 4)
    assert features.speech.dtype == np.bool_
    assert features.clock == FRAME_CLOCK


def test_windows_equal_one_pass():
    samples = _speechlike(75)
    plain = without_offset(samples)
    scaled = plain * np.float32(level_gain(plain))
    mel, track = log_mel(scaled), prosody(scaled)
    speech = speech_mask(mel)
    windowed = analyse(samples)
    centred = centre_bands(mel, band_means(mel, speech))
    assert np.allclose(windowed.mel, mel, atol=1e-4)
    assert np.allclose(windowed.centred, centred, atol=1e-4)
    assert np.allclose(windowed.prosody, track, atol=1e-4)
    encoder = _encoder()
    whole = encoder.hidden(centred[None])[0]
    assert np.abs(MelEncoder(encoder)(from_samples(samples, 16000)).hidden - whole).max() < 1e-4


def test_a_hidden_vector_sees_its_context_only():
    encoder, mel = _encoder(), torch.randn(1, 400, 80)
    changed = mel.clone()
    changed[0, 200:202] += 1.0
    with torch.no_grad():
        moved = np.flatnonzero((encoder(changed) - encoder(mel)).abs().amax(-1)[0] > 1e-7)
    assert moved.min() >= 100 - encoder.config.context
    assert moved.max() <= 100 + encoder.config.context


def test_level_and_microphone_hardly_matter():
    sound = _speechlike(2)
    loud, quiet = (MelEncoder(_encoder())(from_samples(g * sound, 16000)).mel for g in (0.8, 0.01))
    assert np.abs(loud - quiet).mean() < 0.05


def test_silence_is_encoded():
    features = MelEncoder(_encoder())(from_samples(np.zeros(8000, np.float32), 16000))
    assert np.isfinite(features.hidden).all()


def test_the_builtin_encoder_predicts_phones():
    encoder = open_encoder()
    assert sum(p.numel() for p in open_model("speech_encoder", in_torch=True).parameters()) < 3e6
    features = encoder(from_samples(_speechlike(1), 16000))
    posterior = softmax(encoder.network.phones(features.hidden), -1)
    assert posterior.shape == (50, 40)
    assert np.allclose(posterior.sum(-1), 1.0, atol=1e-5)


def test_one_function_opens_every_encoder(tmp_path):
    whisper = save_tiny("Whisper", tmp_path / "whisper")
    sound = from_samples(_speechlike(1), 16000)
    builtin = builtin_checkpoint("speech_encoder")
    for source in (None, "speech_encoder", builtin, str(whisper), BackboneConfig(name=str(whisper), layers=1)):
        encoder = open_encoder(source)
        features = encoder(sound)
        assert features.hidden.shape == (50, encoder.channels)
        assert features.clock == FRAME_CLOCK
        assert encoder.to("cpu") is encoder
        assert len(encoder.sha256()) == 64
    assert open_encoder().sha256() == open_encoder(builtin).sha256() == weights_sha256(builtin)
    assert MelEncoder(_encoder()).sha256() == MelEncoder(_encoder()).sha256() != open_encoder().sha256()


def test_a_model_of_the_hub_may_end_early(tmp_path):
    folder, sound = save_tiny("Hubert", tmp_path / "hubert"), from_samples(_speechlike(1), 16000)
    first = open_encoder(BackboneConfig(name=str(folder), layers=1))
    whole = open_encoder(BackboneConfig(name=str(folder), layer_weights=(0.0, 1.0, 0.0)))
    np.testing.assert_allclose(first(sound).hidden, whole(sound).hidden, atol=1e-5)
    assert first.sha256() != whole.sha256()
    for layers in (0, 3):
        with pytest.raises(InputError, match=f"{layers} of its 2 layers cannot be kept"):
            open_encoder(BackboneConfig(name=str(folder), layers=layers))


def test_what_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such encoder: .*speech_encoder, emotion_encoder, whisper-base"):
        open_encoder("whisper_base")
    with pytest.raises(InputError, match="of kind decoder; give one of kind speech_encoder or "):
        open_encoder(builtin_checkpoint("decoder"))
    shutil.copytree(builtin_checkpoint("diarizer"), tmp_path / "diarizer")
    text = (tmp_path / "diarizer" / "config.json").read_text()
    (tmp_path / "diarizer" / "config.json").write_text(re.sub(r'("encoder_sha256": ")\w+', r"\g<1>0123", text))
    with pytest.raises(InputError, match=r"not the weights that the network in .* was trained on"):
        open_trained_encoder(tmp_path / "diarizer", DiarizerConfig())
    assert isinstance(open_trained_encoder(builtin_checkpoint("diarizer"), DiarizerConfig()), MelEncoder)


@pytest.mark.parametrize("frames", [2, 4])
def test_shortest_input(frames):
    assert _encoder()(torch.zeros(1, frames, 80)).shape == (1, frames // 2, 16)


def test_parts_of_a_pair_are_found_by_name() -> None:
    sound = from_samples(_speechlike(1.5), 16_000)
    encoders = {SPEECH: open_encoder(SPEECH), EMOTION: open_encoder(EMOTION)}
    pair = EncoderPair(encoders)
    features = pair(sound)
    assert features.hidden.shape == (len(features), pair.channels)
    for name, encoder in encoders.items():
        own = encoder(sound).hidden
        assert np.array_equal(features.of(name).hidden, own)
        assert np.array_equal(features.part(10, 20).of(name).hidden, own[10:30])
        assert features.of(name).of("anything").parts == (), "features of one encoder have no parts"
    with pytest.raises(InputError, match="of speech_encoder and emotion_encoder, and not of hub_encoder"):
        features.of(FROM_HUB)


@pytest.mark.parametrize("name", ["speech_encoder", "emotion_encoder"])
@pytest.mark.parametrize("mels", [2, 4, 6, 18, 100, 302])
def test_graphs_give_what_torch_gives_for_any_number_of_frames(name: str, mels: int) -> None:
    opened = open_encoder(name)
    assert isinstance(opened, MelEncoder)
    assert isinstance(opened.network, GraphEncoder)
    in_torch = open_model(name, in_torch=True)
    mel = np.random.default_rng(mels).standard_normal((2, mels, 80)).astype(np.float32)
    np.testing.assert_allclose(opened.network.hidden(mel), in_torch.hidden(mel), atol=5e-5)


def stretches(network: MelNetwork, mel: np.ndarray, hop: int) -> np.ndarray:
    """Hidden vectors of log-mels that come ``hop`` frames at a time; those that later sound changes come again."""
    states, first, hidden = network.start(), 0, np.zeros((len(mel), 0, network.config.channels), np.float32)
    states = tuple(np.repeat(state, len(mel), 0) for state in states)
    for end in range(hop, mel.shape[1] // 2 + 1, hop):
        fresh, *after = network.advance(mel[:, 2 * first : 2 * end], *states)
        hidden = np.concatenate([hidden[:, :first], fresh], 1)
        if end - first >= network.config.pending:
            states, first = tuple(after), end - network.config.pending
    assert first > mel.shape[1] // 4
    return hidden


@pytest.mark.parametrize("hop", [2, 4, 18])
@pytest.mark.parametrize(
    "network",
    [
        SpeechEncoder(SpeechEncoderConfig(channels=8, kernel=3, dilations=(1, 4, 2))),
        EmotionEncoder(EmotionEncoderConfig(stem_channels=8, width=8, channels=4, dilations=(1, 2))),
    ],
)
def test_stretch_by_stretch_it_gives_what_it_gives_of_the_whole(network: MelNetwork, hop: int) -> None:
    """Networks that see no more than comes again."""
    assert network.config.pending == network.config.context
    mel = np.random.default_rng(hop).normal(size=(2, 2 * 72, 80)).astype(np.float32)
    network.eval()  # type: ignore[attr-defined]
    np.testing.assert_allclose(stretches(network, mel, hop), network.stretch(mel), atol=1e-5)


@pytest.mark.parametrize(("name", "hop", "most"), [("speech_encoder", 4, 0.03), ("emotion_encoder", 16, 1e-4)])
def test_built_in_encoders_hardly_change_what_is_settled(name: str, hop: int, most: float) -> None:
    """They see more than comes again; of speech, hidden vectors differ by a small part."""
    network, in_torch = open_model(name), open_model(name, in_torch=True)
    assert network.config.pending < network.config.context
    analysis = analyse(load_audio(SAMPLE).samples)
    mel = (analysis.centred if network.centred else analysis.mel)[None, : 2 * 320]
    made, whole = stretches(network, mel, hop), network.stretch(mel)
    newest = slice(-network.config.pending, None)
    assert np.abs(made - whole)[:, newest].mean() < most * np.abs(whole).mean()
    np.testing.assert_allclose(stretches(in_torch, mel, hop), made, atol=1e-4)


def test_the_bar_does_not_go_back_where_a_second_encoder_finds_phones_and_mouth():
    encode, shares = open_encoder(), list[float]()
    assert isinstance(encode, MelEncoder)
    assert encode.articulates
    with one_step(lambda step, done, total: shares.append(done / total), "encoding"):
        encode(from_samples(_speechlike(35.0), 16000))
    assert shares == sorted(shares)


def test_a_long_recording_says_how_far_it_is_and_can_be_given_up_in_between():
    encode, sound = MelEncoder(_encoder()), from_samples(np.zeros(70 * 16000, np.float32), 16000)
    said = []
    with one_step(lambda step, done, total: said.append((step, done, total)), "encoding"):
        encode(sound)
    assert [said[0], *said[-3:]] == [("encoding", d, t) for d, t in ((0, 1), (500, 1000), (750, 1000), (1, 1))]
    assert len(said) > 15, "the analysis before the network is a part of it"

    def given_up(step, done, total):
        if done == 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), one_step(given_up, "encoding"):
        encode(sound)
    encode(sound)  # outside of a step nobody is asked
