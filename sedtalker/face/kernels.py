"""How the GL-free renderer's loops are compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

# Not "nnan"/"ninf": broken vertices must still compare false and be dropped.
_FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}


def _cache_possible() -> bool:
    """Whether numba finds a folder to keep compiled code in; it raises where it does not."""
    here = Path(__file__).parent
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parents = [here, home, home.parent]
    return "NUMBA_CACHE_DIR" in os.environ or any(p.is_dir() and os.access(p, os.W_OK) for p in parents)


def kernel(function: Function) -> Function:
    """Compile without the interpreter lock, so that threads share the bands of a picture."""
    compile_it = numba.njit(cache=_cache_possible(), nogil=True, fastmath=_FAST, error_model="numpy")
    return cast(Function, compile_it(function))
