"""How many streams a machine carries: what one costs is measured when the server starts, and what is open is summed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sedtalker.animation.animation_stream import AnimationStream
from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import SAMPLE_RATE
from sedtalker.emotion.face_streams import LateEmotions

SECONDS = 12.0
"""Seconds of sound that are decoded; the last quarter is measured: a stream costs more once it knows some seconds."""
SYLLABLE = 0.25
"""Seconds of one of its syllables."""
PER_HOP = 0.9
"""Share of a stream's cost that grows with the number of its hops; the rest grows with the sound alone."""


@dataclass(frozen=True)
class StreamCost:
    """Processor time that a stream takes, in seconds for a second of sound with the default hop.

    Streams that are decoded together cost about a fifth less, which is the reserve.

    Attributes:
        found: where the diarizer finds the emotion.
        given: where the client gives it.
    """

    found: float
    given: float

    def of(self, stream: AnimationStream) -> float:
        """What a stream costs."""
        each = self.found if isinstance(stream.face.emotions, LateEmotions) else self.given
        return each * (1.0 - PER_HOP + PER_HOP * StreamSettings.hop / stream.settings.hop)


def measured_cost(animator: Animator) -> StreamCost:
    """The cost of streams on this machine, by the processor's time: other programs make no difference."""
    return StreamCost(*(_processor_time(animator, StreamSettings(emotion=emotion)) for emotion in (None, "happy")))


def _processor_time(animator: Animator, settings: StreamSettings) -> float:
    """Seconds of processor time for a second of sound whose syllables differ in level and spectrum, as in speech."""
    rng, syllables = np.random.default_rng(0), round(SECONDS / SYLLABLE)
    white = rng.standard_normal((syllables, round(SYLLABLE * SAMPLE_RATE)))
    low = white + np.roll(white, 1, axis=1) + np.roll(white, 2, axis=1)
    share, level = rng.uniform(0.0, 1.0, (syllables, 1)), 10 ** rng.uniform(-2.0, -0.7, (syllables, 1))
    sound = (level * (share * white + (1.0 - share) * low)).astype(np.float32).ravel()
    stream, before = animator.open_stream(settings), 3 * sound.size // 4
    list(stream.push(sound[:before]))
    began = time.thread_time()
    list(stream.push(sound[before:]))
    return (time.thread_time() - began) / (SECONDS / 4)
