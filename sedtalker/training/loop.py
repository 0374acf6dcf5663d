"""The training loop, on Lightning Fabric.

Fabric rather than Accelerate: the loop stays our own plain code, one object sets device, precision and processes, and
``fabric.save``/``load`` restore a run. Each step draws its batch from a generator seeded by (seed, step, rank) and
re-seeds torch, so a resumed run continues exactly as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Batch = dict[str, Tensor]


class Task(Protocol):
    """What is trained: the model, its data and its objective."""

    def build(self) -> nn.Module:
        """A freshly initialised model."""

    def batch(self, rng: np.random.Generator) -> Batch:
        """One training batch; all randomness comes from ``rng``."""

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Scalar losses; ``total`` is minimised."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Held-out figures; ``score`` (higher is better) chooses the best weights."""

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder with its model card."""


@dataclass(frozen=True)
class TrainerConfig:
    """How long and how fast. ``ema`` is the decay of the averaged weights that are validated and exported (0: none)."""

    steps: int
    run_dir: str
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.0
    seed: int = 0
    minutes_between_checkpoints: float = 3.0
    validate_every: int = 500
    log_every: int = 20
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    threads: int = 0
    workers: int = 0
    """Processes that make the next batches meanwhile; 0: in the training process. The batches are the same."""


class _Batches(Dataset[Batch]):
    """The batch of each step, drawn from a generator seeded by (seed, step, rank)."""

    def __init__(self, task: Task, seed: int, rank: int, steps: int):
        self.task, self.seed, self.rank, self.steps = task, seed, rank, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        return self.task.batch(_generator(self.seed, step, self.rank)[0])


def _generator(seed: int, step: int, rank: int) -> tuple[np.random.Generator, int]:
    """The generator of a step's batch and the seed of its dropout."""
    rng = np.random.default_rng((seed, step, rank))
    dropout = int(rng.integers(2**62))
    return rng, dropout


def _batches(task: Task, config: TrainerConfig, rank: int, first: int) -> Iterator[Batch]:
    """Batches from step ``first`` on, in order."""
    ahead = {"prefetch_factor": 4, "multiprocessing_context": "fork"} if config.workers else {}
    data = _Batches(task, config.seed, rank, config.steps)
    steps = range(first, config.steps)
    yield from DataLoader(data, batch_size=None, sampler=steps, num_workers=config.workers, **ahead)  # type: ignore[arg-type]


def learning_rate(step: int, config: TrainerConfig) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Numbers too small to matter cost a CPU a hundred times more. The setting is the process's: put it back."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_flushed_denormals()
def fit(task: Task, config: TrainerConfig, report: Callable[[str], None] = lambda line: None) -> dict[str, float]:
    """Train a task, resuming by itself from ``run_dir/last.ckpt``; returns the final held-out figures.

    Writes ``last.ckpt``, ``best.ckpt``, TensorBoard scalars and, at the end, ``export/``, the checkpoint folder of the
    best weights.
    """
    from lightning_fabric import Fabric
    from torch.utils.tensorboard import SummaryWriter

    if config.threads:
        torch.set_num_threads(config.threads)
    run = Path(config.run_dir)
    run.mkdir(parents=True, exist_ok=True)
    fabric = Fabric(accelerator=config.accelerator, devices=config.devices, precision=config.precision)  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(config.seed)
    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.98))
    average = deepcopy(model).requires_grad_(False) if config.ema else None
    wrapped, optimizer = fabric.setup(model, optimizer)
    if average is not None:
        average = average.to(fabric.device)
    state: dict[str, Any] = {
        "model": wrapped,
        "optimizer": optimizer,
        "average": average.state_dict() if average is not None else {},
        "step": 0,
        "best": -math.inf,
        "metrics": {},
    }
    if (run / "last.ckpt").is_file():
        fabric.load(run / "last.ckpt", state)
        if average is not None:
            average.load_state_dict(state["average"])
        report(f"resumed at step {state['step']}")
    writer = SummaryWriter(str(run)) if fabric.is_global_zero else None
    saved, started, first = time.monotonic(), time.monotonic(), state["step"]
    batches = _batches(task, config, fabric.global_rank, first)
    while state["step"] < config.steps:
        step = state["step"]
        losses = _step(fabric, task, wrapped, optimizer, config, step, next(batches))
        if average is not None:
            _update_average(average, wrapped.module, config.ema, step)
        state["step"] = step + 1
        if writer and (step % config.log_every == 0 or step + 1 == config.steps):
            pace = (time.monotonic() - started) / (step + 1 - first)
            for name, value in losses.items():
                writer.add_scalar(f"loss/{name}", value, step)
            text = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
            report(f"step {step + 1}/{config.steps}  {pace:.2f} s/step  {text}")
        if (step + 1) % config.validate_every == 0 or step + 1 == config.steps:
            shadow = average if average is not None else wrapped.module
            _validate(fabric, task, shadow, state, run, writer, report)
        if time.monotonic() - saved > 60 * config.minutes_between_checkpoints or step + 1 == config.steps:
            if average is not None:
                state["average"] = average.state_dict()
            fabric.save(run / "last.ckpt", state)
            saved = time.monotonic()
    if writer:
        writer.close()
    if fabric.is_global_zero:
        best = average if average is not None else wrapped.module
        best.load_state_dict(torch.load(run / "best.ckpt", map_location=fabric.device, weights_only=True))
        task.export(best.eval(), run / "export", state["metrics"])
    return dict(state["metrics"])


def _step(
    fabric: Any, task: Task, model: nn.Module, optimizer: Any, config: TrainerConfig, step: int, batch: Batch
) -> dict[str, float]:
    torch.manual_seed(_generator(config.seed, step, fabric.global_rank)[1])
    batch = fabric.to_device(batch)
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, config) * group.get("lr_scale", 1.0)
    losses = task.losses(model, batch)
    optimizer.zero_grad()
    fabric.backward(losses["total"])
    if config.clip:
        fabric.clip_gradients(model, optimizer, max_norm=config.clip, error_if_nonfinite=False)
    optimizer.step()
    return {name: float(value.detach()) for name, value in losses.items()}


def _update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def _validate(
    fabric: Any,
    task: Task,
    model: nn.Module,
    state: dict[str, Any],
    run: Path,
    writer: Any,
    report: Callable[[str], None],
) -> None:
    """Score the (averaged) weights; keep them as ``best.ckpt`` when they are the best so far."""
    if fabric.is_global_zero:
        model.eval()
        with torch.no_grad():
            metrics = task.validate(model)
        report("valid " + "  ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
        for name, value in metrics.items():
            writer.add_scalar(f"valid/{name}", value, state["step"])
        if metrics["score"] > state["best"]:
            state["best"] = metrics["score"]
            state["metrics"] = metrics
            temporary = run / ".best.ckpt"
            torch.save(model.state_dict(), temporary)
            temporary.replace(run / "best.ckpt")
    fabric.barrier()
