"""The emotion encoder imitates a teacher and is exported as one that predicts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import read_config
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder_model import EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.training.corpora.layer_features import TEACHER_FILE, Teacher
from sedtalker.training.corpora.manifest import few_clips
from sedtalker.training.task import TrainerConfig, make_optimizer
from sedtalker.training.tasks import emotion_encoder
from sedtalker.training.tasks.emotion_encoder import EmotionEncoderTask, in_units_of_teacher, moments

SMALL = {"stem_channels": 8, "width": 16, "channels": 8, "dilations": (1, 2), "dropout": 0.0}


def made_task(config: dict, data: Path, cache: Path, teacher: Teacher, monkeypatch: pytest.MonkeyPatch):
    """A task whose teacher is a tiny one, ready to train."""
    monkeypatch.setattr(emotion_encoder, "open_whisper", lambda *_: teacher.encoder)
    task = EmotionEncoderTask({"model": SMALL, "crops": 6, "seconds": 1.2, **config}, data, cache)
    task.prepare()
    return task


def test_moments_count_speech_alone() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]]])
    mean, variance = moments(values, torch.tensor([[1.0, 1.0, 0.0]]))
    assert mean.item() == pytest.approx(2.0)
    assert variance.item() == pytest.approx(1.0)


def test_the_exported_encoder_has_the_units_of_the_teacher() -> None:
    torch.manual_seed(0)
    model = EmotionEncoder(EmotionEncoderConfig(**SMALL)).eval()
    scale, mel = torch.rand(8) + 0.5, torch.randn(1, 40, 80)
    with torch.no_grad():
        assert in_units_of_teacher(model, scale)(mel).numpy() == pytest.approx((model(mel) * scale).numpy(), abs=1e-5)


@pytest.mark.slow
def test_learns_and_exports(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"corpora": {"cremad": 0.8, "emogator": 0.2}, "copies": (0, 1, 2)}
    task = made_task(config, rated_voices, tmp_path / "cache", tiny_teacher, monkeypatch)
    torch.manual_seed(0)
    model = task.build()
    optimizer = make_optimizer(model, TrainerConfig(steps=30, run_dir="", optimizer="muon", lr=5e-3))
    totals = []
    for step in range(30):
        losses = task.losses(model.train(), task.batch(np.random.default_rng(step)))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        totals.append(losses["total"].item())
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])
    metrics = task.validate(model.eval())
    assert 0.0 < metrics["frame_r2"] < 1.0
    task.export(model, tmp_path / "export", metrics)
    stored = read_config(tmp_path / "export")
    assert stored.licence == "ODbL-1.0"
    assert "distilled from Whisper-base (MIT)" in stored.trained_on
    card = (tmp_path / "export" / "README.md").read_text()
    assert "contains information from crema-d, which is made available under the odbl" in card.lower()
    assert "{" not in card
    network = open_model(tmp_path / "export", "emotion_encoder", in_torch=True)
    assert network(torch.zeros(1, 40, 80)).shape == (1, 20, 8)


def test_batches_are_those_of_their_generator(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = made_task({"corpora": {"cremad": 1.0}, "copies": (0, 3)}, rated_voices, tmp_path, tiny_teacher, monkeypatch)
    first, again = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["mel"].shape == (6, 120, 80)
    assert first["speech"].shape == (6, 30)
    assert 0 < first["speech"].sum() < first["speech"].numel()


def test_teacher_and_student_share_a_clock(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = made_task({"corpora": {"cremad": 1.0}, "copies": (0,)}, rated_voices, tmp_path, tiny_teacher, monkeypatch)
    mel = task.batch(np.random.default_rng(0))["mel"]
    assert task._encode(mel).shape == (6, 30, 32)
    assert task.build().coarse(mel).shape == (6, 30, 8)


def test_corpora_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ravdess: its licence"):
        EmotionEncoderTask({"corpora": {"cremad": 0.5, "ravdess": 0.5}}, tmp_path, tmp_path)
    EmotionEncoderTask({"corpora": {"cremad": 0.5, "ravdess": 0.5}, "licence_check": False}, tmp_path, tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_a_few_clips_of_the_training_data(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (data_dir / TEACHER_FILE).is_file():
        pytest.skip("no teacher in the training data")
    monkeypatch.setattr(emotion_encoder, "MEASURED_BATCHES", 3)
    config = {"corpora": {"cremad": 1.0}, "copies": (0,), "crops": 4}
    task = EmotionEncoderTask(config, data_dir, tmp_path)
    with few_clips():
        task.prepare()
    losses = task.losses(task.build(), task.batch(np.random.default_rng(0)))
    assert all(torch.isfinite(value) for value in losses.values())
