"""What can be trained: the contract between a task and the training loop, and the loop's settings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator
from torch import Tensor, nn

from sedtalker.checkpoint import Kind, read_kind
from sedtalker.errors import InputError
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import problem_of
from sedtalker.training.corpora.speech import check_free, known_corpus

Batch = dict[str, Tensor]
"""Named tensors of one micro-batch."""
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
"""How much of an average stays in a step."""


def _not_zero(value: float) -> float:
    if value == 0:
        raise ValueError("must be more than 0")
    return value


Count = Annotated[int, AfterValidator(_not_zero)]
"""A number in a ``TaskConfig`` of which there is at least one: crops, views, recordings."""
Positive = Annotated[float, AfterValidator(_not_zero)]
"""A rate, or seconds, in a ``TaskConfig`` that cannot be 0."""


NotNegative = Annotated[float, Field(ge=0.0)]
"""A weight among others, in a table of them."""


def check_parts(shares: Collection[float]) -> None:
    """``ValueError`` for shares that are no parts of a whole, whose rest is something else."""
    if min(shares, default=0.0) < 0.0 or sum(shares) > 1.0 + 1e-9:
        raise ValueError("shares must not be negative, nor add up to more than 1")


class TaskConfig(BaseModel, extra="forbid", allow_inf_nan=False):
    """The settings of a task. No plain number is negative; see ``Count`` and ``Positive``."""

    @field_validator("*")
    @classmethod
    def _not_negative(cls, value: object) -> object:
        if isinstance(value, int | float) and value < 0:
            raise ValueError("must not be negative")
        return value

    @field_validator("corpora", check_fields=False)
    @classmethod
    def _shares(cls, corpora: Iterable[str]) -> Iterable[str]:
        found = dict[str, str]()
        for name in corpora if isinstance(corpora, dict) else ():  # those of shares; others are names of rows
            known = known_corpus(name)
            if (other := found.setdefault(known.name if known else name, name)) != name:
                raise ValueError(f"{other} and {name} are one corpus: leave one out")
        if isinstance(corpora, dict) and not (min(corpora.values(), default=0) >= 0 < sum(corpora.values())):
            raise ValueError("shares must not be negative, and one of them more than 0")
        return corpora


class FreeTaskConfig(TaskConfig):
    """The settings of a task that learns from published corpora, to give its weights away."""

    corpora: dict[str, float]
    """Shares of the corpora."""
    licence_check: bool = True
    """Refuse corpora whose licence does not allow free weights."""

    @property
    def learned(self) -> dict[str, float]:
        """All corpora that say something of what is learned."""
        return self.corpora


Example = Mapping[str, NDArray[Any]]
"""Named arrays of one example in a batch."""


def stacked(examples: Sequence[Example]) -> Batch:
    """A batch of examples, which have the same names."""
    return {name: torch.from_numpy(np.stack([example[name] for example in examples])) for name in examples[0]}


Settings = TypeVar("Settings", bound=TaskConfig)
"""The settings of a kind of task."""
Network = TypeVar("Network", bound=nn.Module)
"""What it trains; ``losses`` alone may get it wrapped, as training on several devices does."""


class Task(Generic[Settings, Network]):
    """What is trained: the model, its data and its objective.

    Making a task checks its settings and takes no time; ``prepare`` reads and computes its data, once, however often it
    is called. Nothing else of it may be called before.
    """

    settings: type[Settings]
    """What its configuration has to fit."""
    fast: ClassVar[dict[str, Any]] = {}
    """Settings under which little is computed, for ``debug=fast``."""
    checkpoints: ClassVar[Mapping[str, Kind]] = {}
    """Settings that name checkpoint folders which are opened late, and their kind: it is looked at before any data."""
    licence = ""
    """That of the weights by what is in ``data``, once it is read, where no setting says it; a run keeps it."""
    _ready = False

    def __init__(self, config: Mapping[str, Any], data: Path, cache: Path):
        self.config = self.settings.model_validate(config)
        self.data, self.cache = data, cache
        if isinstance(self.config, FreeTaskConfig) and self.config.licence_check:
            check_free(self.config.learned)
        for name, kind in self.checkpoints.items():
            given = getattr(self.config, name)
            for folder in given if isinstance(given, tuple) else filter(None, [given]):
                read_kind(Path(folder), kind)

    def prepare(self, hook: Hook = no_progress) -> None:
        """Everything that takes time."""
        if not self._ready:
            self.read_data(hook)
            self._ready = True

    def read_data(self, hook: Hook) -> None:
        """Read the data, compute and cache features."""
        raise NotImplementedError

    def build(self) -> Network:
        """A freshly initialised model."""
        raise NotImplementedError

    def batch(self, rng: np.random.Generator) -> Batch:
        """One training batch; all randomness comes from ``rng``."""
        raise NotImplementedError

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Scalar losses; ``total`` is minimised."""
        raise NotImplementedError

    def validate(self, model: Network) -> dict[str, float]:
        """Metrics on held-out data; ``score`` (higher is better) chooses the best weights."""
        raise NotImplementedError

    def show(self, model: Network, writer: Any, step: int) -> None:
        """Put sound and pictures into TensorBoard after a validation, where there are any."""

    def export(self, model: Network, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder with its model card."""
        raise NotImplementedError


class TrainerConfig(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """How long and how fast; ``configs/trainer/default.yaml`` holds the defaults of the command line."""

    steps: int = Field(ge=1)
    """Optimiser steps."""
    run_dir: str
    """The folder of the run; null on the command line: ``runs/<experiment>/<date-time>``."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Optimizer of all weights, or Muon for the matrices inside the network (see ``Muon``)."""
    lr: float = Field(1e-3, ge=0.0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(0.01, ge=0.0)
    """Weight decay of AdamW."""
    betas: tuple[Decay, Decay] = (0.9, 0.98)
    """Decay of AdamW's moments."""
    schedule: Literal["cosine", "constant", "linear"] = "cosine"
    """The learning rate after the linear warm-up: a cosine to zero, constant, or a line to zero at last."""
    warmup: int = Field(100, ge=0)
    """Steps of the linear warm-up."""
    accumulate: int = Field(1, ge=1)
    """Micro-batches of each process that make a step."""
    clip: float = Field(1.0, ge=0.0)
    """Largest norm of the gradient; 0: not clipped."""
    ema: Decay = 0.0
    """Decay of the averaged weights that are validated and exported; 0: none."""
    patience: int = Field(0, ge=0)
    """Validations without a better score after which the run ends; 0: never."""
    overfit: bool = False
    """Every step sees the first step's batch."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of initial weights, batches and dropout."""
    minutes_between_checkpoints: float = Field(3.0, ge=0.0)
    """How often ``last.ckpt`` is written."""
    validate_every: int = Field(500, ge=1)
    """Steps between validations; the last step is always validated."""
    log_every: int = Field(20, ge=1)
    """Steps between lines of the log."""
    pictures: bool = True
    """Sound, faces and attention in TensorBoard, where the task has them."""
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"] = "auto"
    """What trains; ``gpu``: whichever this machine has, ``auto``: that, or the processor."""
    devices: int = Field(1, ge=1)
    """Devices of this machine; under ``torchrun`` as it started them."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true"] = "32-true"
    """Numbers of the forward pass, as Lightning Fabric names them: ``32-true``, ``bf16-mixed`` …"""
    threads: int = Field(0, ge=0, le=1024)
    """Threads of torch; 0: as torch chooses."""
    workers: int = Field(0, ge=0)
    """Processes that make the next batches meanwhile; 0: in the training process. The batches are the same."""

    @field_validator("accelerator")
    @classmethod
    def _is_here(cls, accelerator: str) -> str:
        here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not (any(here.values()) if accelerator == "gpu" else here.get(accelerator, True)):
            raise ValueError("torch finds none on this machine; auto takes what there is")
        return accelerator


STEADY = 0.55
"""Share of a run with schedule ``linear`` before the learning rate falls."""


def learning_rate(step: int, config: TrainerConfig) -> float:
    """Linear warm-up, then a cosine to zero, or constant, or constant until ``STEADY`` and then a line to zero."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.schedule == "linear":
        return config.lr * min(1.0, max(0.0, 1.0 - progress) / (1.0 - STEADY))
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


@contextmanager
def naming_settings(where: str = "") -> Iterator[None]:
    """Turn the errors of a config class into one line that names the setting.

    Args:
        where: what stands before the name, with its dot.

    Raises:
        InputError: inside, a setting was missing, unknown or of another type.
    """
    try:
        yield
    except ValidationError as error:
        name, problem = problem_of(error)
        given = error.errors()[0]["input"]
        shown = (
            f"={'null' if given is None else given}" if given is None or isinstance(given, str | int | float) else ""
        )
        raise InputError(f"{where}{name}{shown}: {problem}") from None


# --- Optimisers: AdamW, or Muon for the matrices inside a network and AdamW for the rest.
#
# Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks") takes the momentum of a weight
# matrix to the nearest orthogonal matrix, so that all its directions are learned at one pace. ``torch.optim.Muon``
# refuses kernels of convolutions, which are most of the matrices here; they are flattened.

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration: they bring singular values near 1 fast, not exactly to it (Jordan et al. 2024)."""
ITERATIONS = 4
"""Newton–Schulz iterations per step."""
MOMENTUM = 0.95
"""Momentum of Muon."""
MUON_LR = 8.0
"""Muon's learning rate as a multiple of AdamW's: steps of a matrix have a spectral norm, not an element's size."""


def make_optimizer(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """The optimiser that a trainer's settings ask for."""
    if config.optimizer == "muon":
        return Muon(model, config)
    return torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=config.betas)


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """Weights of matrices and convolutions inside ``nn.ModuleList`` blocks: neither the first nor the last layer."""
    blocks = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    return list({id(p): p for block in blocks for p in block.parameters() if p.ndim >= 2}.values())


class Muon(torch.optim.AdamW):
    """Muon for ``hidden_matrices``, AdamW for what is left; ``lr_scale`` of a group multiplies the trainer's rate."""

    def __init__(self, model: nn.Module, config: TrainerConfig):
        matrices = hidden_matrices(model)
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        groups = [{"params": matrices, "muon": True, "lr_scale": MUON_LR}, {"params": rest, "muon": False}]
        given = [g for g in groups if g["params"]]
        super().__init__(given, lr=config.lr, weight_decay=config.weight_decay, betas=config.betas)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every weight that has a gradient; the matrices' are then gone, so AdamW leaves them alone."""
        loss = None if closure is None else closure()
        for group in (g for g in self.param_groups if g["muon"]):
            for weight in (w for w in group["params"] if w.grad is not None):
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(self._orthogonal(weight), alpha=-group["lr"])
                weight.grad = None
        super().step()
        return loss

    def _orthogonal(self, weight: Tensor) -> Tensor:
        assert weight.grad is not None
        memory: dict[str, Tensor] = self.state[weight]
        if not memory:  # AdamW looks for the step where a state is loaded
            memory |= {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}
        momentum = memory["momentum"]
        momentum.mul_(MOMENTUM).add_(weight.grad)
        matrix = (weight.grad + MOMENTUM * momentum).flatten(1)
        return (orthogonalize(matrix) * max(1.0, len(matrix) / matrix.shape[1]) ** 0.5).view_as(weight)


def orthogonalize(matrix: Tensor) -> Tensor:
    """A matrix (m, n) whose singular values are near 1 and whose singular vectors are those of ``matrix``.

    A quintic Newton-Schulz iteration in bfloat16; singular values end between about .7 and 1.2.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)


# --- Settings that a run began with, and those that it goes on with.

CONFIG = "config.json"
"""The settings that a run was started with."""
FREE = {"data", "cache", "fast"} | {
    f"trainer.{name}"
    for name in ("run_dir", "steps", "patience", "minutes_between_checkpoints", "validate_every", "log_every")
    + ("pictures", "accelerator", "devices", "precision", "threads", "workers")
}
"""Settings that may change while a run goes on: where it runs, for how long, and what it reports."""


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names."""
    out: dict[str, Any] = {}
    for name, inner in settings.items():
        out |= flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {f"{prefix}{name}": inner}
    return out


def changed_settings(run: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """What decides on the weights and is not as the run began with it, by name: ``trainer.lr=0.1 (was 0.001)``."""
    try:
        before = flat(json.loads((run / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
    now = flat(json.loads(json.dumps(config)))
    names = [name for name in now | before if now.get(name) != before.get(name) and name not in FREE]
    return {name: f"{name}={now.get(name)} (was {before.get(name)})" for name in names}
