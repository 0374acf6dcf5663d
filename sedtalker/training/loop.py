"""The training loop, on Lightning Fabric: a ``Task`` and a ``TrainerConfig`` in, a folder of a run out.

A run's folder holds ``config.json`` (its settings), ``last.ckpt`` and ``best.ckpt``, ``log.jsonl``, TensorBoard events
and, at the end, ``export/`` with the best weights and their model card. Files appear whole or not at all, so a run may
be killed at any moment; started again, it goes on where it was, and on a CPU ends with the same bits.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from multiprocessing import get_all_start_methods
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sedtalker.errors import InputError, written
from sedtalker.processes import is_main_process, left_to_the_trainer, signals_kept, wait_for_lock
from sedtalker.progress import Hook, no_progress
from sedtalker.storage import whole_file, write_text
from sedtalker.training.task import CONFIG, Batch, Task, TrainerConfig, changed_settings, learning_rate, make_optimizer

logger = logging.getLogger(__name__)

LAST = "last.ckpt"
"""The state of a run: weights, their average, the optimiser, the step."""
BEST = "best.ckpt"
"""The weights of the best validation."""
LOG = "log.jsonl"
"""Losses and validations, one JSON object a line."""
ANOTHER = "name another trainer.run_dir"
"""What to do about a folder in which this training cannot go on."""
UNFIT = "its weights do not fit"
"""What is said of a folder with weights of another network."""
SIZES = ("channels", "dilations", "layout", "members", "width", "windows")
"""Settings of a network, under ``task``, of which its weights fit no others."""
RUN_LOCK = ".lock"
"""The file that a program that trains has locked."""
PATIENCE = 10.0
"""Seconds to wait for that lock: workers of a run that was killed may need a moment to be gone."""


# --- What a run leaves in its folder.


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Keep the composed configuration beside the run; what a resumed run began with is overwritten."""
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / CONFIG, json.dumps(config, indent=2) + "\n")


StoredState = tuple[dict[str, Any] | None, str]
"""What ``stored_state`` gives."""


def stored_state(config: TrainerConfig, settings: Mapping[str, Any] | None) -> StoredState:
    """``last.ckpt`` of a run, if there is one, and what is changed in it (see ``changed_settings``).

    Raises:
        InputError: it is damaged, is of another network, or the training has ended with other settings.
    """
    folder = Path(config.run_dir)
    if not (folder / LAST).is_file():
        return None, ""
    try:
        stored = torch.load(folder / LAST, map_location="cpu", weights_only=True, mmap=True)
        ended = int(stored["step"]) >= config.steps or stored.get("stopped")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError):
        raise InputError(f"{folder / LAST}: damaged, or of another program; {ANOTHER}") from None
    changes = {} if settings is None else changed_settings(folder, settings)
    changed = changes.get("task.name") or ", ".join(changes.values())
    if changed and ended:
        raise InputError(f"{folder}: has been trained with other settings; {ANOTHER}: {changed}")
    if any(name.startswith("task.") and name.endswith(SIZES) for name in changes):
        raise InputError(f"{folder}: {UNFIT}; {ANOTHER}: {changed}")
    return stored, changed


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder: two programs in one would spoil each other's checkpoints and log.

    Raises:
        InputError: another program trains there, or the folder cannot be written to.
    """
    if not is_main_process():
        yield
        return
    made = not folder.exists()
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / RUN_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not wait_for_lock(descriptor, PATIENCE):
            raise InputError(f"{folder}: another program trains there; wait for it, or {ANOTHER}")
        yield
    finally:
        if made and [path.name for path in folder.iterdir()] == [RUN_LOCK]:  # nothing was written to it
            shutil.rmtree(folder, ignore_errors=True)  # before the lock is free: nobody else has begun there
        os.close(descriptor)


class RunLog:
    """Losses and validation metrics by step: ``log.jsonl`` and TensorBoard."""

    def __init__(self, folder: Path, step: int):
        """Lines and events after ``step``, where the run goes on, are of a run that was killed: they are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / LOG
        kept = [line for line in read_log(folder) if line["step"] <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        with written(folder):
            self.writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, kind: str, step: int, values: dict[str, float]) -> None:
        """``kind`` is ``loss`` or ``valid``; ``step`` counts the steps that were made.

        Raises:
            InputError: the disk is full.
        """
        with written(self.path):
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            for name, value in values.items():
                self.writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        self.writer.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; one that a kill cut short is left out."""
    path = folder / LOG
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def save_whole(value: Any, path: Path) -> None:
    """``torch.save`` that never leaves half a file."""
    with whole_file(path) as temporary:
        try:
            torch.save(value, temporary)
        except RuntimeError:  # of torch's own writer
            raise InputError(f"{path}: cannot be written by torch: is the disk full?") from None


# --- The same batches however a run is cut: by interruption, by accumulation or over processes.


class _Batches(Dataset[Batch]):
    """Micro-batches of one process, item ``step · accumulate + number``."""

    def __init__(self, task: Task, config: TrainerConfig, rank: int):
        self.task, self.config, self.rank = task, config, rank

    def __getitem__(self, item: int) -> Batch:
        step, number = divmod(item, self.config.accumulate)
        return self.task.batch(generator(self.config, step, self.rank, number)[0])


def generator(config: TrainerConfig, step: int, rank: int, number: int) -> tuple[np.random.Generator, int]:
    """The generator of a micro-batch and the seed of its dropout; with ``overfit`` every step is the first."""
    index = rank * config.accumulate + number
    rng = np.random.default_rng((config.seed, 0 if config.overfit else step, index))
    dropout = int(rng.integers(2**62))
    return rng, dropout


def batches(task: Task, config: TrainerConfig, rank: int, first: int) -> Generator[Batch]:
    """Micro-batches from step ``first`` on, in order."""
    ahead: dict[str, Any] = {}
    if config.workers and "fork" in get_all_start_methods():  # not on Windows; the batches are the same without
        ahead = {"num_workers": config.workers, "prefetch_factor": 4, "multiprocessing_context": "fork"}
        ahead["worker_init_fn"] = left_to_the_trainer
    items = range(first * config.accumulate, config.steps * config.accumulate)
    data = _Batches(task, config, rank)
    yield from DataLoader(data, batch_size=None, sampler=items, **ahead)


# --- The loop.


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Numbers too small to matter cost a CPU a hundred times more. The setting is the process's: put it back."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def _one_line_of_the_disk() -> Iterator[None]:
    """TensorBoard's thread meets a full disk too and would print where; the loop says it in one line."""
    before = threading.excepthook
    threading.excepthook = lambda said: None if isinstance(said.exc_value, OSError) else before(said)
    try:
        yield
    finally:
        threading.excepthook = before


def _make_fabric(config: TrainerConfig) -> Any:
    """Devices as configured; under ``torchrun``, as it started them."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    devices, nodes = config.devices, 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    strategy = DDPStrategy(find_unused_parameters=True) if devices * nodes > 1 else "auto"
    fabric = Fabric(
        accelerator=config.accelerator, strategy=strategy, devices=devices, num_nodes=nodes, precision=config.precision
    )
    fabric.launch()
    return fabric


class _Run:
    """One run: what is trained, how far it is, and its folder."""

    def __init__(self, task: Task, config: TrainerConfig, settings: Mapping[str, Any] | None, found: StoredState):
        self.task, self.config = task, config
        self.folder = Path(config.run_dir)
        self.fabric = _make_fabric(config)
        self.is_main_process = self.fabric.is_global_zero
        torch.manual_seed(config.seed)
        model = task.build()
        optimizer = make_optimizer(model, config)
        self.average = deepcopy(model).requires_grad_(False) if config.ema else None
        self.model, self.optimizer = self.fabric.setup(model, optimizer)
        if self.average is not None:
            self.average = self.average.to(self.fabric.device)
        self.step, self.best, self.stale, self.stopped = 0, -math.inf, 0, False
        self.metrics: dict[str, float] = {}
        self._resume(*found)
        if settings is not None and self.is_main_process and self.step <= config.steps:
            write_config(self.folder, settings)
        self.log = RunLog(self.folder, self.step) if self.is_main_process else None

    def say(self, text: str, *values: object) -> None:
        """Log a line, once for all processes."""
        if self.is_main_process:
            logger.info(text, *values)

    @property
    def shown(self) -> nn.Module:
        """The weights that are validated and exported: the average, if there is one."""
        return self.average if self.average is not None else self.model.module

    def save(self) -> None:
        """Write ``last.ckpt``, streamed to the disk: ``fabric.save`` would first make it in memory."""
        if self.is_main_process:
            state = {
                "model": self.model.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.state_dict() if self.average is not None else {},
                "precision": self.fabric.strategy.precision.state_dict(),
                "step": self.step,
                "best": self.best,
                "stale": self.stale,
                "stopped": self.stopped,
                "metrics": self.metrics,
                "licence": self.task.licence,
            }
            save_whole(state, self.folder / LAST)
        self.fabric.barrier()

    def _resume(self, stored: dict[str, Any] | None, changed: str) -> None:
        """Go on from what ``stored_state`` found."""
        if stored is None:
            return
        was, now = stored.get("licence"), self.task.licence
        if was and was != now:
            raise InputError(f"{self.folder}: was trained on data under {was}; {ANOTHER}: data= is under {now}")
        try:
            self.model.load_state_dict(stored["model"])
            self.optimizer.load_state_dict(stored["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(stored["average"])
        except (RuntimeError, ValueError, KeyError):
            why = changed or "the data or the program have changed"
            raise InputError(f"{self.folder}: {UNFIT}; {ANOTHER}: {why}") from None
        if stored.get("precision"):
            self.fabric.strategy.precision.load_state_dict(stored["precision"])
        self.step, self.best, self.metrics = int(stored["step"]), stored["best"], stored["metrics"]
        self.stale, self.stopped = stored.get("stale", 0), stored.get("stopped", False)
        left = "" if self.step < self.config.steps else f" of {self.config.steps}: trained already, only exported again"
        self.say("resumed at step %d%s%s", self.step, left, f" with other settings: {changed}" if changed else "")

    def validate(self) -> None:
        """Score the (averaged) weights; keep them as ``best.ckpt`` when they are the best so far."""
        if self.is_main_process:
            assert self.log is not None
            model = self.shown.eval()
            with torch.no_grad():
                metrics = {name: float(value) for name, value in self.task.validate(model).items()}
                if self.config.pictures:
                    with written(self.folder):
                        self.task.show(model, self.log.writer, self.step)
            self.say("valid %s", "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
            self.log.add("valid", self.step, metrics)
            self.stale += 1
            if metrics["score"] > self.best:
                self.best, self.metrics, self.stale = metrics["score"], metrics, 0
                save_whole(model.state_dict(), self.folder / BEST)
        self.best, self.metrics, self.stale = self.fabric.broadcast((self.best, self.metrics, self.stale))
        self.stopped = 0 < self.config.patience <= self.stale

    def export(self) -> None:
        """Write ``export/`` from the best weights; the optimiser's memory is let go, training is over."""
        self.optimizer.optimizer.state.clear()
        if self.log is not None:
            self.log.close()
            best = self.shown
            stored = torch.load(self.folder / BEST, map_location=self.fabric.device, weights_only=True, mmap=True)
            best.load_state_dict(stored)
            self.task.export(best.eval(), self.folder / "export", self.metrics)
        self.fabric.barrier()


def fit(
    task: Task, config: TrainerConfig, hook: Hook = no_progress, settings: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Train a task, resuming by itself from ``run_dir/last.ckpt``; returns the metrics of the best validation.

    Args:
        task: is prepared first, with torch's own number of threads.
        config: of the loop; ``run_dir`` is where everything is written.
        hook: progress of the preparation and of the steps.
        settings: the composed configuration, which is kept beside the run as ``config.json``.

    Raises:
        InputError: the data are missing, the loss is no number, or another program trains there.
    """
    with _alone(Path(config.run_dir)):
        found = stored_state(config, settings)  # what cannot go on is said before hours of preparation
        try:
            logger.info("preparing the data")
            task.prepare(hook)
            if config.threads:
                torch.set_num_threads(config.threads)
            with _flushed_denormals(), _one_line_of_the_disk():
                run = _Run(task, config, settings, found)
                with signals_kept() as interrupted:
                    _train(run, hook, interrupted)
                run.export()
        except KeyboardInterrupt:
            step = (stored_state(config, None)[0] or {"step": 0})["step"]
            logger.info("the same command goes on from step %d of %d", step, config.steps)
            raise
    metrics = dict(run.metrics)
    del run  # the model first: were the group's last owner in it, the group would wait for threads that wait for Python
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # a process that ends first would abort the others
    return metrics


def _train(run: _Run, hook: Hook, interrupted: Callable[[], bool]) -> None:
    """Make the steps that are left; at an interruption, that of the first process, save the last one that is whole."""
    config, first = run.config, run.step
    saved = started = time.monotonic()
    stream = batches(run.task, config, run.fabric.global_rank, first)
    while run.step < config.steps and not run.stopped:
        # One step: its micro-batches, the optimiser, the average of the weights.
        micro = [next(stream) for _ in range(config.accumulate)]
        losses = _step(run, micro)
        if run.average is not None:
            _update_average(run.average, run.model.module, config.ema, run.step)
        run.step += 1
        hook("training", run.step, config.steps)
        last = run.step == config.steps
        if (run.step - 1) % config.log_every == 0 or last:
            pace = (time.monotonic() - started) / (run.step - first)
            _log_losses(run, losses, pace)
        if run.step % config.validate_every == 0 or last:
            run.validate()
        late = time.monotonic() - saved > 60 * config.minutes_between_checkpoints
        ends, due = run.fabric.broadcast((interrupted(), late))
        if due or ends or last or run.stopped:
            run.save()
            saved = time.monotonic()
        if ends:
            raise KeyboardInterrupt
    stream.close()  # ends the workers


def _log_losses(run: _Run, losses: dict[str, Tensor], pace: float) -> None:
    """The mean losses of all processes, to the log and to TensorBoard; ``pace``: seconds a step."""
    values = {name: float(run.fabric.all_reduce(value, reduce_op="mean")) for name, value in losses.items()}
    if not all(map(math.isfinite, values.values())):
        raise InputError(f"the loss is no number at step {run.step}: lower trainer.lr or set trainer.clip")
    if run.log is not None:
        run.log.add("loss", run.step, values)
    text = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
    run.say("step %d/%d  %.2f s/step  %s", run.step, run.config.steps, pace, text)


def _step(run: _Run, micro: list[Batch]) -> dict[str, Tensor]:
    """One optimiser step; the mean losses of this process's micro-batches."""
    fabric, model, optimizer, config = run.fabric, run.model, run.optimizer, run.config
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(run.step, config) * group.get("lr_scale", 1.0)
    sums: dict[str, Tensor] = {}
    for number, batch in enumerate(micro):
        torch.manual_seed(generator(config, run.step, fabric.global_rank, number)[1])
        with fabric.no_backward_sync(model, enabled=number + 1 < len(micro)):
            losses = run.task.losses(model, fabric.to_device(batch))
            fabric.backward(losses["total"] / len(micro))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.detach() / len(micro)
    if config.clip:
        fabric.clip_gradients(model, optimizer, max_norm=config.clip, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()  # now, so that gradients take no memory while the weights are validated
    return sums


def _update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
