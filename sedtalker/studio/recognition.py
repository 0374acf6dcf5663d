"""What the studio recognises on request: words, fine-grained emotions, and what corrections teach.

Words are loaded, recognised or corrected; they are a part of the track, and the lips follow them. Fine-grained emotions
are found, shown as curves, kept with the track and touched by no edit. From corrections the diarizer learns: segments
labelled by hand teach it the other ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from sedtalker.arrays import Doubles, Floats
from sedtalker.emotion.taxonomy import FAMILIES, KINDS
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.nn import torch_threads
from sedtalker.phonetics.recognition import checked_words, recognise_words
from sedtalker.phonetics.words import AUTO, MOST_WORDS, Word
from sedtalker.progress import Hook, one_step
from sedtalker.studio.cast import SpeakerVoice
from sedtalker.studio.document import Base, Span
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
    """Words with another text, compared word by word.

    A word or phrase keeps its times as long as a word of it is left or has another in its place. What is added belongs
    to the phrase where it stands, and lies between two single words; words that replace several single ones share the
    time of these. An empty text leaves nothing.

    Raises:
        InputError: there are no words, or too many.
    """
    wanted = text.split()
    if not words:
        raise InputError("there are no words to correct: load them, or recognise them first")
    if len(wanted) > MOST_WORDS:
        raise InputError(f"more than {MOST_WORDS} words")
    owner = [k for k, word in enumerate(words) for _ in word.text.split()]
    before = [piece for word in words for piece in word.text.split()]
    single = [len(word.text.split()) == 1 for word in words]
    placed = list[tuple[tuple[float, float], int, str]]()  # times, number that words of one entry share, text
    for kind, a, b, first, last in SequenceMatcher(None, before, wanted, autojunk=False).get_opcodes():
        owners, new = owner[a:b], wanted[first:last]
        if kind == "insert":
            left, right = owner[a - 1 : a] if a else [], owner[a : a + 1]
            start = words[left[0]].end if left else 0.0
            times = start, max(start, words[right[0]].start if right else words[-1].end)
            owners = [k for k in (*left, *right) if not single[k]][:1]
        else:
            times = words[owners[0]].start, max(words[k].end for k in owners)
        if not owners or (kind == "replace" and len(owners) > 1 and all(single[k] for k in owners)):
            placed += [(times, -1 - a, piece) for piece in new]
        else:
            kept = [owners[j * len(owners) // len(new)] for j in range(len(new))]
            placed += [((words[k].start, words[k].end), k, piece) for k, piece in zip(kept, new, strict=True)]
    entries = groupby(placed, itemgetter(0, 1))
    return [Word(start, end, " ".join(piece for *_, piece in same)) for ((start, end), _), same in entries]


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
        _same_voice(session, voice, "the words were found")
        take_words(session, words, track.language)
        voice.decoding.place(track)
        return {"words": len(words), "note": voice.decoding.words_note(track)}

    return work, then


def place_words(session: Session) -> tuple[Work, Then]:
    """When the phones of the track's words are spoken; the lips follow from then on."""
    voice, track = session.cast.part.voice, session.track

    def then(made: None) -> dict[str, Any]:
        _same_voice(session, voice, "the words were found")
        session.revision += 1
        return {"words": len(track.words), "note": voice.decoding.words_note(track)}

    return lambda hook: voice.decoding.place(track, hook), then


# --- Fine-grained emotions.

FINER = "fine-grained emotions"
"""Kind of the job that finds them."""


def find_fine_emotions(session: Session) -> tuple[Work, Then]:
    """Fine-grained emotions of the speaker who is worked on, as ``sedtalker diarize --fine`` finds them; one job."""
    voice = session.cast.part.voice

    def work(hook: Hook) -> tuple[Doubles, dict[str, Floats]]:
        animator = session.models.animator()
        with torch_threads(1):
            with one_step(hook, "opening the heads of fine-grained emotions"):
                diarizer = animator.diarizer
                fine = diarizer.with_fine().fine
                assert fine is not None
            features = animator.diarizer_features(voice.sound, voice.features, hook)
            with one_step(hook, "recognising fine-grained emotions"):
                return features.clock.times(len(features)), dict(fine(features))

    def then(made: tuple[Doubles, dict[str, Floats]]) -> dict[str, Any]:
        _same_voice(session, voice, "its fine-grained emotions were found")
        assert session.base is not None
        own, curves = made
        times = session.base.track.times
        session.open_extras({name: np.interp(times, own, curve).astype(np.float32) for name, curve in curves.items()})
        return {"kinds": len(curves)}

    return work, then


def finer_state(session: Session) -> dict[str, Any]:
    """The further curves for the page: a number that changes with them, and of each its name, peak and category.

    The category is the one of seven that a face would show most of (``FAMILIES``), or None where that is unknown.
    """
    curves = [
        {"name": name, "peak": round(float(curve.max(initial=0.0)), 4), "category": leading_category(name)}
        for name, curve in session.extras.items()
    ]
    return {"number": session.extras_number, "curves": curves}


def leading_category(kind: str) -> str | None:
    """The category with the largest share in a kind's family; None: an unknown kind."""
    family = KINDS.get(kind)
    if family is None:
        return None
    shares = FAMILIES[family].shares
    return max(shares, key=lambda name: shares[name])


# --- Corrections.

LEARN = "learning from corrections"
"""Kind of the job."""


def learn_from_corrections(session: Session) -> tuple[Work, Then]:
    """The track by a diarizer that has learned the segments labelled by hand, which stay; one step, to be undone.

    Raises:
        InputError: fewer than two emotions were named by hand.
    """
    voice = session.cast.part.voice
    began, document = session.base, session.document
    assert began is not None
    corrections, said = began.by_hand(document), {name: getattr(began.track, name) for name in ("words", "language")}
    if len({span.label for span in corrections}) < 2:
        raise InputError("nothing to learn yet: give segments of two emotions or more the right label first")
    rest = [s for s in document.segments if not any(s.start < t.end and t.start < s.end for t in corrections)]

    def work(hook: Hook) -> Base:
        from sedtalker.emotion.adaptation import SpokenRecording, spoken_rows

        animator = session.models.animator()
        diarizer = animator.diarizer
        with torch_threads(1):
            features = animator.diarizer_features(voice.sound, voice.features, hook)
            with one_step(hook, "learning the corrections"):
                rows, times = spoken_rows(diarizer.in_torch(), features)

                def spoken(spans: Sequence[Span], *, labelled: bool) -> list[SpokenRecording]:
                    parts = [(span, rows[(times >= span.start) & (times < span.end)]) for span in spans]
                    return [SpokenRecording((p,), s.label if labelled else None) for s, p in parts if len(p)]

                made = diarizer.adapt_to([*spoken(corrections, labelled=True), *spoken(rest, labelled=False)])
            with one_step(hook, "recognising the emotion"):
                track = made.track(voice.sound, features)
        return Base(replace(track, duration=voice.sound.duration, extras={}, **said), voice.sound.duration, corrections)

    def then(learned: Base) -> dict[str, Any]:
        session.open_learned(began, learned)
        return {"corrections": len(corrections)}

    return work, then


def _same_voice(session: Session, voice: SpeakerVoice, before: str) -> None:
    if session.base is None or session.cast.part.voice.decoding is not voice.decoding:
        raise InputError(f"another recording or speaker was chosen before {before}")
