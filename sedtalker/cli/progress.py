"""Stages of a long command on stderr, with how they compare to real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

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
