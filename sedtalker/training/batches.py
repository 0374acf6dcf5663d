"""The same batches however a run is cut: by interruption, by accumulation or over processes.

Every micro-batch is drawn from a generator seeded by (seed, step, index). A step of P processes that accumulate A
micro-batches each uses the indices 0 … P·A − 1, so two processes see what one sees that accumulates two.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from sedtalker.training.loop import Task, TrainerConfig

Batch = dict[str, Tensor]


class _Batches(Dataset[Batch]):
    """Micro-batches of one process, item ``step · accumulate + number``."""

    def __init__(self, task: Task, config: TrainerConfig, rank: int):
        self.task, self.config, self.rank = task, config, rank

    def __len__(self) -> int:
        return self.config.steps * self.config.accumulate

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
    ahead = {"prefetch_factor": 4, "multiprocessing_context": "fork"} if config.workers else {}
    items = range(first * config.accumulate, config.steps * config.accumulate)
    data = _Batches(task, config, rank)
    yield from DataLoader(data, batch_size=None, sampler=items, num_workers=config.workers, **ahead)  # type: ignore[arg-type]
