"""Words by themselves: those that Whisper recognises in a recording (extra ``asr``), as far as the sound agrees to it.

Whisper (Radford et al. 2022) runs in CTranslate2 through faster-whisper, in eight bits, on one thread. It recognises
stretches of speech of less than half a minute, cut in pauses, so memory does not grow with the recording, and silence
gives it nothing to invent words for. Its times drift, so they only say about where a word is: the phones are placed by
the aligner. A word whose phones are not found there, or that lies where nobody speaks, is not
believed: there the phones are those that the sound alone gives, and a face moves as it does without words.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sedtalker.arrays import Floats, Mask, runs, stretches
from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.errors import InputError, extra
from sedtalker.models import ModelFile, PulledModel
from sedtalker.phonetics.aligner import POOR_FIT, AlignedPhone, Alignment, align, phone_posteriors
from sedtalker.phonetics.pronunciation import ENGLISH, SpokenWord, check_language, has_espeak, plain_name, pronounce
from sedtalker.phonetics.visemes import recognise
from sedtalker.phonetics.words import AUTO, Word, Words, align_recording, spoken_words
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.reading import is_file
from sedtalker.speech.features import SpeechFeatures

logger = logging.getLogger(__name__)

RECOGNISER = PulledModel(
    "asr",
    "faster-whisper-base",
    (
        ModelFile("config.json", 1, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        ModelFile("model.bin", 146, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
        ModelFile("tokenizer.json", 3, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        ModelFile("vocabulary.txt", 1, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
    ),
    "https://huggingface.co/Systran/faster-whisper-base/resolve/main",
    "MIT",
)
"""Whisper base for CTranslate2, from where faster-whisper itself takes it."""
MODEL_VARIABLE = "SEDTALKER_ASR_MODEL"
"""Environment variable with the folder of another Whisper for CTranslate2, such as a larger one."""
LONGEST_PIECE = 28.0
"""Seconds that are recognised at once; Whisper takes up to 30."""
SOUND_AROUND = 0.2
"""Seconds of sound that are recognised before and after speech."""
DRIFT = 0.3
"""Seconds by which a word may lie outside of Whisper's times."""
POOR_WORD = -2.0
"""Mean log ratio of its phones' posteriors to the likeliest ones' below which a word is not believed."""
TOKENS = 30
"""Tokens a second that are recognised at most: Whisper can begin to repeat itself."""
MOST_TOKENS = 220
"""Tokens of a piece at most: half of what Whisper's decoder takes, whose beginning holds what was asked."""
SPOKEN_SHARE = 0.5
"""Share of a word's frames that must be speech by voice activity."""
LONGEST_PAUSE = 2.0
"""Seconds without speech that are recognised as a part of it."""
BEAM = 5
"""Hypotheses that are kept, as the library does."""
WHISPER_NAMES = {"cmn": "zh", "nb": "no"}
"""What Whisper calls languages that espeak-ng calls otherwise; each knows the other usual names."""


def whisper_folder() -> Path:
    """Where the model is: named by ``MODEL_VARIABLE``, or pulled.

    Raises:
        InputError: it is not there, or the extra is not installed.
    """
    if importlib.util.find_spec("faster_whisper") is None or not has_espeak():
        raise InputError("words are recognised by faster-whisper: pip install 'sedtalker[asr]'")
    given = os.environ.get(MODEL_VARIABLE)
    for name in ("model.bin", "tokenizer.json"):  # without the latter the library would ask the hub for one
        if given and not is_file(Path(given) / name):
            raise InputError(f"{MODEL_VARIABLE}: no {name} in {given}: name a folder of Whisper for CTranslate2")
    for path in RECOGNISER.paths:
        if not given and not is_file(path):
            raise RECOGNISER.missing(path)
    return Path(given) if given else RECOGNISER.path


@lru_cache(maxsize=1)
def open_recogniser(folder: Path) -> Any:
    """Whisper in CTranslate2, opened once.

    Raises:
        InputError: the folder holds none, or the extra is not installed.
    """
    with extra("asr"):
        from faster_whisper import WhisperModel
    try:
        return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    except Exception as error:  # whatever CTranslate2 and tokenizers raise at damaged files
        raise InputError(f"{folder}: not a Whisper that CTranslate2 opens ({error})") from None


@lru_cache(maxsize=1)
def _numerals(model: Any) -> list[int]:
    """Tokens with digits: without them numbers are written as they are spoken, such as "nineteen ten"."""
    tokens = model.hf_tokenizer.get_vocab().items()
    return sorted(token for text, token in tokens if not text.startswith("<|") and set(text) & set("0123456789%$£€"))


class PlacedWord(NamedTuple):
    """A word that the sound agrees to: its text, its phones, and the mean log ratio of their posteriors."""

    text: str
    phones: tuple[AlignedPhone, ...]
    fit: float


def recognise_words(
    sound: Audio, features: SpeechFeatures, language: str | None = None, hook: Hook = no_progress
) -> Alignment:
    """The words of a recording and when each of their phones is spoken; elsewhere the phones that the sound gives.

    Args:
        features: of an encoder, see ``sedtalker.phonetics.aligner.phone_posteriors``.
        language: as espeak-ng names it; None: the one that is recognised.

    Raises:
        InputError: see ``whisper_folder``.
    """
    model, rate = open_recogniser(whisper_folder()), features.clock.rate
    posteriors = phone_posteriors(features, sound)
    parts = sorted(pieces(features.speech, rate), key=lambda part: part[0] - part[1])
    found, count = list[PlacedWord](), 0
    for number, (first, last) in enumerate(parts):  # the longest first: it says which language is spoken
        hook("recognising the words", number, len(parts))
        at, tried = (first / rate, last / rate), language
        recognised, language = transcribed(model, sound, *at, language)
        kept = list(believed(recognised, posteriors, features.speech, (first, last), language, rate))
        if tried is None and language != ENGLISH:  # readers with an accent are taken for speakers of their own language
            again, _ = transcribed(model, sound, *at, ENGLISH)
            english = list(believed(again, posteriors, features.speech, (first, last), ENGLISH, rate))
            if belief(english, len(again)) > belief(kept, len(recognised)):
                recognised, kept, language = again, english, ENGLISH
        count, found = count + len(recognised), found + kept
    hook("recognising the words", len(parts), len(parts))
    logger.info("recognised %d words (%s), of which the sound agrees to %d", count, language or "no speech", len(found))
    found.sort(key=lambda word: word.phones[0].start)
    return overlaid(recognise(posteriors, rate), found, rate, language)


def pieces(speech: Mask, rate: float) -> list[tuple[int, int]]:
    """First and last + 1 frame of what is recognised at once: speech with the short pauses in it."""
    found, longest = list[tuple[int, int]](), round(LONGEST_PIECE * rate)
    for start, end in stretches(speech):
        if found and start - found[-1][1] <= LONGEST_PAUSE * rate and end - found[-1][0] <= longest:
            found[-1] = (found[-1][0], end)
        else:
            edges = np.linspace(start, end, -((start - end) // longest) + 1).astype(int).tolist()
            found += pairwise(edges)
    return found


def transcribed(model: Any, sound: Audio, start: float, end: float, language: str | None) -> tuple[list[Word], str]:
    """What Whisper recognises from ``start`` to ``end`` seconds, and the language, as espeak-ng names it."""
    first = max(0, round((start - SOUND_AROUND) * SAMPLE_RATE))
    name = plain_name(language).partition("-")[0] if language else None
    try:
        segments, info = model.transcribe(
            np.asarray(sound.samples[first : round((end + SOUND_AROUND) * SAMPLE_RATE)], np.float32),
            language=WHISPER_NAMES.get(name, name) if name else None,
            beam_size=BEAM,
            temperature=0.0,  # a higher one draws random numbers
            condition_on_previous_text=False,
            suppress_tokens=[-1, *_numerals(model)],
            max_new_tokens=min(round(TOKENS * (1.0 + end - start)), MOST_TOKENS),
            word_timestamps=True,
        )
    except ValueError:
        raise InputError(f"--language {language}: Whisper does not recognise it; leave it out, or give words") from None
    begin = first / SAMPLE_RATE
    words = [Word(begin + w.start, begin + w.end, w.word.strip()) for part in segments for w in part.words or ()]
    return words, language or info.language


def believed(
    words: Sequence[Word], posteriors: Floats, speech: Mask, part: tuple[int, int], language: str, rate: float
) -> Iterator[PlacedWord]:
    """Those of the words that aligner and voice activity agree to.

    Args:
        posteriors: (T, 40) of ``PHONES``, of the whole recording.
        speech: (T,) where somebody speaks.
        part: the frames that were recognised.
    """
    first, last = part
    begin, spoken = first / rate, list[SpokenWord]()
    for word in words:
        phones = phones_of(word.text, language)
        if phones:
            spoken.append(SpokenWord(word.text, phones, (word.start - begin - DRIFT, word.end - begin + DRIFT)))
    if not spoken or sum(len(word.phones) for word in spoken) > last - first:
        return
    here = align(posteriors[first:last], spoken, rate)
    if here.fit < POOR_FIT:
        return
    for index, (start, end, text) in enumerate(here.word_times()):
        share = speech[first + round(start * rate) : first + round(end * rate)].mean()
        if here.fits[index] >= POOR_WORD and share >= SPOKEN_SHARE:
            own = [replace(p, start=begin + p.start, end=begin + p.end) for p in here.phones if p.word == index]
            yield PlacedWord(text, tuple(own), here.fits[index])


def belief(kept: Sequence[PlacedWord], count: int) -> float:
    """How far the sound agrees to so many words of which these are believed: the mean of their distance to doubt."""
    return sum(word.fit - POOR_WORD for word in kept) / max(1, count)


def phones_of(text: str, language: str) -> tuple[str, ...]:
    """The phones of what was recognised as one word; none where nothing in it can be pronounced."""
    try:
        return tuple(phone for word in pronounce(text, language) for phone in word.phones)
    except InputError:
        return ()


def overlaid(sounds: Alignment, words: Sequence[PlacedWord], rate: float, language: str | None) -> Alignment:
    """Words, and between them the phones of an alignment without any."""
    held = list(sounds.phones)
    owner = np.repeat(np.arange(len(held)), [round((p.end - p.start) * rate) for p in held])
    for index, word in enumerate(words):
        for phone in word.phones:
            owner[round(phone.start * rate) : round(phone.end * rate)] = len(held)
            held.append(replace(phone, word=index))
    phones = tuple(replace(held[phone], start=a / rate, end=b / rate) for a, b, phone in runs(owner))
    fits = tuple(word.fit for word in words)
    return Alignment(phones, tuple(w.text for w in words), float(np.mean(fits or 0.0)), fits, language)


# --- Words that are given, or recognised.


def checked_words(given: Words, language: str | None = None) -> list[SpokenWord] | str:
    """What ``spoken_words`` gives; ``AUTO`` stays, where words can be recognised.

    Raises:
        InputError: see there, and ``whisper_folder``.
    """
    if given != AUTO:
        return spoken_words(given, language or ENGLISH)
    whisper_folder()
    if language is not None:
        check_language(language)
    return AUTO


def placed_words(
    said: Sequence[SpokenWord] | str,
    sound: Audio,
    features: SpeechFeatures,
    language: str | None = None,
    hook: Hook = no_progress,
) -> Alignment:
    """When the phones of what ``checked_words`` gave are spoken; raises what the two functions that it calls do."""
    if isinstance(said, str):
        return recognise_words(sound, features, language, hook)
    with one_step(hook, "aligning the words"):
        return replace(align_recording(said, sound, features), language=language or ENGLISH)
