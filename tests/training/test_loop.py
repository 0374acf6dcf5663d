from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sedtalker.training import loop
from sedtalker.training.loop import Batch, TrainerConfig, fit, learning_rate


class Sum:
    """Learns the sum of three numbers; dropout makes torch's random state matter."""

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def batch(self, rng: np.random.Generator) -> Batch:
        x = torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))
        return {"x": x, "y": x.sum(1, keepdim=True)}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"total": (model(batch["x"]) - batch["y"]).square().mean()}

    def validate(self, model: nn.Module) -> dict[str, float]:
        return {"score": -float((model(torch.ones(2, 3)) - 3).square().mean())}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        folder.mkdir()
        torch.save(model.state_dict(), folder / "model.pt")


class Stop(Exception):
    pass


def weights(run: Path) -> dict[str, Tensor]:
    state = torch.load(run / "last.ckpt", weights_only=True)
    return {**state["model"], **{f"average.{k}": v for k, v in state["average"].items()}}


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema: float
) -> None:
    whole = TrainerConfig(steps=40, run_dir=str(tmp_path / "whole"), validate_every=10, ema=ema, accelerator="cpu")
    fit(Sum(), whole)
    broken = TrainerConfig(**{**vars(whole), "run_dir": str(tmp_path / "broken"), "minutes_between_checkpoints": 0.0})
    real_step = loop._step

    def stopping(*arguments: object) -> dict[str, float]:
        if arguments[-2] == 23:
            raise Stop
        return real_step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", stopping)
    with pytest.raises(Stop):
        fit(Sum(), broken)
    monkeypatch.setattr(loop, "_step", real_step)
    lines: list[str] = []
    fit(Sum(), broken, lines.append)
    assert lines[0] == "resumed at step 23"
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_batches_made_by_other_processes_are_the_same(tmp_path: Path) -> None:
    alone = TrainerConfig(steps=12, run_dir=str(tmp_path / "alone"), validate_every=6, accelerator="cpu")
    fit(Sum(), alone)
    fit(Sum(), TrainerConfig(**{**vars(alone), "run_dir": str(tmp_path / "two"), "workers": 2}))
    first, second = weights(tmp_path / "alone"), weights(tmp_path / "two")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_training_lowers_the_loss_and_exports_the_best(tmp_path: Path) -> None:
    config = TrainerConfig(steps=300, run_dir=str(tmp_path), lr=1e-2, warmup=10, validate_every=100, accelerator="cpu")
    metrics = fit(Sum(), config)
    assert metrics["score"] > -0.1
    assert (tmp_path / "export" / "model.pt").is_file()


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = TrainerConfig(steps=100, run_dir="", lr=1.0, warmup=10)
    assert learning_rate(0, config) == pytest.approx(0.1)
    assert learning_rate(10, config) == pytest.approx(1.0)
    assert learning_rate(100, config) == pytest.approx(0.0)
