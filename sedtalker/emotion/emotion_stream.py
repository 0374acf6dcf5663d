"""Emotion while somebody is still speaking: frames come out a stated look-ahead after they were said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Mask, Reals, runs
from sedtalker.audio.activity import ActivityRule, speech_activity
from sedtalker.audio.audio import bounded, in_full_scale
from sedtalker.emotion.burst_detector import SHOWN_KINDS, VOICE, burst_model, burst_steps
from sedtalker.emotion.diarizer_model import EmotionModel, Voice
from sedtalker.emotion.fine import FineEmotions
from sedtalker.emotion.inference import emotion_steps, no_voice_steps, shown_frames
from sedtalker.emotion.segmentation import LiveSegmentation
from sedtalker.emotion.shown import attenuation, neutral_by_intensity
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, SILENCE, Segment
from sedtalker.errors import InputError
from sedtalker.nn.calls import Steps, alone
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.features import FRAME_CLOCK, FRAME_LENGTH, SpeechFeatures
from sedtalker.speech.speech_stream import EncoderStream, StreamedFeatures

LOOK_AHEAD_SECONDS, HOP_SECONDS = 0.5, 0.32
"""Usual look-ahead, and time between results."""
NO_CURVES = np.zeros((0, 0), np.float32)
"""Curves of a stream without fine-grained emotions."""
NAMED_KINDS = 3
"""Fine-grained emotions that are named of a stretch: the strongest."""


class StreamFrames(NamedTuple):
    """Frames that have become final.

    Attributes:
        times: (T,) float64 seconds since the beginning, 20 ms apart.
        posterior: (T, C) float32 as a face shows it, rows sum to 1.
        intensity: (T,) float32 in [0, 1], as a face shows it.
        speech: (T,) bool.
        label: (T,) int64, the category of the segment: steady, where the posterior flickers.
        predicted: (T, C) float32 the posterior as predicted, rows sum to 1; that of a given emotion is as shown.
        fine: (T, K) float32 in [0, 1], the curves of fine-grained emotions; (0, 0) where the stream has none.
        bursts: (T, B) float32, 1 in the vocal bursts of each of the stream's ``burst_kinds``; likewise.
    """

    times: Doubles
    posterior: Floats
    intensity: Floats
    speech: Mask
    label: NDArray[np.int64]
    predicted: Floats
    fine: Floats = NO_CURVES
    bursts: Floats = NO_CURVES

    @property
    def confidence(self) -> Floats:
        """(T,) how likely the label is."""
        return self.predicted[np.arange(len(self.label)), self.label]

    def part(self, frames: slice) -> StreamFrames:
        """Some of the frames."""
        return StreamFrames._make(values[frames] for values in self)


class SpeechStream:
    """Speech features of sound that comes in pieces of any length, in memory that does not grow.

    Every ``hop`` seconds of sound the frames up to ``look_ahead`` seconds ago become final; a frame is therefore known
    ``look_ahead`` to ``look_ahead + hop`` after it was spoken. How the sound was cut into pieces does not matter, bit
    for bit. A subclass says in ``_emotions`` what frames express. ``steps`` and ``last_steps`` are ``push`` and
    ``flush`` with their calls of networks handed out (``sedtalker.nn.calls``).

    Args:
        look_ahead: seconds of sound after a frame that it waits for, a multiple of 20 ms.
        hop: seconds of sound between results, a multiple of 20 ms; shorter costs more.
        context: frames before a final one that are kept, besides what the encoder and voice activity need.

    Raises:
        InputError: look-ahead or hop is no multiple of 20 ms, or negative.
    """

    reads_every = True
    """Whether ``_emotions`` reads the features of all kept frames."""
    features: SpeechFeatures
    """Those of the frames that became final last, and of all that are known after them."""
    activity_frames = round(2 * ActivityRule().window * FRAME_CLOCK.rate)
    """Frames that are kept at least, for ``streamed_speech``."""

    def __init__(
        self, encoder: MelEncoder, look_ahead: float = LOOK_AHEAD_SECONDS, hop: float = HOP_SECONDS, context: int = 0
    ):
        self.encoder = encoder
        self.delay, self.hop = frame_count(look_ahead, "look-ahead", 0), frame_count(hop, "hop", 1)
        context = max(context + encoder.context, self.activity_frames)
        self.encoder_stream = EncoderStream(encoder, context + self.delay + self.hop, self.reads_every)
        self.labels: tuple[str, ...] = CATEGORIES
        """The categories."""
        self.kinds: tuple[str, ...] = ()
        """The fine-grained emotions, in the order of ``StreamFrames.fine``."""
        self.burst_kinds: tuple[str, ...] = ()
        """The vocal bursts, in the order of ``StreamFrames.bursts``; none where no detector knows the encoder."""
        self.waiting: list[Floats] = []
        self.final = 0
        self.ended = False

    def push(self, samples: Reals) -> StreamFrames:
        """The next samples (N,), mono at 16 kHz, any number of them: in [-1, 1], or integers in their full scale.

        Returns:
            The frames that have become final, possibly none.

        Raises:
            ValueError: the stream was flushed before.
            InputError: an array of several channels.
        """
        return alone(self.steps(samples))

    def flush(self) -> StreamFrames:
        """The sound has ended: all frames that are left."""
        return alone(self.last_steps())

    def steps(self, samples: Reals) -> Steps[StreamFrames]:
        if self.ended:
            raise ValueError("the stream has ended: begin a new one")
        if len(shape := np.shape(samples)) != 1:
            raise InputError(f"a stream takes samples (N,) of one channel, not an array of the shape {shape}")
        self.waiting.append(bounded(in_full_scale(samples)))
        step = self.hop * FRAME_LENGTH
        if sum(map(len, self.waiting)) < step:
            return self._nothing()
        sound = np.concatenate(self.waiting)
        whole = len(sound) // step * step
        self.waiting = [sound[whole:]]
        parts = []
        for start in range(0, whole, step):
            parts.append((yield from self._frames(sound[start : start + step])))
        return parts[0] if len(parts) == 1 else StreamFrames(*map(np.concatenate, zip(*parts, strict=True)))

    def last_steps(self) -> Steps[StreamFrames]:
        rest = np.concatenate([np.zeros(0, np.float32), *self.waiting])
        self.ended, self.waiting = True, []
        if not self.encoder_stream.samples and not len(rest):
            return self._nothing()
        return (yield from self._frames(rest))

    def _frames(self, samples: Floats) -> Steps[StreamFrames]:
        """Frames that become final with these samples; at the end all of them."""
        begin = self.final
        delay = 0 if self.ended else self.delay
        streamed = yield from self.encoder_stream.steps(samples, begin, self.ended)
        self.features = streamed.features.part(begin - streamed.first, streamed.total)
        self.final = max(begin, streamed.total - delay)
        if begin == self.final:
            return self._nothing()
        return (yield from self._emotions(streamed, begin - streamed.first, self.final - begin))

    def _emotions(self, streamed: StreamedFeatures, since: int, count: int) -> Steps[StreamFrames]:
        """The emotion of ``count`` frames, from frame ``since`` of the kept ones on."""
        raise NotImplementedError

    def _nothing(self) -> StreamFrames:
        none = np.zeros(0, np.float32)
        posterior = np.zeros((0, len(self.labels)), np.float32)
        fine, bursts = (np.zeros((0, len(kinds)), np.float32) for kinds in (self.kinds, self.burst_kinds))
        return StreamFrames(np.zeros(0), posterior, none, none > 0, np.zeros(0, np.int64), posterior, fine, bursts)


class DiarizerStream(SpeechStream):
    """The diarizer over a ``SpeechStream``.

    The prediction for time t is what the encoder and ``frame_emotions`` would give of the sound, unknown beyond it,
    until the first multiple of ``hop`` not before ``t + look_ahead``: level, spectrum and speaker are normalised by it,
    never by what comes later. Equal to that within ``TOLERANCE``, but sounds that were no voice when they ended
    (``no_voice_steps``) stay none. Labels are those of what a face shows, decided with the same look-ahead
    (``LiveSegmentation``) and never taken back.

    Args:
        look_ahead: see ``SpeechStream``, as hop.
        voice: of the speaker, from ``enrol``.
        trust: how far intensity shrinks in recordings unlike those of training, see ``attenuation``.
        fine: gives the frames curves of fine-grained emotions, by the same rule; None: they have none.

    Raises:
        InputError: look-ahead or hop is no multiple of 20 ms, or negative.
    """

    TOLERANCE = 1e-3

    def __init__(
        self,
        diarizer: EmotionModel,
        encoder: MelEncoder,
        look_ahead: float = LOOK_AHEAD_SECONDS,
        hop: float = HOP_SECONDS,
        voice: Voice | None = None,
        trust: float = 1.0,
        fine: FineEmotions | None = None,
    ):
        context = max(diarizer.config.context, 0 if fine is None else fine.context)
        super().__init__(encoder, look_ahead, hop, context)
        diarizer.prepare_stream()
        self.diarizer, self.voice, self.trust, self.fine = diarizer, voice, trust, fine
        self.detector = burst_model(encoder.sha256())
        self.labels, self.kinds = diarizer.config.labels, () if fine is None else fine.kinds
        self.burst_kinds = () if self.detector is None else SHOWN_KINDS
        self.other = np.zeros(0, np.int64)
        """Numbers of the kept frames of sounds that are no voice."""
        self.segmentation = LiveSegmentation(len(diarizer.config.labels), FRAME_CLOCK.rate)

    def _emotions(self, streamed: StreamedFeatures, since: int, count: int) -> Steps[StreamFrames]:
        speech, numbers = streamed_speech(streamed), streamed.first + np.arange(len(streamed.features))
        other = yield from no_voice_steps(self.diarizer, streamed.features, speech, self.ended, since)
        other[:since] |= np.isin(numbers[:since], self.other)
        self.other = numbers[other]
        frames = yield from emotion_steps(self.diarizer, streamed.features, speech, other, self.voice, since)
        new = slice(0, count)
        scale, odds = self.diarizer.config.visible, self.diarizer.config.neutral_odds
        shown, strength = shown_frames(frames, scale, self.trust)
        label = self.segmentation.decide(shown, frames.speech, count, self.ended, frames.boundary)
        predicted = neutral_by_intensity(frames.posterior[new], frames.intensity[new], odds).astype(np.float32)
        times = streamed.features.clock.times(len(streamed.features))[since : since + count]
        fine = np.zeros((count, 0), np.float32)
        if self.fine is not None:
            fine = self.fine.of_frames(streamed.features, streamed.first, since, count)
        bursts = np.zeros((count, 0), np.float32)
        if self.detector is not None:
            bursts = (yield from burst_steps(self.detector, streamed.features, streamed.first, since))[:count]
            voice = np.broadcast_to(attenuation(frames.distance), len(frames.speech))[:count] >= VOICE
            bursts *= voice[:, None]
        return StreamFrames(times, shown[new], strength[new], frames.speech[new], label, predicted, fine, bursts)


def streamed_speech(streamed: StreamedFeatures) -> Mask:
    """(T,) where somebody speaks in what a stream keeps."""
    features = streamed.features
    energy, voicing = features.prosody[:, 0], features.prosody[:, 2]
    return speech_activity(energy, voicing, features.clock.rate, loud=streamed.loud)


LONGEST_WAIT = 60.0
"""Seconds of a look-ahead or a hop; beyond it a stream is none."""


def frame_count(seconds: float, name: str, fewest: int) -> int:
    """Seconds as a number of frames."""
    frames = seconds * FRAME_CLOCK.rate
    if not 0.0 <= seconds <= LONGEST_WAIT or round(frames) < fewest or abs(round(frames) - frames) > 1e-6:
        multiple = f"a multiple of 0.02 s from {0.02 * fewest:g} to {LONGEST_WAIT:g}"
        raise InputError(f"a {name} of {seconds:g} s does not work: give {multiple}")
    return round(frames)


def frames_of(stream: DiarizerStream, sound: Iterable[Reals]) -> Iterator[StreamFrames]:
    """Frames as they become final, hop by hop, of pieces of sound (N,) of any length."""
    step = stream.hop * FRAME_LENGTH
    for samples in sound:
        for start in range(0, len(samples), step):
            yield stream.push(samples[start : start + step])
    yield stream.flush()


def strongest_kinds(kinds: tuple[str, ...], values: Reals | Sequence[float]) -> dict[str, float]:
    """The strongest of some fine-grained emotions by name, from their values (K,)."""
    return {kinds[k]: round(float(values[k]), 3) for k in np.argsort(-np.asarray(values), kind="stable")[:NAMED_KINDS]}


def summaries(
    frames: Iterable[StreamFrames], labels: tuple[str, ...], kinds: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """Plain data for each 0.32 s or less: means over its speech where there is some, and the commonest category.

    Of finer ``kinds``, the strongest stand under ``fine``.
    """
    step = round(HOP_SECONDS * FRAME_CLOCK.rate)
    for found in frames:
        for first in range(0, len(found.times), step):
            part = found.part(slice(first, first + step))
            spoken = part.speech if part.speech.any() else np.ones_like(part.speech)
            posterior, intensity = part.posterior[spoken].mean(0), part.intensity[spoken].mean()
            valence, arousal = valence_arousal(posterior[None], np.array([intensity]), labels)
            counts = np.bincount(part.label, minlength=len(labels))
            fine = {"fine": strongest_kinds(kinds, part.fine[spoken].mean(0))} if kinds else {}
            yield {
                "start": round(float(part.times[0]) - 0.01, 2),
                "end": round(float(part.times[-1]) + 0.01, 2),
                "speech": bool(part.speech.mean() >= 0.5),
                "emotion": labels[int(counts.argmax())],
                "intensity": round(float(intensity), 3),
                "confidence": round(float(part.confidence[spoken].mean()), 3),
                "valence": round(float(valence[0]), 3),
                "arousal": round(float(arousal[0]), 3),
                "posterior": {label: round(float(p), 3) for label, p in zip(labels, posterior, strict=True)},
                **fine,
            }


class EndedSegments:
    """Segments as they end, from labelled frames, ``rate`` a second, that come in stretches; nothing else is kept.

    As in ``EmotionTrack.segments``, no segment covers silence at either end or a pause of ``SILENCE``: it ends where
    the speech did, as soon as the pause is known to be long; a recording without any speech has none.
    """

    def __init__(self, labels: tuple[str, ...], rate: float):
        self.labels, self.rate = labels, rate
        self.label = self.now = self.quiet = 0
        self.begun = False
        """Whether somebody has spoken."""
        self.open, self.paused = _Sums(), _Sums()

    def push(self, label: NDArray[np.integer], confidence: Reals, intensity: Reals, speech: Mask) -> list[Segment]:
        """The next frames (T,): the segments that ended with them."""
        ended = []
        for first, last, both in runs(2 * np.asarray(label, np.int64) + speech):
            name, speaks = divmod(both, 2)
            if name != self.label:
                self.open, self.paused = self.open + self.paused, _Sums()
                ended.extend(self._closed(self.now))
                self.label = name
            part = slice(first, last)
            count = last - first
            strength, sure = (float(values[part].sum(dtype=np.float64)) for values in (intensity, confidence))
            self.now += count
            if speaks:
                self.open += self.paused + _Sums(count, strength, sure, count, sure)
                self.quiet, self.paused, self.begun = 0, _Sums(), True
                continue
            if not self.begun:
                continue
            self.quiet += count
            self.paused += _Sums(count, strength, sure)
            if self.quiet >= SILENCE * self.rate:
                ended.extend(self.end())
        return ended

    def end(self) -> list[Segment]:
        """The sound has ended, or the pause is long: the open segment, if there is one."""
        end, self.paused = self.now - self.paused.frames, _Sums()
        return self._closed(end)

    def _closed(self, end: int) -> list[Segment]:
        """The open segment, which ends at a frame, if there is one."""
        sums, self.open = self.open, _Sums()
        if not sums.frames:
            return []
        confidence = sums.in_speech / sums.spoken if sums.spoken else sums.confidence / sums.frames
        start, label = (end - sums.frames) / self.rate, self.labels[self.label]
        return [Segment(start, end / self.rate, label, sums.intensity / sums.frames, confidence)]


class _Sums(NamedTuple):
    """Sums over frames: how many, their intensity and confidence, how many are speech, and the confidence of these."""

    frames: int = 0
    intensity: float = 0.0
    confidence: float = 0.0
    spoken: int = 0
    in_speech: float = 0.0

    def __add__(self, other: _Sums) -> _Sums:  # type: ignore[override]
        return _Sums._make(a + b for a, b in zip(self, other, strict=True))
