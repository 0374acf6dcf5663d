"""What the diarizer does on request in the studio.

Fine-grained emotions are found, shown as curves, kept with the track and touched by no edit. From corrections the
diarizer learns: segments labelled by hand teach it the other ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.emotion.taxonomy import FAMILIES, KINDS
from sedtalker.errors import InputError
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, one_step
from sedtalker.studio.cast import SpeakerVoice
from sedtalker.studio.document import Base, Span
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.session import Session

FINER = "fine-grained emotions"
"""Kind of the job that finds them."""


def find_fine_emotions(session: Session) -> tuple[Work, Then]:
    """Fine-grained emotions of the speaker who is worked on, as ``sedtalker diarize --fine`` finds them; one job."""
    voice = session.cast.part.voice

    def work(hook: Hook) -> tuple[NDArray[np.float64], dict[str, Floats]]:
        animator = session.models.animator()
        with torch_threads(1):
            with one_step(hook, "opening the heads of fine-grained emotions"):
                diarizer = animator.diarizer
                fine = diarizer.with_fine().fine
                assert fine is not None
            features = voice.features
            if diarizer.encoder.sha256() != animator.encoder.sha256():
                with one_step(hook, "encoding the speech"):
                    features = diarizer.encoder(voice.sound)
            with one_step(hook, "recognising fine-grained emotions"):
                return features.clock.times(len(features)), dict(fine(voice.sound, features))

    def then(made: tuple[NDArray[np.float64], dict[str, Floats]]) -> dict[str, Any]:
        _take(session, voice, *made)
        return {"kinds": len(made[1])}

    return work, then


def _take(session: Session, voice: SpeakerVoice, own: NDArray[np.float64], curves: Mapping[str, Floats]) -> None:
    """The curves (T,), given at their ``own`` times (T,), become those of the track.

    Raises:
        InputError: another recording, or speaker, has been chosen since.
    """
    if session.base is None or session.cast.part.voice is not voice:
        raise InputError("another recording or speaker was chosen before its fine-grained emotions were found")
    times = session.base.track.times
    session.open_extras({name: np.interp(times, own, curve).astype(np.float32) for name, curve in curves.items()})


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
        from sedtalker.emotion.adaptation import Speech, SpokenRecording, spoken_rows

        animator = session.models.animator()
        diarizer, features = animator.diarizer, voice.features
        with torch_threads(1):
            if diarizer.encoder.sha256() != animator.encoder.sha256():
                with one_step(hook, "encoding the speech"):
                    features = diarizer.encoder(voice.sound)
            with one_step(hook, "learning the corrections"):
                rows, times = spoken_rows(diarizer.in_torch(), features)

                def spoken(spans: Sequence[Span], *, labelled: bool) -> list[SpokenRecording]:
                    parts = [(span, rows[(times >= span.start) & (times < span.end)]) for span in spans]
                    return [SpokenRecording((Speech(p),), s.label if labelled else None) for s, p in parts if len(p)]

                made = diarizer.adapt_to([*spoken(corrections, labelled=True), *spoken(rest, labelled=False)])
            with one_step(hook, "recognising the emotion"):
                track = made.track(voice.sound, features)
        return Base(replace(track, duration=voice.sound.duration, extras={}, **said), voice.sound.duration, corrections)

    def then(learned: Base) -> dict[str, Any]:
        session.open_learned(began, learned)
        return {"corrections": len(corrections)}

    return work, then
