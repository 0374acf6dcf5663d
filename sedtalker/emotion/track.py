"""EmotionTrack: emotion as a dense signal over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from sedtalker.arrays import Doubles, Floats, Mask, Reals, runs, stretches
from sedtalker.audio import Audio, resample_frames
from sedtalker.emotion.segmentation import SegmentRule, decode_labels
from sedtalker.errors import InputError, check_share
from sedtalker.plugins import plugin

CATEGORIES: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""The categories of emotion, in the order of every posterior."""
NEUTRAL = CATEGORIES.index("neutral")
"""Index of the category that is no emotion."""
UNCERTAIN = "uncertain"
"""Label of a segment whose confidence is below what the user asked for; never a category of the dense track."""
UNSURE = 2 / len(CATEGORIES)
"""Confidence below which tables and the studio call a segment uncertain: twice that of a guess."""
EXTRA = "extras."
"""Before the name of a further curve in tables: ``extras.relief``."""
SILENT = -1
"""In place of an index of a category where nobody speaks."""
SILENCE = 1.0
"""Shortest pause, seconds, that no segment covers: shorter ones hold the expression of the speech before them."""

BURST_KINDS = ("laugh", "cry", "sigh", "other")
"""Kinds of vocal bursts; the last is any other sound of a voice that is no speech."""


@dataclass(frozen=True)
class Burst:
    """A vocal burst: seconds, one of ``BURST_KINDS``, and the mean probability that it is a burst."""

    start: float
    end: float
    kind: str
    confidence: float


@dataclass(frozen=True)
class Segment:
    """A span of one emotion: seconds, label, mean intensity and mean confidence in [0, 1]."""

    start: float
    end: float
    label: str
    intensity: float
    confidence: float


class Prediction(NamedTuple):
    """A diarizer's prediction, before ``sedtalker.emotion.shown`` decides what a face shows.

    Attributes:
        posterior: (T, C) float32 calibrated, rows sum to 1.
        intensity: (T,) float32 in [0, 1], as listeners rate it.
    """

    posterior: Floats
    intensity: Floats


@dataclass(frozen=True, eq=False)
class EmotionTrack:
    """Emotion over time: category and intensity, as a face shows them and as a diarizer predicts them.

    Attributes:
        times: (T,) float64 seconds, increasing.
        posterior: (T, C) float32, rows sum to 1.
        intensity: (T,) float32 in [0, 1].
        valence: (T,) float32 in [-1, 1].
        arousal: (T,) float32 in [-1, 1].
        labels: (C,) category names.
        duration: seconds of the recording the track belongs to.
        speech: (T,) bool, where somebody speaks, or ``None`` where it is not known.
        min_confidence: segments below it are labelled ``UNCERTAIN``; the frames do not change.
        bursts: laughter, cries, sighs and other sounds that are no speech, in the order of their beginnings.
        extras: further curves (T,) float32 in [0, 1] by name, such as fine-grained emotions; most tracks have none.
        predicted: what a diarizer predicted, or ``None`` where the emotion was given.
        words: start and end in seconds and text of what is said, in order, where that is known.
        language: of the words; None: not known.
    """

    times: Doubles
    posterior: Floats
    intensity: Floats
    valence: Floats
    arousal: Floats
    labels: tuple[str, ...] = CATEGORIES
    duration: float = 0.0
    speech: Mask | None = None
    min_confidence: float = 0.0
    bursts: tuple[Burst, ...] = ()
    extras: Mapping[str, Floats] = field(default_factory=dict)
    predicted: Prediction | None = None
    words: tuple[tuple[float, float, str], ...] = ()
    language: str | None = None

    def __len__(self) -> int:
        return len(self.times)

    def at(self, times: Reals) -> EmotionTrack:
        """The same track sampled at other times (seconds) by linear interpolation, held beyond both ends.

        Raises:
            InputError: it has no frames.
        """
        if not len(self):
            raise InputError("the emotion track has no frames")
        columns = np.column_stack([self.posterior, self.intensity, self.valence, self.arousal, *self.extras.values()])
        sampled, n = partial(resample_frames, times=self.times, target=times), len(self.labels)
        values = sampled(columns)
        return replace(
            self,
            predicted=None if self.predicted is None else Prediction(*map(sampled, self.predicted)),
            times=np.asarray(times, np.float64),
            posterior=values[:, :n],
            intensity=values[:, n],
            valence=values[:, n + 1],
            arousal=values[:, n + 2],
            speech=None if self.speech is None else sampled(self.speech.astype(np.float32)) >= 0.5,
            extras={name: values[:, n + 3 + k] for k, name in enumerate(self.extras)},
        )

    def words_in(self, start: float, end: float) -> list[tuple[float, float, str]]:
        """The words whose middle lies between two times, seconds."""
        return [word for word in self.words if start <= 0.5 * (word[0] + word[1]) < end]

    def extras_in(self, start: float, end: float) -> list[float]:
        """The mean of each further curve between two times, seconds; 0 where there is no frame."""
        part = slice(*np.searchsorted(self.times, (start, end)))
        return [float(curve[part].mean()) if len(curve[part]) else 0.0 for curve in self.extras.values()]

    def scaled(self, gain: float) -> EmotionTrack:
        """The same track with its intensity multiplied (clipped to [0, 1]).

        Raises:
            InputError: the gain is not finite.
        """
        if not np.isfinite(gain):
            raise InputError(f"a track cannot be scaled by {gain}: give a number")
        return replace(self, intensity=np.clip(self.intensity * gain, 0.0, 1.0).astype(np.float32))

    @staticmethod
    def load(path: str | Path, duration: float | None = None) -> EmotionTrack:
        """A track from a file: JSON (dense, segments, keys), RTTM, CSV, TextGrid, EAF, SRT, WebVTT or Audacity labels.

        Args:
            duration: seconds of the recording; default: what the file says.

        Raises:
            InputError: no such file, another format, or damaged.
        """
        return cast(EmotionTrack, plugin("track files").read_track(Path(path), duration))

    def save(self, path: str | Path, recording: str | None = None) -> None:
        """Write the track; the suffix chooses the format, ``.json`` is lossless.

        Args:
            recording: its name, which ``.rttm`` has in each line; default: that of the file.

        Raises:
            InputError: no format has such a suffix, or it cannot be written there.
        """
        plugin("track files").write_track(Path(path), self, recording)

    def plot(self, path: str | Path, audio: Audio | None = None) -> None:
        """Draw the track to a PNG file: categories, intensity, valence and arousal, the waveform where given.

        Raises:
            InputError: its name does not end in ``.png``, or it cannot be written there.
        """
        plugin("track plot").plot_track(audio, self, Path(path))

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame``, one frame a line: time, a column a category, intensity, valence, arousal, and further
        curves as ``extras.NAME``: fine-grained emotions have names of categories, too.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            raise InputError("to_dataframe needs pandas: pip install pandas") from None
        columns = {"time": self.times, **dict(zip(self.labels, self.posterior.T, strict=True))}
        columns |= {"intensity": self.intensity, "valence": self.valence, "arousal": self.arousal}
        columns |= {EXTRA + name: curve for name, curve in self.extras.items()}
        return pandas.DataFrame(columns)

    @property
    def recognised(self) -> Floats:
        """(T, C) the posterior that a diarizer predicted, or the track's own where the emotion was given."""
        return self.posterior if self.predicted is None else self.predicted.posterior

    def recognised_in(self, frames: slice) -> Doubles:
        """(C,) what was recognised of some frames: the mean over their speech, or over all where nobody speaks."""
        spoken = None if self.speech is None else self.speech[frames]
        part = self.recognised[frames]
        return (part if spoken is None or not spoken.any() else part[spoken]).mean(0, dtype=np.float64)

    @property
    def confidence(self) -> Floats:
        """(T,) how likely the label that each frame shows is, as far as it was ``recognised``."""
        return self.recognised[np.arange(len(self)), self.posterior.argmax(1)]

    def summary(self) -> str:
        """The track in one line: ``happy 0.7 (confidence 0.62) 0.0-4.2 s, …``."""
        return ", ".join(
            f"{s.label} {s.intensity:.1f} (confidence {s.confidence:.2f}) {s.start:.1f}-{s.end:.1f} s"
            for s in self.segments()
        )

    def mean_confidence(self, without: str | None = None) -> float:
        """The confidence of its segments, the longer ones counting for more: about the share that is right.

        Args:
            without: a label whose segments do not count; 0 where no others are.
        """
        segments = [segment for segment in self.segments() if segment.label != without]
        lengths = [max(segment.end - segment.start, 1e-9) for segment in segments]  # one frame may be all there is
        return float(np.average([segment.confidence for segment in segments], weights=lengths)) if segments else 0.0

    def second_guess(self, start: float, end: float, first: str) -> tuple[str, float] | None:
        """The likeliest category of some seconds beside the ``first``, and how likely it is; None: hardly."""
        return self.second_of(self.recognised_in(slice(*np.searchsorted(self.times, (start, end)))), first)

    def second_of(self, means: Doubles, first: str) -> tuple[str, float] | None:
        """The same of what ``recognised_in`` gives."""
        others = [c for c, label in enumerate(self.labels) if label != first and means[c] >= 0.1]  # less says little
        best = max(others, key=means.__getitem__, default=None)
        return None if best is None else (self.labels[best], float(means[best]))

    def confident(self, min_confidence: float) -> EmotionTrack:
        """The same track whose segments below ``min_confidence`` are ``UNCERTAIN``; the frames do not change.

        Raises:
            InputError: it does not lie between 0 and 1.
        """
        check_share("min_confidence", min_confidence)
        return replace(self, min_confidence=min_confidence)

    def without_uncertain(self) -> EmotionTrack:
        """The same track, neutral in its ``UNCERTAIN`` segments (see ``min_confidence``); what drives a face.

        Also half-way into the pauses around them, where the expression comes and goes.
        """
        segments = self.segments()
        uncertain = np.array([segment.label == UNCERTAIN for segment in segments])
        if not uncertain.any():
            return self
        middles = [0.5 * (before.end + after.start) for before, after in pairwise(segments)]
        doubtful = uncertain[np.searchsorted(middles, self.times, side="right")]
        return replace(self, intensity=np.where(doubtful, 0.0, self.intensity).astype(np.float32))

    def segments(self, shortest: float = 0.3) -> list[Segment]:
        """Spans of one label in the order of time; none without any speech.

        They leave out pauses of ``SILENCE`` and longer and, where the emotion was predicted, silence before the first
        word and after the last. What lies between is decoded by ``segmentation.decode_labels``: none is shorter than
        ``shortest`` seconds, but for speech between two pauses that is. Where it is not known who speaks when, they
        cover the whole duration. Intensity is the mean over the span's frames, confidence that of the label's posterior
        over its speech. Spans less confident than ``min_confidence`` are ``UNCERTAIN``; neighbours of that label become
        one.
        """
        count = len(self)
        if not count or (self.speech is not None and not self.speech.any()):
            return []
        rate = (count - 1) / (self.times[-1] - self.times[0]) if count > 1 else 1.0
        rule = SegmentRule(shortest=shortest, cost=0.02)
        spoken, labels = np.ones(count, bool), np.full(count, SILENT)
        if self.speech is not None:
            for first, last in stretches(~self.speech):
                outer = self.predicted is not None and (first == 0 or last == count)
                spoken[first:last] = last - first < SILENCE * rate and not outer
        for first, last in stretches(spoken):
            labels[first:last] = decode_labels(self.posterior[first:last], rate, rule)
        between = (self.times[:-1] + self.times[1:]) / 2
        edges = np.concatenate([[0.0], between, [max(self.duration, float(self.times[-1]))]])
        return _merge_uncertain(
            self._segment(float(edges[first]), float(edges[last]), slice(first, last), label)
            for first, last, label in runs(labels)
            if label != SILENT
        )

    def _segment(self, start: float, end: float, part: slice, label: int) -> Segment:
        confidence = float(self.recognised_in(part)[label])
        name = self.labels[label] if confidence >= self.min_confidence else UNCERTAIN
        return Segment(start, end, name, float(self.intensity[part].mean()), confidence)


def _merge_uncertain(segments: Iterable[Segment]) -> list[Segment]:
    """Neighbours without a pause between them that are both uncertain made one, values weighted by duration."""
    out: list[Segment] = []
    for segment in segments:
        if out and out[-1].label == segment.label == UNCERTAIN and out[-1].end == segment.start:
            last = out.pop()
            share = (segment.end - segment.start) / (segment.end - last.start)
            intensity = (1 - share) * last.intensity + share * segment.intensity
            confidence = (1 - share) * last.confidence + share * segment.confidence
            segment = Segment(last.start, segment.end, UNCERTAIN, intensity, confidence)
        out.append(segment)
    return out
