"""Results on stdout, progress on stderr, one clear line and exit code 2 for bad input."""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer

from sedtalker.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def say(line: str) -> None:
    """A message or progress line for a person, on stderr."""
    print(line, file=sys.stderr, flush=True)


def write_json(value: Any) -> None:
    """A machine-readable result, on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def fail_clearly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn an ``InputError`` of a command into one line on stderr and exit code 2."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # A polite kill unwinds as Ctrl-C does, so that nothing half-written stays behind.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return command(*args, **kwargs)
        except InputError as error:
            say(f"error: {error}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            say("interrupted; nothing was written")
            raise typer.Exit(130) from None

    return wrapped
