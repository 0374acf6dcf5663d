"""The log of a batch: one JSON line an event, written whole, read back to go on; and the lock of its folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sedtalker.errors import InputError, written
from sedtalker.processes import try_lock, wait_for_lock

Record = dict[str, Any]
"""What a line holds: ``state`` (started, done, kept or failed), ``name``, ``input``, hashes, seconds, outputs."""

STARTED, DONE, KEPT, FAILED = "started", "done", "kept", "failed"
"""States of a recording; ``kept`` (was done before) is reported and not logged."""


@dataclass(frozen=True)
class Shard:
    """The share of the recordings that one run works on: ``index`` (from 1) of ``count``."""

    index: int = 1
    count: int = 1

    @property
    def log_name(self) -> str:
        """Name of the log."""
        return "batch.jsonl" if self.count == 1 else f"batch-{self.index}-of-{self.count}.jsonl"


WHOLE = Shard()
"""All recordings."""


def parse_shard(text: str) -> Shard:
    """A shard from ``2/5``."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"--shard {text}: give i/n, such as 2/5: the second of five shares")
    return Shard(int(match[1]), int(match[2]))


# --- Lines.


class Log:
    """A log that is open for writing; what is torn at its end by a kill is cut off first."""

    def __init__(self, path: Path):
        self.path = path
        with written(path):
            self._stream: IO[bytes] = path.open("ab+")
            self._stream.seek(0)
            self._stream.truncate(sum(len(line) for line in self._stream if line.endswith(b"\n")))
            self._stream.seek(0, os.SEEK_END)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a line; it is on the disk when this returns.

        Raises:
            InputError: the disk is full.
        """
        time = datetime.now(UTC).isoformat(timespec="microseconds")  # it orders the lines of several logs
        line = json.dumps({"time": time, **record}, ensure_ascii=False) + "\n"
        with written(self.path):
            self._stream.write(line.encode("utf-8", "backslashreplace"))
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


def read_logs(folder: Path) -> tuple[dict[str, Record], int]:
    """The last record of each recording in all logs of a folder, by name, and how many lines could not be read."""
    last: dict[str, Record] = {}
    broken = 0
    for path in log_files(folder):
        for record in _records(path):
            if record is None:
                broken += 1
                continue
            name = str(record["name"])
            if name not in last or str(record.get("time", "")) >= str(last[name].get("time", "")):
                last[name] = record
    return last, broken


def log_files(folder: Path) -> list[Path]:
    """The logs of a folder: that of a whole batch and those of shards."""
    names = re.compile(r"batch(-\d+-of-\d+)?\.jsonl")
    return sorted(p for p in folder.glob("batch*.jsonl") if names.fullmatch(p.name) and p.is_file())


def _records(path: Path) -> Iterator[Record | None]:
    """Lines about recordings; None for one that is torn or no JSON."""
    try:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    yield None
                    continue
                if isinstance(record, dict) and isinstance(record.get("name"), str):
                    yield record
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


# --- The lock.

WAIT = 15.0
"""Seconds that a run waits for the lock before it gives up."""


@contextmanager
def locked(folder: Path, shard: Shard) -> Iterator[int | None]:
    """Hold the lock of a shard of a folder; only other shards of the same count may run at the same time.

    The lock belongs to the open file, so it lasts until this process and all to which the file was passed are gone,
    however they end. Over a network it is as good as the file system's ``flock``.

    Yields:
        the file's descriptor, to pass on; None where the system has no such locks.

    Raises:
        InputError: another run works there, or the folder cannot be written to.
    """
    with written(folder):
        name = f".batch-{shard.index}-of-{shard.count}.lock"
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not wait_for_lock(descriptor, WAIT):
            raise InputError(f"{folder}: another batch is running there; wait for it, or name another --output")
        for other in sorted(folder.glob(".batch-*.lock")):
            if not other.name.endswith(f"-of-{shard.count}.lock") and _is_locked(other):
                raise InputError(f"{folder}: a batch of other shards is running there ({other.name}); wait for it")
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return try_lock(descriptor) is False
    finally:
        os.close(descriptor)
