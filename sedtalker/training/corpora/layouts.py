"""Corpora of emotional speech in the layouts they are published in, with licence and where to get them.

A reader walks the unpacked folder and gives clips with the corpus's own word for the emotion, in English; words that
are none of our categories begin with ``other:``. Splits are the corpus's own where it has some; else speakers are
divided.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sedtalker.emotion.taxonomy import known_category
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip

SOUND = r"\.(?:wav|flac|mp3|mp4|ogg|opus|m4a)$"
TEST_SHARE, VALID_SHARE = 0.15, 0.1
SplitKind = Literal["official", "speakers"]
Reader = Callable[[Path], tuple[list[Clip], list[str]]]


@dataclass(frozen=True)
class SpeechCorpus:
    """A published corpus.

    Attributes:
        name: short name, and that of its folder.
        title: what its makers call it.
        language: ISO 639-1 codes.
        licence: what it may be used for.
        obtain: where it is to be had.
        layout: an example of a file in it.
        splits: ``official`` or divided by ``speakers``; ``split_note`` says more.
        read: clips of an unpacked folder, and the sound files that do not follow the layout.
    """

    name: str
    title: str
    language: str
    licence: str
    obtain: str
    layout: str
    splits: SplitKind
    read: Reader
    split_note: str = ""

    def clips(self, folder: Path) -> tuple[list[Clip], list[str]]:
        """Clips with their splits, sorted by path, and names of sound files that do not follow the layout.

        Raises:
            InputError: no clip of this layout in the folder.
        """
        clips, unknown = self.read(folder)
        if not clips:
            raise InputError(f"{folder}: nothing of {self.title} in it; its files look like {self.layout}")
        clips = sorted((replace(clip, corpus=self.name) for clip in clips), key=lambda clip: clip.path)
        if self.splits == "speakers":
            split = split_by_speaker({clip.speaker for clip in clips})
            clips = [replace(clip, split=split[clip.speaker]) for clip in clips]
        return clips, unknown


def split_by_speaker(speakers: set[str]) -> dict[str, str]:
    """Speakers ordered by hash: 15 % to the test, 10 % to validation, at least one each where there are three."""
    order = sorted(speakers, key=lambda s: hashlib.md5(s.encode(), usedforsecurity=False).hexdigest())
    if len(order) < 3:
        return dict.fromkeys(order, "train")
    test = max(1, round(TEST_SHARE * len(order)))
    valid = max(1, round(VALID_SHARE * len(order)))
    parts = ["test"] * test + ["valid"] * valid
    return {s: parts[i] if i < len(parts) else "train" for i, s in enumerate(order)}


def in_our_words(word: str) -> str:
    """The word if it is one of a category, else ``other:`` and the word."""
    return word if known_category(word) is not None else f"other:{word}"


@dataclass(frozen=True)
class NamedFiles:
    """A reader of corpora whose file names say everything.

    Attributes:
        pattern: of the path inside the folder; groups ``emotion`` and ``speaker``, and, where there are, ``intensity``,
            ``gender`` and ``split``.
        emotions: code in the name to the word.
        language: of all files, or by the speaker.
        gender: of a speaker, where the name has no group for it.
        intensities: code to ``normal``, ``strong`` or another word.
        splits: folder name to split.
    """

    pattern: str
    emotions: Mapping[str, str]
    language: str | Callable[[str], str] = "en"
    gender: Callable[[str], str] = lambda speaker: ""
    intensities: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, folder: Path) -> tuple[list[Clip], list[str]]:
        matcher, clips, unknown = re.compile(self.pattern + SOUND, re.IGNORECASE), [], []
        for path in sorted(p for p in folder.rglob("*") if re.search(SOUND, p.name, re.IGNORECASE)):
            found = matcher.search(path.relative_to(folder).as_posix())
            parts = found.groupdict() if found else {}
            word = self.emotions.get((parts.get("emotion") or "").lower())
            if word is None:
                unknown.append(path.relative_to(folder).as_posix())
                continue
            speaker = parts["speaker"] or ""
            gender = (parts.get("gender") or self.gender(speaker)).lower()[:1]
            language = self.language if isinstance(self.language, str) else self.language(speaker)
            strength = self.intensities.get((parts.get("intensity") or "").lower(), "")
            split = self.splits.get((parts.get("split") or "").lower(), "")
            clips.append(Clip("", path, language, speaker, gender, in_our_words(word), strength, "", 0.0, split))
        return clips, unknown


def corpora() -> dict[str, SpeechCorpus]:
    """All known corpora by name."""
    from sedtalker.training.corpora.registry import CORPORA

    return {corpus.name: corpus for corpus in CORPORA}


def find_corpus(name: str) -> SpeechCorpus:
    """The corpus of that name.

    Raises:
        InputError: no such corpus.
    """
    known = corpora()
    if name not in known:
        raise InputError(f"unknown corpus '{name}'; there are {', '.join(known)}")
    return known[name]


# --- Readers of corpora whose labels are in tables: MELD, IEMOCAP, MSP-Podcast.

MELD_FOLDERS = {
    "train": ("train", "train_splits"),
    "dev": ("dev", "dev_splits", "dev_splits_complete"),
    "test": ("test", "test_splits", "output_repeated_splits_test"),
}
IEMOCAP_WORDS = {
    "ang": "angry", "hap": "happy", "sad": "sad", "neu": "neutral", "exc": "excited", "fea": "fear", "dis": "disgust",
    "sur": "surprise", "fru": "frustration", "oth": "other", "xxx": "no agreement",
}  # fmt: skip
IEMOCAP_SPLITS = {"4": "valid", "5": "test"}
_IEMOCAP_LINE = re.compile(
    r"^\[\d+\.\d+ - \d+\.\d+\]\t(?P<name>Ses0(?P<session>\d)\S+_(?P<gender>[FM])\d+)\t(?P<word>\w+)"
)
MSP_WORDS = {
    "N": "neutral", "H": "happy", "A": "angry", "S": "sad", "F": "fear", "D": "disgust", "U": "surprise",
    "C": "contempt", "O": "other", "X": "no agreement",
}  # fmt: skip
MSP_SPLITS = {"train": "train", "development": "valid", "validation": "valid"}


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError:
        raise InputError(f"{path}: cannot be read") from None
    lacking = [name for name in needed if rows and name not in rows[0]]
    if lacking:
        raise InputError(f"{path}: there is no column {lacking[0]}")
    return rows


def read_meld(folder: Path) -> tuple[list[Clip], list[str]]:
    """``train_sent_emo.csv`` … and ``train/dia0_utt0.mp4`` (or wav) …; folders may have their published names."""
    clips, unknown = [], []
    for part, names in MELD_FOLDERS.items():
        table = folder / f"{part}_sent_emo.csv"
        if not table.is_file():
            continue
        for row in _rows(table, ("Dialogue_ID", "Utterance_ID", "Emotion", "Speaker", "Utterance")):
            stem = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            path = _first(folder, names, stem)
            if path is None:
                unknown.append(f"{part}/{stem} (in the table, no such file)")
                continue
            word, split = in_our_words(row["Emotion"].lower()), {"dev": "valid"}.get(part, part)
            clips.append(Clip("", path, "en", row["Speaker"], "", word, "", row["Utterance"], 0.0, split))
    return clips, unknown


def _first(folder: Path, names: tuple[str, ...], stem: str) -> Path | None:
    for name in names:
        for suffix in (".wav", ".mp4", ".flac"):
            if (folder / name / f"{stem}{suffix}").is_file():
                return folder / name / f"{stem}{suffix}"
    return None


def read_iemocap(folder: Path) -> tuple[list[Clip], list[str]]:
    """``SessionN/dialog/EmoEvaluation/*.txt`` and ``SessionN/sentences/wav/<dialogue>/<utterance>.wav``."""
    clips, unknown = [], []
    for table in sorted(folder.glob("Session*/dialog/EmoEvaluation/*.txt")):
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            found = _IEMOCAP_LINE.match(line)
            if found is None:
                continue
            name, session, gender = found["name"], found["session"], found["gender"]
            path = table.parents[2] / "sentences" / "wav" / table.stem / f"{name}.wav"
            if not path.is_file():
                unknown.append(f"{name} (in the table, no such file)")
                continue
            word = in_our_words(IEMOCAP_WORDS.get(found["word"], found["word"]))
            split = IEMOCAP_SPLITS.get(session, "train")
            clips.append(Clip("", path, "en", f"Ses0{session}{gender}", gender.lower(), word, "", "", 0.0, split))
    return clips, unknown


def read_msp_podcast(folder: Path) -> tuple[list[Clip], list[str]]:
    """``Labels/labels_consensus.csv`` and ``Audios/MSP-PODCAST_0001_0008.wav``."""
    table = folder / "Labels" / "labels_consensus.csv"
    if not table.is_file():
        return [], []
    clips, unknown = [], []
    for row in _rows(table, ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")):
        path = next((p for f in ("Audios", "Audio") if (p := folder / f / row["FileName"]).is_file()), None)
        if path is None:
            unknown.append(f"{row['FileName']} (in the table, no such file)")
            continue
        split = MSP_SPLITS.get(row["Split_Set"].lower(), "test")
        word = in_our_words(MSP_WORDS.get(row["EmoClass"], row["EmoClass"]))
        gender = row["Gender"][:1].lower()
        clips.append(Clip("", path, "en", row["SpkrID"], gender, word, "", "", 0.0, split))
    return clips, unknown
