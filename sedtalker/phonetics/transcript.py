"""What is said in a recording, as a user gives it (a text, its file, a file of words with times), aligned to phones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.phonetics.aligner import POOR_FIT, align, phone_posteriors
from sedtalker.phonetics.alignment import Alignment
from sedtalker.phonetics.pronunciation import ENGLISH, SpokenWord, pronounce, written_words
from sedtalker.phonetics.words import READERS, TEXT_SUFFIXES, Word, read_words
from sedtalker.reading import is_file, read_bytes, read_text
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import SpeechFeatures

logger = logging.getLogger(__name__)

Words = str | Path | Sequence[SpokenWord]
"""What words may be given as: a text, a file (.txt, or one of words with times), or words with their phones."""
BEYOND = 0.5
"""Seconds after the end of a recording at which a word may still begin: files round."""


def spoken_words(given: Words, language: str = ENGLISH) -> list[SpokenWord]:
    """The words of a recording with their phones, and their times where the file has any.

    Args:
        given: see ``Words``. A text that is the name of a file is read as one.
        language: see ``sedtalker.phonetics.pronunciation.pronounce``.

    Raises:
        InputError: no such file, a damaged one, no words, or what ``pronounce`` raises.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        named = isinstance(given, Path) or path.suffix.lower() in (*READERS, *TEXT_SUFFIXES)
        if not (named or is_file(path)):
            return pronounce(str(given), language)
        if path.suffix.lower() in READERS:
            return timed_words(read_words(read_bytes(path, "a file of words"), path.name), language)
        text = read_text(path, "a transcript")
        if not written_words(text):
            raise InputError(f"{path}: no words in it: it should hold what is said in the recording")
        return pronounce(text, language)
    return list(given)


def timed_words(words: Sequence[Word], language: str = ENGLISH) -> list[SpokenWord]:
    """Words or phrases with times, pronounced; each of a phrase is somewhere in the phrase's time.

    Raises:
        InputError: none of them is a word, or what ``pronounce`` raises.
    """
    spoken: list[SpokenWord] = []
    for word in words:
        if written_words(word.text):
            spoken += [replace(said, within=(word.start, word.end)) for said in pronounce(word.text, language)]
    if not spoken:
        raise InputError("the file of words has times, but no words")
    return spoken


def align_recording(words: Sequence[SpokenWord], sound: Audio, features: SpeechFeatures, encoder: Encoder) -> Alignment:
    """When each phone of the words is spoken in a recording.

    Args:
        words: what ``spoken_words`` gives.
        sound: the recording.
        features: that ``encoder`` gives of it.
        encoder: see ``sedtalker.phonetics.aligner.phone_posteriors``.

    Raises:
        InputError: words beyond the end of the recording, or more than fit into it.
    """
    for word in words:
        if word.within is not None and word.within[0] > sound.duration + BEYOND:
            raise InputError(
                f"'{word.text[:40]}' is spoken at {word.within[0]:.1f} s, but the recording ends at "
                f"{sound.duration:.1f} s: the words are of another one"
            )
    alignment = align(phone_posteriors(encoder, features, sound), words, features.clock.rate)
    if alignment.fit < POOR_FIT:
        logger.warning("the words hardly fit the recording: are they what is said in it, and in which language?")
    return alignment
