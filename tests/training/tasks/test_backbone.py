"""Fine-tuning of the top layers, with a tiny random model of the real class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.errors import InputError
from sedtalker.speech.backbone import BackboneConfig, load_backbone
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.run import compose
from sedtalker.training.tasks.backbone import BackboneTask, random_crop
from tests.support.tiny_backbones import save_tiny


def task_for(encoder: str, backbone: Path, data: Path, *more: str) -> BackboneTask:
    """The experiment's own config, made small."""
    config = compose(
        [
            *("experiment=backbone", f"encoder={encoder}", "trainer.run_dir=unused"),
            *(f"task.encoder.name={backbone}", "task.encoder.revision=null", *more),
        ]
    )
    small = {"corpora": {"made": 1.0}, "degraded": 0.0, "clips_per_batch": 4, "seconds": 1.0}
    task = config["task"] | small
    assert task.pop("name") == "backbone"
    made = BackboneTask(task, data, data / "cache")
    made.prepare()
    return made


@pytest.mark.parametrize(("encoder", "kind"), [("wavlm_base_plus", "WavLM"), ("whisper", "Whisper")])
def test_only_the_top_layer_moves(tmp_path: Path, buzzing_voices: Path, encoder: str, kind: str) -> None:
    folder = save_tiny(kind, tmp_path / "backbone")
    task = task_for(encoder, folder, buzzing_voices, "task.trainable_layers=1")
    run = tmp_path / "run"
    metrics = fit(task, TrainerConfig(steps=2, run_dir=str(run), lr=0.01, warmup=1, accelerator="cpu"))
    assert 0.0 <= metrics["uar_made"] <= 1.0
    assert "uar_made" in (run / "export" / "README.md").read_text()
    before, after = (load_backbone(BackboneConfig(name=str(f))) for f in (folder, run / "export"))
    old, new = before.model.state_dict(), after.model.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    top = f"layers.{len(before.layers) - 1}."
    assert moved
    assert all(top in name for name in moved)


def test_more_layers_than_there_are(tmp_path: Path, buzzing_voices: Path) -> None:
    task = task_for("hubert", save_tiny("Hubert", tmp_path / "backbone"), buzzing_voices, "task.trainable_layers=3")
    with pytest.raises(InputError, match="2 layers"):
        task.build()


def test_the_built_in_encoder_is_not_fine_tuned(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encoder=wavlm_base_plus"):
        BackboneTask({"corpora": {"made": 1.0}}, tmp_path, tmp_path)


def test_crops_have_one_length() -> None:
    rng = np.random.default_rng(0)
    long, short = np.arange(100, dtype=np.float32), np.arange(3, dtype=np.float32)
    crop = random_crop(long, 10, rng)
    assert (np.diff(crop) == 1).all()
    assert random_crop(short, 7, rng).tolist() == [0, 1, 2, 0, 1, 2, 0]
