"""Results on stdout, progress on stderr, one clear line and exit code 2 for bad input."""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

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


# --- Stages of a long command on stderr, with how they compare to real time.

Item = TypeVar("Item")


@dataclass
class Stages:
    """Shows one line a stage while it runs and remembers how long each took."""

    quiet: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show ``name`` while the block runs."""
        started = time.perf_counter()
        with self._progress() as progress:
            progress.add_task(name, total=None)
            yield
        self._done(name, started)

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Callable[[Item], Item]]:
        """Show a bar while the block runs; the function it gives passes an item on and counts it."""
        started = time.perf_counter()
        with self._progress() as progress:
            task = progress.add_task(name, total=total)

            def count(item: Item) -> Item:
                progress.advance(task)
                return item

            yield count
        self._done(name, started)

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=self.quiet or not self.console.is_terminal,
        )

    def _done(self, name: str, started: float) -> None:
        self.seconds[name] = time.perf_counter() - started
        if not self.quiet:
            self.console.print(f"  [green]✓[/green] {name:<28}[dim]{self.seconds[name]:6.1f} s[/dim]")

    def summary(self, audio_seconds: float) -> None:
        """How the whole compares to the length of the audio."""
        if not self.quiet:
            total = sum(self.seconds.values())
            self.console.print(
                f"  {audio_seconds:.1f} s of speech in {total:.1f} s: {audio_seconds / total:.2f} x real time"
            )
