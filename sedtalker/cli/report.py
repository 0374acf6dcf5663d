"""``sedtalker report`` and ``search``: statistics of a folder of emotion tracks, and segments found in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import fail_clearly, print_lines, say, write_json

if TYPE_CHECKING:
    from sedtalker.batch.search import Hit
    from sedtalker.batch.tracks import Tracks

Folder = Annotated[Path, typer.Argument(help="A folder of sedtalker batch, or any other folder with emotion tracks.")]
Words = Annotated[
    Path | None, typer.Option(help="Folder of words with times (.vtt, .TextGrid, …); default: beside the tracks.")
]


@fail_clearly
@o.takes_options()
def report(
    folder: Folder,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="folder|speaker|COLUMN",
            help="Group by folder, by the speakers of conversations, or by a column of the batch's manifest.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="A table (.csv, .jsonl) with a column audio and the column of --by.")
    ] = None,
    words: Words = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the tables; default: report in FOLDER.")
    ] = None,
    run: o.Run = o.Run(),
) -> None:
    """Sum up emotion tracks: time, intensity and transitions, by groups, as CSV files and a table."""
    from sedtalker.batch.statistics import described, emotion_rows, write_tables
    from sedtalker.batch.tracks import read_tracks

    with run.shown() as shown:
        tracks = read_tracks(folder, by, manifest, shown.hook, words, words_needed=words is not None)
        target = output or folder / "report"
        groups = write_tables(tracks, target, run.force)
    _say_left_out(tracks)
    if run.as_json:
        write_json({**described(groups, tracks), "tables": str(target)})
        return
    print(target)
    for row in emotion_rows(groups):
        intensity = "" if row["mean_intensity"] is None else f"  intensity {row['mean_intensity']:.2f}"
        say(f"{row['group']}  {row['emotion']:<9} {row['share']:6.1%} of the time{intensity}")


@fail_clearly
@o.takes_options(without=("force",))
def search(
    folder: Folder,
    emotion: Annotated[list[str] | None, typer.Option(help="Label of the segments, or uncertain; repeatable.")] = None,
    above: Annotated[float, typer.Option(min=0.0, max=1.0, help="Lowest mean intensity of a segment.")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.0, help="Shortest segment, seconds.")] = 0.0,
    said: Annotated[str | None, typer.Option(metavar="TEXT", help="Words that are spoken in the segments.")] = None,
    most_uncertain: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Only this share of the segments, the most uncertain ones: .15."),
    ] = None,
    words: Words = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Print at most this many segments.")] = None,
    run: o.Run = o.Run(progress="none"),
) -> None:
    """Find segments in emotion tracks: a line each, with recording, seconds, emotion and, where known, words."""
    from sedtalker.batch.search import Wanted
    from sedtalker.batch.search import search as search_tracks
    from sedtalker.batch.tracks import read_tracks

    wanted = Wanted(tuple(emotion or ()), above, seconds, said, most_uncertain)
    with run.shown() as shown:
        tracks = read_tracks(folder, hook=shown.hook, words=words, words_needed=said is not None)
    found = search_tracks(tracks, wanted)
    _say_left_out(tracks)
    searched, recordings = len({s.file for s in tracks.summaries}), len({hit.recording for hit in found})
    hits = found[:limit]
    if run.as_json:
        counts = {"searched": searched, "recordings": recordings, "segments": len(found)}
        write_json({**counts, "left_out": tracks.left_out, "hits": [as_plain(hit) for hit in hits]})
        return
    print_lines(map(line, hits))
    say(f"{len(found)} segment{'s' * (len(found) != 1)} in {recordings} of {searched} recordings")


def _say_left_out(tracks: Tracks) -> None:
    """Say which files were left out: the first five, and how many more there are."""
    for name, why in list(tracks.left_out.items())[:5]:
        say(f"note: left out: {name}: {why}")
    if len(tracks.left_out) > 5:
        say(f"note: and {len(tracks.left_out) - 5} more")


def line(hit: Hit) -> str:
    """``anna/one  12.40-18.90 s  angry 0.81 (confidence 0.62)  "I have had enough"``; ``talk [ann]`` of speakers."""
    part = hit.segment
    said = f'  "{hit.words}"' if hit.words else ""
    about = f"{part.label} {part.intensity:.2f} (confidence {part.confidence:.2f})"
    where = f"{hit.recording} [{hit.speaker}]" if hit.speaker else hit.recording
    return f"{where}  {part.start:.2f}-{part.end:.2f} s  {about}{said}"


def as_plain(hit: Hit) -> dict[str, Any]:
    """A segment for JSON; seconds."""
    part = hit.segment
    return {
        "recording": hit.recording,
        **({"speaker": hit.speaker} if hit.speaker else {}),
        "file": str(hit.file),
        "start": round(part.start, 3),
        "end": round(part.end, 3),
        "emotion": part.label,
        "intensity": round(part.intensity, 4),
        "confidence": round(part.confidence, 4),
        "words": hit.words,
    }
