"""Learning from corrections in the studio: segments labelled by hand teach the diarizer the other ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sedtalker.errors import InputError
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, one_step
from sedtalker.studio.document import Base, Span
from sedtalker.studio.opening import Then, Work
from sedtalker.studio.session import Session

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
