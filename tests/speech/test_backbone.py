"""Tiny random configurations of the real classes; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from sedtalker.audio import from_samples
from sedtalker.errors import InputError
from sedtalker.speech.backbone import Backbone, BackboneConfig, encode_with_backbone, load_backbone

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
CONVOLUTIONS = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}


def waveform_backbone(name: str) -> Backbone:
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SIZES, **CONVOLUTIONS)
    model = getattr(transformers, f"{name}Model")(config)
    return Backbone(model.eval(), transformers.Wav2Vec2FeatureExtractor())


def whisper_backbone() -> Backbone:
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=16, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    return Backbone(transformers.WhisperModel(config).get_encoder().eval(), transformers.WhisperFeatureExtractor())


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


@pytest.mark.parametrize("name", ["WavLM", "Wav2Vec2", "Hubert"])
def test_the_clock_is_that_of_the_receptive_field(name: str) -> None:
    clock = waveform_backbone(name).clock
    assert clock.rate == 50
    assert clock.offset == pytest.approx(0.0124688, abs=1e-6)  # (400 - 1) / 2 samples


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.3])
def test_features_cover_the_recording_on_the_clock_of_the_built_in_encoder(seconds: float) -> None:
    for backbone in (waveform_backbone("WavLM"), whisper_backbone()):
        features = encode_with_backbone(backbone, from_samples(noise(seconds), 16_000))
        assert features.hidden.shape == (int(np.ceil(seconds * 50)), 16)
        assert len(features.mel) == len(features.speech) == len(features)
        assert np.isfinite(features.hidden).all()


def test_long_recordings_run_in_windows_without_gaps() -> None:
    features = encode_with_backbone(waveform_backbone("Hubert"), from_samples(noise(47.0), 16_000))
    assert features.hidden.shape == (47 * 50, 16)
    assert np.abs(np.diff(features.hidden, axis=0)).sum(1).min() > 0


def test_a_saved_backbone_is_loaded_from_its_folder(tmp_path: Path) -> None:
    made = waveform_backbone("WavLM")
    made.model.save_pretrained(tmp_path)
    made.extractor.save_pretrained(tmp_path)
    audio = from_samples(noise(1.0), 16_000)
    again = load_backbone(BackboneConfig(name=str(tmp_path)))
    np.testing.assert_allclose(
        encode_with_backbone(again, audio).hidden, encode_with_backbone(made, audio).hidden, atol=1e-5
    )


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded"):
        load_backbone(BackboneConfig(name=str(tmp_path)))
