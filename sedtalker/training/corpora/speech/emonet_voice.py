"""EmoNet-Voice Bench: synthetic speech of forty kinds of emotion, each clip rated for one of them by experts.

It is published as Parquet tables with the sound inside (columns ``audioId`` and ``label``). Read here is a folder with
the sounds as files, and their labels as they are, in ``labels.csv`` with the columns ``file`` and ``label``
(``docs/diarizer.md`` has the lines that unpack it).
"""

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import unquote

from sedtalker.emotion.fine_families import known_kind
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import Found, SpeechCorpus, read_table

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
    for number, line in enumerate(read_table(folder / TABLE, ("file", "label")), 2):
        try:
            word, scores = read_rating(line["label"] or "")
        except InputError as error:
            raise InputError(f"{folder / TABLE}: line {number}: {error}") from None
        path, kind = folder / (line["file"] or ""), known_kind(word)
        if kind is None or not path.is_file():
            unknown.append(line["file"] or "")
            continue
        mean = f"{sum(scores) / len(scores):.4f}"
        clips.append(Clip("", path, "en", path.stem, "", f"other:{kind}", mean, "", 0.0, "test"))
    return clips, unknown


EMONET_VOICE = SpeechCorpus(
    name="emonet_voice",
    title="EmoNet-Voice Bench",
    paper="Schuhmann et al. 2025, arXiv 2506.09827",
    language="en",
    licence="as its page on the hub says",
    use="evaluation",
    obtain="https://huggingface.co/datasets/laion/emonet-voice-bench",
    layout="labels.csv and the files that it names",
    splits="official",
    split_note="test alone",
    read=read_emonet_voice,
    aliases=("emonet-voice", "emonet-voice-bench"),
    hours=36.3,
    unseen=True,
    note="synthetic voices; forty kinds, each clip rated for one of them by two to four experts",
)
"""12,600 synthetic clips."""
