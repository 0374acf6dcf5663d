"""Kill every command that writes, at random moments, and look at what is left.

    python scripts/kill_commands.py --json kills.json

Each command is run once in quiet, which gives its results and its time. Then it is started again and again and killed
by SIGINT, SIGTERM or SIGKILL: half of the moments anywhere in its run, half in its writing, while there is something in
a folder of work in progress. In turn there are no results before, or older ones that ``--force`` replaces. After each
kill the results must be absent, whole old or whole new. A mixture after SIGKILL counts as *finished by the next* when
the next program makes it whole. After some kills the command runs through: its results must be those of the quiet run,
and nothing else may lie in its folder, its cache, its TMPDIR or its working directory.

The commands run in forks of this process, in which the libraries are imported, so that a kill costs a second; every
twenty-fourth is a process of its own from the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from kills.commands import COMMANDS
from kills.inputs import make_inputs
from kills.strikes import SIGNAL_NAMES, Row, killed


def main() -> None:
    """Kill them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, help="of all commands together, about; default: those of the table, 300")
    parser.add_argument("--only", default="", help="commands whose name begins so, or so, by |")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if sys.platform == "win32":
        raise SystemExit("POSIX signals are needed")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    from sedtalker.cli.main import application

    application()  # what the forks need is imported once, the commands too
    for module in ("torch", "scipy.signal", "matplotlib.figure", "av", "PIL.Image", "soundfile", "numba", "igl",
                   "sedtalker.animation.animator", "sedtalker.emotion.diarizer", "sedtalker.render.video"):  # fmt: skip
        __import__(module)
    import torch

    torch.set_num_threads(1)
    begin = tuple(options.only.split("|"))
    chosen = [command for command in COMMANDS if command.name.startswith(begin) and command.kills]
    share = 1.0 if options.kills is None else options.kills / sum(command.kills for command in chosen)
    rows: list[Row] = []
    name = tempfile.mkdtemp(prefix="kills-")  # no TemporaryDirectory, which the forks would remove at their end
    try:
        make_inputs(Path(name) / "in")
        for number, command in enumerate(chosen):
            rng = random.Random(f"{options.seed} {command.name}")
            kills, place = max(3, round(share * command.kills)), Path(name) / str(number)
            for row in killed(command, kills, place, Path(name) / "in", rng):
                rows.append(row)
                outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(row.outcomes.items()))
                print(f"| {row.command} | {row.signal} | {row.kills} | {outcomes} | {'; '.join(row.faults) or '-'} |")
                sys.stdout.flush()
            shutil.rmtree(place, ignore_errors=True)
            if options.json:
                options.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    finally:
        shutil.rmtree(name, ignore_errors=True)
    kills = sum(row.kills for row in rows if row.signal in SIGNAL_NAMES)
    faults = sum(len(row.faults) for row in rows)
    late = sum(count for row in rows for name, count in row.outcomes.items() if name.startswith("ended before"))
    runs = sum(row.kills for row in rows) - kills
    print(f"{kills} kills, {late} of them after the end of the command, {runs} runs after them, {faults} faults")


if __name__ == "__main__":
    main()
