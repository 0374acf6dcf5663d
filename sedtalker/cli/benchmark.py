"""``sedtalker benchmark``: how fast it is on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sedtalker.cli.console import ForceOption, ProgressOption, QuietOption, ShownProgress, fail_clearly, say
from sedtalker.errors import InputError

FILES = ("benchmark.json", "benchmark.md", "benchmark.png")
"""What is written into a folder."""


@fail_clearly
def benchmark(
    quick: Annotated[bool, typer.Option("--quick", help="The figures alone, in about a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for the JSON, the tables and a plot.")
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="A head whose video is timed too.")] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads to try, by comma.")] = "1,2",
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
) -> None:
    """Measure start-up, every stage at several lengths, streams, video and memory."""
    try:
        counts = [int(count) for count in threads.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise InputError(f"--threads {threads}: give whole numbers such as 1,2")
    from sedtalker.benchmark.run import figure_rows, markdown, plot, run_benchmark
    from sedtalker.storage import OutputFolder

    head = None
    if mesh is not None:
        from sedtalker.mesh.mesh import Mesh

        head = Mesh.load(mesh)

    def measure() -> dict[str, Any]:
        with ShownProgress(progress, quiet) as shown:
            return run_benchmark(quick, head, counts, hook=shown.hook)

    if output is None:
        report = measure()
    else:
        with OutputFolder(output, FILES, force) as results:
            report = measure()
            (results.path / FILES[0]).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            (results.path / FILES[1]).write_text(markdown(report), encoding="utf-8")
            plot(report, results.path / FILES[2])
    if as_json:
        print(json.dumps(report["figures"] | report, indent=2))
        return
    for name, value, about in figure_rows(report):
        print(f"{name:<40} {value:>8}  {about}")
    if output is not None:
        say(f"written: {output}")
