"""Sequences of meshes with their speech: one interface for EmoVOCA, VOCASET and folders of one's own.

Vertices stay on disk and are read through memory maps, so a corpus may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.training.corpora.head_files import HeadFiles, read_head_files

Floats = NDArray[np.float32]
MASK_NAMES: dict[str, tuple[str, ...]] = {
    "lips": ("lips", "lve"),
    "upper_face": ("upper_face", "fdd", "forehead"),
    "emotion": ("emotion", "eye_region", "upper_face", "fdd", "forehead"),
}
"""Regions that measures need, and the names under which a user's own mask file may have them, best first."""


@dataclass(frozen=True)
class MeshSequence:
    """One recording.

    Attributes:
        name: file name without its ending.
        subject: who speaks; splits are disjoint by subject where the corpus says so.
        vertices: ``.npy`` of absolute positions, (T, V, 3) or (T, 3V), metres.
        audio: the speech, or None where it is missing.
        emotion: the corpus's own word, or None for a neutral one.
        intensity: in [0, 1].
        split: train, valid or test.
        take: what recordings that differ by emotion alone share (same subject, same speech), else the name.
    """

    name: str
    subject: str
    vertices: Path
    audio: Path | None
    emotion: str | None
    intensity: float
    split: str
    take: str

    def open(self) -> Floats:
        """Vertices (T, V, 3), memory-mapped.

        Raises:
            InputError: not an array of such a shape.
        """
        try:
            array = np.load(self.vertices, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise InputError(f"{self.vertices}: not a .npy of numbers") from None
        if array.ndim == 2 and array.shape[1] % 3 == 0:
            array = array.reshape(len(array), -1, 3)
        if array.ndim != 3 or array.shape[2] != 3 or not len(array) or array.dtype.kind != "f":
            raise InputError(f"{self.vertices}: its shape is {array.shape}, not (frames, vertices, 3)")
        return array


@dataclass(frozen=True, eq=False)
class SequenceCorpus:
    """A folder of sequences.

    Attributes:
        name: ``emovoca``, ``vocaset`` or the folder's own name.
        root: the folder.
        fps: frames a second of all its sequences.
        sequences: in order of their names.
        labels: words for emotions, in the order of their ids; a neutral corpus has none.
        head: template, triangles and masks, as far as the user's copy has them.
        licence: what its owner allows.
        unknown: files that do not follow the layout.
    """

    name: str
    root: Path
    fps: float
    sequences: tuple[MeshSequence, ...]
    labels: tuple[str, ...]
    head: HeadFiles
    licence: str
    unknown: tuple[str, ...] = ()

    def split(self, name: str) -> list[MeshSequence]:
        """Sequences of train, valid or test that have their audio."""
        return [s for s in self.sequences if s.split == name and s.audio is not None]

    def template(self, subject: str) -> Floats:
        """Resting face (V, 3) of a subject.

        From the user's template files; without them the mean of the first frames of the subject's sequences.
        """
        given = self.head.templates.get(subject, self.head.templates.get(""))
        if given is not None:
            return given
        firsts = [s.open()[0] for s in self.sequences if s.subject == subject]
        return np.asarray(np.mean(firsts, axis=0), np.float32)

    def mask(self, region: str) -> NDArray[np.bool_] | None:
        """Vertices (V,) of a region of ``MASK_NAMES``, or None where the user's copy has no such mask."""
        for name in MASK_NAMES[region]:
            if name in self.head.masks:
                mask = np.zeros(self.sequences[0].open().shape[1], bool)
                mask[self.head.masks[name]] = True
                return mask
        return None


def find_audio(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of ``names`` that has a sound file in ``folder``."""
    for name in names:
        for suffix in (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    return None


def open_sequences(root: Path) -> SequenceCorpus:
    """The corpus in a folder, its layout recognised by its folders and names.

    Raises:
        InputError: none of the layouts, or no sequence in it.
    """
    from sedtalker.training.corpora.sequence_layouts import (
        EMOVOCA_NAME,
        VOCASET_NAME,
        read_emovoca,
        read_own_sequences,
        read_vocaset,
    )

    folder = next((f for f in (root / "sequences", root / "vertices_npy") if f.is_dir()), None)
    if folder is None:
        raise InputError(f"{root}: no folder 'sequences' or 'vertices_npy' in it; see docs/training.md for the layouts")
    names = sorted(path.stem for path in folder.glob("*.npy"))
    if not names:
        raise InputError(f"{folder}: no .npy files in it")
    own = (root / "sequences.csv").is_file()
    if not own and any(EMOVOCA_NAME.fullmatch(name) for name in names):
        return read_emovoca(root, read_head_files(root))
    if not own and any(VOCASET_NAME.fullmatch(name) for name in names):
        return read_vocaset(root, folder, read_head_files(root))
    return read_own_sequences(root, read_head_files(root))
