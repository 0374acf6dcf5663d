"""Sequences of one's own: ``sequences/*.npy`` and ``wav/*`` of the same names, any topology.

Beside them, if wanted, ``sequences.csv`` (name, subject, emotion, intensity, split), ``corpus.json`` (fps, licence) and
the head files. Without a table everything is neutral talk of one subject.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sedtalker.errors import InputError
from sedtalker.training.corpora.meshes import (
    OWN,
    HeadFiles,
    MeshSequence,
    SequenceCorpus,
    SequenceLayout,
    find_audio,
)

OWN_LICENCE = "the licence of your own recordings (say it in corpus.json)"
"""Where ``corpus.json`` says nothing."""
RATES = (24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 60.0, 100.0, 120.0)
"""Usual rates, of which a measured one is taken for the nearest."""


def read_own_sequences(root: Path, folder: Path, head: HeadFiles) -> SequenceCorpus:
    """The corpus of a folder.

    Raises:
        InputError: the table or ``corpus.json`` cannot be read, or the rate is unknown.
    """
    table = _table(root)
    paths = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    found, labels = [], set()
    for name, path in paths.items():
        row = table.get(name, {})
        subject = row.get("subject") or "subject"
        emotion = row.get("emotion") or None
        if emotion in ("neutral", "none"):
            emotion = None
        if emotion:
            labels.add(emotion)
        try:
            intensity = float(row.get("intensity") or (1.0 if emotion else 0.0))
        except ValueError:
            raise InputError(f"{root / 'sequences.csv'}: {name}: the intensity is not a number") from None
        split = row.get("split") or split_by_name(name)
        audio = find_audio(root / "wav", [name]) or find_audio(folder, [name])
        found.append(MeshSequence(name, subject, path, audio, emotion, intensity, split, row.get("take") or name))
    missing = sorted(set(table) - set(paths))
    described = _described(root)
    fps = float(described.get("fps") or _measured_rate(root, found))
    licence = str(described.get("licence") or OWN_LICENCE)
    unknown = tuple(f"{name} (in sequences.csv, no such file)" for name in missing)
    return SequenceCorpus(root.name, root, fps, tuple(found), tuple(sorted(labels)), head, licence, unknown)


def split_by_name(name: str) -> str:
    """A tenth of the names for validation, a tenth for the test, by hash: adding files moves none."""
    digit = int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {0: "test", 1: "valid"}.get(digit, "train")


def _table(root: Path) -> dict[str, dict[str, str]]:
    path = root / "sequences.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {row["name"].strip(): {k: (v or "").strip() for k, v in row.items() if k} for row in rows}
    except (OSError, KeyError, AttributeError, UnicodeDecodeError):
        raise InputError(f"{path}: not a table with a column 'name'") from None


def _described(root: Path) -> dict[str, Any]:
    path = root / "corpus.json"
    if not path.is_file():
        return {}
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        described = None
    if not isinstance(described, dict):
        raise InputError(f"{path}: not a JSON object")
    return described


def _measured_rate(root: Path, sequences: list[MeshSequence]) -> float:
    """The usual rate nearest to frames by seconds of sound."""
    ratios = []
    for sequence in sequences[:50]:
        if sequence.audio is not None:
            try:
                ratios.append(len(sequence.open()) / soundfile.info(str(sequence.audio)).duration)
            except (InputError, soundfile.LibsndfileError, ZeroDivisionError):
                continue
    if not ratios:
        raise InputError(f'{root}: frames a second are unknown: add corpus.json with {{"fps": 30}}')
    measured = float(np.median(ratios))
    return min(RATES, key=lambda rate: abs(np.log(rate / measured)))


LAYOUTS = (
    SequenceLayout(
        name=OWN,
        title="a folder of one's own",
        licence=OWN_LICENCE,
        use="evaluation",
        obtain="",
        example="sequences/take1.npy",
        language="",
        vertices=0,
        names=re.compile(".*"),
        read=read_own_sequences,
    ),
)
"""See ``sedtalker.training.corpora.meshes``."""
