"""A command that nobody kills: what its results are, and when it writes them."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from kills.commands import Command
from kills.sandbox import Sandbox, run_through, start


@dataclass
class Quiet:
    """A command that nobody kills.

    Attributes:
        words: its arguments.
        given: what is there before, by name and hash.
        results: what is there after it, likewise.
        names: everything that lies anywhere then.
        seconds: that it takes.
        writing: seconds from its first writing to its end.
        old: folder of results that are replaced.
        start: seconds that Python takes to begin.
        writings: how often it begins to write.
    """

    words: list[str]
    given: dict[str, str]
    results: dict[str, str]
    names: set[str]
    seconds: float
    writing: float
    old: Path
    start: float = 1.0
    writings: int = 1

    def prepare(self, sandbox: Sandbox) -> None:
        """Put there what the command works on in its own folder."""
        if "data" in self.words and "index" in self.words:
            shutil.copytree(sandbox.inputs / "corpora", sandbox.root / "out/data", dirs_exist_ok=True)


def quiet_run(command: Command, sandbox: Sandbox) -> Quiet:
    """Run a command in quiet, twice where it has older results."""
    words = sandbox.words(command.words)
    quiet = Quiet(words, {}, {}, set(), 0.0, 0.05, sandbox.root / "old")
    quiet.prepare(sandbox)
    quiet.given = sandbox.results()
    code, said, _ = run_through(sandbox, words + command.old.split())
    if code != 0:
        raise RuntimeError(f"{command.name}: code {code}: {said}")
    shutil.copytree(sandbox.root / "out", quiet.old)
    if command.force and not command.old:  # other bytes of the same names
        for path in quiet.old.rglob("*"):
            if path.is_file() and str(path.relative_to(quiet.old)) not in quiet.given:
                path.write_bytes(b"old")
                os.utime(path, (1.0, 1.0))
    sandbox.empty("out")
    quiet.prepare(sandbox)
    began, first, writes = time.monotonic(), None, False
    process = start(sandbox, words, fresh=False)
    while process() is None:
        wrote, writes = writes, sandbox.writing()
        if writes and not wrote:
            quiet.writings += first is not None
            first = first or time.monotonic()
        time.sleep(0.004)
    quiet.seconds = time.monotonic() - began
    quiet.writing = 0.05 if first is None else time.monotonic() - first
    if process() != 0:
        raise RuntimeError(f"{command.name}: {(sandbox.root / 'stderr').read_text()}")
    quiet.results, quiet.names = sandbox.results(), sandbox.names()
    return quiet
