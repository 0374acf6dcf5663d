"""``sedtalker batch``: many recordings animated by several processes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedtalker.animation.option_fields import not_offered
from sedtalker.batch.opening import BatchOptions
from sedtalker.cli import options as o
from sedtalker.cli.console import ShownProgress, compared_to_speech, fail_clearly, passing_bars, say, write_json
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

    from sedtalker.batch.inputs import Item
    from sedtalker.batch.log import Record
    from sedtalker.batch.run import Summary

SHOWN_FAILURES = 20
"""How many failures are listed at the end; the log has all."""
FAILED = 3
"""Exit code when a recording failed."""


@fail_clearly
@o.takes_options(without=not_offered("batch"))
def batch(
    context: typer.Context,
    inputs: Annotated[
        list[Path], typer.Argument(help="Recordings, folders, globs in quotes, manifests (.csv, .jsonl).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of all results.")],
    options: BatchOptions = BatchOptions(),
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; default: one per core, if memory allows.")
    ] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Work on share I of N, for N machines.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an earlier run.")] = False,
    pattern: Annotated[
        list[str] | None, typer.Option(help="Only these files of folders, for example '*.wav' or 'anna/*'; repeatable.")
    ] = None,
    device: o.DeviceOption = "auto",
    preset: o.PresetOption = None,
    run: o.Run = o.Run(),
) -> None:
    """Animate many recordings, each as animate would; --resume continues an interrupted run."""
    from sedtalker.batch.inputs import find_items
    from sedtalker.batch.log import WHOLE, parse_shard
    from sedtalker.batch.run import Rules, run_batch
    from sedtalker.batch.settings import BatchSettings

    rules = Rules(jobs, WHOLE if shard is None else parse_shard(shard), resume, run.force, device)
    settings = o.drawn_where_possible(context, BatchSettings(**vars(options)))
    if settings.transcript not in (None, "auto"):
        raise InputError(
            "--transcript of a batch is auto: a text is one recording's: give a column of a manifest, or --words-beside"
        )
    items = find_items(inputs, output, settings, pattern or ())
    with ShownFiles(items, run.progress, run.quiet) as shown:
        try:
            summary = run_batch(items, output, rules, shown.hook, shown.seen)
        except KeyboardInterrupt:
            shown.close()
            say(f"interrupted: {shown.ended} of {shown.total} are done or failed; --resume continues")
            raise typer.Exit(130) from None
    if not run.quiet and run.progress == "bar":
        show(summary)
    if run.as_json:
        write_json(summary.described())
    elif summary.files:
        print(summary.log)
    if summary.failures:
        raise typer.Exit(FAILED)


class ShownFiles(ShownProgress):
    """Progress of a batch: files, seconds of sound, how fast and how long it will take; failures as lines.

    Args:
        items: the recordings; the bar's length is their bytes, which are known before any is read.
        style: see ``ShownProgress``.
        quiet: no bar and no lines.
    """

    def __init__(self, items: list[Item], style: Literal["bar", "json", "none"], quiet: bool) -> None:
        super().__init__(style, quiet)
        self.ended = self.total = self.failed = 0
        self.speech, self._began = 0.0, time.perf_counter()
        self._bytes = {item.name: item.audio.stat().st_size for item in items if item.audio.exists()}
        self._bar: Progress | None = None

    def hook(self, step: str, done: int, total: int) -> None:
        self.ended, self.total = done, total
        if self.style == "json":
            super().hook(step, done, total)
        elif self.style == "bar" and self._bar is None and sys.stderr.isatty():
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn

            about = TextColumn("{task.fields[text]}", markup=False)
            bar, left = BarColumn(bar_width=24), TextColumn("left:")
            self._bar = passing_bars(SpinnerColumn(), bar, about, left, TimeRemainingColumn())
            text = f"{total} files  opening the networks"
            self._bar.add_task("files", total=max(1, sum(self._bytes.values())), text=text)
            self._bar.start()

    def seen(self, item: Item, record: Record) -> None:
        """A recording has ended."""
        self.speech += record.get("duration", 0.0) if record["state"] == "done" else 0.0
        if record["state"] == "failed":
            self.failed += 1
            if self.style == "bar":
                say(f"failed: {item.audio}: {record['error'].removeprefix(f'{item.audio}: ')}")
        if self._bar is not None:
            rate = self.speech / max(1e-9, time.perf_counter() - self._began)
            text = f"{self.ended + 1}/{self.total} files  {self.speech:.0f} s of speech  {rate:.1f} x real time"
            text += f"  {self.failed} failed" if self.failed else ""
            self._bar.update(self._bar.task_ids[0], advance=self._bytes.get(item.name, 0), text=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.close()
        super().__exit__(kind, *error)


def show(summary: Summary) -> None:
    """What was done, for a person; failures once more at the end."""
    if not summary.files:
        say("this shard has no recordings")
        return
    speed = f", {compared_to_speech(summary.speech_seconds, summary.seconds)}" if summary.done else ""
    say(f"{summary.done} done, {summary.kept} done before, {len(summary.failures)} failed{speed}")
    for failure in summary.failures[:SHOWN_FAILURES]:
        say(f"  {failure['input']}: {failure['error'].removeprefix(failure['input'] + ': ')}")
    if len(summary.failures) > SHOWN_FAILURES:
        say(f"  and {len(summary.failures) - SHOWN_FAILURES} more")
