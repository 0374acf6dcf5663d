"""Words for emotions: every corpus's own vocabulary mapped to the seven categories, and what the mapping loses."""

from __future__ import annotations

from sedtalker.emotion.track import CATEGORIES, UNCERTAIN
from sedtalker.errors import InputError

SYNONYMS: dict[str, str] = {
    "calm": "neutral",
    "happiness": "happy",
    "joy": "happy",
    "amusement": "happy",
    "pleased": "happy",
    "smile": "happy",
    "sadness": "sad",
    "upset": "sad",
    "anger": "angry",
    "irritated": "angry",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "disgusted": "disgust",
    "surprised": "surprise",
    "pleasant surprise": "surprise",
    "neu": "neutral",
    "hap": "happy",
    "excited": "happy",
    "exc": "happy",
    "ang": "angry",
    "fea": "fear",
    "dis": "disgust",
    "sur": "surprise",
}
"""Other words for a category, as corpora and users write them."""

LOSSES: dict[str, str] = {
    "calm": "calm is a rest state with low arousal; it is counted as neutral, so its own colour is lost",
    "upset": "SEDTalker's upset mixes sadness and anger; it becomes sad",
    "irritated": "irritation becomes angry; its lower strength has to be said by the intensity",
    "pleased": "being pleased becomes happy; its lower strength has to be said by the intensity",
    "amusement": "amusement becomes happy",
    "excited": "excitement becomes happy, as is usual with IEMOCAP",
    "exc": "excitement becomes happy, as is usual with IEMOCAP",
}
"""What a mapping throws away, by word; a word without an entry is a plain synonym."""

EMOVOCA: dict[str, str | None] = {
    "Afraid": "fear",
    "Disgust": "disgust",
    "Irritated1": "angry",
    "Sad1": "sad",
    "Smile2": "happy",
    "Drunk2": None,
    "Ill": None,
    "Moody": "sad",
    "Pleased": "happy",
    "Suspicious": None,
    "Upset": "angry",
}
"""EmoVOCA's eleven expressions, in the order of their ids, in our categories; ``None``: none of ours."""

SEDTALKER_PAPER: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "upset")
"""The seven classes of the published SEDTalker (arXiv 2604.13335), in its order; it has no surprise."""


def category(word: str) -> str:
    """The category a word stands for.

    Raises:
        InputError: the word is not known.
    """
    plain = word.strip().lower().replace("_", " ")
    plain = SYNONYMS.get(plain, plain)
    if plain not in CATEGORIES:
        raise InputError(f"unknown emotion '{word}': use one of {', '.join(CATEGORIES)}")
    return plain


def known_category(word: str) -> str | None:
    """The category a corpus label stands for, or ``None`` for words that are none of ours (``other:awe``)."""
    try:
        return category(word)
    except InputError:
        return None


def known_label(word: str) -> bool:
    """Whether a segment may carry the word: a category's, or ``uncertain``."""
    return known_category(word) is not None or word.strip().lower() == UNCERTAIN
