"""``sedtalker data``: what training data is there, and whether it is as it should be."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.datasets.check_sequences import CorpusCheck

app = typer.Typer(help="Training data: check a folder, list corpora, make a small example.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
SHOWN = 20


@app.command()
@fail_clearly
def check(
    folder: Annotated[Path, typer.Argument(help="EmoVOCA, VOCASET, or sequences/*.npy and wav/ of your own.")],
    json: AsJson = False,
) -> None:
    """Look at every mesh sequence: shapes, rate, length against sound, names, labels; exit code 1 if some are wrong."""
    from sedtalker.datasets.check_sequences import check_sequences
    from sedtalker.datasets.sequences import open_sequences

    found = check_sequences(open_sequences(folder))
    if json:
        write_json(asdict(found))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(1)


def _show(found: CorpusCheck) -> None:
    print(f"{'layout':<11}{found.layout}")
    print(f"{'sequences':<11}{found.sequences}, {found.seconds:.1f} s at {found.fps:g} frames a second")
    print(f"{'vertices':<11}{found.vertices}")
    for title, counts in (("subjects", found.subjects), ("emotions", found.emotions), ("splits", found.splits)):
        print(f"{title:<11}" + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    print(f"{'licence':<11}{found.licence}")
    for note in found.notes:
        say(f"note: {note}")
    for problem in found.problems[:SHOWN]:
        say(f"problem: {problem}")
    if len(found.problems) > SHOWN:
        say(f"… and {len(found.problems) - SHOWN} more (--json lists all)")
    print(f"{'problems':<11}{len(found.problems)}")


@app.command()
@fail_clearly
def convert(
    folder: Annotated[Path, typer.Argument(help="Where templates.pkl and FLAME_masks.pkl lie.")],
    force: Force = False,
) -> None:
    """Turn the pickles of VOCASET and FLAME into templates.npz and masks.json. Reads arrays only: no code is run."""
    from sedtalker.datasets.head_files import convert_head_pickles

    for path in convert_head_pickles(folder, force):
        print(path)


@app.command()
@fail_clearly
def example(
    folder: Annotated[Path, typer.Argument(help="Where to write it; about 8 MB a sequence, 60 of them.")],
    audio: Annotated[Path, typer.Option(help="Speech that the takes are cut from.")],
    takes: Annotated[int, typer.Option(min=1, max=20, help="Takes of each of the five subjects.")] = 3,
    force: Force = False,
) -> None:
    """Make a small corpus in EmoVOCA's layout with the built-in decoder, to try the training with."""
    from sedtalker.datasets.example_sequences import ExampleSize, write_example

    if folder.exists() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder} is not empty; use --force to write into it")
    say(f"{write_example(folder, audio, ExampleSize(takes=takes))} sequences")
    print(folder)
