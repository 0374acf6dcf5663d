"""VOCASET and EmoVOCA: talking, and talking with expressions, on the FLAME head."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sedtalker.emotion.taxonomy import EMOVOCA
from sedtalker.training.corpora.meshes import HeadFiles, MeshSequence, SequenceCorpus, SequenceLayout, find_audio

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
    return SequenceCorpus(
        "emovoca", root, FPS, tuple(found), LABELS, head, EMOVOCA_LAYOUT.licence, tuple(unknown), EMOVOCA_LAYOUT
    )


def stored_label(root: Path, sequence: MeshSequence) -> tuple[int | None, int | None]:
    """Emotion id and intensity step that ``label/`` and ``intensity/`` hold for a sequence, where they do."""
    values: list[int | None] = []
    for folder in ("label", "intensity"):
        path = root / folder / f"{sequence.name}.npy"
        values.append(int(np.load(path, allow_pickle=False).reshape(-1)[0]) if path.is_file() else None)
    return values[0], values[1]


def wrong_labels(corpus: SequenceCorpus, sequence: MeshSequence) -> list[str]:
    """What ``label/`` and ``intensity/`` say otherwise than a sequence's name, one line each."""
    label, step = stored_label(corpus.root, sequence)
    wrong = []
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

LAYOUTS = (VOCASET_LAYOUT, EMOVOCA_LAYOUT)
"""See ``sedtalker.training.corpora.meshes``."""
