"""The diarizer trained on backbones: every encoder config, with a tiny random model of its class in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.audio import load_audio
from sedtalker.checkpoint import read_config
from sedtalker.emotion.inference import load_diarizer
from sedtalker.errors import InputError
from sedtalker.speech.backbone import PACKED, BackboneConfig, load_backbone, unpack_backbone
from sedtalker.speech.encoder import open_trained_encoder
from sedtalker.training.corpora import emotion_features as backbone_features
from sedtalker.training.run import compose, config_folder
from sedtalker.training.tasks.diarizer import DiarizerTask
from tests.support.tiny_backbones import ON_MADE, save_tiny
from tests.support.tracks import diarize

KINDS = {"wavlm_base_plus": "WavLM", "wav2vec2_xlsr": "Wav2Vec2", "hubert": "Hubert", "whisper": "Whisper"}


def task_for(encoder: str, backbone: Path, data: Path, cache: Path) -> DiarizerTask:
    """The diarizer's own experiment with the encoder's own config, made small."""
    config = compose(
        [
            *("experiment=diarizer", f"encoder={encoder}", "trainer.run_dir=unused"),
            *(f"task.encoder.name={backbone}", "task.encoder.revision=null"),
        ]
    )
    model = {"members": 1, "width": 8, "windows": [0.5, 2.0]}
    small = {"joined": 2, "singles_per_batch": 8, "joined_per_batch": 4, "model": model}
    task = config["task"] | ON_MADE | small
    assert task.pop("name") == "diarizer"
    made = DiarizerTask(task, data, cache)
    made.prepare()
    return made


def test_every_encoder_config_is_tried() -> None:
    assert {path.stem for path in (config_folder() / "encoder").glob("*.yaml")} == {"builtin", *KINDS}


@pytest.mark.parametrize("encoder", KINDS)
def test_trains_on_a_backbone_and_its_checkpoint_brings_it_along(
    tmp_path: Path, buzzing_voices: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    folder = save_tiny(KINDS[encoder], tmp_path / "backbone")
    task = task_for(encoder, folder, buzzing_voices, tmp_path / "cache")
    weights = task.encoder.backbone.layer_weights
    assert weights is not None
    assert sum(weights) == pytest.approx(1.0, abs=1e-3)
    features = task.train.features
    assert features.hidden.shape == (features.starts[-1], 16)

    clip = load_audio(buzzing_voices / "audio" / "made" / "a_happy_0.wav")
    backbone = load_backbone(BackboneConfig(name=str(folder), layer_weights=weights))
    of_clip = np.flatnonzero((features.speaker == "a") & (features.category == 1))[0]
    cached = features.hidden[features.starts[of_clip] : features.starts[of_clip + 1]]
    np.testing.assert_allclose(cached, backbone(clip).hidden, atol=0.02)

    model = task.build()
    losses = task.losses(model, task.batch(np.random.default_rng(0)))
    assert torch.isfinite(losses["total"])
    task.export(model.eval(), tmp_path / "export", {"uar_made": 0.5})
    assert "backbone" in (tmp_path / "export" / "README.md").read_text()
    loaded = load_diarizer(tmp_path / "export")
    assert loaded.config.backbone == BackboneConfig(name=PACKED, layer_weights=weights)
    encode = open_trained_encoder(tmp_path / "export", loaded.config.backbone)
    assert len(diarize(loaded, encode(clip), clip.duration)) == 70

    def again(*_: object) -> None:
        raise AssertionError("the cache was not used")

    monkeypatch.setattr(backbone_features, "hidden_vectors", again)
    monkeypatch.setattr(backbone_features, "layer_means", again)
    cached_task = task_for(encoder, folder, buzzing_voices, tmp_path / "cache")
    assert cached_task.encoder.backbone.layer_weights == weights


def test_other_weights_under_the_same_name_are_noticed(tmp_path: Path, buzzing_voices: Path) -> None:
    folder = save_tiny("Hubert", tmp_path / "backbone")
    task = task_for("hubert", folder, buzzing_voices, tmp_path / "cache")
    task.export(task.build().eval(), tmp_path / "export", {})
    assert read_config(tmp_path / "export").encoder_sha256 == load_backbone(BackboneConfig(name=str(folder))).sha256()
    inside = unpack_backbone(BackboneConfig(name=PACKED), tmp_path / "export")
    moved = load_backbone(inside)
    moved.layers[0].final_layer_norm.weight.data.mul_(2.0)
    moved.model.save_pretrained(inside.name)
    with pytest.raises(InputError, match="not the weights"):
        open_trained_encoder(tmp_path / "export", load_diarizer(tmp_path / "export").config.backbone)
    again = task_for("hubert", Path(inside.name), buzzing_voices, tmp_path / "cache")
    assert again.train.features.hidden_name != task.train.features.hidden_name, "another cache"
