"""Readers of corpora whose labels or words stand in tables, by the names that ``corpora.toml`` gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from urllib.parse import unquote

from sedtalker.emotion.taxonomy import known_kind
from sedtalker.errors import InputError, said_of
from sedtalker.training.corpora.manifest import Clip, read_table
from sedtalker.training.corpora.speech import UNLABELLED, Found, corpus_word

Listed = Iterator[tuple[str, Clip]]
"""Rows of tables: the name that the table has, and what is known of it, with the file where it should be."""


def from_table(rows: Callable[[Path], Listed]) -> Callable[[Path], Found]:
    """A reader that gives the clips whose files are there, and the names of the others."""

    @wraps(rows)
    def reader(folder: Path) -> Found:
        clips, unknown = [], []
        for name, clip in rows(folder):
            if clip.path.is_file():
                clips.append(clip)
            else:
                unknown.append(f"{name} (in the table, no such file)")
        return clips, unknown

    return reader


def _first(folder: Path, places: Iterator[str]) -> Path:
    """The first of some places in a folder where a file is; the folder itself where none is."""
    return next((folder / place for place in places if (folder / place).is_file()), folder)


# --- MELD: utterances of a television series.

MELD_FOLDERS = {
    "train": ("train", "train_splits"),
    "dev": ("dev", "dev_splits", "dev_splits_complete"),
    "test": ("test", "test_splits", "output_repeated_splits_test"),
}
"""Folders of a part, as they are published and as people rename them."""


@from_table
def read_meld(folder: Path) -> Listed:
    """``train_sent_emo.csv`` … and ``train/dia0_utt0.mp4`` (or wav) …; folders may have their published names."""
    for part, names in MELD_FOLDERS.items():
        table = folder / f"{part}_sent_emo.csv"
        if not table.is_file():
            continue
        for row in read_table(
            table, ("Dialogue_ID", "Utterance_ID", "Emotion", "Speaker", "Utterance"), published=True
        ):
            stem = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            path = _first(folder, (f"{name}/{stem}{end}" for name in names for end in (".wav", ".mp4", ".flac")))
            word, split = corpus_word(row["Emotion"].lower()), {"dev": "valid"}.get(part, part)
            yield f"{part}/{stem}", Clip("", path, "en", row["Speaker"], "", word, "", row["Utterance"], 0.0, split)


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


@from_table
def read_iemocap(folder: Path) -> Listed:
    """``SessionN/dialog/EmoEvaluation/*.txt`` and ``SessionN/sentences/wav/<dialogue>/<utterance>.wav``."""
    for table in sorted(folder.glob("Session*/dialog/EmoEvaluation/*.txt")):
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            found = _IEMOCAP_LINE.match(line)
            if found is None:
                continue
            name, session, gender = found["name"], found["session"], found["gender"]
            path = table.parents[2] / "sentences" / "wav" / table.stem / f"{name}.wav"
            word = corpus_word(IEMOCAP_WORDS.get(found["word"], found["word"]))
            split = IEMOCAP_SPLITS.get(session, "train")
            yield name, Clip("", path, "en", f"Ses0{session}{gender}", gender.lower(), word, "", "", 0.0, split)


# --- MSP-Podcast: turns of podcasts, labelled by many listeners.

MSP_WORDS = {
    "N": "neutral", "H": "happy", "A": "angry", "S": "sad", "F": "fear", "D": "disgust", "U": "surprise",
    "C": "contempt", "O": "other", "X": "no agreement",
}  # fmt: skip
"""The words of MSP-Podcast's codes."""
MSP_SPLITS = {"train": "train", "development": "valid", "validation": "valid"}
"""Its sets that are not for testing."""


@from_table
def read_msp_podcast(folder: Path) -> Listed:
    """``Labels/labels_consensus.csv`` and ``Audios/MSP-PODCAST_0001_0008.wav``."""
    table = folder / "Labels" / "labels_consensus.csv"
    if not table.is_file():
        return
    for row in read_table(table, ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set"), published=True):
        path = _first(folder, (f"{part}/{row['FileName']}" for part in ("Audios", "Audio")))
        split = MSP_SPLITS.get(row["Split_Set"].lower(), "test")
        word = corpus_word(MSP_WORDS.get(row["EmoClass"], row["EmoClass"]))
        gender = row["Gender"][:1].lower()
        yield row["FileName"], Clip("", path, "en", row["SpkrID"], gender, word, "", "", 0.0, split)


# --- Read speech, whose words stand in tables.


def _lines(path: Path, separator: str | None) -> Iterator[tuple[str, str]]:
    """Key and rest of every line of a text file; nothing where there is none."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        key, *rest = line.split(separator, 1)
        if rest:
            yield key, rest[0]


def _spoken(path: Path, speaker: str, transcript: str) -> Clip:
    return Clip("", path, "en", speaker, "", UNLABELLED, "", transcript, 0.0, "")


@from_table
def read_librispeech(folder: Path) -> Listed:
    """``dev-clean/1272/128104/1272-128104-0000.flac``, words in ``1272-128104.trans.txt`` beside it."""
    for table in sorted(folder.rglob("*.trans.txt")):
        for name, words in _lines(table, None):
            yield name, _spoken(table.with_name(f"{name}.flac"), name.split("-")[0], words)


@from_table
def read_ljspeech(folder: Path) -> Listed:
    """``wavs/LJ001-0001.wav``, words in ``metadata.csv`` (name, text, text with numbers spelled out)."""
    for name, texts in _lines(folder / "metadata.csv", "|"):
        yield name, _spoken(folder / "wavs" / f"{name}.wav", "lj", texts.rsplit("|", 1)[-1])


def read_speechocean762(folder: Path) -> Found:
    """``WAVE/SPEAKER0001/000010011.WAV``, words in ``train/text`` and ``test/text``."""
    words = {key: text for part in ("train", "test") for key, text in _lines(folder / part / "text", None)}
    clips, unknown = [], []
    for path in sorted(p for p in (folder / "WAVE").glob("SPEAKER*/*") if p.suffix.lower() == ".wav"):
        if path.stem in words:
            clips.append(_spoken(path, path.parent.name.removeprefix("SPEAKER"), words[path.stem]))
        else:
            unknown.append(path.relative_to(folder).as_posix())
    return clips, unknown


# --- Ratings of listeners.


TABLE = "labels.csv"
"""The table of labels in the folder."""
HIGHEST = 2
"""Greatest rating: 0 not there, 1 weak, 2 strong."""
LONGEST_CELL = 10_000
"""Letters of a label; a few raters take some hundred."""


def read_rating(cell: str) -> tuple[str, tuple[int, ...]]:
    """The kind that a clip was rated for, and each rater's rating.

    A label is the text of a list with an entry a rater: ``[{'human-1': {'Shame': 1}}, {'human-4': {'Shame': 2}}]``.

    Raises:
        InputError: the label is not of this form, or names several kinds.
    """
    try:
        if len(cell) > LONGEST_CELL:
            raise ValueError
        raters = ast.literal_eval(cell)
        found = [(word, score) for rater in raters for said in rater.values() for word, score in said.items()]
        words = {unquote(word) for word, _ in found}
        scores = tuple(score for _, score in found)
        if len(words) != 1 or any(type(score) is not int or not 0 <= score <= HIGHEST for score in scores):
            raise ValueError
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        raise InputError(f"'{cell[:60]}' is no label of EmoNet-Voice: one kind and a rating from each rater") from None
    return words.pop(), scores


def read_emonet_voice(folder: Path) -> Found:
    """Clips of kinds that are known; the intensity of each is the mean of its ratings, 0 to 2."""
    if not (folder / TABLE).is_file():
        raise InputError(f"{folder}: no {TABLE} in it, with the columns file and label")
    clips, unknown = [], []
    for number, line in enumerate(read_table(folder / TABLE, ("file", "label"), published=True), 2):
        with said_of(f"{folder / TABLE}: line {number}"):
            word, scores = read_rating(line["label"])
        path, kind = folder / line["file"], known_kind(word)
        if kind is None or not path.is_file():
            unknown.append(line["file"])
            continue
        mean = f"{sum(scores) / len(scores):.4f}"
        clips.append(Clip("", path, "en", path.stem, "", f"other:{kind}", mean, "", 0.0, "test"))
    return clips, unknown
