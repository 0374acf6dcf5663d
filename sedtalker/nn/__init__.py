"""Networks' building blocks, where they run, and on how many threads. Torch is imported where it is needed only."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sedtalker.errors import InputError, extra

FRAME_KERNEL = 5
"""Frames that a ``DilatedConvolution`` sees, ``dilation`` apart."""

if TYPE_CHECKING:
    from torch import Tensor, nn

DRIVER_TOOLS = ("nvidia-smi", "rocm-smi")
"""Programs that come with the drivers of graphics cards that compute; torch is not imported to look where none is."""


def find_device(device: str = "auto") -> str:
    """``auto`` made ``cuda`` where there is one, else ``cpu``.

    Raises:
        InputError: cuda was asked for and there is none, or no torch; or it is no device.
    """
    if device == "cpu":
        return device
    if device == "auto":
        hopeful = any(map(shutil.which, DRIVER_TOOLS)) and find_spec("torch") is not None
        return "cuda" if hopeful and _cuda_is_available() else "cpu"
    if not device.startswith(("cuda", "mps")):
        raise InputError(f"device {device}: give cpu, cuda or auto")
    if device.startswith("cuda") and not _cuda_is_available():
        raise InputError(f"device {device}: no CUDA device was found; use cpu")
    return device


def _cuda_is_available() -> bool:
    with extra("torch"):
        import torch

    return torch.cuda.is_available()


def initialised(values: Callable[[], Tensor], *shape: int) -> nn.Parameter:
    """A parameter of a shape that begins with ``values()``.

    They are not computed where only shapes are wanted (``torch.device("meta")``, as opening a checkpoint does first):
    arithmetic on tensors without memory makes torch import its compiler, which takes seconds.
    """
    import torch

    empty = torch.empty(shape)
    return torch.nn.Parameter(empty if empty.is_meta else values())


def one_thread() -> None:
    """Begins a thread that runs networks: torch, where it is in use, shares no work among further ones."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run the block on ``count`` threads of torch, where torch is in use.

    The built-in networks are small: threads that wait for each other cost more than they bring, so they run on one.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
