from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.animation.conditioning import STYLE_CODES
from sedtalker.animation.decoder import AveragedDecoder, Decoder, DecoderConfig, load_decoder, predict
from sedtalker.checkpoint import CheckpointConfig, read_config, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.speech.encoder import SpeechEncoderConfig, SpeechFeatures
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.averaging import average_decoders
from sedtalker.training.evaluate_control import constant_track


def _decoder_folder(path: Path, seed: int, licence: str = "CC-BY-4.0", **config) -> Path:
    torch.manual_seed(seed)
    model = DecoderConfig(hidden=12, width=32, condition=16, heads=2, radius=4, **config)
    described = CheckpointConfig(
        kind="decoder", licence=licence, trained_on=["all", f"seed {seed}"], model=model.model_dump(mode="json")
    )
    write_checkpoint(path, described, Decoder(model).state_dict(), f"# Decoder {seed}\n\n## Training\nNone.\n")
    return path


def _features(frames: int = 60) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    hidden, mel, prosody = (rng.standard_normal((frames, width)).astype(np.float32) for width in (12, 80, 4))
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, np.ones(frames, bool))


def test_the_output_is_the_mean_of_the_members(tmp_path):
    ear = SpeechEncoderConfig(hop=20, channels=16, dilations=(1, 2))
    folders = [_decoder_folder(tmp_path / "a", 0), _decoder_folder(tmp_path / "b", 1, front_end=ear)]
    average_decoders(folders, tmp_path / "mean")
    decoder, track = load_decoder(tmp_path / "mean"), constant_track("happy", 0.8)
    assert isinstance(decoder, AveragedDecoder)
    alone = [predict(load_decoder(folder), _features(), track) for folder in folders]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    assert np.allclose(predict(decoder, _features(), track), np.mean(alone, 0), atol=1e-6)


def test_sources_and_cards_are_put_together(tmp_path):
    average_decoders([_decoder_folder(tmp_path / n, i) for i, n in enumerate("ab")], tmp_path / "mean")
    config, card = read_config(tmp_path / "mean"), (tmp_path / "mean/README.md").read_text()
    assert config.trained_on == ["all", "seed 0", "seed 1"]
    assert config.licence == "CC-BY-4.0"
    assert "\n## Decoder 1\n\n### Training\n" in card


def test_what_does_not_go_together_is_refused(tmp_path):
    first = _decoder_folder(tmp_path / "a", 0)
    with pytest.raises(InputError, match="two"):
        average_decoders([first], tmp_path / "mean")
    with pytest.raises(InputError, match="licences"):
        average_decoders([first, _decoder_folder(tmp_path / "b", 1, "CC-BY-NC-4.0")], tmp_path / "mean")
    with pytest.raises(InputError, match="styles"):
        average_decoders([first, _decoder_folder(tmp_path / "c", 1, styles=STYLE_CODES[:2])], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
