"""The emotion encoder is distilled from a teacher and exported as one that predicts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import read_config
from sedtalker.errors import InputError
from sedtalker.speech.emotion_encoder import EmotionEncoderConfig
from sedtalker.speech.encoder import load_emotion_network
from sedtalker.training.corpora.layer_features import TEACHER_FILE, Teacher
from sedtalker.training.tasks import emotion_encoder
from sedtalker.training.tasks.emotion_encoder import DistilledEncoder, EmotionEncoderTask, moments, predict_teacher

SMALL = {"stem_channels": 8, "width": 16, "channels": 12, "dilations": (1, 2)}


def test_moments_count_speech_alone() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]]])
    mean, deviation = moments(values, torch.tensor([[1.0, 1.0, 0.0]]))
    assert mean.item() == pytest.approx(2.0)
    assert deviation.item() == pytest.approx(1.0, abs=1e-3)


def test_the_exported_encoder_predicts_the_teacher() -> None:
    torch.manual_seed(0)
    model = DistilledEncoder(EmotionEncoderConfig(**SMALL), 6).eval()
    mean, scale, mel = torch.randn(6), torch.rand(6) + 0.5, torch.randn(1, 40, 80)
    with torch.no_grad():
        wanted = model.distil(model.encoder(mel)) * scale + mean
        assert predict_teacher(model, mean, scale)(mel) == pytest.approx(wanted.numpy(), abs=1e-4)


def test_learns_and_exports(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emotion_encoder, "load_teacher", lambda *_: tiny_teacher)
    config = {"model": SMALL, "corpora": {"cremad": 0.8, "emogator": 0.2}, "copies": (0, 1, 2), "crops": 6}
    task = EmotionEncoderTask({**config, "seconds": 1.2}, rated_voices, tmp_path / "cache")
    task.prepare()
    torch.manual_seed(0)
    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    totals = []
    for step in range(60):
        losses = task.losses(model.train(), task.batch(np.random.default_rng(step)))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        totals.append(losses["total"].item())
    assert np.mean(totals[-5:]) < 0.7 * np.mean(totals[:5])
    metrics = task.validate(model.eval())
    assert metrics["recall"] > 0.6
    task.export(model, tmp_path / "export", metrics)
    stored = read_config(tmp_path / "export")
    assert stored.licence == "ODbL-1.0"
    assert "distilled from Whisper-base (MIT)" in stored.trained_on
    card = (tmp_path / "export" / "README.md").read_text()
    assert "contains information from crema-d, which is made available under the odbl" in card.lower()
    assert "{" not in card
    network = load_emotion_network(tmp_path / "export")
    assert network(torch.zeros(1, 40, 80)).shape == (1, 20, 8)


def test_batches_are_those_of_their_generator(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emotion_encoder, "load_teacher", lambda *_: tiny_teacher)
    config = {"model": SMALL, "corpora": {"cremad": 1.0}, "copies": (0, 3), "crops": 4}
    task = EmotionEncoderTask(config, rated_voices, tmp_path)
    task.prepare()
    first, again = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["mel"].shape == (4, 300, 80)
    assert first["teacher"].shape == (4, 75, 8)
    assert first["label"].sum(1) == pytest.approx(torch.ones(4).numpy())


def test_corpora_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ravdess: its licence"):
        EmotionEncoderTask({"corpora": {"cremad": 0.5, "ravdess": 0.5}}, tmp_path, tmp_path)
    EmotionEncoderTask({"corpora": {"cremad": 0.5, "ravdess": 0.5}, "licence_check": False}, tmp_path, tmp_path)
    with pytest.raises(InputError, match="none of them has votes"):
        EmotionEncoderTask({"corpora": {"emogator": 1.0}}, tmp_path, tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_two_clips_of_the_training_data(data_dir: Path, tmp_path: Path) -> None:
    if not (data_dir / TEACHER_FILE).is_file():
        pytest.skip("no teacher in the training data")
    task = EmotionEncoderTask({"corpora": {"cremad": 1.0}, "copies": (0,), "most_clips": 2}, data_dir, tmp_path)
    task.prepare()
    losses = task.losses(task.build(), task.batch(np.random.default_rng(0)))
    assert all(torch.isfinite(value) for value in losses.values())
