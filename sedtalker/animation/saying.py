"""A text to a talking face: tags of emotion in it, a voice that speaks it, and a face that moves as the voice says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NamedTuple

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator, Emotion
from sedtalker.emotion.formats import densify, parse_label
from sedtalker.emotion.track import CATEGORIES, EmotionTrack, Segment
from sedtalker.errors import InputError, said_of
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.pronunciation import written_words
from sedtalker.phonetics.synthesis import SpokenText, Synthesizer
from sedtalker.phonetics.words import align_recording
from sedtalker.progress import Hook, no_progress, one_step

TAG = re.compile(r"\[([^\[\]]*)\]")
"""An emotion in a text, such as ``[happy:0.8]``: of what follows, up to the next one."""


class TaggedText(NamedTuple):
    """A part of a text, and its emotion: a category and its strength in [0, 1]."""

    text: str
    label: str
    intensity: float


def parse_tags(text: str) -> list[TaggedText]:
    """The parts of a text with tags; what stands before the first one is neutral.

    Raises:
        InputError: a tag is no emotion (the line names those that there are), or there is no text.
    """
    before, *rest = TAG.split(text)
    parts = [TaggedText(before.strip(), CATEGORIES[0], 0.0)]
    for tag, said in zip(rest[::2], rest[1::2], strict=True):
        with said_of(f"[{tag}]"):
            parts.append(TaggedText(said.strip(), *parse_label(tag)))
    if (left := next((part.text for part in parts if set(part.text) & set("[]")), None)) is not None:
        raise InputError(f"'{left[:40]}': a tag is an emotion in one pair of brackets, such as [happy:0.8]")
    found = [part for part in parts if written_words(part.text)]
    if not found:
        raise InputError("there is no text to say")
    return found


def tagged_track(parts: list[TaggedText], counts: tuple[int, ...], phones: Alignment, duration: float) -> EmotionTrack:
    """The emotions of parts, each from the beginning of its first word to that of the next part's.

    Args:
        counts: words of each part.
        phones: when they are spoken.
        duration: seconds.
    """
    starts, first = {phone.word: phone.start for phone in reversed(phones.phones)}, 0
    edges = list[float]()
    for count in counts:
        edges.append(starts[first])
        first += count
    spans = zip(parts, [0.0, *edges[1:]], [*edges[1:], duration], strict=True)
    return densify([Segment(start, end, part.label, part.intensity, 1.0) for part, start, end in spans], duration)


def say(
    animator: Animator,
    text: str,
    synthesizer: Synthesizer,
    *,
    voice: str | None = None,
    speed: float = 1.0,
    language: str = "en",
    face: Face | Mesh | None = None,
    emotion: Emotion = None,
    hook: Hook = no_progress,
    **options: Any,
) -> tuple[SpokenText, Animation]:
    """Speak a text, and animate a face by it.

    ```python
    speech, animation = say(Animator.from_pretrained(), "[happy] Hello there!", Synthesizer())
    speech.save(Path("hello.wav"))
    animation.render("hello.mp4", speech.sound)
    ```

    Args:
        text: what is said, with tags such as ``[sad:0.5]`` before what is said so; without any, the diarizer finds the
            emotion in the voice, or ``emotion`` says it.
        voice: one of the synthesizer's; None: its first.
        speed: 0.5 to 2.
        options: of ``Animator.__call__``.

    Raises:
        InputError: an unknown tag or voice, tags and an emotion, or what animator and synthesizer raise.
    """
    parts = parse_tags(text)
    if TAG.search(text) and emotion is not None:
        raise InputError("the text has tags of emotion: leave them out, or --emotion")
    with one_step(hook, "speaking the text"):
        speech = synthesizer([part.text for part in parts], voice, speed, language)
    sound = speech.sound
    with one_step(hook, "aligning the words"):
        phones = replace(align_recording(speech.words, sound, animator.encoder(sound)), language=language)
    if TAG.search(text):
        emotion = tagged_track(parts, speech.counts, phones, sound.duration)
    can_sharpen = not animator.moves_vertices and (not isinstance(face, Face) or face.landmarks is not None)
    words = phones if can_sharpen else None
    return speech, animator(sound, face=face, emotion=emotion, words=words, language=language, hook=hook, **options)
