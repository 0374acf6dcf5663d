import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from sedtalker.errors import InputError
from sedtalker.processes import open_locked
from sedtalker.progress import Hook, no_progress
from sedtalker.training import loop
from sedtalker.training.loop import RunLog, fit, generator, read_log
from sedtalker.training.task import Batch, Task, TrainerConfig, learning_rate


class Sum(Task):
    """Learns the sum of three numbers; dropout makes torch's random state matter."""

    def __init__(self) -> None:
        """It has no settings."""

    def prepare(self, hook: Hook = no_progress) -> None:
        hook("numbers", 1, 1)

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
        folder.mkdir(exist_ok=True)
        torch.save(model.state_dict(), folder / "model.pt")


class Stop(Exception):
    pass


def weights(run: Path) -> dict[str, Tensor]:
    state = torch.load(run / "last.ckpt", weights_only=True)
    return {**state["model"], **{f"average.{k}": v for k, v in state["average"].items()}}


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ema: float
) -> None:
    whole = TrainerConfig(steps=40, run_dir=str(tmp_path / "whole"), validate_every=10, ema=ema, accelerator="cpu")
    fit(Sum(), whole)
    broken = TrainerConfig(**{**vars(whole), "run_dir": str(tmp_path / "broken"), "minutes_between_checkpoints": 0.0})
    real_step = loop._step

    def stopping(run: loop._Run, micro: list[Batch]) -> dict[str, Tensor]:
        if run.step == 23:
            raise Stop
        return real_step(run, micro)

    monkeypatch.setattr(loop, "_step", stopping)
    with pytest.raises(Stop):
        fit(Sum(), broken)
    monkeypatch.setattr(loop, "_step", real_step)
    caplog.set_level("INFO")
    fit(Sum(), broken)
    assert "resumed at step 23" in caplog.messages
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_batches_made_by_other_processes_are_the_same(tmp_path: Path) -> None:
    alone = TrainerConfig(steps=12, run_dir=str(tmp_path / "alone"), validate_every=6, accelerator="cpu")
    fit(Sum(), alone)
    fit(Sum(), TrainerConfig(**{**vars(alone), "run_dir": str(tmp_path / "two"), "workers": 2}))
    first, second = weights(tmp_path / "alone"), weights(tmp_path / "two")
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.skipif(sys.platform == "win32", reason="no forked processes")
def test_a_signal_to_all_processes_is_left_to_the_one_that_trains(tmp_path: Path) -> None:
    class Signalled(Sum):
        def batch(self, rng: np.random.Generator) -> Batch:
            if multiprocessing.parent_process() is not None:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().batch(rng)

    fit(Signalled(), TrainerConfig(steps=3, run_dir=str(tmp_path), accelerator="cpu", workers=1))


class Still(Sum):
    """Without dropout, so that batches may be joined."""

    def build(self) -> nn.Module:
        return nn.Linear(3, 1)


class Doubled(Still):
    """Gives the two micro-batches of a step as one batch."""

    def __init__(self, config: TrainerConfig):
        self.config, self.step = config, 0

    def batch(self, rng: np.random.Generator) -> Batch:
        halves = [super(Doubled, self).batch(generator(self.config, self.step, 0, number)[0]) for number in range(2)]
        self.step += 1
        return {name: torch.cat([half[name] for half in halves]) for name in halves[0]}


def test_two_accumulated_batches_are_one_doubled(tmp_path: Path) -> None:
    two = TrainerConfig(steps=20, run_dir=str(tmp_path / "two"), accumulate=2, log_every=1, accelerator="cpu")
    fit(Still(), two)
    fit(Doubled(two), TrainerConfig(**{**vars(two), "run_dir": str(tmp_path / "one"), "accumulate": 1}))
    losses = [[row["total"] for row in read_log(tmp_path / n) if row["kind"] == "loss"] for n in ("one", "two")]
    assert len(losses[0]) == 20
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_patience_ends_a_run_and_it_stays_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = TrainerConfig(
        steps=100, run_dir=str(tmp_path), lr=0.0, validate_every=5, patience=3, pictures=False, accelerator="cpu"
    )
    fit(Still(), config)
    steps = [row["step"] for row in read_log(tmp_path) if row["kind"] == "valid"]
    assert steps == [5, 10, 15, 20]
    caplog.clear()
    caplog.set_level("INFO")
    (tmp_path / "export" / "model.pt").unlink()
    (tmp_path / "export").rmdir()
    fit(Still(), config)
    assert [m for m in caplog.messages if "step" in m] == ["resumed at step 20"]


def test_overfitting_sees_one_batch(tmp_path: Path) -> None:
    config = TrainerConfig(
        steps=200, run_dir=str(tmp_path), lr=0.05, warmup=5, overfit=True, log_every=1, accelerator="cpu"
    )
    fit(Still(), config)
    losses = [row["total"] for row in read_log(tmp_path) if row["kind"] == "loss"]
    assert losses[-1] < 1e-3 * losses[0]


class Small(Still):
    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"total": super().losses(model, batch)["total"] * 0.0 + 1.5e-6}


def test_a_small_loss_is_not_shown_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fit(Small(), TrainerConfig(steps=1, run_dir=str(tmp_path), accelerator="cpu"))
    assert any(message.endswith("total 1.5e-06") for message in caplog.messages)


class Diverging(Still):
    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"total": super().losses(model, batch)["total"] / 0.0}


def test_a_loss_that_is_no_number_ends_the_run_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no number at step 1: lower trainer\.lr"):
        fit(Diverging(), TrainerConfig(steps=5, run_dir=str(tmp_path), accelerator="cpu"))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        TrainerConfig(steps=1, run_dir="", accumulate=0)
    with pytest.raises(ValidationError, match="'cosine', 'constant' or 'linear'"):
        TrainerConfig(steps=1, run_dir="", schedule="steps")  # type: ignore[arg-type]


def test_the_preparation_and_every_step_are_reported_and_the_settings_kept(tmp_path: Path) -> None:
    reported: list[tuple[str, int, int]] = []
    config = TrainerConfig(steps=3, run_dir=str(tmp_path), accelerator="cpu")
    fit(Sum(), config, lambda *progress: reported.append(progress), {"task": {"name": "sum"}})
    assert reported == [("numbers", 1, 1), *(("training", step, 3) for step in (1, 2, 3))]
    assert json.loads((tmp_path / "config.json").read_text()) == {"task": {"name": "sum"}}


def test_mixed_precision_runs(tmp_path: Path) -> None:
    config = TrainerConfig(
        steps=60, run_dir=str(tmp_path), lr=1e-2, warmup=5, precision="bf16-mixed", accelerator="cpu", validate_every=30
    )
    fit(Sum(), config)
    losses = [row["total"] for row in read_log(tmp_path) if row["kind"] == "loss"]
    assert losses[-1] < losses[0]
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert all(value.dtype == torch.float32 for value in stored["model"].values())


def test_a_checkpoint_from_before_there_was_patience_resumes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = TrainerConfig(steps=10, run_dir=str(tmp_path), validate_every=5, accelerator="cpu")
    fit(Sum(), config)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    for name in ("stale", "stopped", "precision"):
        del stored[name]
    torch.save(stored, tmp_path / "last.ckpt")
    (tmp_path / "export" / "model.pt").unlink()
    (tmp_path / "export").rmdir()
    caplog.set_level("INFO")
    fit(Sum(), TrainerConfig(**{**vars(config), "steps": 12}))
    assert "resumed at step 10" in caplog.messages


def test_other_settings_are_named_and_refused_where_nothing_is_left_to_train(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def trained(steps: int, lr: float, task: Sum | None = None) -> None:
        config = TrainerConfig(steps=steps, lr=lr, run_dir=str(tmp_path), accelerator="cpu")
        fit(task or Sum(), config, settings={"trainer": {"lr": lr, "steps": steps}, "data": str(steps)})
        (tmp_path / "export" / "model.pt").unlink()
        (tmp_path / "export").rmdir()

    trained(4, 1e-3)
    trained(4, 1e-3)  # nothing but the end again
    kept = (tmp_path / "config.json").read_bytes()
    with pytest.raises(InputError, match=r"has been trained with other settings; .*: trainer.lr=0.01 \(was 0.001\)"):
        trained(4, 1e-2, NoData())  # said before the data are prepared
    assert (tmp_path / "config.json").read_bytes() == kept
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save({**stored, "stopped": True}, tmp_path / "last.ckpt")  # as where patience ended it before its steps
    with pytest.raises(InputError, match=r"has been trained with other settings"):
        trained(6, 1e-2)
    torch.save(stored, tmp_path / "last.ckpt")
    caplog.set_level("INFO")
    trained(6, 1e-2)
    assert "resumed at step 4 with other settings: trainer.lr=0.01 (was 0.001)" in caplog.messages

    class Wider(Sum):
        def build(self) -> nn.Module:
            return nn.Sequential(nn.Linear(3, 9), nn.Dropout(0.2), nn.Linear(9, 1))

    with pytest.raises(InputError, match=r"its weights do not fit; name another trainer.run_dir"):
        trained(8, 1e-2, Wider())
    whole = (tmp_path / "last.ckpt").read_bytes()
    for damaged in (b"no checkpoint", whole[:100], whole[:1000], whole[: len(whole) // 2], b""):
        (tmp_path / "last.ckpt").write_bytes(damaged)
        with pytest.raises(InputError, match=r"last.ckpt: damaged"):
            trained(8, 1e-2)


def test_the_folder_of_another_experiment_is_said_to_be_one(tmp_path: Path) -> None:
    config = TrainerConfig(steps=2, run_dir=str(tmp_path), accelerator="cpu")
    fit(Sum(), config, settings={"task": {"name": "first", "odd": 1}})
    with pytest.raises(InputError, match=r"other settings; name .*: task.name=second \(was first\)$"):
        fit(NoData(), config, settings={"task": {"name": "second", "even": 2}})


def test_a_network_of_other_sizes_is_refused_before_the_data_and_other_dropout_is_not(tmp_path: Path) -> None:
    def trained(task: Sum, steps: int, **blocks: float) -> None:
        config = TrainerConfig(steps=steps, run_dir=str(tmp_path), accelerator="cpu")
        fit(task, config, settings={"task": {"blocks": blocks}})
        shutil.rmtree(tmp_path / "export")

    trained(Sum(), 2, width=8, dropout=0.1)
    with pytest.raises(InputError, match=r"its weights do not fit; .*: task.blocks.width=9 \(was 8\)"):
        trained(NoData(), 4, width=9, dropout=0.1)
    trained(Sum(), 4, width=8, dropout=0.2)


def test_a_run_keeps_the_licence_that_it_began_with(tmp_path: Path) -> None:
    """The checkpoint would else get the licence of what its weights never saw."""
    config = TrainerConfig(steps=2, run_dir=str(tmp_path / "run"), accelerator="cpu")
    task = Sum()
    fit(task, config)  # the data do not say what they are
    task.licence = "CC-BY-NC-4.0"
    fit(task, TrainerConfig(**{**vars(config), "steps": 4}))
    exported = (tmp_path / "run" / "export" / "model.pt").read_bytes()
    task.licence = "CC0"
    for steps in (4, 6):
        with pytest.raises(InputError, match=r"data under CC-BY-NC-4.0; .* data= is under CC0"):
            fit(task, TrainerConfig(**{**vars(config), "steps": steps}))
    assert (tmp_path / "run" / "export" / "model.pt").read_bytes() == exported


def test_a_checkpoint_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, load = list[str](), torch.load
    monkeypatch.setattr(torch, "load", lambda path, **how: opened.append(Path(path).name) or load(path, **how))
    for steps in (2, 4):
        fit(Sum(), TrainerConfig(steps=steps, run_dir=str(tmp_path), accelerator="cpu"))
        shutil.rmtree(tmp_path / "export")
    assert opened.count("last.ckpt") == 1


def test_fewer_steps_than_were_made_are_not_kept(tmp_path: Path) -> None:
    for steps in (6, 3):
        config = TrainerConfig(steps=steps, run_dir=str(tmp_path), accelerator="cpu")
        fit(Sum(), config, settings={"trainer": {"steps": steps}})
        shutil.rmtree(tmp_path / "export")
    assert json.loads((tmp_path / "config.json").read_text())["trainer"]["steps"] == 6


def test_what_a_killed_run_logged_after_its_checkpoint_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 3, "kind": "loss"}\n{"step": 9, "kind": "loss"}\n{"st')
    RunLog(tmp_path, 5).close()
    assert [row["step"] for row in read_log(tmp_path)] == [3]


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
    constant = TrainerConfig(steps=100, run_dir="", lr=1.0, warmup=10, schedule="constant")
    assert learning_rate(100, constant) == 1.0


def test_two_programs_do_not_train_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PATIENCE", 0.0)
    config = TrainerConfig(steps=1, run_dir=str(tmp_path), accelerator="cpu")
    held = open_locked(tmp_path / loop.RUN_LOCK)
    assert held is not None
    with pytest.raises(InputError, match="another program trains there"):
        fit(Sum(), config, settings={"of": "the second"})
    assert [path.name for path in tmp_path.iterdir()] == [loop.RUN_LOCK]
    os.close(held[0])
    fit(Sum(), config)


class NoData(Sum):
    """``Sum`` whose data are missing; they are not looked for where the run's folder cannot be."""

    def prepare(self, hook=no_progress):
        """See ``Task``."""
        raise InputError("no data")


def test_the_folder_of_a_run_is_looked_at_before_the_data_and_goes_again_without_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be written"):
        fit(NoData(), TrainerConfig(steps=1, run_dir=str(tmp_path / "file"), accelerator="cpu"))
    with pytest.raises(InputError, match="no data"):
        fit(NoData(), TrainerConfig(steps=1, run_dir=str(tmp_path / "run"), accelerator="cpu"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_thread_of_tensorboard_does_not_print_where_the_disk_was_full(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with loop._one_line_of_the_disk():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert capfd.readouterr().err == ""
    assert threading.excepthook is not None


def test_where_an_interrupted_run_goes_on_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Interrupted(Sum):
        seen = 0

        def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
            self.seen += 1
            if self.seen == 3:
                raise KeyboardInterrupt
            return super().losses(model, batch)

    caplog.set_level("INFO")
    often = TrainerConfig(steps=9, run_dir=str(tmp_path), accelerator="cpu", minutes_between_checkpoints=0.0)
    for config, step in ((often.model_copy(update={"minutes_between_checkpoints": 3.0}), 0), (often, 2)):
        with pytest.raises(KeyboardInterrupt):
            fit(Interrupted(), config)
        assert caplog.messages[-1] == f"the same command goes on from step {step} of 9"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_for_its_step_and_saves_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    class Interrupted(Sum):
        seen, signals = 0, 1

        def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
            self.seen += 1
            for _ in range(self.signals if self.seen == 3 else 0):
                signal.raise_signal(number)
            return super().losses(model, batch)

    whole = TrainerConfig(steps=9, run_dir=str(tmp_path / "whole"), validate_every=3, accelerator="cpu")
    broken = TrainerConfig(**{**vars(whole), "run_dir": str(tmp_path / "broken")})
    caplog.set_level("INFO")
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(Interrupted(), broken)
        assert caplog.messages[-1] == "the same command goes on from step 3 of 9"
        twice = Interrupted()
        twice.signals = 2
        with pytest.raises(KeyboardInterrupt):
            fit(twice, broken)
        assert caplog.messages[-1] == "the same command goes on from step 3 of 9"  # at once, in the sixth step
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    fit(Sum(), broken)
    fit(Sum(), whole)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert read_log(tmp_path / "whole") == read_log(tmp_path / "broken")


def test_a_disk_that_is_full_when_pictures_are_drawn_is_named(tmp_path: Path) -> None:
    class Pictured(Sum):
        def show(self, model: nn.Module, writer: object, step: int) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        fit(Pictured(), TrainerConfig(steps=1, run_dir=str(tmp_path / "run"), accelerator="cpu"))
