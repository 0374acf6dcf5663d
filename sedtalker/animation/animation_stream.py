"""The moving face while somebody is still speaking: ARKit weights a stated time after the sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sedtalker.animation.articulation import (
    PLACES,
    TONGUE,
    ClosureStream,
    MouthStream,
    TongueStream,
    posteriors_of,
    tongue_weights,
)
from sedtalker.animation.burst_motion import BurstStream
from sedtalker.animation.conditioning import Style, UpperFaceStream, emotional
from sedtalker.animation.decoder import DecoderStream, ShapeDecoder, at_rest, speech_input
from sedtalker.animation.gains import apply_gains
from sedtalker.animation.idle_motion import HeadStream, IdleStream
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Doubles, Floats, Reals, clamped
from sedtalker.audio.audio import SAMPLE_RATE, FrameClock
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.emotion_stream import SpeechStream, StreamFrames
from sedtalker.emotion.face_streams import LateEmotions, TrackStream
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.shown import Directed, Direction
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.nn.calls import Steps, alone
from sedtalker.speech.encoder import Encoder, MelEncoder
from sedtalker.speech.features import BILABIAL, FRAME_CLOCK, FRAME_LENGTH, LABIODENTAL
from sedtalker.speech.speech_stream import ArticulationStream, articulation_network
from sedtalker.speech.voice_presence import PresenceStream

GAIN_MARGIN = 2 * RULES.ease_frames
"""Frames on either side that a gain at closed lips looks at."""
UNDIRECTED = Direction()
"""A direction that asks for nothing."""
CROSSFADE = (0.6, 0.35, 0.2, 0.1)
"""Share of what the hop before said of each of the first frames of a hop."""


class MotionFrames(NamedTuple):
    """Frames that have become final, 20 ms apart.

    Attributes:
        times: (T,) float64 seconds since the beginning.
        weights: (T, 52) in [0, 1], in the order of ``ARKIT_52``: mouth, jaw, cheeks, nose, brows and lids, no blinks.
        emotion: that of the same frames, or of fewer by the decoder's look-ahead.
        neutral: (T, 52) the same speech without emotion, where ``FaceStream`` splits the motion; else None.
        tongue: (T, 3) how far the tongue is at the places of ``TONGUE``; None: at none of them.
        levels: those of the sound (natural log) in the frames of ``emotion``; None: not known.
    """

    times: Doubles
    weights: Floats
    emotion: StreamFrames
    neutral: Floats | None = None
    tongue: Floats | None = None
    levels: Floats | None = None


class HopCrossfade:
    """Values of frames that come again with every hop until they are final, without a step where two hops meet.

    What follows a frame is known four frames further with every hop of 80 ms, so the last final frame of a hop and the
    first one of the next were computed from different sound. The first frames of a hop are therefore mixed with what
    the hop before said of them. ``docs/lips.md`` has what that changes.
    """

    def __init__(self) -> None:
        self.ahead: Floats | None = None
        """(k, C) of the frames after the final ones, as the last hop saw them."""

    def push(self, values: Floats, new: int) -> Floats:
        """Values (n, C) of the next frames, of which ``new`` are final and the others come again."""
        made, known = values, self.ahead
        if known is not None:
            count = min(len(CROSSFADE), len(known), len(values))
            share = np.array(CROSSFADE[:count], np.float32)[:, None]
            made = np.concatenate([share * known[:count] + (1.0 - share) * values[:count], values[count:]])
        self.ahead = values[new:]
        return made


class _Sound(NamedTuple):
    """What a decoder reads of n new frames, (n, C); posteriors and the mouth (n + k, S), if they are found.

    ``voice``: (n, 4), see ``SpeechFeatures.voice``; ``levels``: (n,) of the sound, natural log; ``posteriors``: (n + k,
    5), first ``lip_posteriors`` and then ``tongue_posteriors``.
    """

    speech: Floats
    voice: Floats
    levels: Floats
    posteriors: Floats | None
    mouth: Floats | None


class _Chain(NamedTuple):
    """What one motion goes through, from the decoder to closed lips."""

    decoder: DecoderStream
    mouth: MouthStream
    upper: UpperFaceStream
    lips: ClosureStream


def _chain(decoder: ShapeDecoder, style: Style) -> _Chain:
    mouth = MouthStream(RULES.streamed_share)  # asked only where a mouth is read
    return _Chain(DecoderStream(decoder, style), mouth, UpperFaceStream(decoder.moved), ClosureStream())


class FaceStream:
    """A decoder over sound that comes in pieces of any length, in memory that does not grow.

    A frame comes out ``emotions.delay + emotions.hop`` frames after it was said, and the decoder's own look-ahead later
    still (none for the built-in one). Its features are those of ``SpeechStream``. Lips are closed by
    phones, by what is known of the sound until then (``ClosureStream``). For a decoder that takes a share of the mouth
    that is read out of the built-in encoder's vectors (``MouthStream``), ``ArticulationStream`` finds both; for others
    the phone head that they hold finds the phones.

    Args:
        emotions: a fresh stream of a diarizer or of a given track, whose features the decoder shares.
        decoder: one that streams.
        direction: what a director asks of the emotion.
        split: whether the same speech is decoded once more without emotion.

    Raises:
        InputError: the decoder cannot stream, or was trained on another encoder.
    """

    def __init__(
        self,
        emotions: SpeechStream,
        decoder: object,
        style: Style = Style(),
        direction: Direction = Direction(),
        split: bool = False,
    ):
        if not isinstance(decoder, ShapeDecoder):
            raise InputError("this decoder needs the whole recording: it cannot stream")
        if decoder.config.hidden != emotions.encoder.channels:
            raise InputError("the decoder was trained on another encoder than the one of the stream")
        self.emotions, self.style, self.directed = emotions, style, Directed(direction)
        self.decoder, self.tongue = decoder, TongueStream()
        self.shown, self.neutral = _chain(decoder, style), _chain(decoder, style) if split else None
        reads = decoder.config.mouth_share and decoder.config.closes
        network = articulation_network(emotions.encoder.sha256())
        self.read = ArticulationStream(network) if network is not None and reads else None
        self.presence = None if network is None else PresenceStream()
        self.crossfade, self.mouth_crossfade = HopCrossfade(), HopCrossfade()
        self.times = np.zeros(0)

    def pieces(self, samples: Reals) -> list[Reals]:
        """Samples (N,) cut to hops."""
        step = self.emotions.hop * FRAME_LENGTH
        return [samples[start : start + step] for start in range(0, len(samples), step)]

    def steps(self, samples: Reals) -> Steps[MotionFrames]:
        """At most a hop of samples, the calls of networks handed out (``sedtalker.nn.calls``)."""
        return (yield from self._decode((yield from self.emotions.steps(samples)), False))

    def last_steps(self) -> Steps[MotionFrames]:
        """The sound has ended: all frames that are left."""
        return (yield from self._decode((yield from self.emotions.last_steps()), True))

    def _decode(self, frames: StreamFrames, last: bool) -> Steps[MotionFrames]:
        self.times = np.concatenate([self.times, frames.times])
        if self.directed.direction != UNDIRECTED:
            posterior, intensity = self.directed.push(frames.posterior, frames.intensity)
            frames = frames._replace(posterior=posterior, intensity=intensity)
            if not self.directed.direction.only_scales:
                frames = frames._replace(label=(posterior * intensity[:, None]).argmax(1))
        if not len(frames.times) and not (last and len(self.times)):
            nothing = np.zeros((0, len(ARKIT_52)), np.float32)
            return MotionFrames(np.zeros(0), nothing, frames, None if self.neutral is None else nothing)
        sound = yield from self._sound(frames)
        weights = yield from self._weights(self.shown, sound, frames, frames.intensity, last)
        neutral = None
        if self.neutral is not None:
            neutral = yield from self._weights(self.neutral, sound, frames, 0.0 * frames.intensity, last)
        times, self.times = self.times[: len(weights)], self.times[len(weights) :]
        tongue = self._tongue(sound, len(frames.times), len(weights))
        return MotionFrames(times, weights, frames, neutral, tongue, sound.levels)

    def _tongue(self, sound: _Sound, new: int, count: int) -> Floats | None:
        """Tongue weights of the next ``count`` frames, (count, 3); ``new`` frames of ``sound`` are new."""
        if sound.posteriors is None:
            return None
        return self.tongue.push(sound.posteriors[:new, 2:], sound.posteriors[new:, 2:], count)

    def _sound(self, frames: StreamFrames) -> Steps[_Sound]:
        """What is known of the new frames, and of as many after them as closing lips look at."""
        features, new, decoder = self.emotions.features, len(frames.times), self.decoder
        first = features.clock.index(float(frames.times[0])) if new else 0
        known = features.part(first, len(features) - first if new else 0)
        hidden, phones, mouth = known.hidden, None, None
        if new and self.read is not None:
            phones, mouth = yield from self.read.steps(hidden, new)
            mouth = self.mouth_crossfade.push(mouth, new)
        elif decoder.config.closes:
            phones = decoder.phones(hidden)
        mixed = self.crossfade.push(hidden, new) if new else hidden
        found = replace(known, hidden=mixed, phones=phones, mouth=mouth)
        if new and self.presence is not None:
            found = at_rest(found, self.presence.push(hidden, known.speech, new))
        speech, voice = speech_input(found.hidden[:new], found.prosody[:new]), found.voice[:new]
        posteriors = None
        if found.phones is not None:
            ahead = found.phones[: new + self.shown.lips.rules.ahead_frames]
            posteriors = posteriors_of(ahead, (BILABIAL, LABIODENTAL, *PLACES.values()))
        return _Sound(speech, voice, known.prosody[:new, 0], posteriors, found.mouth)

    def _weights(
        self, chain: _Chain, sound: _Sound, frames: StreamFrames, intensity: Floats, last: bool
    ) -> Steps[Floats]:
        """Output of a chain for new frames, (T, 52)."""
        new = len(frames.times)
        made = clamped((yield from chain.decoder.steps(sound.speech, frames.posterior, intensity, last)))
        share = emotional(frames.posterior, intensity, self.style)
        if self.read is not None:
            read = chain.mouth.mouth[:0] if sound.mouth is None else sound.mouth[:new]
            made = chain.mouth.push(made, read, share, frames.posterior * intensity[:, None], sound.voice)
        decoded = chain.upper.push(made, frames.posterior, intensity)
        if sound.posteriors is not None:
            lips = sound.posteriors[:, :2]
            decoded = clamped(chain.lips.push(decoded, lips[:new], lips[new:], share))
        return np.asarray(decoded, np.float32)


@dataclass(frozen=True, eq=False)
class StreamedFrame:
    """A video frame of a stream.

    Attributes:
        time: seconds since the beginning.
        weights: (52,) in [0, 1], in the order of ``ARKIT_52``, blinks and gaze included.
        head: (3,) rotation vector of the head, radians.
        emotion: the category.
        intensity: its strength in [0, 1].
        tongue: (3,) weights of ``TONGUE``, for faces that have these shapes beside the 52.
    """

    time: float
    weights: Floats
    head: Floats
    emotion: str
    intensity: float
    tongue: Floats = field(default_factory=lambda: np.zeros(len(TONGUE), np.float32))

    def __getitem__(self, name: str) -> float:
        """The weight of a shape by its name: one of ``ARKIT_52`` or of ``TONGUE``.

        Raises:
            KeyError: there is no such shape.
        """
        return float(self.tongue[TONGUE.index(name)] if name in TONGUE else self.weights[INDEX[name]])


def frame_delay(settings: StreamSettings) -> float:
    """Seconds of sound after a frame until it is known at the latest: look-ahead, hop, and what gains look ahead."""
    gains = GAIN_MARGIN / FRAME_CLOCK.rate if settings.gains.split_motion else 0.0
    return settings.look_ahead + settings.hop + gains


class AnimationStream:
    """Sound in pieces to video frames: ``FaceStream`` with gains, idle motion and the video clock."""

    def __init__(self, emotions: SpeechStream, decoder: object, settings: StreamSettings = StreamSettings()):
        """``emotions``: from ``emotion_stream``."""
        self.settings = s = settings
        split = s.gains.split_motion  # such gains split the motion into what speech does and what emotion adds
        self.face = FaceStream(emotions, decoder, s.talking_style, s.direction, split)
        self.mesh = load_face() if split else None
        self.idle, self.bursts = IdleStream(s), BurstStream()
        self.head = HeadStream(s.seed, s.fps) if s.head else None
        empty, tongue = (np.zeros((0, count), np.float32) for count in (len(ARKIT_52), len(TONGUE)))
        self.times, self.weights, self.tongue = np.zeros(0), empty, tongue
        self.held = np.zeros(0), empty, empty, tongue
        self.given = 0
        self.number = self.samples = 0
        self.label, self.intensity, self.loudness = CATEGORIES[0], 0.0, 0.0

    def push(self, samples: Reals) -> Iterator[StreamedFrame]:
        """The next samples (N,), mono at 16 kHz; the video frames that have become final."""
        for piece in self.face.pieces(samples):
            yield from alone(self.steps(piece))
        if isinstance(self.face.emotions, LateEmotions):
            self.face.emotions.settle()

    def flush(self) -> Iterator[StreamedFrame]:
        """The sound has ended: all frames that are left."""
        yield from alone(self.last_steps())

    def steps(self, samples: Reals) -> Steps[list[StreamedFrame]]:
        """At most a hop of samples, the calls of networks handed out (``sedtalker.nn.calls``)."""
        self.samples += len(samples)
        made = yield from self.face.steps(samples)
        return self._frames(made, False) if len(made.times) else []

    def last_steps(self) -> Steps[list[StreamedFrame]]:
        """``flush`` with the calls of networks handed out."""
        return self._frames((yield from self.face.last_steps()), True)

    def _frames(self, made: MotionFrames, last: bool) -> list[StreamedFrame]:
        tongue = np.zeros((len(made.times), len(TONGUE)), np.float32) if made.tongue is None else made.tongue
        times, weights = made.times, made.weights
        if made.neutral is not None:
            times, weights, tongue = self._with_gains(times, weights, made.neutral, tongue, last)
        self.times, self.weights = np.concatenate([self.times, times]), np.concatenate([self.weights, weights])
        self.tongue = np.concatenate([self.tongue, tongue])
        if len(made.emotion.label):
            self.label = CATEGORIES[int(made.emotion.label[-1])]
            self.intensity = float(made.emotion.intensity[-1])
            self.loudness = np.count_nonzero(made.emotion.speech) / len(made.emotion.speech)
        if made.levels is not None:
            self.bursts.push(made.emotion, made.levels)
        fps, gains = self.settings.fps, self.settings.gains
        newest = self.times[-1] if len(self.times) > 1 else -1.0
        if last and newest >= 0.0:  # as many in all as the video of a file has
            at = np.arange(self.number, FrameClock(fps).frames(self.samples / SAMPLE_RATE)) / fps
        else:
            at = np.arange(self.number, max(self.number, int(newest * fps) + 2)) / fps
            at = at[at <= newest]
        faces = self.bursts.added(at, _interpolated(at, self.times, self.weights))
        heads = np.zeros((len(at), 3), np.float32)
        if self.head is not None:
            heads = self.head.next(len(at), self.loudness, self.label, self.intensity * gains.expressivity)
            heads[:, 0] += np.radians(self.bursts.nods(at))
        faces = gains.of_shapes(self.idle.added(at, faces, heads), ARKIT_52)
        self.number += len(at)
        tongues = tongue_weights(_interpolated(at, self.times, self.tongue), faces[:, INDEX["jawOpen"]])
        kept = max(0, min(int(np.searchsorted(self.times, self.number / fps)) - 1, len(self.times) - 2))
        self.times, self.weights, self.tongue = self.times[kept:], self.weights[kept:], self.tongue[kept:]
        rows = zip(at, faces, heads, tongues, strict=True)
        return [
            StreamedFrame(round(float(time), 4), face, head, self.label, self.intensity, tongue)
            for time, face, head, tongue in rows
        ]

    def _with_gains(
        self, times: Doubles, weights: Floats, neutral: Floats, tongue: Floats, last: bool
    ) -> tuple[Doubles, Floats, Floats]:
        """Frames with gains that are final: ``GAIN_MARGIN`` frames are held back, as many before them are kept."""
        assert self.mesh is not None
        times, new = np.concatenate([self.held[0], times]), (weights, neutral, tongue)
        weights, neutral, tongue = (np.concatenate(pair) for pair in zip(self.held[1:], new, strict=True))
        ready = len(times) if last else max(self.given, len(times) - GAIN_MARGIN)
        final, keep = slice(self.given, ready), max(0, ready - GAIN_MARGIN)
        scaled = apply_gains(weights, neutral, self.settings.gains, self.mesh) if ready > self.given else weights
        self.held, self.given = (times[keep:], weights[keep:], neutral[keep:], tongue[keep:]), ready - keep
        return times[final], scaled[final], tongue[final]


def _interpolated(at: Doubles, times: Doubles, weights: Floats) -> Floats:
    """Weights (T, 52) of increasing ``times`` at other times (N,) among them, or before the first: (N, 52)."""
    if not len(at):
        return weights[:0]
    low = np.minimum(np.maximum(times.searchsorted(at, side="right") - 1, 0), len(times) - 2)
    share = clamped((at - times[low]) / (times[low + 1] - times[low]))[:, None]
    return np.asarray(weights[low] + share * (weights[low + 1] - weights[low]), np.float32)


def emotion_stream(
    diarizer: Callable[[], Diarizer],
    encoder: Encoder,
    settings: StreamSettings = StreamSettings(),
    track: EmotionTrack | None = None,
) -> TrackStream:
    """The emotion of a stream: the given one of the settings, or a diarizer's.

    Args:
        diarizer: opens it; called only where no emotion is given.
        encoder: the decoder's, whose features the stream holds.
        settings: look-ahead, hop, emotion and enrolled recordings.
        track: the emotion, in place of that of the settings.

    Raises:
        InputError: an encoder or the diarizer cannot stream, or the emotion cannot be read.
    """
    if not isinstance(encoder, MelEncoder):
        raise InputError("the decoder's encoder needs whole recordings and cannot stream")
    if settings.emotion is None and track is None:
        return LateEmotions(diarizer().stream(enroll=settings.enroll), encoder, settings.look_ahead, settings.hop)
    track = track or parse_emotion(str(settings.emotion), None)
    return TrackStream(track, encoder, settings.look_ahead, settings.hop)
