"""Changes of the emotional state, one line each: what the prompt of a voice agent needs of a track.

A state is an emotion at some strength. It changes with the emotion of the segment, and within one when the strength
has moved by ``STEP``. A change is announced ``SETTLE`` seconds after it began, so that its numbers are means, not those
of one frame. Whole tracks and streams are read by the same rule; how a stream is cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask, Reals
from sedtalker.emotion.emotion_stream import StreamFrames, strongest_kinds
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import UNCERTAIN, EmotionTrack
from sedtalker.speech.features import FRAME_CLOCK

SETTLE = 0.6
"""Seconds that a state is measured over before it is announced: the shortest segment of a stream."""
STEP = 0.25
"""Change of strength that makes another state of the same emotion."""
INTENSITY, CONFIDENCE = 0, 3
"""Columns of the numbers of a frame; valence and arousal stand between."""


@dataclass(frozen=True)
class StateChange:
    """A state begins.

    Attributes:
        time: when, seconds.
        emotion: a category, or ``uncertain``.
        intensity: in [0, 1], as valence, arousal and confidence the mean of its first ``SETTLE`` seconds of speech.
        valence: in [-1, 1].
        arousal: in [-1, 1].
        confidence: in [0, 1].
        before: the emotion before, None at the beginning.
        before_intensity: and how strong it was.
        before_seconds: how long it lasted.
        fine: the strongest fine-grained emotions in the same seconds, by name, greatest first; empty without ``fine``.
    """

    time: float
    emotion: str
    intensity: float
    valence: float
    arousal: float
    confidence: float
    before: str | None = None
    before_intensity: float | None = None
    before_seconds: float | None = None
    fine: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """``12.4 angry 0.8 valence -0.5 arousal 0.6 confidence 0.62 after neutral 0.0 for 2.1 s``.

        Fine-grained emotions stand before ``after``: ``kinds anger 0.31 contempt 0.20 disgust 0.11``.
        """
        said = (
            f"{self.time:.1f} {self.emotion} {self.intensity:.1f} valence {self.valence:.1f} "
            f"arousal {self.arousal:.1f} confidence {self.confidence:.2f}"
        ).replace("-0.0", "0.0")
        if self.fine:
            said += " kinds " + " ".join(f"{kind} {value:.2f}" for kind, value in self.fine.items())
        if self.before is None:
            return said
        return f"{said} after {self.before} {self.before_intensity:.1f} for {self.before_seconds:.1f} s"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, rounded; what is not known is left out."""
        held = {name: value for name, value in asdict(self).items() if value is not None and value != {}}
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in held.items()}


class StateChanges:
    """Finds changes in frames that come in stretches.

    Args:
        labels: (C,) names of the labels by their index.
        rate: frames a second.
        kinds: (K,) names of fine-grained emotions.
    """

    def __init__(self, labels: tuple[str, ...], rate: float = FRAME_CLOCK.rate, kinds: tuple[str, ...] = ()):
        self.labels, self.rate, self.kinds = labels, rate, kinds
        self.window = max(1, round(SETTLE * rate))
        self.label = -1
        self.rows: list[tuple[float, Doubles, bool]] = []
        self.announced: StateChange | None = None
        self.open = False

    def push(self, times: Reals, label: NDArray[np.integer], values: Reals, speech: Mask) -> list[StateChange]:
        """The next frames.

        Args:
            times: (T,) seconds, increasing.
            label: (T,) index of the label.
            values: (T, 4 + K) intensity, valence, arousal, confidence, and the fine-grained emotions.
            speech: (T,) frames that count; where none of a window does, all do.

        Returns:
            The states that could be announced with them.
        """
        found = []
        for k, time in enumerate(times):
            if label[k] != self.label:
                found += self.end()
                self.label, self.rows, self.open = int(label[k]), [], True
            self.rows.append((float(time), np.asarray(values[k], np.float64), bool(speech[k])))
            if len(self.rows) > self.window:
                del self.rows[0]
            if len(self.rows) == self.window and (self.open or self._moved()):
                found.append(self._announce())
        return found

    def end(self) -> list[StateChange]:
        """The sound has ended, or the emotion changed: a state too short to have been announced, if there is one."""
        return [self._announce()] if self.open and self.rows else []

    def _moved(self) -> bool:
        assert self.announced is not None
        return abs(self._means()[INTENSITY] - self.announced.intensity) >= STEP

    def _means(self) -> Doubles:
        spoken = [row for _, row, counts in self.rows if counts] or [row for _, row, _ in self.rows]
        return np.asarray(np.mean(spoken, axis=0))

    def _announce(self) -> StateChange:
        last, start = self.announced, self.rows[0][0] - 0.5 / self.rate
        means = self._means()
        intensity, valence, arousal, confidence = (float(value) for value in means[: CONFIDENCE + 1])
        fine = strongest_kinds(self.kinds, means[CONFIDENCE + 1 :])
        emotion = self.labels[self.label]
        found = StateChange(max(0.0, start), emotion, intensity, valence, arousal, confidence, fine=fine)
        if last is not None:
            lasted = found.time - last.time
            found = replace(found, before=last.emotion, before_intensity=last.intensity, before_seconds=lasted)
        self.announced, self.open = found, False
        return found


def track_changes(track: EmotionTrack) -> list[StateChange]:
    """The states of a whole track, from those of its segments; ``uncertain`` ones too, and its further curves."""
    if not len(track):
        return []
    names = (*track.labels, UNCERTAIN)
    segments = track.segments()
    starts = [segment.start for segment in segments[1:]]  # a pause keeps the label before it
    label = np.array([names.index(s.label) for s in segments] or [0])[
        np.searchsorted(starts, track.times, side="right")
    ]
    own = np.where(label < len(track.labels), label, track.posterior.argmax(1))
    confidence = track.recognised[np.arange(len(track)), own]
    values = np.column_stack([track.intensity, track.valence, track.arousal, confidence, *track.extras.values()])
    rate = (len(track) - 1) / float(track.times[-1] - track.times[0]) if len(track) > 1 else FRAME_CLOCK.rate
    changes = StateChanges(names, rate, tuple(track.extras))
    speech = np.ones(len(track), bool) if track.speech is None else track.speech
    return [*changes.push(track.times, label, values, speech), *changes.end()]


def stream_changes(
    frames: Iterable[StreamFrames], labels: tuple[str, ...], kinds: tuple[str, ...] = ()
) -> Iterator[StateChange]:
    """The states of a stream, as soon as each can be announced; ``kinds`` as those of the stream."""
    changes = StateChanges(labels, kinds=kinds)
    for part in frames:
        valence, arousal = valence_arousal(part.posterior, part.intensity, labels)
        own = [part.fine] if kinds else []
        values = np.column_stack([part.intensity, valence, arousal, part.confidence, *own])
        yield from changes.push(part.times, part.label, values, part.speech)
    yield from changes.end()
