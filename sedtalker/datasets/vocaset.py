"""VOCASET (Cudeiro et al. 2019): twelve subjects, forty sentences each, neutral talking on the FLAME head.

``vertices_npy/`` (or ``sequences/``) ``<subject>_sentenceNN.npy`` of (T, 5023, 3) or (T, 15069), metres, 60 frames a
second, and ``wav/<subject>_sentenceNN.wav``, as the published code of talking-face research lays it out.
"""

from __future__ import annotations

import re
from pathlib import Path

from sedtalker.datasets.head_files import HeadFiles
from sedtalker.datasets.sequences import MeshSequence, SequenceCorpus, find_audio

FPS = 60.0
VERTICES = 5023
LICENCE = (
    "VOCASET: non-commercial scientific research only, after registration at voca.is.tue.mpg.de; do not pass it on"
)
NAME = re.compile(r"(?P<subject>FaceTalk_\w+?)_sentence(?P<sentence>\d+)")
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
        match = NAME.fullmatch(path.stem)
        if match is None:
            unknown.append(path.name)
            continue
        split = split_of(match["subject"], int(match["sentence"]))
        audio = find_audio(root / "wav", [path.stem])
        found.append(MeshSequence(path.stem, match["subject"], path, audio, None, 0.0, split, path.stem))
    return SequenceCorpus("vocaset", root, FPS, tuple(found), (), head, LICENCE, tuple(unknown))
