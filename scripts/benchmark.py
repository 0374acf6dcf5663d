"""How fast it is on this machine: start-up, every stage at several lengths, streams, video and memory.

python scripts/benchmark.py --quick            # the figures alone, in about a minute
python scripts/benchmark.py -o DIR             # everything, with a plot; scripts/make_speed.py writes the page from it
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from measures.benchmark import figure_rows, plot, run_benchmark

from sedtalker.cli.console import ShownProgress
from sedtalker.mesh.mesh import Mesh


def main() -> None:
    """Measure, print, and write the report and a plot where a folder is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the figures alone, in about a minute")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--mesh", type=Path, help="a head whose video is timed too")
    parser.add_argument("-o", "--output", type=Path, help="a folder for benchmark.json and benchmark.png")
    given = parser.parse_args()
    head = None if given.mesh is None else Mesh.load(given.mesh)
    if given.output is not None:
        given.output.mkdir(parents=True, exist_ok=True)
    with ShownProgress() as shown:
        report = run_benchmark(given.quick, head, hook=shown.hook)
    if given.output is not None:
        (given.output / "benchmark.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        plot(report, given.output / "benchmark.png")
    if given.json:
        print(json.dumps(report["figures"] | report, indent=2))
        return
    for name, value, about in figure_rows(report):
        print(f"{name:<40} {value:>8}  {about}")


if __name__ == "__main__":
    main()
