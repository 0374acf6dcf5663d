"""``sedtalker search``: recordings by what is expressed in them, and by what is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli.console import (
    JsonOption,
    ProgressOption,
    QuietOption,
    ShownProgress,
    fail_clearly,
    print_lines,
    say,
    write_json,
)
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.batch.search import Hit


@fail_clearly
def search(
    folder: Annotated[Path, typer.Argument(help="Of sedtalker batch, or any with emotion tracks in it.")],
    query: Annotated[
        str, typer.Argument(help="As 'angry > .7 then sad within 10 s'; docs/tracks.md has the language.")
    ],
    words: Annotated[
        Path | None, typer.Option(help="Folder of words with times (.vtt, .TextGrid, …); default: beside the tracks.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Print so many matches at most.")] = None,
    quiet: QuietOption = False,
    progress: ProgressOption = "none",
    as_json: JsonOption = False,
) -> None:
    """Find where something is expressed: a line a match, with recording, seconds and, where known, words."""
    from sedtalker.batch.search import search as search_folder
    from sedtalker.emotion.query import parse_query

    try:
        understood = parse_query(query)
    except InputError as error:
        raise InputError(f"the query: {error}") from None
    with ShownProgress(progress, quiet) as shown:
        found = search_folder(folder, understood, words, shown.hook)
    for name, why in list(found.left_out.items())[:5]:
        say(f"note: left out: {name}: {why}")
    hits = found.hits[:limit]
    if as_json:
        write_json(
            {
                "query": query,
                "searched": found.searched,
                "recordings": found.recordings,
                "matches": len(found.hits),
                "left_out": found.left_out,
                "hits": [as_plain(hit) for hit in hits],
            }
        )
        return
    print_lines(map(line, hits))
    count = len(found.hits)
    say(f"{count} {'match' if count == 1 else 'matches'} in {found.recordings} of {found.searched} recordings")


def line(hit: Hit) -> str:
    """``anna/one  12.4-18.9 s  "I have had enough"``."""
    said = f'  "{hit.words}"' if hit.words else ""
    return f"{hit.recording}  {hit.match.start:.2f}-{hit.match.end:.2f} s{said}"


def as_plain(hit: Hit) -> dict[str, Any]:
    """A match for JSON; seconds."""
    return {
        "recording": hit.recording,
        "file": str(hit.file),
        "start": round(hit.match.start, 3),
        "end": round(hit.match.end, 3),
        "steps": [[round(start, 3), round(end, 3)] for start, end in hit.match.steps],
        "words": hit.words,
    }
