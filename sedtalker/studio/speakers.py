"""The speakers of a recording in the studio: found and merged as jobs; renamed, swapped and chosen at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from sedtalker.emotion.track import Burst, EmotionTrack
from sedtalker.errors import InputError, called
from sedtalker.face.builtin import FACES
from sedtalker.progress import Hook
from sedtalker.speakers.separation import Speakers, sound_of
from sedtalker.speakers.turns import MOST_SPEAKERS, NAME, Turns
from sedtalker.studio.cast import Role, SpeakerVoice, merged_turns
from sedtalker.studio.document import SHORTEST, IntensitySpan, Span, meet, painted
from sedtalker.studio.opening import NewSpeaker, Then, Work, built, take_in, voice_of
from sedtalker.studio.session import Session, Subject, base_on

FIND = "finding the speakers"
"""Kind of the job that takes a recording apart."""
MERGE = "merging two speakers"
"""Kind of the job that makes one speaker of two."""


class SpeakerChange(BaseModel, extra="forbid"):
    """What the page asks of a speaker; ``other`` is the new name, or the speaker to swap with or to merge into."""

    op: Literal["activate", "rename", "swap", "merge"]
    name: str
    other: str = ""


def change_speaker(session: Session, change: SpeakerChange) -> dict[str, Any]:
    """Choose, rename or swap; see ``Session.moved``.

    Raises:
        InputError: there is no such speaker, or the name cannot be used.
    """
    if change.op == "activate":
        return session.activate(change.name)
    changed = session.cast.renamed if change.op == "rename" else session.cast.swapped
    return session.go_on(changed(change.name, change.other))


def find_speakers(session: Session, speakers: str) -> tuple[Work, Then]:
    """The open recording taken apart; one step of the history.

    Args:
        speakers: ``auto``, how many, ``channels``, or an RTTM file.

    Raises:
        InputError: no recording is open, or more speakers are asked for than are animated.
    """
    clip, _ = session.opened()
    if speakers.isdigit() and not 1 <= int(speakers) <= MOST_SPEAKERS:
        raise InputError(f"{speakers} speakers: choose 1 to {MOST_SPEAKERS}")
    used = [subject.name for subject in session.subjects]

    def work(hook: Hook) -> tuple[Turns, list[NewSpeaker]]:
        animator, by_channels = session.models.animator(), speakers == "channels"
        with called(Path(speakers)):
            talk = animator.diarizer.conversation(clip.path if by_channels else clip.sound, speakers, hook=hook)
        found = []
        for k, name in enumerate(talk.names):
            channel = int(name.removeprefix(NAME)) - 1 if by_channels else None
            voice = voice_of(animator, name, talk.speakers.sounds[name], channel, hook)
            found.append(NewSpeaker(name, voice, talk.tracks[name], _new_face(used, hook) if k >= len(used) else None))
        return talk.turns, found

    def then(made: tuple[Turns, list[NewSpeaker]]) -> dict[str, Any]:
        session.go_on(take_in(session, clip, *made))
        return {"speakers": [speaker.name for speaker in made[1]]}

    return work, then


def _new_face(used: list[str], hook: Hook) -> Subject:
    """A built-in face that nobody has yet, or that the fewest have; its name is added to those used."""
    name = min(FACES, key=used.count)
    used.append(name)
    return built(name, hook)


def merge_speakers(session: Session, name: str, into: str) -> tuple[Work, Then]:
    """One speaker made of two, recognised again; labels given by hand stay. One step of the history.

    Raises:
        InputError: there are no such two speakers.
    """
    clip, _ = session.opened()
    cast = session.cast
    merged = merged_turns(cast, name, into)
    turns = Turns(tuple(turn for turn in merged.turns if turn.speaker == into), merged.duration, (into,))
    began = [cast.parts[cast.index(each)].voice for each in (name, into)]

    def work(hook: Hook) -> tuple[SpeakerVoice, EmotionTrack]:
        animator = session.models.animator()
        sound = sound_of(clip.sound, turns, into)
        talk = animator.diarizer.conversation(clip.sound, Speakers(clip.sound, turns, {into: sound}), hook=hook)
        return voice_of(animator, into, sound, None, hook), talk.tracks[into]

    def then(made: tuple[SpeakerVoice, EmotionTrack]) -> dict[str, Any]:
        voice, track = made
        now = session.cast
        one, two = (now.parts[now.index(each)] for each in (name, into))
        if session.clip is not clip or [one.voice, two.voice] != began:
            raise InputError("the speakers were changed before they were merged: merge them again")
        base = base_on(clip, track)
        named, intensity, gone = _decided(session, now.spoken(), (one, two))
        removed = tuple(k for k, burst in enumerate(track.bursts) if any(meet(burst, other) for other in gone))
        document = replace(
            two.document, segments=painted(base.segments, named), intensity=intensity, removed_bursts=removed
        )
        session.go_on(now.merged(name, into, voice, session.added(base, document)))
        return {"speakers": [part.name for part in session.cast.parts]}

    return work, then


def _decided(
    session: Session, turns: Turns, parts: Sequence[Role]
) -> tuple[list[Span], tuple[IntensitySpan, ...], list[Burst]]:
    """Labels given by hand, drawn intensity and removed vocal bursts of some speakers, each from a turn of their own to
    the next one's.
    """
    spoken = sorted((start, k) for k, part in enumerate(parts) for start, _ in turns.of(part.name))
    begins = [next(group) for _, group in groupby(spoken, key=itemgetter(1))]
    edges = [0.0, *(start for start, _ in begins[1:]), inf]
    segments, intensity, gone = list[Span](), list[IntensitySpan](), list[Burst]()
    for (start, end), (_, k) in zip(pairwise(edges), begins, strict=False):
        document = parts[k].document
        base = session.base_of(document)
        for span in base.by_hand(document):
            first, last = max(span.start, start), min(span.end, end)
            segments += [Span(first, last, span.label)] if last - first >= SHORTEST else []
        intensity += [piece for span in document.intensity if (piece := span.part(start, end)) is not None]
        bursts = [burst for k, burst in enumerate(base.track.bursts) if k in document.removed_bursts]
        gone += [burst for burst in bursts if start <= burst.start < end]
    return segments, tuple(intensity), gone
