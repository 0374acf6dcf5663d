from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.animation.decoder import CorrectedDecoder, Decoder, DecoderConfig
from sedtalker.animation.mouth_model import MOUTH_SHAPES
from sedtalker.animation.pretrained import load_decoder
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from sedtalker.training.evaluation.lips import steady_track
from sedtalker.training.tasks.mouth_model import correct_decoder


def _folder(path: Path, kind: str, model: DecoderConfig | SpeechEncoderConfig, licence: str = "CC-BY-4.0") -> Path:
    torch.manual_seed(0)
    described = CheckpointConfig(
        kind=kind,
        licence=licence,
        trained_on=["all", path.name],
        encoder_sha256="a",
        model=model.model_dump(mode="json"),
    )
    network = Decoder(model) if isinstance(model, DecoderConfig) else SpeechEncoder(model)
    write_checkpoint(path, described, network.state_dict(), f"# {path.name}\n\n## Training\nNone.\n")
    return path


def _decoder(path: Path, licence: str = "CC-BY-4.0") -> Path:
    return _folder(path, "decoder", DecoderConfig(hidden=12, width=32, condition=16, heads=2, radius=4), licence)


def _mouth(path: Path) -> Path:
    sizes = SpeechEncoderConfig(hop=20, channels=16, dilations=(1, 2), motion_channels=len(MOUTH_SHAPES))
    return _folder(path, "mouth_model", sizes)


def test_a_corrected_decoder_comes_back_from_its_folder(tmp_path):
    folders = _decoder(tmp_path / "d"), _mouth(tmp_path / "x")
    correct_decoder(*folders, tmp_path / "both")
    led, config = load_decoder(tmp_path / "both"), read_config(tmp_path / "both")
    assert isinstance(led, CorrectedDecoder)
    assert config.trained_on == ["all", "d", "x"]
    assert config.encoder_sha256 == "a"
    card = (tmp_path / "both/README.md").read_text()
    assert "\n## x\n\n### Training\n" in card
    rng = np.random.default_rng(0)
    hidden, mel, prosody = (rng.standard_normal((60, width)).astype(np.float32) for width in (12, 80, 4))
    features = SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, np.ones(60, bool))
    track = steady_track("happy", 5.0)
    alone = load_decoder(folders[0]).predict(features, track)
    mouth_at_rest = np.abs(led.predict(features, track) - alone).max(1) < 1e-6
    assert mouth_at_rest.mean() > 0.5


def test_what_does_not_go_together_is_refused(tmp_path):
    decoder, mouth = _decoder(tmp_path / "d"), _mouth(tmp_path / "x")
    with pytest.raises(InputError, match="licences"):
        correct_decoder(_decoder(tmp_path / "nc", "CC-BY-NC-4.0"), mouth, tmp_path / "both")
    with pytest.raises(InputError, match="not a mouth model"):
        correct_decoder(decoder, builtin_checkpoint("speech_encoder"), tmp_path / "both")
    correct_decoder(decoder, mouth, tmp_path / "led")
    with pytest.raises(InputError, match="a decoder checkpoint is needed"):
        correct_decoder(tmp_path / "led", mouth, tmp_path / "both")
    assert not (tmp_path / "both").exists()
