"""``sedtalker benchmark``: how fast it is on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli.console import ForceOption, ProgressOption, QuietOption, ShownProgress, fail_clearly, say
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.decoder import MotionDecoder

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
    """Measure start-up, every stage at several lengths, streams, video, memory, and other forms of the decoder."""
    try:
        counts = [int(count) for count in threads.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise InputError(f"--threads {threads}: give whole numbers such as 1,2")
    from sedtalker.benchmark import run_benchmark
    from sedtalker.benchmark.report import figure_rows, markdown, plot
    from sedtalker.storage import OutputFolder

    head = None
    if mesh is not None:
        from sedtalker.mesh.mesh import Mesh

        head = Mesh.load(mesh)
    forms = {
        "autoregressive": autoregressive,
        "autoregressive, as published": published_autoregressive,
        "window": window,
    }

    def measure() -> dict[str, Any]:
        with ShownProgress(progress, quiet) as shown:
            return run_benchmark(quick, forms, head, counts, hook=shown.hook)

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


# --- Other forms of the decoder, of as many parameters, with random weights: only their time is measured.


def autoregressive() -> MotionDecoder:
    """Frame after frame (the form of FaceFormer), keys and values of the past kept."""
    from sedtalker.training.published.decoder_forms import CachedAutoregressiveDecoder

    return CachedAutoregressiveDecoder(_config("autoregressive", 160)).eval()


def published_autoregressive() -> MotionDecoder:
    """The same as published: through all of the past for every frame."""
    from sedtalker.training.published.decoder_forms import AutoregressiveDecoder

    return AutoregressiveDecoder(_config("autoregressive", 160)).eval()


def window() -> MotionDecoder:
    """Each frame from the speech around it (the form of VOCA)."""
    from sedtalker.training.published.decoder_forms import WindowDecoder

    return WindowDecoder(_config("window", 320)).eval()


def _config(architecture: str, width: int) -> Any:
    from sedtalker.training.published.decoder_forms import DecoderFormConfig

    return DecoderFormConfig.model_validate({"architecture": architecture, "width": width})
