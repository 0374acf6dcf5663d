"""Conversations with labels in tables: a series, improvised scenes, podcasts."""

from __future__ import annotations

import re
from pathlib import Path

from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import Found, SpeechCorpus, corpus_word, read_table

# --- MELD: utterances of a television series.

MELD_FOLDERS = {
    "train": ("train", "train_splits"),
    "dev": ("dev", "dev_splits", "dev_splits_complete"),
    "test": ("test", "test_splits", "output_repeated_splits_test"),
}
"""Folders of a part, as they are published and as people rename them."""


def read_meld(folder: Path) -> Found:
    """``train_sent_emo.csv`` … and ``train/dia0_utt0.mp4`` (or wav) …; folders may have their published names."""
    clips, unknown = [], []
    for part, names in MELD_FOLDERS.items():
        table = folder / f"{part}_sent_emo.csv"
        if not table.is_file():
            continue
        for row in read_table(table, ("Dialogue_ID", "Utterance_ID", "Emotion", "Speaker", "Utterance")):
            stem = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            path = _first(folder, names, stem)
            if path is None:
                unknown.append(f"{part}/{stem} (in the table, no such file)")
                continue
            word, split = corpus_word(row["Emotion"].lower()), {"dev": "valid"}.get(part, part)
            clips.append(Clip("", path, "en", row["Speaker"], "", word, "", row["Utterance"], 0.0, split))
    return clips, unknown


def _first(folder: Path, names: tuple[str, ...], stem: str) -> Path | None:
    for name in names:
        for suffix in (".wav", ".mp4", ".flac"):
            if (folder / name / f"{stem}{suffix}").is_file():
                return folder / name / f"{stem}{suffix}"
    return None


MELD = SpeechCorpus(
    name="meld",
    title="MELD",
    paper="Poria et al. 2019",
    language="en",
    licence="GPL-3.0 for the annotation; the sound is of a television series",
    use="evaluation",
    obtain="https://affective-meld.github.io",
    layout="train_sent_emo.csv, train_splits/dia0_utt0.mp4",
    splits="official",
    split_note="by dialogue: speakers are shared",
    read=read_meld,
    categories=tuple(CATEGORIES),
)
"""Utterances of the series Friends, labelled by three people."""


# --- IEMOCAP: pairs of actors in scripted and improvised scenes.

IEMOCAP_WORDS = {
    "ang": "angry", "hap": "happy", "sad": "sad", "neu": "neutral", "exc": "excited", "fea": "fear", "dis": "disgust",
    "sur": "surprise", "fru": "frustration", "oth": "other", "xxx": "no agreement",
}  # fmt: skip
"""The words of IEMOCAP's codes."""
IEMOCAP_SPLITS = {"4": "valid", "5": "test"}
"""Sessions that are held out; a session has two speakers of its own."""
_IEMOCAP_LINE = re.compile(
    r"^\[\d+\.\d+ - \d+\.\d+\]\t(?P<name>Ses0(?P<session>\d)\S+_(?P<gender>[FM])\d+)\t(?P<word>\w+)"
)
"""A line of the tables: ``[start - end] TAB name TAB code``."""


def read_iemocap(folder: Path) -> Found:
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
            word = corpus_word(IEMOCAP_WORDS.get(found["word"], found["word"]))
            split = IEMOCAP_SPLITS.get(session, "train")
            clips.append(Clip("", path, "en", f"Ses0{session}{gender}", gender.lower(), word, "", "", 0.0, split))
    return clips, unknown


IEMOCAP = SpeechCorpus(
    name="iemocap",
    title="IEMOCAP",
    paper="Busso et al. 2008",
    language="en",
    licence="research only, by agreement",
    use="evaluation",
    obtain="https://sail.usc.edu/iemocap",
    layout="Session1/dialog/EmoEvaluation/Ses01F_impro01.txt, Session1/sentences/wav/Ses01F_impro01/….wav",
    splits="official",
    split_note="session 4 to validate, session 5 to test: disjoint by speaker",
    read=read_iemocap,
    categories=tuple(CATEGORIES),
    speakers=10,
    hours=12.0,
)
"""Ten actors in pairs, scripted and improvised scenes."""


# --- MSP-Podcast: turns of podcasts, labelled by many listeners.

MSP_WORDS = {
    "N": "neutral", "H": "happy", "A": "angry", "S": "sad", "F": "fear", "D": "disgust", "U": "surprise",
    "C": "contempt", "O": "other", "X": "no agreement",
}  # fmt: skip
"""The words of MSP-Podcast's codes."""
MSP_SPLITS = {"train": "train", "development": "valid", "validation": "valid"}
"""Its sets that are not for testing."""


def read_msp_podcast(folder: Path) -> Found:
    """``Labels/labels_consensus.csv`` and ``Audios/MSP-PODCAST_0001_0008.wav``."""
    table = folder / "Labels" / "labels_consensus.csv"
    if not table.is_file():
        return [], []
    clips, unknown = [], []
    for row in read_table(table, ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")):
        path = next((p for f in ("Audios", "Audio") if (p := folder / f / row["FileName"]).is_file()), None)
        if path is None:
            unknown.append(f"{row['FileName']} (in the table, no such file)")
            continue
        split = MSP_SPLITS.get(row["Split_Set"].lower(), "test")
        word = corpus_word(MSP_WORDS.get(row["EmoClass"], row["EmoClass"]))
        gender = row["Gender"][:1].lower()
        clips.append(Clip("", path, "en", row["SpkrID"], gender, word, "", "", 0.0, split))
    return clips, unknown


MSP_PODCAST = SpeechCorpus(
    name="msp_podcast",
    title="MSP-Podcast",
    paper="Lotfian and Busso 2019",
    language="en",
    licence="by agreement with UT Dallas, academic or commercial",
    use="evaluation",
    obtain="https://lab-msp.com/MSP/MSP-Podcast.html",
    layout="Labels/labels_consensus.csv, Audios/MSP-PODCAST_0001_0008.wav",
    splits="official",
    split_note="Development to validate, all test sets to test",
    read=read_msp_podcast,
    categories=tuple(CATEGORIES),
)
"""Turns of podcasts, labelled by at least five people each."""
