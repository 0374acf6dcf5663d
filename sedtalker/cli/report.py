"""``sedtalker report``: statistics of a folder's emotion tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli.console import (
    ForceOption,
    JsonOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
    say,
    write_json,
)
from sedtalker.errors import InputError


@fail_clearly
def report(
    folder: Annotated[Path, typer.Argument(help="Of sedtalker batch, or any with emotion tracks in it.")],
    by: Annotated[
        str | None,
        typer.Option(metavar="folder|COLUMN", help="Groups: by folder, or by a column of the batch's manifest."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="A table (.csv, .jsonl) with a column audio and the column of --by.")
    ] = None,
    over: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Trends over a column with numbers or dates (2026-01-31).")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Folder of words with times (.vtt, .TextGrid, …); default: beside the tracks.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: report in FOLDER.")] = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Sum up emotion tracks: time, intensity, transitions, by groups and over time, as a page and CSV files."""
    from sedtalker.batch.comparisons import positions
    from sedtalker.batch.page import described, write_report
    from sedtalker.batch.search import add_words
    from sedtalker.batch.tracks import PAGE, read_tracks

    with ShownProgress(progress, quiet) as shown:
        tracks = read_tracks(folder, by, manifest, shown.hook)
        add_words(tracks, words)
        if over is not None:
            tracks.over = positions(tracks.columns, over)
            if len(tracks.over) < 4:
                raise InputError(
                    f"--over {over}: {len(tracks.over)} recordings have a number or a date there, 4 are needed"
                )
        target = output or folder / "report"
        groups = write_report(tracks, target, force)
    for name, why in list(tracks.left_out.items())[:5]:
        say(f"note: left out: {name}: {why}")
    if len(tracks.left_out) > 5:
        say(f"note: and {len(tracks.left_out) - 5} more")
    if as_json:
        write_json({**described(groups, tracks), "page": str(target / PAGE)})
    else:
        print(target / PAGE)
