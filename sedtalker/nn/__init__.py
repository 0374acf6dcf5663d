"""Networks' building blocks, where they run, and on how many threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from sedtalker.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
"""Names of devices."""


def find_device(device: str = "auto") -> str:
    """``auto`` made ``cuda`` where there is one, else ``cpu``.

    Raises:
        InputError: cuda was asked for and there is none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {device}: no CUDA device was found; use cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def initialised(values: Callable[[], Tensor], *shape: int) -> nn.Parameter:
    """A parameter of a shape that begins with ``values()``.

    They are not computed where only shapes are wanted (``torch.device("meta")``, as opening a checkpoint does first):
    arithmetic on tensors without memory makes torch import its compiler, which takes seconds.
    """
    empty = torch.empty(shape)
    return nn.Parameter(empty if empty.is_meta else values())


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run the block on ``count`` threads.

    The built-in networks are small: threads that wait for each other cost more than they bring, so they run on one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
