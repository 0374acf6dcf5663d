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
    words: Annotated[
        Path | None, typer.Option(help="Folder of words with times (.vtt, .TextGrid, …); default: beside the tracks.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: report in FOLDER.")] = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Sum up emotion tracks: time, intensity and transitions, by groups, as CSV files and a table."""
    from sedtalker.batch.search import add_words
    from sedtalker.batch.statistics import described, emotion_rows, write_tables
    from sedtalker.batch.tracks import read_tracks

    with ShownProgress(progress, quiet) as shown:
        tracks = read_tracks(folder, by, manifest, shown.hook)
        add_words(tracks, words)
        target = output or folder / "report"
        groups = write_tables(tracks, target, force)
    for name, why in list(tracks.left_out.items())[:5]:
        say(f"note: left out: {name}: {why}")
    if len(tracks.left_out) > 5:
        say(f"note: and {len(tracks.left_out) - 5} more")
    if as_json:
        write_json({**described(groups, tracks), "tables": str(target)})
        return
    print(target)
    for row in emotion_rows(groups):
        intensity = "" if row["mean_intensity"] is None else f"  intensity {row['mean_intensity']:.2f}"
        say(f"{row['group']}  {row['emotion']:<9} {row['share']:6.1%} of the time{intensity}")
