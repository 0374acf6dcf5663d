"""What a command prints and where: results on stdout; messages, progress and errors on stderr.

Library code never prints. Its messages come through ``logging`` (logger ``sedtalker``), its progress through a hook
(``sedtalker.progress``), bad input as ``InputError``; this module turns each of them into lines for a person or, with
``--progress json``, for a program.
"""

from __future__ import annotations

import errno
import functools
import json
import logging
import math
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, ParamSpec, Self, TypeVar

import typer

from sedtalker.errors import INTERRUPTED, InputError, lacking_extra, one_line, short_of_memory, unwind_at_signals
from sedtalker.progress import messages_to
from sedtalker.reading import is_file
from sedtalker.storage import inputs_kept

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

    from sedtalker.arrays import Floats

P = ParamSpec("P")
"""Options of a command."""
R = TypeVar("R")
"""What it returns."""


# --- Messages and results.


def say(line: str) -> None:
    """A message for a person, on stderr."""
    with suppress(OSError):  # nobody reads it any more
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def write_json(value: Any) -> None:
    """A machine-readable result, on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


class _MessageLines(logging.Handler):
    """Writes records of the library as lines on stderr: INFO as it is, anything above with ``note: `` before it."""

    def emit(self, record: logging.LogRecord) -> None:
        say(("note: " if record.levelno > logging.INFO else "") + record.getMessage())


@contextmanager
def messages_shown(quiet: bool = False) -> Iterator[None]:
    """Show what the library logs while the block runs; with ``quiet`` only what the user should know of the input."""
    with messages_to(_MessageLines(), logging.WARNING if quiet else logging.INFO):
        yield


# --- Errors: one line and an exit code.

NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ)
"""Errors of the system about names that no file can have, or links in a circle."""
TRACEBACK = "SEDTALKER_TRACEBACK"
"""Set in the environment, it lets exceptions that are faults of ours through, with all that Python says of them."""


def fail_clearly(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: messages of the library are shown, and whatever ends it early is one line on stderr.

    Exit codes: 2 for bad input, 1 for a disk that cannot be written and for faults of ours, 130 for Ctrl-C, SIGTERM
    and SIGHUP; a reader that has gone is no error. A command with an option ``quiet`` shows notes alone when it is set.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if threading.current_thread() is threading.main_thread():
            unwind_at_signals()
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError, OSError):  # a name of a file need not be UTF-8
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        try:
            _refuse_unbounded(kwargs)
            with messages_shown(quiet=bool(kwargs.get("quiet", False))), inputs_kept(_files(kwargs)):
                result = command(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
            return result
        except InputError as error:
            say(f"error: {error}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            say(INTERRUPTED)
            raise typer.Exit(130) from None
        except (MemoryError, RecursionError) as error:
            what = "more memory than there is" if isinstance(error, MemoryError) else "more levels than can be followed"
            say(f"error: the input asks for {what}: is it damaged, or far too large?")
            raise typer.Exit(2) from None
        except OSError as error:
            if error.errno in NO_NAMES:
                say(f"error: {one_line(f'{error.filename}: no such file ({error.strerror})')}")
                raise typer.Exit(2) from None
            if drop_stdout():
                raise typer.Exit(0) from None
            what = "the results could not be printed" if error.filename is None else str(error.filename)
            say(f"error: {one_line(f'{what} ({error.strerror or error})')}")
            raise typer.Exit(1) from None
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code") or os.environ.get(TRACEBACK):
                raise  # those of typer end a command
            lacking = lacking_extra(error)
            say(f"error: {lacking or one_line(short_of_memory(error) or _own_fault(error))}")
            raise typer.Exit(2 if lacking else 1) from None

    return wrapped


class Commands(typer.Typer):
    """A group of commands, each of which fails clearly."""

    def command(self, name: str | None = None, **given: Any) -> Any:
        register = super().command(name, **given)
        return lambda function: register(fail_clearly(function))


RESULTS = ("output", "target", "onnx", "plot", "picture", "report", "visemes", "save_preset")
"""Options that name what a command writes."""


def _files(options: Mapping[str, Any]) -> Iterator[Path]:
    """The files that options name for reading."""
    for name, value in options.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if name not in RESULTS and isinstance(one, str | Path) and is_file(Path(one)):
                yield Path(one)


def _refuse_unbounded(options: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for an option that is a float and no finite number; ranges let NaN or infinity through."""
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"--{name.replace('_', '-')}={value} is not a finite number")


def _own_fault(error: Exception) -> str:
    """What is said of an exception that should have been an ``InputError``: ours is the fault, not the user's."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(at.filename).name}:{at.lineno}"
    said = f"a fault of sedtalker ({type(error).__name__} at {where}: {error})"
    return f"{said}; please report it, {TRACEBACK}=1 shows where"


def drop_stdout() -> bool:
    """Send what is left in the buffer of stdout nowhere, so that Python does not fail again when it exits; whether its
    reader has gone.
    """
    gone = False
    with suppress(OSError, ValueError, AttributeError):  # no poll on Windows
        (poll := select.poll()).register(sys.stdout.fileno(), 0)  # of a pipe, it then tells its end alone
        gone = bool(poll.poll(0))
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


# --- Progress: the hook of a long command.

ProgressStyle = Literal["bar", "json", "none"]
"""What ``--progress`` takes."""

PROGRESS_HELP = "On stderr: bars for a person, a JSON object a line for a program, or nothing."
"""Help text of ``--progress``."""


@dataclass
class _Step:
    """A step that has begun.

    Attributes:
        total: how much there is, 0 where nobody knows.
        began: ``time.perf_counter()`` at its first report.
        written: the same at its last JSON line.
        bar: its bar on the terminal.
    """

    total: int
    began: float
    written: float = 0.0
    bar: TaskID | None = None


class ShownProgress:
    """Shows what a hook reports, and remembers how long each step took; a context manager round the whole work.

    ``bar``: a bar on a terminal while a step runs, and a line ``✓ step  1.2 s`` when it is done. ``json``: on stderr,
    an object a line, ``{"step": …, "done": n, "total": m, "seconds": since it began}``; ``done`` equals ``total`` when
    the step is finished. A step of unknown length (total 0) is finished when another begins.

    Args:
        quiet: no bars and no lines for a person; JSON lines are written all the same.
        lines: whether a step that is done leaves a line.
    """

    def __init__(self, style: ProgressStyle = "bar", quiet: bool = False, lines: bool = True) -> None:
        self.style: ProgressStyle = "none" if quiet and style == "bar" else style
        self.lines = lines
        self.seconds: dict[str, float] = {}
        self._steps: dict[str, _Step] = {}
        self._bars: Progress | None = None
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self._finish_all()
        self._steps.clear()
        if self._bars is not None:
            with suppress(OSError):  # the terminal may have been closed
                self._bars.stop()
            self._bars = None

    def hook(self, step: str, done: int, total: int) -> None:
        """The hook to hand to the library."""
        if step not in self._steps:
            for name in [name for name, other in self._steps.items() if other.total <= 0]:
                self._finish(name)
            self._begin(step, total)
        self._steps[step].total = total
        if 0 < total <= done:
            self._finish(step)
        else:
            self._advance(step, done)

    def summary(self, speech: float) -> None:
        """Everything is done: say how long it took, beside ``speech`` seconds of audio."""
        self._finish_all()
        if self.style == "bar":
            say(f"  {compared_to_speech(speech, time.perf_counter() - self._began)}")

    def _begin(self, name: str, total: int) -> None:
        self._steps[name] = step = _Step(total, time.perf_counter())
        if self.style == "bar" and sys.stderr.isatty():
            if self._bars is None:
                self._bars = _bars()
                self._bars.start()
            step.bar = self._bars.add_task(name, total=total if total > 1 else None)

    def _advance(self, name: str, done: int) -> None:
        step, now = self._steps[name], time.perf_counter()
        if self.style == "json" and now - step.written >= 0.1:  # ten lines a second
            self._write(name, done, max(step.total, 0), now - step.began)
            step.written = now
        if self._bars is not None and step.bar is not None:
            self._bars.update(step.bar, completed=done, total=step.total if step.total > 1 else None)

    def _finish_all(self) -> None:
        for name in list(self._steps):
            self._finish(name)

    def _finish(self, name: str) -> None:
        step = self._steps.pop(name)
        took = time.perf_counter() - step.began
        self.seconds[name] = self.seconds.get(name, 0.0) + took
        if self._bars is not None and step.bar is not None:
            self._bars.remove_task(step.bar)
        if self.style == "json":
            self._write(name, max(step.total, 1), max(step.total, 1), took)
        elif self.style == "bar" and self.lines:
            mark, reset, dim = ("\033[32m", "\033[0m", "\033[2m") if sys.stderr.isatty() else ("", "", "")
            say(f"  {mark}✓{reset} {name:<28}{dim}{took:6.1f} s{reset}")

    def _write(self, name: str, done: int, total: int, seconds: float) -> None:
        say(json.dumps({"step": name, "done": done, "total": total, "seconds": round(seconds, 3)}, ensure_ascii=False))


def _bars() -> Progress:
    """A bar for each step."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    about, left = TextColumn("{task.description:<28}", markup=False), TextColumn("left")
    return passing_bars(
        SpinnerColumn(), about, BarColumn(bar_width=24), TimeElapsedColumn(), TimeRemainingColumn(), left
    )


def passing_bars(*columns: ProgressColumn) -> Progress:
    """Bars on stderr that vanish when all is done; lines that are said meanwhile stand above them."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)


def compared_to_speech(speech: float, took: float) -> str:
    """``18.4 s of speech in 11.8 s: 1.6 x faster than real time``, or so many times slower."""
    text = f"{speech:.1f} s of speech in {took:.1f} s"
    if min(speech, took) <= 0.0:
        return text
    factor, word = (speech / took, "faster") if speech >= took else (took / speech, "slower")
    return f"{text}: as fast as real time" if factor < 1.05 else f"{text}: {factor:.1f} x {word} than real time"


# --- Sound from a file or a pipe, and lines to a reader that may go away.

PIPE = Path("-")
"""The name of stdin."""


def sound_pieces(source: Path, longest: float) -> Iterator[Floats]:
    """A file, which is read at once, or a pipe as it comes; Ctrl-C ends the sound.

    Raises:
        InputError: not a readable sound, less than 0.1 s of it, or stdin is closed; of a pipe as it comes.
    """
    from sedtalker.audio import load_audio

    return _piped(stdin_bytes()) if source == PIPE else iter([load_audio(source, longest).samples])


def _piped(pipe: BinaryIO) -> Iterator[Floats]:
    """Sound of a pipe, until it or Ctrl-C ends it."""
    from sedtalker.audio.audio import SAMPLE_RATE, SHORTEST_SECONDS, TooShort
    from sedtalker.audio.pipe import pipe_samples

    with suppress(KeyboardInterrupt):
        count = 0
        for piece in pipe_samples(pipe):
            count += len(piece)
            yield piece
        if count < SHORTEST_SECONDS * SAMPLE_RATE:
            raise TooShort(count / SAMPLE_RATE, "the pipe, read as WAV or raw 16-bit samples,")


def stdin_bytes() -> BinaryIO:
    """Stdin.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None:
        raise InputError("-: stdin is closed; pipe the sound in, or name a file")
    return sys.stdin.buffer


def print_lines(lines: Iterable[str]) -> None:
    """Print each line at once; a reader that has gone ends it quietly."""
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        drop_stdout()
