"""``sedtalker data``: what training data is there, and whether it is as it should be."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.training.corpora.check_sequences import CorpusCheck


app = typer.Typer(help="Training data: check a folder, list corpora, make a small example.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
SHOWN = 20
SHOWN_FIELDS = ("name", "title", "language", "licence", "obtain", "layout", "splits", "split_note")


@app.command()
@fail_clearly
def check(
    folder: Annotated[Path, typer.Argument(help="EmoVOCA, VOCASET, or sequences/*.npy and wav/ of your own.")],
    json: AsJson = False,
) -> None:
    """Look at every mesh sequence: shapes, rate, length against sound, names, labels; exit code 1 if some are wrong."""
    from sedtalker.training.corpora.check_sequences import check_sequences
    from sedtalker.training.corpora.sequences import open_sequences

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


@app.command("list")
@fail_clearly
def list_corpora(
    name: Annotated[str | None, typer.Argument(help="Tell all about one of them.")] = None, json: AsJson = False
) -> None:
    """List the corpora whose published layouts are known: languages, licences, splits, where to get them."""
    from sedtalker.training.corpora.layouts import corpora, find_corpus

    chosen = [find_corpus(name)] if name else list(corpora().values())
    shown = [{field: getattr(corpus, field) for field in SHOWN_FIELDS} for corpus in chosen]
    if json:
        write_json(shown)
    elif name:
        for field, value in shown[0].items():
            print(f"{field:<12}{value}")
    else:
        for row in shown:
            print(f"{row['name']:<13}{row['language']:<8}{row['splits']:<10}{row['licence']}")
        say("sedtalker data list NAME tells where to get one and how its files are named")


@app.command()
@fail_clearly
def index(
    folder: Annotated[Path, typer.Argument(help="Training data; corpora lie unpacked in its audio/NAME.")],
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Read corpora in their published layouts and write audio/manifest.csv, which every training reads."""
    from collections import Counter

    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.registry import index_corpora, write_manifest

    check_writable(folder / "audio" / "manifest.csv", force)
    indexed = index_corpora(folder)
    write_manifest(folder, indexed)
    told = {
        name: {
            "clips": len(clips),
            "hours": round(sum(clip.duration for clip in clips) / 3600, 3),
            "speakers": len({clip.speaker for clip in clips}),
            "emotions": dict(Counter(clip.emotion for clip in clips)),
            "splits": dict(Counter(clip.split for clip in clips)),
            "unknown": unknown,
        }
        for name, (clips, unknown) in indexed.items()
    }
    for name, (_, unknown) in indexed.items():
        for path in unknown[:SHOWN]:
            say(f"note: {name}: {path}: not of its layout, left out")
    if json:
        write_json(told)
    else:
        for name, row in told.items():
            print(f"{name:<13}{row['clips']} clips, {row['hours']} h, {row['speakers']} speakers, {row['splits']}")


@app.command()
@fail_clearly
def convert(
    folder: Annotated[Path, typer.Argument(help="Where templates.pkl and FLAME_masks.pkl lie.")],
    force: Force = False,
) -> None:
    """Turn the pickles of VOCASET and FLAME into templates.npz and masks.json. Reads arrays only: no code is run."""
    from sedtalker.training.corpora.head_files import convert_head_pickles

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
    from sedtalker.training.corpora.check_sequences import ExampleSize, write_example

    if folder.exists() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder} is not empty; use --force to write into it")
    say(f"{write_example(folder, audio, ExampleSize(takes=takes))} sequences")
    print(folder)


# --- ``sedtalker data build``: sets that this project makes from the training data.

build_app = typer.Typer(help="Build a set from the training data.", no_args_is_help=True)


@build_app.callback()
def build() -> None:
    """Build a set from the training data."""


@build_app.command()
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
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.motion.open4d_build import build_open4d
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


app.add_typer(build_app, name="build")
