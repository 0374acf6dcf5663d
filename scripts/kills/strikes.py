"""Kills of a command, one after the other, and the runs after them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kills.commands import Command
from kills.judging import compared, judge, manners
from kills.quiet import Quiet, quiet_run
from kills.sandbox import LIMIT, Sandbox, run_through, start

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SIGNAL_NAMES = tuple(number.name for number in SIGNALS)
ROUND = 9
"""Kills of a command before it runs through."""
FRESH = 24
"""Every so many kills the process begins with the start of Python."""


@dataclass
class Row:
    """What the kills of a command left."""

    command: str
    signal: str
    kills: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def kill_one(command: Command, sandbox: Sandbox, quiet: Quiet, number: int, rng: random.Random) -> tuple[str, str, str]:
    """Start, kill, look: signal, outcome, fault."""
    which = SIGNALS[number % 3]
    old = bool(command.force) and number % 2 == 1
    if not command.goes_on:
        sandbox.empty("out")
    elif compared(sandbox.results()) == compared(quiet.results):  # the next would have nothing to do
        sandbox.empty("out", "cache")
    quiet.prepare(sandbox)
    if old:
        shutil.copytree(quiet.old, sandbox.root / "out", dirs_exist_ok=True)
    before = sandbox.results()
    words = quiet.words + (command.force.split() if old else [])
    fresh = number % FRESH == FRESH - 1
    process = start(sandbox, words, fresh)
    began, span = time.monotonic(), quiet.seconds + (quiet.start if fresh else 0.0)
    in_writing = rng.random() < 0.5
    latest = rng.uniform(0.0, 1.0) * span * (0.7 if command.goes_on else 1.02)  # what goes on is faster than at first
    deadline = began + (LIMIT if in_writing else latest)
    ahead, longest = rng.randrange(quiet.writings), 0.05 if command.goes_on else max(quiet.writing, 0.02)
    writes = False
    while process() is None and time.monotonic() < deadline:
        wrote, writes = writes, in_writing and sandbox.writing()
        if writes and not wrote and not ahead:
            time.sleep(rng.uniform(0.0, 1.0) * longest)
            break
        ahead -= writes and not wrote
        time.sleep(0.004)
    with suppress(ProcessLookupError):
        if process() is None:
            os.kill(process.number, which)
    code = process.wait()
    said = (sandbox.root / "stderr").read_text(errors="replace").strip()
    outcome, fault = judge(command, sandbox, before, quiet)
    fault = fault or manners(which, code, said)
    if code == 0:
        outcome = f"ended before, {outcome}"
    return which.name, outcome, fault


def killed(command: Command, kills: int, root: Path, inputs: Path, rng: random.Random) -> Iterator[Row]:
    """Kill a command so many times; a row a signal, and one of the runs after the kills."""
    sandbox = Sandbox(root, inputs)
    try:
        quiet = quiet_run(command, sandbox)
    except RuntimeError as error:
        yield Row(command.name, "quiet", faults=[str(error)])
        return
    rows = {number.name: Row(command.name, number.name) for number in SIGNALS}
    after = Row(command.name, "next run")
    cold = command.name in ("animate, new head", "mesh register", "mesh inspect", "face show")
    for number in range(kills):
        if cold and number % 2 == 0:
            sandbox.empty("cache")
        which, outcome, fault = kill_one(command, sandbox, quiet, number, rng)
        row = rows[which]
        row.kills += 1
        row.outcomes[outcome] += 1
        row.faults += [fault] if fault else []
        if number % ROUND == ROUND - 1 or number == kills - 1:
            _next_run(command, sandbox, quiet, after)
    took = f"{quiet.seconds:.1f} s, of these writing {quiet.writing:.2f} s, {quiet.writings} times"
    print(f"# {command.name}: {took}", file=sys.stderr)
    yield from (*rows.values(), after)


def _next_run(command: Command, sandbox: Sandbox, quiet: Quiet, after: Row) -> None:
    """The run after the kills: nothing but its results may be there."""
    if not command.goes_on and not command.force:  # it replaces nothing: what is there must go first, but for leftovers
        for name in {name.partition("/")[0] for name in quiet.results}:
            shutil.rmtree(sandbox.root / "out" / name, ignore_errors=True)
    quiet.prepare(sandbox)
    after.kills += 1
    code, said, _ = run_through(sandbox, quiet.words + command.force.split())
    left = {name for name in sandbox.names() - quiet.names if "events.out" not in name}  # named by the second
    now, wanted = sandbox.results(), quiet.results
    if command.goes_on:
        now, wanted = compared(now), compared(wanted)
    if code != 0:
        after.faults.append(f"code {code}: {said[-300:]}")
    elif now != wanted:
        after.faults.append(f"other results: {sorted(now.items() ^ wanted.items())}")
    if left:
        after.faults.append(f"left: {sorted(left)}")
    after.outcomes["faults" if after.faults else "as in quiet, nothing left"] += 1
    if command.goes_on:
        sandbox.empty("out", "cache")
