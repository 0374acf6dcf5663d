"""Corpora of mesh sequences with their speech: EmoVOCA, VOCASET and folders of one's own behind one interface.

A module of this package holds layouts, each with everything the rest of the code asks about it; a layout is added by
adding a module. Vertices stay on disk and are read through memory maps, so a corpus may be larger than memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.audio.audio import SUFFIXES
from sedtalker.errors import InputError
from sedtalker.mesh.files import read_mesh
from sedtalker.plugins import load, parts_of_others
from sedtalker.reading import is_folder
from sedtalker.storage import whole_file, write_arrays
from sedtalker.training.corpora.meshes.pickles import read_array_pickle

MASK_NAMES: dict[str, tuple[str, ...]] = {
    "lips": ("lips", "lve"),
    "upper_face": ("upper_face", "fdd", "forehead"),
    "emotion": ("emotion", "eye_region", "upper_face", "fdd", "forehead"),
}
"""Regions that measures need, and the names under which a user's own mask file may have them, best first."""
OWN = "own"
"""Name of the layout for folders of one's own, which every folder of sequences fits."""
PICKLES = {"templates.pkl": "templates.npz", "FLAME_masks.pkl": "masks.json"}
"""Published pickles and what they become."""
MESHES = ("template.obj", "template.ply", "FLAME_sample.obj", "FLAME_sample.ply")
"""Files that hold the triangles; the first one found counts."""
HEAD_SIZE = (0.08, 0.8)
"""Metres between the lowest and the highest vertex of a head, with or without neck and shoulders."""


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

    def frames(self, chosen: slice | NDArray[np.integer]) -> Floats:
        """Some of the vertices (t, V, 3), in memory.

        Raises:
            InputError: as ``open``, or some are not finite.
        """
        part = np.asarray(self.open()[chosen], np.float32)
        if not np.isfinite(part).all():
            raise InputError(f"{self.name}: there are numbers that are not finite (sedtalker data check names all)")
        return part

    def size_problems(self) -> list[str]:
        """A line where the first frame has not the size of a head in metres."""
        height = float(np.ptp(self.open()[0, :, 1]))
        if HEAD_SIZE[0] < height < HEAD_SIZE[1]:
            return []
        return [f"{self.name}: the head is {height:.3g} high: positions have to be absolute, in metres"]


@dataclass(frozen=True, eq=False)
class HeadFiles:
    """What is known of the head.

    Attributes:
        templates: resting vertices (V, 3) by subject; "" for one that all share.
        triangles: (F, 3), or None.
        masks: vertex numbers by region.
    """

    templates: dict[str, Floats] = field(default_factory=dict)
    triangles: Ints | None = None
    masks: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def problems(self, count: int) -> list[str]:
        """What does not fit sequences of ``count`` vertices, one line each."""
        return [
            f"template {name or 'mesh'}: {len(template)} vertices, the sequences have {count}"
            for name, template in self.templates.items()
            if len(template) != count
        ] + [
            f"mask {name}: names vertices beyond {count}, or none"
            for name, vertices in self.masks.items()
            if not len(vertices) or vertices.max() >= count or vertices.min() < 0
        ]


@dataclass(frozen=True, eq=False)
class SequenceCorpus:
    """A folder of sequences.

    Attributes:
        name: ``emovoca``, ``vocaset`` or the folder's own name.
        fps: frames a second of all its sequences.
        sequences: in order of their names.
        labels: words for emotions, in the order of their ids; a neutral corpus has none.
        head: template, triangles and masks, as far as the user's copy has them.
        licence: what its owner allows.
        layout: the layout it is read by; None for a folder of one's own.
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
    layout: SequenceLayout | None = None

    def split(self, name: str) -> list[MeshSequence]:
        """Sequences of train, valid or test that have their audio."""
        return [s for s in self.sequences if s.split == name and s.audio is not None]

    def _fitting_head(self) -> tuple[HeadFiles, int]:
        """The head, and how many vertices it and the sequences have; ``InputError`` where they differ."""
        count = self.sequences[0].open().shape[1]
        for problem in self.head.problems(count):
            raise InputError(f"{self.root}: {problem}")
        return self.head, count

    def template(self, subject: str) -> Floats:
        """Resting face (V, 3) of a subject.

        From the user's template files; without them the mean of the first frames of the subject's sequences.
        """
        templates = self._fitting_head()[0].templates
        given = templates.get(subject, templates.get(""))
        if given is not None:
            return given
        firsts = [s.open()[0] for s in self.sequences if s.subject == subject]
        return np.asarray(np.mean(firsts, axis=0), np.float32)

    def mask(self, region: str) -> Mask | None:
        """Vertices (V,) of a region of ``MASK_NAMES``, or None where the user's copy has no such mask."""
        head, count = self._fitting_head()
        for name in MASK_NAMES[region]:
            if name in head.masks:
                mask = np.zeros(count, bool)
                mask[head.masks[name]] = True
                return mask
        return None


def find_audio(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of ``names`` that has a sound file in ``folder``."""
    for name in names:
        for suffix in (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    return None


# --- Layouts, and the corpus in a folder.


@dataclass(frozen=True)
class SequenceLayout:
    """How the sequences of a published corpus are stored, and what its owner allows."""

    name: str
    """Short name."""
    title: str
    """What its makers call it, and where it is described."""
    licence: str
    """What its owner allows, in a sentence."""
    use: str
    """What weights trained on it may be used for, see ``SpeechCorpus``."""
    obtain: str
    """Where it is to be had; empty for a folder of one's own."""
    example: str
    """Names of a file of vertices."""
    language: str
    """ISO 639-1 code of the speech."""
    vertices: int
    """How many each frame has."""
    names: re.Pattern[str]
    """Names of its files, without their ending."""
    read: Callable[[Path, Path, HeadFiles], SequenceCorpus]
    """From its root, the folder of its sequences in it, and the head files."""
    check: Callable[[SequenceCorpus, MeshSequence], list[str]] | None = None
    """What is wrong with the labels of a sequence, one line each."""


LAYOUTS = ("VOCASET_LAYOUT", "EMOVOCA_LAYOUT", "OWN_LAYOUT")
"""Constants of ``sedtalker.training.corpora.meshes.layouts`` that are a ``SequenceLayout`` each."""


def known_layouts() -> dict[str, SequenceLayout]:
    """All known layouts by name, those of other distributions too."""
    layouts: list[SequenceLayout] = [load(f"{__name__}.layouts:{name}") for name in LAYOUTS]
    layouts += parts_of_others("sedtalker.mesh_corpora").values()
    return {layout.name: layout for layout in layouts}


def open_sequences(root: Path) -> SequenceCorpus:
    """The corpus in a folder, its layout recognised by its folders and names; else a folder of one's own.

    Raises:
        InputError: none of the layouts, or no sequence in it.
    """
    folder = next((f for f in (root / "sequences", root / "vertices_npy") if f.is_dir()), None)
    if folder is None:
        if not is_folder(root):
            raise InputError(f"{root}: no such folder")
        if any(path.suffix.lower() in SUFFIXES for path in islice(root.rglob("*"), 10_000)):
            raise InputError(f"{root}: it holds sound and no mesh sequences; corpora of speech: sedtalker data index")
        raise InputError(f"{root}: no folder 'sequences' or 'vertices_npy' in it; see docs/training.md for the layouts")
    names = sorted(path.stem for path in folder.glob("*.npy"))
    if not names:
        raise InputError(f"{folder}: no .npy files in it")
    known = known_layouts()
    own = (root / "sequences.csv").is_file()
    matching = (s for s in known.values() if s.name != OWN and any(s.names.fullmatch(name) for name in names))
    layout = known[OWN] if own else next(matching, known[OWN])
    return layout.read(root, folder, read_head_files(root))


# --- Template, triangles and masks of a head, from the user's own copy of FLAME, VOCASET or another head.
#
# Next to the sequences, any of: ``templates.npz`` (one array a subject), ``template.obj`` or ``.ply`` (one face for
# all), ``FLAME_sample.ply`` or ``.obj`` (its triangles alone), ``masks.json`` (name → vertex numbers),
# ``regions/lve.txt`` and ``fdd.txt``. The pickles that FLAME and VOCASET publish become ``templates.npz`` and
# ``masks.json`` by ``sedtalker data convert``.


def read_head_files(root: Path) -> HeadFiles:
    """Whatever of these files the folder holds."""
    templates: dict[str, Floats] = {}
    triangles = None
    for path in (root / name for name in MESHES):
        if path.is_file():
            mesh = read_mesh(path)
            triangles = mesh.triangles
            if not path.name.startswith("FLAME"):  # that one is nobody's face
                templates[""] = mesh.vertices
            break
    if (root / "templates.npz").is_file():
        try:
            with np.load(root / "templates.npz", allow_pickle=False) as stored:
                templates |= {name: np.asarray(stored[name], np.float32).reshape(-1, 3) for name in stored.files}
        except (OSError, ValueError, BadZipFile):
            raise InputError(f"{root / 'templates.npz'}: not arrays of numbers, one a subject") from None
    return HeadFiles(templates, triangles, _masks(root))


def _masks(root: Path) -> dict[str, NDArray[np.int64]]:
    masks: dict[str, NDArray[np.int64]] = {}
    try:
        for path in sorted((root / "regions").glob("*.txt")):
            masks[path.stem] = np.array(path.read_text(encoding="utf-8").replace(",", " ").split(), np.int64)
        if (root / "masks.json").is_file():
            named = json.loads((root / "masks.json").read_text(encoding="utf-8"))
            masks |= {str(name): np.asarray(values, np.int64).reshape(-1) for name, values in named.items()}
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{root}: masks.json or regions/*.txt do not name vertex numbers") from None
    return masks


def convert_head_pickles(root: Path, force: bool = False) -> list[Path]:
    """Write ``templates.npz`` and ``masks.json`` from the pickles of ``root``; returns what was written.

    Raises:
        InputError: there are none, one is no dictionary of arrays, or a result exists already.
    """
    found = [(root / source, root / target) for source, target in PICKLES.items() if (root / source).is_file()]
    if not found:
        raise InputError(f"{root}: neither {' nor '.join(PICKLES)} in it")
    for _, target in found:
        if target.exists() and not force:
            raise InputError(f"{target} exists; use --force to overwrite")
    held = [(target, read_array_pickle(source)) for source, target in found]
    for target, arrays in held:
        if target.suffix == ".npz":
            write_arrays(target, {name: value.astype("f4") for name, value in arrays.items()}, 6)
        else:
            lists = {name: value.astype(int).reshape(-1).tolist() for name, value in arrays.items()}
            with whole_file(target) as temporary:
                temporary.write_text(json.dumps(lists), encoding="utf-8")
    return [target for target, _ in held]
