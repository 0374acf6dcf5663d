"""Manifests: tables of recordings with options of their own, as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sedtalker.animation.option_fields import declared
from sedtalker.batch.settings import BatchSettings, parse_settings
from sedtalker.errors import InputError
from sedtalker.reading import is_file, parse_json, read_text

MANIFESTS = (".csv", ".jsonl")
"""Endings of manifests."""
AUDIO, OUTPUT = "audio", "output"
"""Columns that are no options of the recording: the file, and the folder of its results below that of the batch."""
MOST_TABLE_BYTES = 256 * 2**20
"""A manifest is not longer than this."""


@dataclass(frozen=True)
class Row:
    """A line of a manifest.

    Attributes:
        audio: the recording, absolute.
        place: where it lies below the manifest's folder; its name alone where it lies elsewhere.
        output: the folder of its results, where the row says.
        settings: the options of the batch with those of the row in their place.
        columns: every cell as text.
    """

    audio: Path
    place: Path
    output: str | None
    settings: BatchSettings
    columns: Mapping[str, str]


def read_manifest(path: Path, settings: BatchSettings, others: Sequence[str] = ()) -> list[Row]:
    """The rows of a manifest.

    The column ``audio`` names the recording, ``output`` the folder of its results; every other one is an option of
    ``sedtalker animate`` by its name, or one of ``others``. Relative paths are below the manifest's folder. An empty
    cell, or null, leaves the option as it is; several values in a cell are parted by ``;``.

    Args:
        path: ``.csv`` or ``.jsonl``.
        others: columns that are no options, such as the speaker.

    Raises:
        InputError: it cannot be read, a column is unknown, a value means nothing, or a recording is missing.
    """
    base = path.parent.absolute()
    rows = []
    for where, cells in read_table(path):
        check_columns(cells, others, where)
        given = {name: value for name, value in cells.items() if name not in (AUDIO, OUTPUT, *others)}
        given = {name: value for name, value in given.items() if value not in (None, "")}
        own = parse_settings(given, where).placed(base)
        named = [name.replace("-", "_") for name in given]
        changed = replace(settings, **{name: getattr(own, name) for name in named})
        audio = cells.get(AUDIO)
        if not isinstance(audio, str) or not audio:
            raise InputError(f"{where}: the column '{AUDIO}' names no recording")
        file = (base / audio).absolute()
        if not is_file(file):
            raise InputError(f"{where}: {file}: no such file")
        place = Path(audio)
        inside = not place.is_absolute() and ".." not in place.parts
        columns = {name: _text(value) for name, value in cells.items() if name != AUDIO and value not in (None, "")}
        rows.append(Row(file, place if inside else Path(place.name), _output(cells, where), changed, columns))
    return rows


def check_columns(cells: Mapping[str, Any], others: Sequence[str], where: str) -> None:
    """Raise ``InputError`` when there are columns that mean nothing."""
    known = {AUDIO, OUTPUT, *others, *declared(BatchSettings)}
    unknown = [name for name in cells if name not in known and name.replace("-", "_") not in known]
    if unknown:
        names = ", ".join(unknown)
        raise InputError(
            f"{where}: unknown column{'s' * (len(unknown) > 1)} {names}: columns are audio, output and options of "
            f"animate; --column {unknown[0]} keeps it for the report"
        )
    if AUDIO not in cells:
        raise InputError(f"{where}: there is no column '{AUDIO}'")


def _output(cells: Mapping[str, Any], where: str) -> str | None:
    value = cells.get(OUTPUT)
    if value in (None, ""):
        return None
    place = PurePosixPath(str(value).replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or not place.parts or ":" in place.parts[0] or "\0" in str(place):
        raise InputError(f"{where}: output {str(value)!r} must be a folder below that of the batch")
    return str(place)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_table(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a CSV file or of JSON lines, each with where it stands (``clips.csv:3``).

    Raises:
        InputError: it cannot be read, or a row is not as long as the header.
    """
    text = read_text(path, "a manifest", MOST_TABLE_BYTES)
    return _json_lines(path, text) if path.suffix.lower() == ".jsonl" else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
