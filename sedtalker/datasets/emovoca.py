"""EmoVOCA (Nocentini et al. 2024): VOCASET's talking combined with eleven expressions at three intensities.

``sequences/<subject>_sentenceNN_<Emotion>_<1-3>.npy`` of (T, 5023, 3), metres, 60 frames a second, and ``wav/`` of the
same names; ``label/`` and ``intensity/`` repeat what the names say. It is itself synthesised: a talking sequence plus
one static apex expression scaled by the intensity, so recordings of one take blend linearly.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sedtalker.datasets.head_files import HeadFiles
from sedtalker.datasets.sequences import MeshSequence, SequenceCorpus, find_audio
from sedtalker.datasets.vocaset import FPS, split_of
from sedtalker.emotion.taxonomy import EMOVOCA

LICENCE = "EmoVOCA: CC BY-NC 4.0, and VOCASET's and FLAME's own licences besides; weights trained on it: no commerce"
NAME = re.compile(r"(?P<take>(?P<subject>.+)_sentence(?P<sentence>\d+))_(?P<emotion>[A-Za-z]+\d?)_(?P<intensity>[1-3])")
LABELS: tuple[str, ...] = tuple(EMOVOCA)
STEPS = 3


def read_emovoca(root: Path, head: HeadFiles) -> SequenceCorpus:
    """The corpus; files whose names do not follow the layout are listed as unknown.

    The speech of a take is the same under every emotion: where a file has no sound of its own, another one's is taken.
    """
    words = {word.lower(): word for word in LABELS}
    matched, unknown = [], []
    for path in sorted((root / "sequences").glob("*.npy")):
        match = NAME.fullmatch(path.stem)
        if match is None or match["emotion"].lower() not in words:
            unknown.append(path.name)
        else:
            matched.append((path, match))
    spoken: dict[str, str] = {}
    for path in sorted((root / "wav").glob("*")):
        other = NAME.fullmatch(path.stem)
        if other is not None:
            spoken.setdefault(other["take"], path.stem)
    found = []
    for path, match in matched:
        audio = find_audio(root / "wav", [path.stem, match["take"], spoken.get(match["take"], "")])
        split = split_of(match["subject"], int(match["sentence"]))
        emotion, intensity = words[match["emotion"].lower()], int(match["intensity"]) / STEPS
        found.append(MeshSequence(path.stem, match["subject"], path, audio, emotion, intensity, split, match["take"]))
    return SequenceCorpus("emovoca", root, FPS, tuple(found), LABELS, head, LICENCE, tuple(unknown))


def stored_label(root: Path, sequence: MeshSequence) -> tuple[int | None, int | None]:
    """Emotion id and intensity step that ``label/`` and ``intensity/`` hold for a sequence, where they do."""
    values: list[int | None] = []
    for folder in ("label", "intensity"):
        path = root / folder / f"{sequence.name}.npy"
        values.append(int(np.load(path, allow_pickle=False).reshape(-1)[0]) if path.is_file() else None)
    return values[0], values[1]
