"""Words with their times, from the files that recognisers and aligners write.

WebVTT and SRT subtitles (with times inside a cue where there are any), Praat TextGrids (as the Montreal Forced Aligner
writes them), CTM (as Kaldi and NeMo do) and the JSON of Whisper, whisper.cpp, WhisperX and Transformers.

A text, its file, or a file of words with times is aligned to the phones of the recording.
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sedtalker.audio import Audio
from sedtalker.errors import InputError, said_of
from sedtalker.phonetics.aligner import POOR_FIT, Alignment, align, phone_posteriors
from sedtalker.phonetics.pronunciation import ENGLISH, SpokenWord, pronounce, written_texts, written_words
from sedtalker.reading import (
    NAMED_EMOTIONS,
    decoded,
    is_file,
    parse_json,
    read_bytes,
    read_text,
    rows_of,
    subtitle_cues,
    textgrid_tiers,
    without_label,
)
from sedtalker.speech.features import SpeechFeatures

WORD_SUFFIXES = (".vtt", ".srt", ".TextGrid", ".ctm", ".words.json", ".whisper.json")
"""How the name of a file of words with times ends, after the name of its recording."""
TEXT_SUFFIXES = (".txt", ".lab")
"""Suffixes of files that hold a plain transcript."""
MOST_WORDS = 100_000
"""An hour of fast speech has a tenth of that."""
LONGEST_WORD = 500
"""Characters that are kept of a word or phrase."""
SILENT = {"", "sil", "sp", "spn", "<eps>", "<sil>"}
"""Texts of intervals that are no words."""
ASIDES = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|【[^【】]*】|（[^（）]*）|[♪♫]")
"""What subtitles and recognisers describe, such as ``[music]`` and ``(laughs)``: it is not spoken."""
_OF_NAME = r"[^\W_a-z][^\s:：()（）【】\[\]]*"
"""A word of a name: it begins with a capital, a digit or a sign of another script."""
NAME = rf"{_OF_NAME}(?:\s{_OF_NAME}){{0,3}}"
"""Who speaks, in subtitles: up to four words. In scripts without capitals, any four: only a colon tells them apart."""
SPEAKER = re.compile(rf"(?:^[-–—>\s]*|(?<=\s)[-–—]\s?)({NAME})\s?(?:[(（][^()（）]*[)）]\s?)?(?::(?=\s|$)|：)")
"""A name before what is said, at the beginning of a text or behind the dash of another speaker."""
NAMED_ALONE = re.compile(rf"(?P<name>{NAME})(?P<how> \((?:{'|'.join(NAMED_EMOTIONS)})\))?")
"""A name, and how somebody speaks, without words: ``ANN (angry)``, as subtitles of our conversations have them."""


@dataclass(frozen=True)
class Word:
    """A word, or a phrase where the file has no words: seconds and text."""

    start: float
    end: float
    text: str


def read_words(data: bytes, name: str) -> tuple[Word, ...]:
    """The words of a file, in order of time; ``name``: its name, whose suffix says what it is."""
    suffix = Path(name).suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{name}: words are read from {', '.join(sorted(READERS))}")
    text = decoded(data, name)
    try:
        found = _spoken([_checked(*word) for word in islice(READERS[suffix](text), MOST_WORDS + 1)])
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        raise InputError(f"{name}: damaged, or not what its name says") from None
    words = sorted((word for word in found if word.text.lower() not in SILENT), key=lambda word: word.start)
    if not words:
        raise InputError(f"{name}: no words with times in it")
    if len(words) > MOST_WORDS:
        raise InputError(f"{name}: more than {MOST_WORDS} words")
    return tuple(words)


def _checked(start: float, end: float, text: str) -> Word:
    if not (math.isfinite(start) and math.isfinite(end) and 0.0 <= start <= end):
        raise InputError(f"'{text[:40]}' ends before it begins, or has no times")
    return Word(float(start), float(end), " ".join(without_label(text.strip()).split())[:LONGEST_WORD])


def _spoken(found: list[Word]) -> list[Word]:
    """Words and phrases without what is not spoken: asides, and names of speakers.

    Where all are names, and one has an emotion of ours behind it, there are no words.
    """
    alone = [NAMED_ALONE.fullmatch(word.text) for word in found if word.text]
    if all(m and (m["how"] or m["name"].isupper()) for m in alone) and any(m and m["how"] for m in alone):
        return []
    said = _without_names([word.text for word in found])
    kept = [" ".join(ASIDES.sub(" ", text).split()) for text in said]
    return [replace(word, text=text) for word, text in zip(found, kept, strict=True)]


def _without_names(texts: Sequence[str]) -> list[str]:
    """Texts without the names of speakers before a colon: those in capitals, and those that are there twice or more."""
    before = Counter(name for text in texts for name in SPEAKER.findall(text))
    names = {name for name, count in before.items() if count > 1 or name.isupper()}
    return [SPEAKER.sub(lambda m: " " if m[1] in names else m[0], text) for text in texts]


def pronounce_script(text: str, language: str = ENGLISH) -> list[SpokenWord]:
    """``pronounce`` without the names of speakers; a text that would be nothing without them is all said."""
    said = "\n".join(_without_names(text.splitlines()))
    return pronounce(said if written_words(said) else text, language)


Found = Iterable[tuple[float, float, str]]
"""Start, end and text of each word."""


def _textgrid(text: str) -> Found:
    """The interval tier whose name has ``word`` in it, or the first."""
    tiers = textgrid_tiers(text)
    if not tiers:
        raise InputError("no interval tier in it")
    return next((spans for name, spans in tiers if "word" in name.lower()), tiers[0][1])


def _ctm(text: str) -> Found:
    """Lines of recording, channel, start, duration, word and perhaps confidence."""
    for number, fields in rows_of(text):
        if len(fields) < 5:
            raise InputError(f"line {number} is not 'recording channel start duration word'")
        start = float(fields[2])
        yield start, start + float(fields[3]), fields[4]


def _whisper(text: str) -> Found:
    """JSON of Whisper (segments, with words where they were asked for) and of programs that run it."""
    data: Any = parse_json(text, "the text")
    if isinstance(data, list):
        data = {"segments": data}
    if "word_segments" in data:  # WhisperX
        return [(w["start"], w["end"], w.get("word", "")) for w in data["word_segments"] if "start" in w]
    if "transcription" in data:  # whisper.cpp
        return [(s["offsets"]["from"] / 1000, s["offsets"]["to"] / 1000, s["text"]) for s in data["transcription"]]
    if "chunks" in data:  # Transformers; the last end may be missing
        spans = [(c["timestamp"][0], c["timestamp"][1], c["text"]) for c in data["chunks"]]
        return [(a, a if b is None else b, said) for a, b, said in spans]
    found: list[tuple[float, float, str]] = []
    for segment in data.get("segments") or [{"words": data["words"]}]:
        words = segment.get("words")
        if words:
            found += [(w["start"], w["end"], w.get("word", w.get("text", ""))) for w in words if "start" in w]
        else:
            found.append((segment["start"], segment["end"], segment["text"]))
    return found


READERS: dict[str, Callable[[str], Found]] = {
    ".vtt": subtitle_cues,
    ".srt": subtitle_cues,
    ".textgrid": _textgrid,
    ".ctm": _ctm,
    ".json": _whisper,
}
"""By suffix."""


logger = logging.getLogger(__name__)

AUTO = "auto"
"""In place of words: those that are recognised, see ``sedtalker.phonetics.recognition``."""
Words = str | Path | Sequence[SpokenWord]
"""What words may be given as: a text, a file (.txt, or one of words with times), words with their phones, ``AUTO``."""
BEYOND = 0.5
"""Seconds after the end of a recording at which a word may still begin: files round."""

HARDLY_FIT = "the words hardly fit the recording: are they what is said in it, and in which language?"
"""What is said of an alignment whose ``fit`` is below ``POOR_FIT``."""


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
            return pronounce_script(str(given), language)
        if path.suffix.lower() in READERS:
            return timed_words(read_words(read_bytes(path, "a file of words"), path.name), language)
        text = read_text(path, "a transcript")
        if not written_words(text):
            raise InputError(f"{path}: no words in it: it should hold what is said in the recording")
        with said_of(str(path)):
            return pronounce_script(text, language)
    return list(given)


def timed_words(words: Sequence[Word], language: str = ENGLISH) -> list[SpokenWord]:
    """Words or phrases with times, pronounced; each of a phrase is somewhere in the phrase's time.

    Raises:
        InputError: none of them is a word, or what ``pronounce`` raises.
    """
    spoken, texts = list[SpokenWord](), [[""], *(written_texts(word.text) or [""] for word in words), [""]]
    for word, before, after in zip(words, texts, texts[2:], strict=False):
        if written_words(word.text):
            said = pronounce(word.text, language, (before[-1], after[0]))
            spoken += [replace(one, within=(word.start, word.end)) for one in said]
    if not spoken:
        raise InputError("the file of words has times, but no words")
    return spoken


def align_recording(words: Sequence[SpokenWord], sound: Audio, features: SpeechFeatures) -> Alignment:
    """When each phone of the words is spoken in a recording.

    Args:
        words: what ``spoken_words`` gives.
        features: of an encoder, see ``sedtalker.phonetics.aligner.phone_posteriors``.

    Raises:
        InputError: words beyond the end of the recording, or more than fit into it.
    """
    for word in words:
        if word.within is not None and word.within[0] > sound.duration + BEYOND:
            raise InputError(
                f"'{word.text[:40]}' is spoken at {word.within[0]:.1f} s, but the recording ends at "
                f"{sound.duration:.1f} s: the words are of another one"
            )
    alignment = align(phone_posteriors(features, sound), words, features.clock.rate)
    if alignment.fit < POOR_FIT:
        logger.warning(HARDLY_FIT)
    return alignment
