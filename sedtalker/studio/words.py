"""Words in the studio: loaded, recognised or corrected. They are a part of the track, and the lips follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.nn import torch_threads
from sedtalker.phonetics.recognition import checked_words, recognise_words
from sedtalker.phonetics.words import AUTO, MOST_WORDS, Word
from sedtalker.progress import Hook
from sedtalker.studio.cast import SpeakerVoice
from sedtalker.studio.document import Base
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.session import Session

WORDS = "words"
"""Kind of the job that recognises words, or finds when the phones of given ones are spoken."""


def take_words(session: Session, words: Sequence[Word], language: str | None = None) -> None:
    """The track with other words: one step, which ``undo`` takes back."""
    base, cast = session.base, session.cast
    assert base is not None
    said = tuple((word.start, word.end, word.text) for word in words)
    made = Base(replace(base.track, words=said, language=language), base.duration, base.corrections)
    session.go_on(cast.with_document(session.added(made, cast.document)))


def corrected(words: Sequence[Word], text: str) -> list[Word]:
    """Words with another text: those that are in both keep their times, others lie where those are that they replace.

    Raises:
        InputError: there are no words, or too many.
    """
    wanted = text.split()
    if not 0 < len(wanted) <= MOST_WORDS or not words:
        raise InputError("there are no words to correct: load them, or recognise them first")
    before, made = [word.text for word in words], list[Word]()
    for kind, a, b, first, last in SequenceMatcher(None, before, wanted, autojunk=False).get_opcodes():
        if kind == "equal":
            made += words[a:b]
        elif first < last:
            start = words[a].start if a < b else (words[a - 1].end if a else 0.0)
            end = words[b - 1].end if a < b else (words[a].start if a < len(words) else words[-1].end)
            made.append(Word(start, max(start, end), " ".join(wanted[first:last])))
    return made


def find_words(session: Session, language: str | None = None) -> tuple[Work, Then]:
    """The words that are recognised in the voice of the speaker who is worked on.

    Raises:
        InputError: nothing that recognises is installed, or there is no such language.
    """
    checked_words(AUTO, language)
    voice = session.cast.part.voice

    def work(hook: Hook) -> tuple[EmotionTrack, list[Word]]:
        with torch_threads(1):
            recognised = recognise_words(voice.sound, voice.features, language, hook)
        words = [Word(*word) for word in recognised.word_times()]
        if not words:
            raise InputError("no words are recognised that the sound agrees to")
        return replace(session.track, words=recognised.word_times(), language=recognised.language), words

    def then(made: tuple[EmotionTrack, list[Word]]) -> dict[str, Any]:
        track, words = made
        _same(session, voice)
        take_words(session, words, track.language)
        voice.decoding.place(track)
        return {"words": len(words)}

    return work, then


def place_words(session: Session) -> tuple[Work, Then]:
    """When the phones of the track's words are spoken; the lips follow from then on."""
    voice, track = session.cast.part.voice, session.track

    def then(made: None) -> dict[str, Any]:
        _same(session, voice)
        session.revision += 1
        return {"words": len(track.words)}

    return lambda hook: voice.decoding.place(track, hook), then


def _same(session: Session, voice: SpeakerVoice) -> None:
    if session.base is None or session.cast.part.voice is not voice:
        raise InputError("another recording or speaker was chosen before the words were found")
