"""Tiny random configurations of the real classes; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.audio import FrameClock, from_samples, resample_frames
from sedtalker.errors import InputError
from sedtalker.speech.backbone import (
    PACKED,
    Backbone,
    BackboneConfig,
    hidden_vectors,
    load_backbone,
    pack_backbone,
    unpack_backbone,
)
from sedtalker.speech.features import FRAME_CLOCK
from tests.support.tiny_backbones import SIZES, save_tiny, tiny_extractor, tiny_model


def backbone(kind: str, weights: tuple[float, ...] | None = None) -> Backbone:
    model = tiny_model(kind)
    return Backbone(model.get_encoder() if kind == "Whisper" else model, tiny_extractor(kind), weights)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


@pytest.mark.parametrize("kind", ["WavLM", "Wav2Vec2", "Hubert"])
def test_the_clock_is_that_of_the_receptive_field(kind: str) -> None:
    clock = backbone(kind).state_clock
    assert clock.rate == 50
    assert clock.offset == pytest.approx(0.0124688, abs=1e-6)  # (400 - 1) / 2 samples


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.3])
def test_features_cover_the_recording_on_the_clock_of_the_built_in_encoder(seconds: float) -> None:
    for kind in ("WavLM", "Whisper"):
        features = backbone(kind)(from_samples(noise(seconds), 16_000))
        assert features.hidden.shape == (int(np.ceil(seconds * 50)), 16)
        assert len(features.mel) == len(features.speech) == len(features)
        assert np.isfinite(features.hidden).all()


def test_long_recordings_run_in_windows_without_gaps() -> None:
    features = backbone("Hubert")(from_samples(noise(47.0), 16_000))
    assert features.hidden.shape == (47 * 50, 16)
    assert np.abs(np.diff(features.hidden, axis=0)).sum(1).min() > 0


@pytest.mark.parametrize("kind", ["WavLM", "Wav2Vec2", "Hubert"])
def test_layers_are_normalised_and_mixed_by_their_weights(kind: str) -> None:
    samples = noise(1.0)
    each = [hidden_vectors(backbone(kind, tuple(map(float, row))), samples, 50) for row in np.eye(3)]
    mixed = hidden_vectors(backbone(kind, (0.5, 0.3, 0.2)), samples, 50)
    np.testing.assert_allclose(mixed, 0.5 * each[0] + 0.3 * each[1] + 0.2 * each[2], atol=1e-5)
    np.testing.assert_array_equal(hidden_vectors(backbone(kind), samples, 50), each[2])
    assert np.abs(each[0] - each[2]).max() > 0.1, "layers differ"
    made = backbone(kind)
    with torch.no_grad():
        states = made.model(made.extractor(samples, sampling_rate=16_000, return_tensors="pt").input_values,
                            output_hidden_states=True).hidden_states  # fmt: skip
    by_hand = [(s[0] - s[0].mean(-1, keepdim=True)) / s[0].std(-1, keepdim=True, correction=0) for s in states]
    latest = FrameClock(50.0, 399 / 2 / 16_000).times(49)
    for mine, theirs in zip(each, by_hand, strict=True):
        expected = resample_frames(theirs.numpy(), latest, FRAME_CLOCK.times(50))
        np.testing.assert_allclose(mine, expected, atol=1e-3)


def test_a_local_backbone_travels_with_its_checkpoint(tmp_path: Path) -> None:
    config = BackboneConfig(name=str(save_tiny("Hubert", tmp_path / "source")), layer_weights=(0.2, 0.3, 0.5))
    packed = pack_backbone(config, tmp_path / "checkpoint")
    assert packed.name == PACKED
    (tmp_path / "source" / "model.safetensors").unlink()
    (tmp_path / "checkpoint").rename(tmp_path / "moved")
    assert load_backbone(unpack_backbone(packed, tmp_path / "moved")).layer_weights == (0.2, 0.3, 0.5)
    distant = BackboneConfig(name="microsoft/wavlm-base-plus", revision="refs/pr/1")
    assert pack_backbone(distant, tmp_path) == unpack_backbone(distant, tmp_path) == distant


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be loaded"):
        load_backbone(BackboneConfig(name=str(tmp_path)))
    with pytest.raises(InputError, match="4 layer weights for 3 hidden states"):
        load_backbone(BackboneConfig(name=str(save_tiny("WavLM", tmp_path)), layer_weights=(0.25,) * 4))
    with pytest.raises(InputError, match="neither a folder nor a name on the hub"):
        load_backbone(BackboneConfig(name="no/such/folder"))

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(InputError, match=r"^nobody/nothing \(v1\): not on this machine, and .* cannot be reached$"):
        load_backbone(BackboneConfig(name="nobody/nothing", revision="v1"))


def test_other_models_are_no_speech_encoders(tmp_path: Path) -> None:
    import transformers

    config = transformers.BertConfig(vocab_size=10, **SIZES)
    transformers.BertModel(config).save_pretrained(tmp_path)
    tiny_extractor("WavLM").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="bert model is not a speech encoder"):
        load_backbone(BackboneConfig(name=str(tmp_path)))
