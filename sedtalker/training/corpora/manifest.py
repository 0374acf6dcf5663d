"""The manifest of the speech corpora: one row a clip."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from sedtalker.errors import InputError

COLUMNS = (
    *("corpus", "file", "language", "speaker", "gender"),
    *("emotion", "intensity", "transcript", "duration_s", "split"),
)


@dataclass(frozen=True)
class Clip:
    """One recording of a speech corpus, labels in the corpus's own words; ``split`` is train, valid or test."""

    corpus: str
    path: Path
    language: str
    speaker: str
    gender: str
    emotion: str
    intensity: str
    transcript: str
    duration: float
    split: str


def find_data(data: Path | None = None) -> Path:
    """Folder of the training data: the argument, else ``SEDTALKER_DATA``, else ``../shared/data``.

    Raises:
        InputError: no such folder.
    """
    root = Path(data or os.environ.get("SEDTALKER_DATA", "../shared/data"))
    if not root.is_dir():
        raise InputError(f"{root}: no training data there; pass --data DIR or set SEDTALKER_DATA")
    return root


def read_manifest(data: Path) -> list[Clip]:
    """All clips of ``audio/manifest.csv``, in file order.

    Raises:
        InputError: the manifest is missing or lacks a column.
    """
    path = data / "audio" / "manifest.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such manifest; see data/README.md for its columns")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or [])]
        if missing:
            raise InputError(f"{path}: column '{missing[0]}' is missing")
        return [
            Clip(
                corpus=row["corpus"],
                path=data / "audio" / row["corpus"] / row["file"],
                language=row["language"],
                speaker=row["speaker"],
                gender=row["gender"],
                emotion=row["emotion"],
                intensity=row["intensity"],
                transcript=row["transcript"],
                duration=float(row["duration_s"] or 0.0),
                split=row["split"],
            )
            for row in reader
        ]
