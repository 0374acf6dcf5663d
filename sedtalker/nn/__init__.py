"""Networks' building blocks, where they run, and on how many threads. Torch is imported where it is needed only."""

from __future__ import annotations

import re
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
        InputError: it is no device, or is not there, or there is no torch.
    """
    if device == "cpu":
        return device
    if device == "auto":
        hopeful = any(map(shutil.which, DRIVER_TOOLS)) and find_spec("torch") is not None
        return "cuda" if hopeful and _device_count("cuda") else "cpu"
    if (parts := re.fullmatch(r"(cuda|mps)(?::(\d{1,3}))?", device)) is None:
        raise InputError(f"device {device}: give cpu, cuda or auto")
    if int(parts[2] or 0) >= _device_count(parts[1]):
        raise InputError(f"device {device}: no such device was found; use cpu")
    return device


def _device_count(kind: str) -> int:
    with extra("torch"):
        import torch

    devices = getattr(torch, kind)
    return int(devices.device_count()) if devices.is_available() else 0


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
