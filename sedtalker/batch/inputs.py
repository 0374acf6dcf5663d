"""What a batch works on: recordings from files, folders, globs and manifests, and where the results of each go."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from sedtalker.batch.manifest import MANIFESTS, read_manifest
from sedtalker.batch.settings import BatchSettings
from sedtalker.errors import InputError
from sedtalker.phonetics.words import AUTO, TEXT_SUFFIXES, WORD_SUFFIXES
from sedtalker.reading import is_file, is_folder

SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".mp4", ".webm")
"""Endings of the files that a folder is searched for, unless ``--pattern`` says others."""
WILD = "*?["
"""Characters that make a glob of a name."""


@dataclass(frozen=True)
class Item:
    """A recording and where its results go.

    Attributes:
        audio: the file, absolute.
        name: the folder of its results below that of the batch, with ``/`` between its parts.
        settings: the options of this recording.
        columns: the cells of its row in the manifest, for ``sedtalker report --by``.
    """

    audio: Path
    name: str
    settings: BatchSettings
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """Names of the results, in the folder of that name."""
        return [self.audio.stem + suffix for suffix in self.settings.suffixes()]


def find_items(
    inputs: Sequence[Path | str],
    output: Path,
    settings: BatchSettings,
    patterns: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> list[Item]:
    """The recordings that inputs name, in the order of their names, each once.

    Args:
        inputs: recordings, folders (searched below, their structure is kept), globs, and manifests.
        output: the folder of the batch; it is not searched.
        settings: the options of recordings whose row in a manifest does not say otherwise.
        patterns: names that count in folders, such as ``*.wav`` or ``anna/*.flac``; by default ``SOUNDS``.
        columns: columns of manifests that are no options.

    Raises:
        InputError: a path is missing, there is no recording, or two would be written to one place.
    """
    if not inputs:
        raise InputError("give recordings, folders, globs or a manifest")
    plain = settings.placed(Path.cwd())
    found: list[Item] = []
    for given in inputs:
        items = list(_items(Path(given), output.absolute(), plain, patterns, columns))
        if not items:
            raise InputError(_nothing(Path(given), patterns))
        found += items
    ordered: list[Item] = []
    spoken = [replace(item, settings=words_beside(item.audio, item.settings)) for item in found]
    for item in sorted(spoken, key=lambda item: item.name):
        if item not in ordered[-1:]:  # given twice
            ordered.append(item)
    check_places(ordered, output)
    return ordered


def _items(
    given: Path, output: Path, settings: BatchSettings, patterns: Sequence[str], columns: Sequence[str]
) -> Iterator[Item]:
    if is_folder(given):
        check_apart(given, output)
        for path in recordings(given, output, patterns):
            yield Item(path.absolute(), _name(path.relative_to(given)), settings)
    elif is_file(given) and given.suffix.lower() in MANIFESTS:
        for row in read_manifest(given, settings, columns):
            yield Item(row.audio, row.output or _name(row.place), row.settings, row.columns)
    elif is_file(given):
        yield Item(given.absolute(), _name(Path(given.name)), settings)
    elif any(mark in str(given) for mark in WILD):
        root = Path(*_fixed_parts(given))
        for path in sorted(Path(match) for match in glob.glob(str(given), recursive=True)):
            inside = path.absolute().is_relative_to(output)
            if path.is_file() and not inside and not path.name.startswith("."):
                yield Item(path.absolute(), _name(path.relative_to(root)), settings)
    else:
        raise InputError(f"{given}: no such file or folder")


def _fixed_parts(pattern: Path) -> list[str]:
    """The parts of a glob before the first that holds a wild character."""
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if any(mark in part for mark in WILD):
            break
        parts.append(part)
    return parts


def recordings(folder: Path, output: Path, patterns: Sequence[str] = ()) -> Iterator[Path]:
    """Recordings below a folder, without hidden files and folders, links to folders, and the results of the batch."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here / f).absolute() != output)
        for name in sorted(files):
            if not name.startswith(".") and _counts(PurePosixPath((here / name).relative_to(folder)), patterns):
                yield here / name


def _counts(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    if not patterns:
        return path.suffix.lower() in SOUNDS
    return any(fnmatch(str(path) if "/" in pattern else path.name, pattern) for pattern in patterns)


def _nothing(given: Path, patterns: Sequence[str]) -> str:
    if is_file(given):
        return f"{given}: there is no row in it"
    if not is_folder(given):
        return f"{given}: no file matches"
    return f"{given}: no recording in it (looked for {', '.join(patterns or [f'*{suffix}' for suffix in SOUNDS])})"


def _name(place: Path) -> str:
    """The folder of results for a recording at this place: its path without the ending."""
    return place.with_name(place.stem).as_posix()


def words_beside(audio: Path, settings: BatchSettings) -> BatchSettings:
    """Settings with the words of a file that is called as its recording, where they ask for it and none are given.

    Files with times (``WORD_SUFFIXES``) come before those of text.
    """
    if not settings.words_beside or settings.said() not in (None, AUTO):
        return settings
    for ending in (*WORD_SUFFIXES, *TEXT_SUFFIXES):
        file = audio.with_name(audio.stem + ending)
        if is_file(file):
            timed = ending in WORD_SUFFIXES
            return replace(settings, words=file, transcript=None) if timed else replace(settings, transcript=str(file))
    return settings


# --- Places.


def check_apart(folder: Path, output: Path) -> None:
    """Raise ``InputError`` when results would lie among the recordings of a folder that is searched."""
    if folder.resolve().is_relative_to(output.resolve()):
        raise InputError(f"{folder}: the results would lie among the recordings; name another folder with --output")


def check_places(items: Sequence[Item], output: Path) -> None:
    """Raise ``InputError`` when results of two recordings would have one place, or a file and a folder would."""
    places: dict[str, Item] = {}
    folders: dict[str, Item] = {}
    for item in items:
        other = places.setdefault(item.name, item)
        if other is not item:
            raise InputError(
                f"{other.audio} and {item.audio} would both be written to {output / item.name}: choose with --pattern, "
                "rename one, or give a manifest with a column 'output'"
            )
        parts = PurePosixPath(item.name)
        folders |= {str(part): item for part in (parts, *parts.parents)}
    for item in items:
        for result in item.results:
            clash = folders.get(f"{item.name}/{result}")
            if clash is not None:
                raise InputError(f"{output / item.name / result}: {item.audio} and {clash.audio} would both use it")


def in_shard(item: Item, index: int, count: int) -> bool:
    """Whether a recording belongs to the shard ``index`` (from 1) of ``count``, by a hash of its name alone."""
    return int.from_bytes(hashlib.sha256(item.name.encode()).digest()[:8], "big") % count == index - 1
