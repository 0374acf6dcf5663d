"""``sedtalker data``: what training data is there, and whether it is as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import Commands, say, write_json
from sedtalker.errors import InputError, one_of
from sedtalker.storage import OutputFolder, check_folder, check_writable

if TYPE_CHECKING:
    from sedtalker.training.corpora.meshes import SequenceLayout
    from sedtalker.training.corpora.meshes.check import CorpusCheck
    from sedtalker.training.corpora.speech import SpeechCorpus


app = Commands(help="Training data: list known corpora, index and check them.", no_args_is_help=True)


SHOWN = 20
"""How many problems or unknown files are printed."""


# --- Corpora of speech.


@app.command("list")
def list_corpora(
    name: Annotated[str | None, typer.Argument(help="Print everything about this corpus.")] = None,
    json: o.JsonOption = False,
) -> None:
    """List the known corpora of speech and of mesh sequences: languages, what weights may be used for, licences.

    With a NAME: also emotions, speakers, splits, where to get the corpus and how its files are named.
    """
    from sedtalker.training.corpora.meshes import known_layouts
    from sedtalker.training.corpora.speech import corpora, known_corpus

    meshes = {layout.name: layout for layout in known_layouts().values() if layout.obtain}
    if name in meshes:
        described = [_mesh_facts(meshes[name])]
    elif name and (found := known_corpus(name)):
        described = [_facts(found)]
    elif name:
        raise InputError(f"unknown corpus '{name}': {one_of(name, (*corpora(), *meshes))}")
    else:
        described = [*map(_facts, corpora().values()), *map(_mesh_facts, meshes.values())]
    if json:
        write_json(described)
    elif name:
        for field, value in described[0].items():
            if value not in ("", None, [], {}):
                print(f"{field:<14}{', '.join(map(str, value)) if isinstance(value, list) else value}")
    else:
        print(f"{'name':<18}{'languages':<11}{'weights':<16}licence")
        for facts in described:
            print(f"{facts['name']:<18}{facts['language']:<11}{facts['weights']:<16}{facts['licence']}")
        say("weights: what a model trained on the corpus may be used for, by a cautious reading of the licence")
        say("sedtalker data list NAME says where to get a corpus and how its files are named")


def _facts(corpus: SpeechCorpus) -> dict[str, Any]:
    """What is printed of a corpus."""
    trained = corpus.training
    return {
        "name": corpus.name,
        "kind": "speech",
        "title": f"{corpus.title} ({corpus.paper})",
        "language": corpus.language,
        "licence": corpus.licence,
        "weights": corpus.use,
        "obtain": corpus.obtain,
        "layout": corpus.layout,
        "indexed": "yes" if corpus.read else "no: list its clips in audio/manifest.csv",
        "emotions": list(corpus.categories),
        "speakers": corpus.speakers,
        "hours": corpus.hours,
        "splits": corpus.splits,
        "split_note": corpus.split_note,
        "trained_on": f"{trained.content}; {trained.speakers} speakers, {trained.hours} h" if trained else "",
        "note": corpus.note,
    }


def _mesh_facts(layout: SequenceLayout) -> dict[str, Any]:
    """What is printed of a corpus of mesh sequences."""
    return {
        "name": layout.name,
        "kind": "meshes",
        "title": layout.title,
        "language": layout.language,
        "licence": layout.licence,
        "weights": layout.use,
        "obtain": layout.obtain,
        "layout": layout.example,
        "vertices": layout.vertices,
    }


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="Training data; corpora lie unpacked in its audio/NAME.")],
    force: o.ForceOption = False,
    json: o.JsonOption = False,
) -> None:
    """Read corpora in their published layouts and write audio/manifest.csv, which every training reads."""
    from sedtalker.training.corpora.manifest import COLUMNS, clips_from, find_data, read_table, write_manifest
    from sedtalker.training.corpora.speech import index_corpora

    manifest = find_data(folder) / "audio" / "manifest.csv"
    check_writable(manifest, force)
    before = read_table(manifest, COLUMNS) if manifest.is_file() else []
    clips_from(folder, before)  # those of other corpora are kept, so they have to be rows
    indexed = index_corpora(folder)
    write_manifest(folder, {name: found.clips for name, found in indexed.items()}, before)
    counts: dict[str, dict[str, Any]] = {
        name: {
            "clips": len(clips),
            "hours": round(sum(clip.duration for clip in clips) / 3600, 3),
            "speakers": len({clip.speaker for clip in clips}),
            "emotions": dict(Counter(clip.emotion for clip in clips)),
            "splits": dict(Counter(clip.split for clip in clips)),
            "unknown": unknown,
            "unreadable": unreadable,
        }
        for name, (clips, unknown, unreadable) in indexed.items()
    }
    for name, found in indexed.items():
        say_few([f"note: {name}: {path}: {why}, left out" for path, why in found.unreadable.items()])
        say_few([f"note: {name}: {path}: the name does not follow the layout, left out" for path in found.unknown])
    if json:
        write_json(counts)
        return
    for name, row in counts.items():
        splits = ", ".join(f"{count} to {split}" for split, count in sorted(row["splits"].items()))
        print(f"{name:<18}{row['clips']} clips, {row['hours']} h, {row['speakers']} speakers: {splits}")


def say_few(lines: Sequence[str]) -> None:
    """Say the first lines, and how many more there are."""
    for line in lines[:SHOWN]:
        say(line)
    if len(lines) > SHOWN:
        say(f"… and {len(lines) - SHOWN} more (--json lists all)")


# --- Corpora of mesh sequences.


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="EmoVOCA, VOCASET, or sequences/*.npy and wav/ of your own.")],
    json: o.JsonOption = False,
) -> None:
    """Check every mesh sequence: shape, frame rate, length against its sound, name, labels. Exit code 1 on problems."""
    from sedtalker.training.corpora.meshes import open_sequences
    from sedtalker.training.corpora.meshes.check import check_sequences

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
    say_few([f"problem: {problem}" for problem in found.problems])
    print(f"{'problems':<11}{len(found.problems)}")


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="Where templates.pkl and FLAME_masks.pkl lie.")],
    force: o.ForceOption = False,
) -> None:
    """Turn the pickles of VOCASET and FLAME into templates.npz and masks.json. Reads arrays only: no code is run."""
    from sedtalker.training.corpora.meshes import convert_head_pickles

    for path in convert_head_pickles(folder, force):
        print(path)


@app.command()
def example(
    folder: Annotated[Path, typer.Argument(help="Where to write it; about 8 MB a sequence, 60 of them.")],
    audio: Annotated[Path, typer.Option(help="Speech that the takes are cut from.")],
    takes: Annotated[int, typer.Option(min=1, max=20, help="Takes of each of the five subjects.")] = 3,
    force: o.ForceOption = False,
) -> None:
    """Make a small corpus in EmoVOCA's layout with the built-in decoder, to try a training with."""
    from sedtalker.training.corpora.meshes.check import ExampleSize, write_example

    check_folder(folder, force)
    with ExitStack() as stack:
        fresh = not folder.exists() or not any(folder.iterdir())
        place = stack.enter_context(OutputFolder(folder, None, True)).path if fresh else folder
        count = write_example(place, audio, ExampleSize(takes=takes))
    say(f"{count} sequences")
    print(folder)
