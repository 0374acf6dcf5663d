"""``sedtalker data build``: sets that this project makes from the training data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError

app = typer.Typer(help="Build a set from the training data.", no_args_is_help=True)


@app.callback()
def build() -> None:
    """Build a set from the training data."""


@app.command()
@fail_clearly
def open4d(
    output: Annotated[Path, typer.Argument(help="A folder that will be made.")],
    data: Annotated[Path | None, typer.Option(help="Training data folder [SEDTALKER_DATA or ../shared/data].")] = None,
    cache: Annotated[Path | None, typer.Option(help="Phone alignments [~/.cache/sedtalker].")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that align.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier build.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Speech motion under changing emotion, on the 52 shapes: motion, emotion, splits and a datasheet."""
    if output.exists() and not (force and (output / "takes.csv").is_file()):
        raise InputError(f"{output} exists; --force replaces it if it is an earlier build")
    from sedtalker.datasets.manifest import find_data
    from sedtalker.training.open4d import build_open4d
    from sedtalker.training.run import cache_folder

    root = find_data(data)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        counts = build_open4d(root, partial, cache_folder(str(cache) if cache else None), workers, say)
        if output.exists():
            shutil.rmtree(output)
        partial.replace(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if json:
        write_json({"folder": str(output), "takes": counts})
    else:
        print(f"{output}: " + ", ".join(f"{count} takes to {split}" for split, count in counts.items()))
