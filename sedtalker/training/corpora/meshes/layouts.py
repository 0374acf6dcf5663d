"""VOCASET and EmoVOCA (talking, and talking with expressions, on the FLAME head), and folders of one's own."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sedtalker.emotion.taxonomy import EMOVOCA
from sedtalker.errors import InputError, one_of
from sedtalker.reading import read_json
from sedtalker.training.corpora.manifest import SPLITS, read_table
from sedtalker.training.corpora.meshes import OWN, HeadFiles, MeshSequence, SequenceCorpus, SequenceLayout, find_audio

# --- VOCASET (Cudeiro et al. 2019): twelve subjects, forty sentences each, neutral talking on the FLAME head.

FPS = 60.0
"""Frames a second of both corpora."""
VERTICES = 5023
"""Vertices of the FLAME head."""
VOCASET_NAME = re.compile(r"(?P<subject>FaceTalk_\w+?)_sentence(?P<sentence>\d+)")
"""Names of VOCASET's files."""
VALID, TEST = ("03275", "03277"), ("00138", "00024")
"""Numbers inside the held-out subjects' names; the other eight are trained on."""
HELD_OUT_SENTENCES = range(21, 41)
"""Held-out subjects are scored on these; the first twenty sentences are those that training subjects say as well."""


def split_of(subject: str, sentence: int) -> str:
    """``train``, ``valid`` or ``test`` as VOCA published it; ``unused`` for a held-out subject's other sentences."""
    for split, numbers in (("valid", VALID), ("test", TEST)):
        if any(f"_{number}_" in f"{subject}_" for number in numbers):
            return split if sentence in HELD_OUT_SENTENCES else "unused"
    return "train"


def read_vocaset(root: Path, folder: Path, head: HeadFiles) -> SequenceCorpus:
    """The corpus; files whose names do not follow the layout are listed as unknown."""
    found, unknown = [], []
    for path in sorted(folder.glob("*.npy")):
        match = VOCASET_NAME.fullmatch(path.stem)
        if match is None:
            unknown.append(path.name)
            continue
        split = split_of(match["subject"], int(match["sentence"]))
        audio = find_audio(root / "wav", [path.stem])
        found.append(MeshSequence(path.stem, match["subject"], path, audio, None, 0.0, split, path.stem))
    layout = VOCASET_LAYOUT
    return SequenceCorpus(layout.name, root, FPS, tuple(found), (), head, layout.licence, tuple(unknown), layout)


VOCASET_LAYOUT = SequenceLayout(
    name="vocaset",
    title="VOCASET (Cudeiro et al. 2019)",
    licence=(
        "VOCASET: non-commercial scientific research only, after registration at voca.is.tue.mpg.de; do not pass it on"
    ),
    use="non-commercial",
    obtain="https://voca.is.tue.mpg.de",
    example="vertices_npy/FaceTalk_170725_00137_TA_sentence01.npy",
    language="en",
    vertices=VERTICES,
    names=VOCASET_NAME,
    read=read_vocaset,
)
"""Neutral talking."""


# --- EmoVOCA (Nocentini et al. 2024): VOCASET's talking combined with eleven expressions at three intensities.

EMOVOCA_NAME = re.compile(
    r"(?P<take>(?P<subject>.+)_sentence(?P<sentence>\d+))_(?P<emotion>[A-Za-z]+\d?)_(?P<intensity>[1-3])"
)
"""Names of EmoVOCA's files."""
LABELS: tuple[str, ...] = tuple(EMOVOCA)
"""Its words for emotions in the order of their ids."""
STEPS = 3
"""Steps of its intensity, of which the last is 1."""


def read_emovoca(root: Path, folder: Path, head: HeadFiles) -> SequenceCorpus:
    """The corpus; files whose names do not follow the layout are listed as unknown.

    The speech of a take is the same under every emotion: where a file has no sound of its own, another one's is taken.
    A ``corpus.json`` with ``name`` and ``licence`` says where a folder in this layout is not EmoVOCA itself.
    """
    words = {word.lower(): word for word in LABELS}
    matched, unknown = [], []
    for path in sorted(folder.glob("*.npy")):
        match = EMOVOCA_NAME.fullmatch(path.stem)
        if match is None or match["emotion"].lower() not in words:
            unknown.append(path.name)
        else:
            matched.append((path, match))
    spoken: dict[str, str] = {}
    for path in sorted((root / "wav").glob("*")):
        other = EMOVOCA_NAME.fullmatch(path.stem)
        if other is not None:
            spoken.setdefault(other["take"], path.stem)
    found = []
    for path, match in matched:
        audio = find_audio(root / "wav", [path.stem, match["take"], spoken.get(match["take"], "")])
        split = split_of(match["subject"], int(match["sentence"]))
        emotion, intensity = words[match["emotion"].lower()], int(match["intensity"]) / STEPS
        found.append(MeshSequence(path.stem, match["subject"], path, audio, emotion, intensity, split, match["take"]))
    described = _described(root)
    name, licence = str(described.get("name") or "emovoca"), str(described.get("licence") or EMOVOCA_LAYOUT.licence)
    return SequenceCorpus(name, root, FPS, tuple(found), LABELS, head, licence, tuple(unknown), EMOVOCA_LAYOUT)


def wrong_labels(corpus: SequenceCorpus, sequence: MeshSequence) -> list[str]:
    """What ``label/`` and ``intensity/`` say otherwise than a sequence's name, one line each."""
    stored, wrong = dict[str, int](), []
    for folder in ("label", "intensity"):
        path = corpus.root / folder / f"{sequence.name}.npy"
        if path.is_file():
            try:
                stored[folder] = int(np.load(path, allow_pickle=False).reshape(-1)[0])
            except (OSError, ValueError, EOFError, IndexError):
                wrong.append(f"{sequence.name}: {folder}/ holds no number")
    label, step = stored.get("label"), stored.get("intensity")
    if label is not None and not (0 <= label < len(LABELS) and LABELS[label] == sequence.emotion):
        wrong.append(f"{sequence.name}: label/ holds {label}, which is not {sequence.emotion}")
    if step is not None and step != round(sequence.intensity * STEPS):
        wrong.append(f"{sequence.name}: intensity/ holds {step}")
    return wrong


EMOVOCA_LAYOUT = SequenceLayout(
    name="emovoca",
    title="EmoVOCA (Nocentini et al. 2024)",
    licence="EmoVOCA: CC BY-NC 4.0, and VOCASET's and FLAME's own licences besides; weights trained on it: no commerce",
    use="non-commercial",
    obtain="https://github.com/miccunifi/EmoVOCA",
    example="sequences/FaceTalk_170725_00137_TA_sentence01_Smile2_3.npy",
    language="en",
    vertices=VERTICES,
    names=EMOVOCA_NAME,
    read=read_emovoca,
    check=wrong_labels,
)
"""Talking with eleven expressions at three intensities."""


# --- Sequences of one's own: ``sequences/*.npy`` and ``wav/*`` of the same names, any topology.
#
# Beside them, if wanted, ``sequences.csv`` (name, subject, emotion, intensity, split), ``corpus.json`` (fps, licence)
# and the head files. Without a table everything is neutral talk of one subject.

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
    found = []
    for name, path in paths.items():
        row = table.get(name, {})
        subject = row.get("subject") or "subject"
        emotion = None if (word := row.get("emotion")) in ("", "neutral", "none") else word
        where = f"{root / 'sequences.csv'}: {name}: "
        intensity = _number(row.get("intensity") or (1.0 if emotion else 0.0), 0.0, 1.0, f"{where}intensity")
        split = row.get("split") or split_by_name(name)
        if split not in (*SPLITS, "unused"):
            raise InputError(f"{where}split '{split}': {one_of(split, SPLITS, ' or unused')}")
        audio = find_audio(root / "wav", [name]) or find_audio(folder, [name])
        found.append(MeshSequence(name, subject, path, audio, emotion, intensity, split, row.get("take") or name))
    missing = sorted(set(table) - set(paths))
    described = _described(root)
    rate = described.get("fps")
    fps = _measured_rate(root, found) if rate is None else _number(rate, 1.0, 1000.0, f"{root / 'corpus.json'}: fps")
    licence = str(described.get("licence") or OWN_LICENCE)
    labels = tuple(sorted({sequence.emotion for sequence in found if sequence.emotion}))
    unknown = tuple(f"{name} (in sequences.csv, no such file)" for name in missing)
    return SequenceCorpus(root.name, root, fps, tuple(found), labels, head, licence, unknown)


def _number(value: Any, least: float, most: float, what: str) -> float:
    with suppress(TypeError, ValueError):
        if least <= float(value) <= most:
            return float(value)
    raise InputError(f"{what} {value}: give a number from {least:g} to {most:g}")


def split_by_name(name: str) -> str:
    """A tenth of the names for validation, a tenth for the test, by hash: adding files moves none."""
    digit = int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return {0: "test", 1: "valid"}.get(digit, "train")


def _table(root: Path) -> dict[str, dict[str, str]]:
    path = root / "sequences.csv"
    rows = read_table(path, ("name",)) if path.is_file() else []
    return {(row["name"] or "").strip(): {k: (v or "").strip() for k, v in row.items() if k} for row in rows}


def _described(root: Path) -> dict[str, Any]:
    path = root / "corpus.json"
    described = read_json(path, "a description") if path.is_file() else {}
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


OWN_LAYOUT = SequenceLayout(
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
)
"""What a folder is read as that fits no other layout."""
