"""The manifest of the speech corpora, ``audio/manifest.csv``: one row a clip, read by every training."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sedtalker.errors import InputError
from sedtalker.reading import decoded, read_bytes
from sedtalker.storage import whole_file

COLUMNS = (
    *("corpus", "file", "language", "speaker", "gender"),
    *("emotion", "intensity", "transcript", "duration_s", "split"),
)
"""Columns of the manifest."""
SPLITS = ("train", "valid", "test")
"""What its column ``split`` says."""


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


# --- A few of the clips, to see that everything works.

Item = TypeVar("Item")
"""A clip, or what stands for one."""
PER_EMOTION = 6
"""Clips that ``few_clips`` leaves of each corpus, split and emotion."""
_few: ContextVar[bool] = ContextVar("few", default=False)


@contextmanager
def few_clips() -> Iterator[None]:
    """Inside, the training data have a few clips alone, evenly spread, so that nearly every speaker is among them."""
    token = _few.set(True)
    try:
        yield
    finally:
        _few.reset(token)


def as_wanted(items: Iterable[Item], group_of: Callable[[Item], Any], most: Callable[[Any], int]) -> list[Item]:
    """All items in their order; inside ``few_clips`` at most so many of each group, groups one after the other."""
    if not _few.get():
        return list(items)
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)
    return [item for group, every in groups.items() for item in spread(every, most(group))]


def spread(items: Sequence[Item], count: int) -> Sequence[Item]:
    """At most so many of some items, evenly spread, in their order."""
    return items if len(items) <= count else [items[i * len(items) // count] for i in range(count)]


# --- The manifest itself.

MISLABELLED = {"emotiontts_ko": (r"(?:em|ne)[a-z]00([23])\d\d\.", {"2": "sad", "3": "angry"})}
"""Files whose number decides on their label, whatever a manifest says. EmotionTTS: those from 201 to 300 speak of
funerals and heartache, those from 301 to 400 scold; earlier manifests have the two the other way round.
"""
MOST_TABLE_BYTES = 2**30
"""Largest manifest or table of a corpus, bytes; a million clips take a fifth."""


def find_data(data: Path | None = None) -> Path:
    """Folder of the training data: the argument, else ``SEDTALKER_DATA``, else ``../shared/data``."""
    root = Path(data or os.environ.get("SEDTALKER_DATA", "../shared/data"))
    if not root.is_dir():
        hint = "" if data else "; name one (data=DIR in train, --data DIR elsewhere) or set SEDTALKER_DATA"
        raise InputError(f"{root}: no such folder of training data{hint}; sedtalker data list says what there is")
    return root


def read_manifest(data: Path) -> list[Clip]:
    """All clips of ``audio/manifest.csv``, in file order (but see ``few_clips``).

    Raises:
        InputError: the manifest is missing or lacks a column.
    """
    path = data / "audio" / "manifest.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such manifest; sedtalker data index {data} writes it")
    clips = clips_from(data, read_table(path, COLUMNS))
    return as_wanted(clips, lambda clip: (clip.corpus, clip.split, clip.emotion), lambda group: PER_EMOTION)


def clips_from(data: Path, rows: Iterable[Mapping[str, str]]) -> list[Clip]:
    """The clips of a manifest's rows; ``InputError`` where one cannot be understood."""
    clips = []
    for row in rows:
        try:
            clips.append(_clip(data / "audio", row))
        except (ValueError, TypeError) as error:
            place = f"{data / 'audio' / 'manifest.csv'}: the row of {row['file']}"
            raise InputError(f"{place} cannot be understood ({error})") from None
    return clips


def _clip(audio: Path, row: Mapping[str, str]) -> Clip:
    """The clip of a row; ``ValueError`` or ``TypeError`` where it is damaged."""
    from sedtalker.emotion.taxonomy import category, known_kind  # imports numpy, which ``--help`` does without

    emotion, duration = _label(row["corpus"], row["file"], row["emotion"]), float(row["duration_s"] or 0.0)
    if emotion and not emotion.startswith("other:") and known_kind(emotion) is None:
        category(emotion)
    if not math.isfinite(duration):
        raise ValueError(f"duration_s {duration}")
    if row["split"] not in SPLITS:
        raise ValueError(f"split {row['split']!r}: use one of {', '.join(SPLITS)}")
    others = {name: row[name] for name in COLUMNS if name not in ("file", "emotion", "duration_s")}
    return Clip(path=audio / row["corpus"] / row["file"], emotion=emotion, duration=duration, **others)


def read_table(path: Path, needed: tuple[str, ...], published: bool = False) -> list[dict[str, str]]:
    """The rows of a CSV file: a manifest, or a table of a corpus.

    ``published``: by others, some of whom write single words in another encoding than UTF-8: such letters become "�".

    Raises:
        InputError: it cannot be read or lacks a column.
    """
    data = read_bytes(path, "a table", MOST_TABLE_BYTES)
    text = data.decode("utf-8-sig", errors="replace") if published else decoded(data, str(path))
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="" if published else None)  # short rows
    try:
        rows, columns = list(reader), reader.fieldnames or []
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as a table ({error})") from None
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise InputError(f"{path}: column '{lacking[0]}' is missing")
    return rows


def _label(corpus: str, file: str, label: str) -> str:
    """The label of a file, corrected where ``MISLABELLED`` knows better."""
    if corpus not in MISLABELLED:
        return label
    pattern, labels = MISLABELLED[corpus]
    found = re.search(pattern, file)
    return labels[found[1]] if found else label


def write_manifest(data: Path, indexed: Mapping[str, list[Clip]], before: Sequence[dict[str, str]]) -> None:
    """Write ``audio/manifest.csv``.

    Args:
        indexed: clips by corpus, see ``index_corpora``.
        before: rows of the one that was there; those of other corpora are kept, with columns of their own.
    """
    rows = [row for row in before if row["corpus"] not in indexed]
    own = [name for name in (before[0] if before else ()) if name and name not in COLUMNS]
    for name, clips in indexed.items():
        rows += [_row(clip, data / "audio" / name) for clip in clips]
    path = data / "audio" / "manifest.csv"
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, (*COLUMNS, *own), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _row(clip: Clip, folder: Path) -> dict[str, str]:
    values = {"file": clip.path.relative_to(folder).as_posix(), "duration_s": f"{clip.duration:.3f}"}
    return {name: values.get(name) or str(getattr(clip, name)) for name in COLUMNS}
