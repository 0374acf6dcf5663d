"""Write the figures of ``docs/speed.md`` and its plot from what ``benchmark.py -o DIR`` measured; it measures nothing.

python scripts/benchmark.py --quick --mesh data/samples/head.obj -o DIR && python scripts/make_speed.py DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured_page import write_between_marks
from measures.benchmark import figure_rows, stage_rows

from sedtalker.training.evaluation.measures import markdown_table

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write what lies between the marks of the page, and copy the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what benchmark.py -o wrote")
    folder = parser.parse_args().folder
    report = json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))
    write_between_marks(DOCS / "speed.md", "figures", figures(report))
    write_between_marks(DOCS / "speed.md", "stages", markdown_table(*stage_rows(report)))
    shutil.copyfile(folder / "benchmark.png", DOCS / "images" / "speed.png")


def figures(report: Mapping[str, Any]) -> str:
    """On which machine, how busy it was, and the table."""
    found, kind = report["machine"], "quick" if report["quick"] else "whole"
    before, after = report["load"]["before"], report["load"]["after"]
    about = (
        f"A {kind} run on {found['cpu']}, {found['cores']} cores, torch {found['torch']}, numba {found['numba']}. Load "
        f"average of the machine: {before} before, {after} after."
    )
    if before is not None and before > 0.5 * found["cores"]:
        about += " **It was busy**: figures by the clock (start-up, video) are worse than on idle cores."
    rows = ([f"`{name}`", value, what] for name, value, what in figure_rows(report))
    return about + "\n\n" + markdown_table(("figure", "value", "what it is"), rows)


if __name__ == "__main__":
    main()
