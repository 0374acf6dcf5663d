"""``audio/manifest.csv`` made from corpora in their published layouts, so that every task can train on them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import soundfile

from sedtalker.audio import load_audio
from sedtalker.datasets.corpora import corpora
from sedtalker.datasets.manifest import COLUMNS, Clip
from sedtalker.errors import InputError
from sedtalker.whole_file import whole_file


def index_corpora(data: Path) -> dict[str, tuple[list[Clip], list[str]]]:
    """Clips, with durations, and unknown files of every known corpus that has a folder ``audio/NAME`` in ``data``.

    Raises:
        InputError: there is none, or one holds nothing of its layout.
    """
    found = {name: corpus for name, corpus in corpora().items() if (data / "audio" / name).is_dir()}
    if not found:
        raise InputError(f"{data}/audio: no folder named as one of {', '.join(corpora())}")
    indexed = {}
    for name, corpus in found.items():
        clips, unknown = corpus.clips(data / "audio" / name)
        indexed[name] = ([replace(clip, duration=_duration(clip.path)) for clip in clips], unknown)
    return indexed


def write_manifest(data: Path, indexed: dict[str, tuple[list[Clip], list[str]]]) -> int:
    """Write ``audio/manifest.csv``; rows of other corpora in an earlier one are kept. Returns the number of rows."""
    path, rows = data / "audio" / "manifest.csv", []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["corpus"] not in indexed]
    for name, (clips, _) in indexed.items():
        rows += [_row(clip, data / "audio" / name) for clip in clips]
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _row(clip: Clip, folder: Path) -> dict[str, str]:
    values = {
        "file": clip.path.relative_to(folder).as_posix(),
        "duration_s": f"{clip.duration:.3f}",
    }
    return {name: values.get(name) or str(getattr(clip, name)) for name in COLUMNS}


def _duration(path: Path) -> float:
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError:
        return load_audio(path).duration
