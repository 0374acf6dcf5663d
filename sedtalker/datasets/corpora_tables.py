"""Readers of corpora whose labels are in tables: MELD, IEMOCAP, MSP-Podcast."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from sedtalker.datasets.corpora import in_our_words
from sedtalker.datasets.manifest import Clip
from sedtalker.errors import InputError

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
