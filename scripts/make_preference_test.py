"""A page for a blind comparison of two versions, and what its answers say.

python scripts/make_preference_test.py make before/ after/ -o test.html   # folders of videos with the same names
python scripts/make_preference_test.py score answers.csv [answers.csv …]  # who won, and whether by chance

The page holds everything: the videos, both orders drawn at random, one question a pair. It asks nothing of the network.
Answers come out as CSV. The significance is of a two-sided binomial test over answers that are no ties.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from sedtalker.errors import InputError
from sedtalker.storage import whole_file

VIDEOS = {".mp4": "video/mp4", ".webm": "video/webm"}
"""Endings of videos, and their media types."""
QUESTION = "Which face is more believable for this voice?"
"""Asked of every pair, unless another one is given."""
PAGE = Path(__file__).with_name("preference_test.html")
"""The page without its videos."""


def pairs_of(before: Path, after: Path) -> list[tuple[str, Path, Path]]:
    """Name and both videos of every clip that lies in both folders."""
    found = {path.stem: path for path in sorted(before.glob("*")) if path.suffix in VIDEOS}
    others = {path.stem: path for path in sorted(after.glob("*")) if path.suffix in VIDEOS}
    both = sorted(found.keys() & others.keys())
    if not both:
        raise InputError(f"{before} and {after} hold no videos (mp4, webm) of the same names")
    return [(name, found[name], others[name]) for name in both]


def make(before: Path, after: Path, output: Path, question: str = QUESTION) -> int:
    """Write the page; returns how many pairs it asks about."""
    pairs = pairs_of(before, after)
    listed = [{"name": name, "a": _as_url(a), "b": _as_url(b)} for name, a, b in pairs]
    test = json.dumps({"question": question, "pairs": listed}).replace("</", "<\\/")
    with whole_file(output) as temporary:
        temporary.write_text(PAGE.read_text(encoding="utf-8").replace("/*TEST*/", test), encoding="utf-8")
    return len(pairs)


def _as_url(path: Path) -> str:
    return f"data:{VIDEOS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def score(files: list[Path]) -> dict[str, float]:
    """Wins of either version, ties, the share of ``b`` among the others with its 95 % interval, and the p-value."""
    chosen = []
    for path in files:
        with path.open(newline="", encoding="utf-8") as stream:
            chosen += [row.get("chosen", "") for row in csv.DictReader(stream)]
    if not chosen or not set(chosen) <= {"a", "b", "tie"}:
        raise InputError(f"{', '.join(map(str, files))}: no answers of such a page (columns clip, left, chosen)")
    a, b = chosen.count("a"), chosen.count("b")
    if not a + b:
        return {"a": 0, "b": 0, "ties": len(chosen)}
    test = binomtest(b, a + b)
    interval = test.proportion_ci(0.95, "wilson")
    values = {"share_b": b / (a + b), "low": interval.low, "high": interval.high, "p": test.pvalue}
    return {"a": a, "b": b, "ties": chosen.count("tie"), **{name: float(np.round(v, 4)) for name, v in values.items()}}


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the page")
    making.add_argument("before", type=Path, help="folder of videos: version a")
    making.add_argument("after", type=Path, help="folder of videos of the same names: version b")
    making.add_argument("--output", "-o", type=Path, required=True)
    making.add_argument("--question", default=QUESTION)
    scoring = commands.add_parser("score", help="who won")
    scoring.add_argument("answers", type=Path, nargs="+")
    arguments = parser.parse_args()
    try:
        if arguments.command == "make":
            print(
                make(arguments.before, arguments.after, arguments.output, arguments.question), "pairs", file=sys.stderr
            )
            print(arguments.output)
        else:
            print(json.dumps(score(arguments.answers)))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
