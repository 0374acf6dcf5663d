"""The emotion encoder learns labels, stays near where it started, and several of them are averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.average_encoders import average
from sedtalker.checkpoint import CheckpointConfig, read_config, write_checkpoint
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.emotion_encoder import EmotionEncoder
from sedtalker.speech.encoder import EmotionEncoderConfig
from sedtalker.training.task import TrainerConfig, make_optimizer
from sedtalker.training.tasks.encoder_heads import read_head, take_up_heads
from sedtalker.training.tasks.fine_tuned_encoder import FineTunedEncoderTask
from sedtalker.training.tasks.whitened_perceptrons import WhitenedPerceptrons, Whitening

SIZES = EmotionEncoderConfig(stem_channels=8, width=16, channels=8, dilations=(1, 2), dropout=0.0)


def written(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    config = CheckpointConfig(
        kind="emotion_encoder", licence="ODbL-1.0", trained_on=["LibriSpeech"], model=SIZES.model_dump()
    )
    write_checkpoint(folder, config, EmotionEncoder(SIZES).state_dict(), "start")
    return folder


def made_task(data: Path, tmp_path: Path, **config: object) -> FineTunedEncoderTask:
    start = written(tmp_path / "start")
    given = {"start": str(start), "corpora": {"cremad": 1.0}, "copies": (0, 3), "batch": 8, "seconds": 1.2}
    task = FineTunedEncoderTask({**given, **config}, data, tmp_path / "cache")
    task.prepare()
    return task


def trained(task: FineTunedEncoderTask, steps: int) -> tuple[torch.nn.Module, list[dict[str, float]]]:
    torch.manual_seed(0)
    model, losses = task.build(), []
    optimizer = make_optimizer(model, TrainerConfig(steps=steps, run_dir="", lr=2e-2))
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_scale", 1.0)
    for _ in range(steps):
        found = task.losses(model.train(), task.batch(np.random.default_rng(0)))
        optimizer.zero_grad()
        found["total"].backward()
        optimizer.step()
        losses.append({name: value.item() for name, value in found.items()})
    return model.eval(), losses


def test_labels_train_the_head_first_and_then_the_encoder(rated_voices: Path, tmp_path: Path) -> None:
    task = made_task(rated_voices, tmp_path, head_first=5, hold=0.1)
    _, losses = trained(task, 25)
    assert all(found["hold"] == pytest.approx(0.0, abs=1e-9) for found in losses[:5])
    assert losses[-1]["hold"] > 0.0
    assert losses[-1]["category"] < 0.9 * losses[0]["category"]


def test_the_hold_keeps_the_vectors_near_those_of_the_start(rated_voices: Path, tmp_path: Path) -> None:
    def moved(hold: float) -> float:
        task = made_task(rated_voices, tmp_path, head_first=0, hold=hold)
        return trained(task, 15)[1][-1]["hold"] / hold

    assert moved(30.0) < 0.7 * moved(0.01)


def test_exports_an_encoder_and_the_mean_of_two(rated_voices: Path, tmp_path: Path) -> None:
    task = made_task(rated_voices, tmp_path, head_first=0)
    model, _ = trained(task, 3)
    metrics = task.validate(model)
    assert 0.0 <= metrics["score"] <= 1.0
    task.export(model, tmp_path / "export", metrics)
    stored = read_config(tmp_path / "export")
    assert stored.trained_on[0] == "LibriSpeech"
    assert any(name.startswith("cremad") for name in stored.trained_on)
    card = (tmp_path / "export" / "README.md").read_text()
    assert "contains information from crema-d" in card.lower()
    assert "{" not in card
    average([tmp_path / "start", tmp_path / "export"], tmp_path / "mean")
    start, tuned, mean = (
        open_model(tmp_path / name, "emotion_encoder", in_torch=True).project.weight
        for name in ("start", "export", "mean")
    )
    assert not torch.equal(start, tuned)
    assert torch.allclose(mean, 0.5 * (start + tuned), atol=1e-3)


def test_heads_become_members_that_say_the_same(rated_voices: Path, tmp_path: Path) -> None:
    task = made_task(rated_voices, tmp_path, head_first=0)
    model, _ = trained(task, 3)
    task.export(model, tmp_path / "export", {})
    head = read_head(tmp_path / "export")
    rng = np.random.default_rng(0)
    values = rng.standard_normal((20, 16)).astype(np.float32)
    whitening = Whitening(values.mean(0).astype(float), np.eye(16) + 0.1 * rng.standard_normal((16, 16)))
    sizes = DiarizerConfig(hidden_channels=8, width=168, members=2)
    members = WhitenedPerceptrons((16, 8, 20), sizes, 8).eval()
    before = members.members[0][1].weight.clone()
    take_up_heads(members, [head], whitening)
    inputs = torch.from_numpy(whitening(values)), torch.randn(20, 8), torch.randn(20, 20)
    with torch.no_grad():
        logits, _ = members(*inputs)
        wanted = model.head(model.norm(torch.from_numpy(values)))  # type: ignore[operator]
    assert logits[1].numpy() == pytest.approx(wanted.numpy(), abs=1e-4)
    assert torch.equal(members.members[0][1].weight, before)
    assert not any(p.requires_grad for p in members.members[1].parameters())
    with pytest.raises(InputError, match="3 heads do not fit into 2 members"):
        take_up_heads(members, [head] * 3, whitening)
    with pytest.raises(InputError, match="experiment=fine_tuned_encoder exports"):
        read_head(tmp_path / "start")


def test_encoders_of_other_sizes_have_no_mean(tmp_path: Path) -> None:
    other = SIZES.model_copy(update={"width": 8})
    config = CheckpointConfig(kind="emotion_encoder", licence="ODbL-1.0", trained_on=[], model=other.model_dump())
    write_checkpoint(tmp_path / "other", config, EmotionEncoder(other).state_dict(), "other")
    with pytest.raises(InputError, match="differ in size"):
        average([written(tmp_path / "one"), tmp_path / "other"], tmp_path / "mean")


def test_settings_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ravdess: its licence"):
        FineTunedEncoderTask({"corpora": {"cremad": 0.5, "ravdess": 0.5}}, tmp_path, tmp_path)
    with pytest.raises(InputError, match="add cremad"):
        FineTunedEncoderTask({"corpora": {"banglaser": 1.0}}, tmp_path, tmp_path)
