"""Weights of other programs: named tensors of the files that ``torch.save`` writes, by ``torch.load``.

``weights_only=True`` runs no code of a file, but takes what a file claims, and hashes any key: it may be killed by that
or never come back. It therefore reads in a process of its own, with limits, which writes the tensors as safetensors.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError
from sedtalker.processes import run_beside
from sedtalker.reading import is_file

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "weights")
"""Keys under which other programs put the weights."""
PREFIXES = ("module.", "_orig_mod.", "_forward_module.")
"""What wrappers of models put before every name."""
MOST_SHOWN = 4
"""How many times the size of the file its tensors may have together; those that share numbers count each."""
MEMORY = 2**30
"""Bytes that reading may take, beside four times the file."""
READING_SECONDS, WORK = 45, 10
"""Seconds that reading may take, with torch's own beginning, and seconds of work of it; one more for each 32 MiB."""
ADVICE = ("Weights only load failed", "(1)", "(2)", "Please file", "Check the documentation")
"""How lines of torch begin that are for programmers."""
UNWRITTEN = 3
"""Exit code of that process where the weights were read and cannot be written."""
_CONVERT = """
from sedtalker.foreign_weights import UNWRITTEN, InputError, convert_here
try:
    convert_here(*sys.argv[1:])
except (InputError, OSError) as error:
    print(error)
    sys.exit(2 if isinstance(error, InputError) else UNWRITTEN)
"""
"""What reads."""


def convert_foreign_weights(source: Path, target: Path) -> None:
    """Write the named tensors of a ``.pth``, ``.pt`` or ``.ckpt`` file as safetensors, wrappers taken off.

    Only tensors and plain containers are read: a file that wants to run code fails.

    Raises:
        InputError: not such a file, damaged, or there is more in it than weights.
        OSError: they cannot be written.
    """
    if not is_file(source):
        raise InputError(f"{source}: no such file")
    try:
        seconds = READING_SECONDS + source.stat().st_size // 2**25
        done = run_beside(_CONVERT, [str(source), str(target)], seconds, isolated=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{source}: not weights, or damaged (it is not read within {seconds} seconds)") from None
    if done.returncode == UNWRITTEN:
        raise OSError(done.stdout.strip())
    if done.returncode:
        why = done.stdout.strip() or "not weights, or damaged: torch crashed, or needs too much memory or time"
        raise InputError(f"{source}: {why}")


def convert_here(source: str, target: str) -> None:
    """The same in this process, which gets the limits.

    Raises:
        InputError, OSError: the same, without the name of the file.
    """
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    size = Path(source).stat().st_size
    _limit(MEMORY + MOST_SHOWN * size, WORK + size // 2**25)
    try:
        tensors = named_tensors(torch.load(source, map_location="cpu", weights_only=True), size)
    except Exception as error:
        raise InputError(f"not weights alone, and nothing else is read: {_reason(error)}") from None
    try:
        save_file(tensors, target)
    except Exception as error:
        raise OSError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """The line in which torch says what is wrong, among those that advise."""
    lines = map(str.strip, str(error).replace("WeightsUnpickler error:", "\n").splitlines())
    return next((line for line in lines if line and not line.startswith(ADVICE)), type(error).__name__)


def named_tensors(held: Any, size: int) -> dict[str, Tensor]:
    """The tensors among what a file of ``size`` bytes holds, wrappers taken off.

    Raises:
        InputError: there are none, or they are larger than the file.
    """
    from torch import Tensor

    while isinstance(held, Mapping):
        inner = next((held[key] for key in WRAPPERS if isinstance(held.get(key), Mapping)), None)
        if inner is None:
            break
        held = inner
    found = {str(k): v.detach() for k, v in held.items() if isinstance(v, Tensor)} if isinstance(held, Mapping) else {}
    if not found:
        raise InputError("there are no named tensors in it")
    if sum(tensor.nbytes for tensor in found.values()) > MOST_SHOWN * size:
        raise InputError("its tensors are larger than the file")
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in found)), ""):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return {name: value.contiguous().clone() for name, value in found.items()}


def _limit(memory: int, seconds: int) -> None:
    """Let this process take no more memory and time of a processor beside what it has, where the system knows."""
    if sys.platform == "linux":
        import resource

        own = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        ends = math.ceil(time.process_time()) + seconds
        for kind, most in ((resource.RLIMIT_AS, own + memory), (resource.RLIMIT_CPU, ends)):
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
