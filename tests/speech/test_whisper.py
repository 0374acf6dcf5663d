"""Whisper's lower layers as an encoder, on a tiny random configuration of the real class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.audio import from_samples
from sedtalker.errors import InputError
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.whisper import FRAME_LENGTH, LAYERS, MARGIN, STEP, WhisperEncoder, layer_frames
from tests.support.tiny_backbones import save_whisper

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"), 3)


def _sound(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * 16_000))).astype(np.float32)


def test_two_layers_stand_side_by_side_on_the_built_in_clock(folder: Path) -> None:
    encoder = open_encoder(BackboneConfig(name=str(folder), side_by_side=(1, 3)))
    assert isinstance(encoder, WhisperEncoder)
    features = encoder(from_samples(_sound(1.01), 16_000))
    assert features.hidden.shape == (51, 32)
    assert encoder.channels == 32
    assert len(features.mel) >= len(features.hidden) == len(features.speech)
    built_in = open_encoder()(from_samples(_sound(1.01), 16_000))
    assert np.array_equal(features.mel, built_in.mel)


def test_a_later_sound_changes_no_earlier_window(folder: Path) -> None:
    encoder = open_encoder(BackboneConfig(name=str(folder), side_by_side=LAYERS))
    # loudness is brought to one level first: the same level in both, so that only the windows matter
    sound = torch.from_numpy(np.tile(_sound(1.0), 14))
    whole, part = (layer_frames(encoder.model, sound[: frames * FRAME_LENGTH]) for frames in (700, 500))
    same = STEP * ((500 - MARGIN) // STEP - 1)
    assert torch.allclose(whole[:same], part[:same], atol=1e-4)


def test_what_is_hashed_is_what_is_used(folder: Path) -> None:
    lower = open_encoder(BackboneConfig(name=str(folder), side_by_side=(1, 2)))
    before = lower.sha256()
    with torch.no_grad():
        lower.model.layers[2].fc1.weight.zero_()
    assert lower.sha256() == before
    with torch.no_grad():
        lower.model.layers[0].fc1.weight.zero_()
    assert lower.sha256() != before


def test_more_layers_than_there_are_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="3"):
        open_encoder(BackboneConfig(name=str(folder), side_by_side=(2, 9)))
