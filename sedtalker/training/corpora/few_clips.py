"""A folder with a few clips of each corpus, for ``debug=fast``: the training data as they are, only less of them.

Nothing is copied but the manifest; the rest are links. Folders of mesh sequences stay as they are.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from sedtalker.training.corpora.manifest import COLUMNS
from sedtalker.training.corpora.tracked_motion import split_of

Item = TypeVar("Item")
"""Type of the items of which a few are kept."""
PER_EMOTION = 6
"""Clips that are kept of each corpus, split and emotion."""
TRACKED = {"train": 24, "valid": 4, "test": 4}
"""Tracked sentences that are kept of each split."""


def few_clips(data: Path, folder: Path) -> Path:
    """``data`` with a few clips, in ``folder``, which is made anew; ``data`` itself where it is of another kind.

    Clips are evenly spread over the manifest, so every speaker or nearly so is among them.
    """
    manifest, tracked = data / "audio" / "manifest.csv", data / "motion" / "grid"
    if not manifest.is_file() and not tracked.is_dir():
        return data
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for inside in sorted(p for p in data.iterdir() if p.name not in ("audio", "motion")):
        _link(inside, folder / inside.name)
    for part, left_out in (("audio", "manifest.csv"), ("motion", "grid")):
        if (data / part).is_dir():
            (folder / part).mkdir()
            for inside in sorted(p for p in (data / part).iterdir() if p.name != left_out):
                _link(inside, folder / part / inside.name)
    if manifest.is_file():
        _write_manifest(manifest, folder / "audio" / "manifest.csv")
    if tracked.is_dir():
        _link_sentences(tracked, folder / "motion" / "grid")
    return folder


def _write_manifest(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["corpus"], row["split"], row["emotion"]), []).append(row)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for group in groups.values():
            writer.writerows(spread(group, PER_EMOTION))


def _link_sentences(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*.json"):
        _link(path, target / path.name)
    names: dict[str, list[str]] = {}
    for path in sorted(source.glob("*.npz")):
        names.setdefault(split_of(path.stem), []).append(path.stem)
    for split, found in names.items():
        for name in spread(found, TRACKED[split]):
            for path in source.glob(f"{name}.*"):
                _link(path, target / path.name)


def spread(items: Iterable[Item], count: int) -> list[Item]:
    """At most so many of some items, evenly spread, in their order."""
    every = list(items)
    if len(every) <= count:
        return every
    return [every[i * len(every) // count] for i in range(count)]


def _link(source: Path, target: Path) -> None:
    """A link, or a copy where links are not allowed."""
    try:
        os.symlink(source.resolve(), target, target_is_directory=source.is_dir())
    except OSError:
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
