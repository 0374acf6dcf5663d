"""What a reader is: good inputs, ways to spoil them, and what is done with what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from tests.fuzz import hostile, mutation
from tests.fuzz.mutation import Mutator

BYTES: tuple[Mutator, ...] = (mutation.change_bytes,)
TEXT: tuple[Mutator, ...] = (mutation.change_text, mutation.change_text, mutation.change_bytes)
JSON: tuple[Mutator, ...] = (
    mutation.change_json,
    mutation.change_json,
    mutation.change_json,
    mutation.change_text,
    mutation.change_bytes,
)
NPZ: tuple[Mutator, ...] = (mutation.change_npz, mutation.change_npz, mutation.change_npz, mutation.change_bytes)


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: for reports.
        good: inputs that are read.
        read: reads one and uses it.
        mutators: how good inputs are spoilt.
        hostile: further inputs, each tried as it is.
        share: of the time, against the other targets.
    """

    name: str
    good: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    mutators: tuple[Mutator, ...] = BYTES
    hostile: Callable[[], Iterable[bytes]] = field(default=tuple)
    share: float = 1.0


def written(name: str, data: bytes) -> Path:
    """A file of the working folder."""
    path = Path(name)
    path.write_bytes(data)
    return path


def option_text(data: bytes) -> str:
    """Text as it comes from a command line: no NUL, but any other byte."""
    return data.replace(b"\0", b"")[:100_000].decode("utf-8", "surrogateescape")


def plain_object(data: bytes) -> Any:
    """Plain data, as our own readers give it."""
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("not JSON") from None
    if not isinstance(held, dict):
        raise InputError("no object")
    return held


def texts(*lines: str) -> Callable[[], list[bytes]]:
    """Good inputs that are texts."""
    return lambda: [line.encode() for line in lines]


def and_any(*more: Callable[[], Iterable[bytes]]) -> Callable[[], Iterator[bytes]]:
    """Hostile inputs of some kinds, and those for every reader."""

    def inputs() -> Iterator[bytes]:
        yield from hostile.any_bytes()
        for kind in more:
            yield from kind()

    return inputs


def long_table(suffix: str) -> Callable[[], list[bytes]]:
    """Tables that are endless, of one kind."""
    return lambda: [held for key, held in hostile.long_tables().items() if key == suffix]
