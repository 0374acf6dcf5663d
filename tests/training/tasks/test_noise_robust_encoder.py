"""The speech encoder goes on in noise: its own answer to the clean sound is what it learns."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.features import analyse
from sedtalker.training.corpora import augmentation
from sedtalker.training.corpora.manifest import few_clips
from sedtalker.training.tasks import noise_robust_encoder as robust
from sedtalker.training.tasks.noise_robust_encoder import NoiseRobustEncoderTask


@pytest.fixture(scope="module")
def prepared(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> NoiseRobustEncoderTask:
    config = {"crops": 4, "seconds": 1.6, "clean": 0.2, "clean_weight": 2.0}
    made = NoiseRobustEncoderTask(config, data_dir, tmp_path_factory.mktemp("noise"))
    every = augmentation.noise_files

    def few(data: Path, hold_out: bool = True) -> list[Path]:
        """A twentieth of the noises, which are read in a second."""
        return every(data, hold_out)[::20]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("READ", 6), ("VALID", 1), ("noise_files", few)):
            patch.setattr(robust, name, value)
        patch.setattr(augmentation, "noise_files", few)
        with few_clips():
            made.prepare()
    return made


@pytest.fixture
def task(prepared: NoiseRobustEncoderTask, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> NoiseRobustEncoderTask:
    """One whose settings a test may change."""
    for name, value in (("READ", 6), ("VALID", 1)):
        monkeypatch.setattr(robust, name, value)
    return copy(prepared)


@pytest.mark.slow
def test_what_is_not_degraded_costs_nothing(task: NoiseRobustEncoderTask) -> None:
    task.config = task.config.model_copy(update={"clean": 1.0})
    batch = task.batch(np.random.default_rng(0))
    assert batch["mel"].shape == (4, 160, 80)
    torch.testing.assert_close(batch["mel"], batch["clean"])
    assert float(task.losses(task.build().eval(), batch)["total"].detach()) == pytest.approx(0.0, abs=1e-6)


def test_clean_crops_count_as_much_as_asked(task: NoiseRobustEncoderTask) -> None:
    task.config = task.config.model_copy(update={"crops": 16, "clean": 0.5})
    batch = task.batch(np.random.default_rng(3))
    clean = (batch["mel"] == batch["clean"]).flatten(1).all(1)
    assert 0 < clean.sum() < len(clean)
    assert (batch["weight"][clean].amax(1) == 2.0).all()
    assert (batch["weight"][~clean].amax(1) == 1.0).all()


def test_goes_on_from_earlier_weights(task: NoiseRobustEncoderTask, tmp_path: Path) -> None:
    made = task.build()
    torch.nn.init.zeros_(made.stem.bias)
    task.config = task.config.model_copy(update={"share": 1.0})
    task.export(made, tmp_path / "first", {})
    task.config = task.config.model_copy(update={"weights": str(tmp_path / "first")})
    assert not task.build().stem.bias.any()
    assert task.teacher.stem.bias.any()


def test_learns_to_give_in_noise_what_it_gave_without(task: NoiseRobustEncoderTask, tmp_path: Path) -> None:
    batch = task.batch(np.random.default_rng(1))
    assert (batch["mel"] != batch["clean"]).any()
    model = task.build().train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    history = []
    for _ in range(8):
        total = task.losses(model, batch)["total"]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(float(total.detach()))
    assert history[-1] < 0.8 * history[0]
    metrics = task.validate(model.eval())
    assert 0.5 < metrics["clean_r"] <= 1.0
    task.export(model, tmp_path / "export", metrics)
    assert "\n0.6 of the way from the weights before" in (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    before, after = (
        open_model("speech_encoder", in_torch=True),
        open_model(tmp_path / "export", "speech_encoder", in_torch=True),
    )
    torch.testing.assert_close(after.phone_head.weight, before.phone_head.weight)
    assert not torch.equal(after.stem.weight, before.stem.weight)
    kept = {k: v for k, v in read_config(builtin_checkpoint("speech_encoder")).metrics.items() if k not in metrics}
    found = read_config(tmp_path / "export").metrics
    assert found.items() >= kept.items()
    assert json.loads((tmp_path / "export" / "config.json").read_text(encoding="utf-8"))["metrics"] == found, "rounded"


def test_reads_what_the_encoder_reads() -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    np.testing.assert_array_equal(robust._centred(samples), analyse(samples).centred)


def test_a_corpus_without_clips_is_named(rated_voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robust, "read_grid", lambda data: [])
    with pytest.raises(InputError, match="the manifest has no clips of ljspeech, train"):
        NoiseRobustEncoderTask({"corpora": {"ljspeech": 0.5}}, rated_voices, tmp_path).prepare()
    monkeypatch.setattr(NoiseRobustEncoderTask, "_fit_readout", lambda self, hook: None)
    task = NoiseRobustEncoderTask({"corpora": {"emogator": 0.5, "ljspeech": 0.0}}, rated_voices, tmp_path)
    task.prepare()
    assert len(task.sounds["librispeech"]), "those who talk beside"
