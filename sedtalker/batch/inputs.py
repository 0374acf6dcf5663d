"""What a batch works on: recordings from files, folders, globs and manifests, and where the results of each go.

A manifest is a table of recordings with options of their own, as CSV or JSON lines; it is read at the end of the file.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from sedtalker.animation.option_fields import declared
from sedtalker.batch.log import log_files
from sedtalker.batch.settings import BatchSettings, parse_settings
from sedtalker.errors import InputError
from sedtalker.phonetics.words import AUTO, TEXT_SUFFIXES, WORD_SUFFIXES
from sedtalker.reading import is_file, is_folder, parse_json, read_text

SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".mp4", ".webm")
"""Endings of the files that a folder is searched for, unless ``--pattern`` says others."""
WILD = "*?["
"""Characters that make a glob of a name."""
MANIFESTS = (".csv", ".jsonl")
"""Endings of manifests."""
AUDIO, OUTPUT = "audio", "output"
"""Columns that are no options of the recording: the file, and the folder of its results below that of the batch."""
FILE, LABEL, SPEAKER = "file", "label", "speaker"
"""Columns of a labelled table: the file, where there is no ``AUDIO``, what is expressed, and who speaks."""
MOST_TABLE_BYTES = 256 * 2**20
"""A manifest is not longer than this."""


@dataclass(frozen=True)
class Item:
    """A recording and where its results go.

    Attributes:
        audio: the file, absolute.
        name: the folder of its results below that of the batch, with ``/`` between its parts.
        settings: the options of this recording.
        label: what is expressed in it, where a table says; a diarizer is adapted to it.
        speaker: who speaks, where a table says.
    """

    audio: Path
    name: str
    settings: BatchSettings
    label: str | None = None
    speaker: str | None = None

    @property
    def results(self) -> list[str]:
        """Names of the results, in the folder of that name."""
        return [self.audio.stem + suffix for suffix in self.settings.suffixes()]


def find_items(
    inputs: Sequence[Path | str],
    output: Path,
    settings: BatchSettings,
    patterns: Sequence[str] = (),
    labelled: bool = False,
) -> list[Item]:
    """The recordings that inputs name, in the order of their names, each once.

    Args:
        inputs: recordings, folders (searched below, their structure is kept), globs, and manifests.
        output: the folder of the batch; it is not searched, nor are those of earlier batches in a folder or a glob.
        settings: the options of recordings whose row in a manifest does not say otherwise.
        patterns: names that count in folders, such as ``*.wav`` or ``anna/*.flac``; by default ``SOUNDS``.
        labelled: manifests may have the columns ``FILE``, ``LABEL`` and ``SPEAKER``.

    Raises:
        InputError: a path is missing, or there is no recording.
    """
    if not inputs:
        raise InputError("give recordings, folders, globs or a manifest")
    plain = settings.placed(Path.cwd())
    found: list[Item] = []
    for given in inputs:
        items = list(_items(Path(given), output.absolute(), plain, patterns, labelled))
        if not items:
            raise InputError(_nothing(Path(given), patterns))
        found += items
    ordered: list[Item] = []
    spoken = [replace(item, settings=words_beside(item.audio, item.settings)) for item in found]
    for item in sorted(spoken, key=lambda item: item.name):
        if item not in ordered[-1:]:  # given twice
            ordered.append(item)
    return ordered


def _items(
    given: Path, output: Path, settings: BatchSettings, patterns: Sequence[str], labelled: bool
) -> Iterator[Item]:
    if is_folder(given):
        if given.resolve().is_relative_to(output.resolve()):
            raise InputError(f"{given}: the results would lie among the recordings; name another folder with --output")
        for path in recordings(given, output, patterns):
            yield Item(path.absolute(), _name(path.relative_to(given)), settings)
    elif is_file(given) and given.suffix.lower() in MANIFESTS:
        yield from read_manifest(given, settings, labelled)
    elif is_file(given):
        yield Item(given.absolute(), _name(Path(given.name)), settings)
    elif any(mark in str(given) for mark in WILD):
        root = Path(*takewhile(lambda part: not any(mark in part for mark in WILD), given.parts[:-1]))
        for path in sorted(Path(match) for match in glob.glob(str(given), recursive=True)):
            folders = [root / part for part in path.relative_to(root).parents]
            inside = path.absolute().is_relative_to(output) or any(map(log_files, folders[:-1]))
            if path.is_file() and not inside and not path.name.startswith("."):
                yield Item(path.absolute(), _name(path.relative_to(root)), settings)
    else:
        raise InputError(f"{given}: no such file or folder")


def recordings(folder: Path, output: Path, patterns: Sequence[str] = ()) -> Iterator[Path]:
    """Recordings below a folder, without hidden files and folders, links to folders, and results of batches."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here / f).absolute() != output)
        folders[:] = [f for f in folders if not log_files(here / f)]  # of earlier batches
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
    return int.from_bytes(hashlib.sha256(os.fsencode(item.name)).digest()[:8], "big") % count == index - 1


# --- Manifests.


def read_manifest(path: Path, settings: BatchSettings, labelled: bool = False) -> Iterator[Item]:
    """The recordings of a manifest; each row's options come in the place of those of the batch.

    The column ``audio`` or ``file`` names the recording, ``output`` the folder of its results; every other one is an
    option of ``sedtalker animate`` by its name. Where no output is named, results go where the recording lies below
    the manifest's folder, or to its name alone. Relative paths are below that folder. An empty cell, or null, leaves
    the option as it is; several values in a cell are parted by ``;``.

    Args:
        path: ``.csv`` or ``.jsonl``.
        labelled: it may have the columns ``LABEL`` and ``SPEAKER``.

    Raises:
        InputError: it cannot be read, a column is unknown, a value means nothing, or a recording is missing.
    """
    base = path.parent.absolute()
    about, known = (FILE, LABEL, SPEAKER) if labelled else (FILE,), declared(BatchSettings)
    for where, cells in read_table(path):
        audio = cells.get(AUDIO) or cells.get(FILE)
        if not isinstance(audio, str) or not audio:
            lacks = "names no recording" if AUDIO in cells or FILE in cells else "is missing: it names the recording"
            raise InputError(f"{where}: the column '{AUDIO}' {lacks}")
        given = {name: value for name, value in cells.items() if name not in (AUDIO, OUTPUT, *about)}
        named = {name: name.replace("-", "_") for name in given}
        given = {name: value for name, value in given.items() if value not in (None, "") or named[name] not in known}
        own = parse_settings(given, where).placed(base)
        changed = replace(settings, **{named[name]: getattr(own, named[name]) for name in given})
        file = (base / audio).absolute()
        if not is_file(file):
            raise InputError(f"{where}: {file}: no such file")
        place = Path(audio)
        inside = not place.is_absolute() and ".." not in place.parts
        name = _output(cells, where) or _name(place if inside else Path(place.name))
        yield Item(file, name, changed, *label_and_speaker(cells))


def label_and_speaker(cells: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What a row of a labelled table says is expressed, and who speaks; None where it is silent."""
    label, speaker = (None if cells.get(name) in (None, "") else str(cells[name]) for name in (LABEL, SPEAKER))
    return label, speaker


def _output(cells: Mapping[str, Any], where: str) -> str | None:
    value = cells.get(OUTPUT)
    if value in (None, ""):
        return None
    place = PurePosixPath(str(value).replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or not place.parts or ":" in place.parts[0] or "\0" in str(place):
        raise InputError(f"{where}: output {str(value)!r} must be a folder below that of the batch")
    return str(place)


def read_table(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a CSV file or of JSON lines, each with where it stands (``clips.csv:3``).

    Raises:
        InputError: it cannot be read, or a row is not as long as the header.
    """
    text = read_text(path, "a manifest", MOST_TABLE_BYTES)
    return _json_lines(path, text) if path.suffix.lower() == ".jsonl" else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    first = text.partition("\n")[0]
    delimiter = ";" if ";" in first and "," not in first else ","  # as spreadsheets write it where commas are decimal
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header):
            raise InputError(f"{path}:1: a column appears twice")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise InputError(f"{path}:{reader.line_num}: {len(cells)} cells, and {len(header)} columns")
            yield f"{path}:{reader.line_num}", dict(zip(header, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = parse_json(line, f"{path}:{number}")
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: not a JSON object")
        yield f"{path}:{number}", row
