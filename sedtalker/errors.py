"""The one exception that reaches a user, and what is said where an optional package is missing."""

from __future__ import annotations

import signal
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

LONGEST_MESSAGE = 600
"""Characters of a message; more is cut out of its middle, where a file may have put a megabyte."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong and what to do; the command line prints it and exits with code 2.
    Names and texts from elsewhere are quoted in messages: what would break the line, or steer a terminal, is written as
    in a Python string.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """A text as one line of printable signs, at most ``LONGEST_MESSAGE`` of them."""
    text = _cut(text)
    if text.isprintable():
        return text
    return _cut(
        "".join(
            c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
            for c in text
        )
    )


def _cut(text: str) -> str:
    """Beginning and end of a text that is too long."""
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 203]} … {text[-200:]}"


@contextmanager
def said_of(name: str) -> Iterator[None]:
    """The line of an ``InputError`` that is raised inside begins with a name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


@contextmanager
def written(place: Path) -> Iterator[None]:
    """A full disk, or a place that must not be written to, is said of ``place`` in one line."""
    try:
        yield
    except OSError as error:
        why = error.strerror or f"{error}: is the disk full?"  # numpy says how many bytes it could write
        raise InputError(f"{place}: cannot be written ({why})") from None


def meant(name: str, known: Iterable[str], most: int = 3, likeness: float = 0.6) -> str:
    """A question that names what comes nearest to a name that is not known; empty where nothing does."""
    from difflib import get_close_matches

    plain = {one.lower(): one for one in known}
    near = [plain[one] for one in get_close_matches(name.strip().lower(), plain, most, likeness)]
    return f"did you mean {' or '.join(near)}?" if near else ""


def one_of(name: str, known: Iterable[str], more: str = "") -> str:
    """What to do about a name that is not known: take the nearest, if one is near, or any of all that are.

    ``more`` ends the list.
    """
    near = meant(name, known := list(known), 1)
    return f"{f'{near} Use' if near else 'use'} one of {', '.join(known)}{more}" if known else "there is none"


@contextmanager
def called(path: Path, name: str | None = None) -> Iterator[None]:
    """Messages of the block name a file as the user knows it, not where its copy lies."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), name or path.name)) from None


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports inside need an extra of the package, such as ``train``.

    Raises:
        InputError: it is not installed; the line says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install 'sedtalker[{name}]'") from None


OPTIONAL = {"torch": "torch", "transformers": "hub", "onnx": "onnx"} | dict.fromkeys(
    ("hydra", "lightning_fabric", "tensorboard", "sklearn", "librosa", "onnxscript"), "train"
)
"""Modules that come with an extra, and which."""


def check_share(name: str, value: float) -> None:
    """Raise ``InputError`` where a number of this name does not lie between 0 and 1."""
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{name} {value:g}: give 0 to 1")


def lacking_extra(error: Exception) -> str | None:
    """What to say where a module of an extra is missing, wherever it was imported; None of other errors."""
    module = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f"{module} is not installed: pip install 'sedtalker[{OPTIONAL[module]}]'" if module in OPTIONAL else None


INTERRUPTED = "interrupted; nothing is half-written"
"""What the command line says after Ctrl-C, SIGTERM and SIGHUP."""


def unwind_at_signals() -> None:
    """Let SIGTERM, and SIGHUP of a terminal that is closed, unwind as Ctrl-C does, so that nothing is left half-done.

    Whoever ends otherwise at SIGTERM, as servers do, so ends at SIGHUP; under ``nohup`` it stays ignored.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)  # there is none on Windows
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
        signal.signal(hangup, _hung_up)


def _hung_up(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # kernel and shell both send it: the second changes nothing
    signal.raise_signal(signal.SIGTERM)


def short_of_memory(error: BaseException) -> str | None:
    """What to say of an error that a lack of memory causes, in Python, in torch's allocator or while a library is
    loaded; None for another.
    """
    text = str(error).lower()
    if isinstance(error, ImportError):
        missing = any(words in text for words in ("map segment", "allocate memory", "out of memory"))
        return f"there is not enough memory to load a library ({error})" if missing else None
    if isinstance(error, MemoryError) or "allocate" in text or "out of memory" in text:
        return "there is not enough memory"
    return None
