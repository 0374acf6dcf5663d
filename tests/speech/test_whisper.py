"""Whisper's lower layers as an encoder: what ``transformers`` computes, on a tiny random configuration of its class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from sedtalker.audio import from_samples
from sedtalker.errors import InputError
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.whisper import FRAME_LENGTH, LAYERS, MARGIN, STEP, WhisperEncoder, positions, whisper_mel
from tests.support.tiny_backbones import save_whisper

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"), 4)


def opened(folder: Path, layers: tuple[int, ...] = LAYERS) -> WhisperEncoder:
    encoder = open_encoder(BackboneConfig(name=str(folder), side_by_side=layers))
    assert isinstance(encoder, WhisperEncoder)
    return encoder


def _sound(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * 16_000))).astype(np.float32)


def test_layers_are_those_of_transformers(folder: Path) -> None:
    model = transformers.WhisperModel.from_pretrained(folder).get_encoder().eval()
    mel = 2.0 * np.random.default_rng(0).standard_normal((240, 80)).astype(np.float32)
    with torch.no_grad():
        model.embed_positions.weight.copy_(torch.from_numpy(positions(1500, 16)))
        padded = np.pad(mel, ((0, 3000 - len(mel)), (0, 0))).T[None]
        wanted = model(torch.from_numpy(padded), output_hidden_states=True).hidden_states
    # what lies beyond the sound is nothing here and silence there: the layer before attention is compared
    np.testing.assert_allclose(opened(folder, (1,))._stem(mel)[:100], wanted[0][0, :100].numpy(), atol=1e-5)
    x = torch.from_numpy(opened(folder)._stem(mel))[None]
    with torch.no_grad():
        for layer in model.layers[:3]:
            out = layer(x, None)
            x = out[0] if isinstance(out, tuple) else out
    np.testing.assert_allclose(opened(folder, (3,)).outputs(mel), x[0].numpy(), atol=2e-5)


def test_log_mels_are_those_of_transformers() -> None:
    sound = _sound(2.0)
    extractor = transformers.WhisperFeatureExtractor()
    wanted = extractor(sound, sampling_rate=16_000, return_tensors="np", padding=False)["input_features"][0].T
    # Whisper's floor is relative to the loudest frame, ours is fixed: noise is above both
    np.testing.assert_allclose(whisper_mel(sound), wanted, atol=1e-3)


def test_two_layers_stand_side_by_side_on_the_built_in_clock(folder: Path) -> None:
    encoder = opened(folder, (1, 3))
    features = encoder(from_samples(_sound(1.01), 16_000))
    assert features.hidden.shape == (51, 32)
    assert encoder.channels == 32
    assert len(features.mel) >= len(features.hidden) == len(features.speech)
    built_in = open_encoder()(from_samples(_sound(1.01), 16_000))
    assert np.array_equal(features.mel, built_in.mel)
    assert encoder.frames(np.zeros(0, np.float32)).shape == (0, 32)


def test_a_later_sound_changes_no_earlier_window(folder: Path) -> None:
    encoder = opened(folder)
    # loudness is brought to one level first: the same level in both, so that only the windows matter
    sound = np.tile(_sound(1.0), 14)
    whole, part = (encoder.frames(sound[: frames * FRAME_LENGTH]) for frames in (700, 500))
    same = STEP * ((500 - MARGIN) // STEP - 1)
    np.testing.assert_allclose(whole[:same], part[:same], atol=1e-4)


def test_what_is_hashed_is_what_is_used(folder: Path) -> None:
    lower = opened(folder, (1, 2))
    before = lower.sha256()
    whole = WhisperEncoder.open(folder / "model.safetensors", (1, 3))
    assert whole.sha256() != before
    changed = {name: np.zeros_like(weight) if "0.fc1" in name else weight for name, weight in lower.weights.items()}
    assert WhisperEncoder(changed, (1, 2)).sha256() != before


def test_emotion_takes_the_layers_that_the_lips_passed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, emotion, lips = from_samples(_sound(5.0), 16_000), opened(folder), opened(folder, (3, 4))
    alone = emotion(from_samples(_sound(5.0), 16_000)).hidden
    higher = WhisperEncoder.frames(lips, sound.samples)
    runs = list[str]()
    layer = WhisperEncoder._layer
    monkeypatch.setattr(WhisperEncoder, "_layer", lambda self, x, name: (runs.append(name), layer(self, x, name))[1])
    assert np.array_equal(lips(sound).hidden, higher)
    assert np.array_equal(emotion(sound).hidden, alone)
    assert len(runs) == len(set(runs)) == 4
    assert np.array_equal(opened(folder, (1, 3))(sound).hidden[:, 16:], alone[:, 16:])


def test_more_layers_than_there_are_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="of a model that has 4"):
        opened(folder, (2, 9))


def test_what_is_no_whisper_is_refused_in_one_line(tmp_path: Path) -> None:
    save_file({"weight": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="not a Whisper model"):
        opened(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"none")
    with pytest.raises(InputError, match="cannot be read"):
        opened(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors in it"):
        opened(tmp_path)


def test_heads_are_those_of_the_configuration(folder: Path, tmp_path: Path) -> None:
    assert opened(folder).heads == 2
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    assert opened(tmp_path).heads == 1, "64 channels each, where nothing says how many there are"
    (tmp_path / "config.json").write_text(json.dumps({"encoder_attention_heads": "two"}))
    assert opened(tmp_path).heads == 1
