"""Speech features in, an emotion track out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import scipy

from sedtalker.arrays import Doubles, Floats, Mask, Reals, log_softmax, runs, stretches
from sedtalker.audio import FrameClock
from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.diarizer_model import (
    ENROLLED_SHARE,
    ROW,
    EmotionModel,
    FrameBatch,
    FrameEstimate,
    Voice,
    pool_voices,
)
from sedtalker.emotion.segmentation import SegmentRule, decode_labels
from sedtalker.emotion.shown import (
    FAMILIAR,
    Scale,
    attenuation,
    decided,
    neutral_by_intensity,
    own_scale,
    segment_evidence,
    visible,
)
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, EmotionTrack, Prediction
from sedtalker.errors import InputError
from sedtalker.nn.calls import Call, Steps, alone
from sedtalker.nn.engine import Arrays
from sedtalker.speech.features import SpeechFeatures

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
"""Seconds that the network sees at once."""
UNFAMILIAR = FAMILIAR[0]
"""``unfamiliarity`` from which on a recording is unlike anything trained on."""
SHORT_SOUND = 1.0
"""Seconds: a sound between pauses that is no longer is judged by itself, too. Windows, of 1.5 s at least, hold more of
the speech beside it than of it."""
BRIEF_SOUND, BRIEF_LIMIT = 0.4, 1.5
"""Seconds: a sound that is briefer is unlike the training data even where it is a voice, such as a "no", and counts as
none only this many times as far away."""

NO_VOICE = 0.8
"""Share of the frames of a sound between pauses without any ``attenuation`` left from which on it is no voice. Of
6120 s of speech of development corpora this takes .16 s, of music before speech half."""


@dataclass(frozen=True, eq=False)
class FrameEmotions:
    """The network's predictions for every frame, before any decision.

    Attributes:
        posterior: (T, C) float32 calibrated, rows sum to 1.
        intensity: (T,) float32 in [0, 1].
        speech: (T,) bool.
        boundary: (T,) float32 probability that the emotion changes about here, or ``None``.
        distance: (T,) float32 from what the network was trained on (root mean square, in deviations), or ``None``.
    """

    posterior: Floats
    intensity: Floats
    speech: Mask
    boundary: Floats | None = None
    distance: Floats | None = None


@dataclass(frozen=True)
class TrackRule:
    """Durations (seconds) by which frame emotions become a track.

    Attributes:
        segments: how the sequence of emotions is decoded.
        steadiness: share of a segment's mean in the track, the rest being the frame's own value.
        ease: duration of the change between two segments.
        hold: how long an expression stays after speech ends; shorter pauses do not show.
        release: how long it then takes to fade to neutral.
        anticipation: how long before speech begins the face starts to move, as faces do.
        trust: how far intensity shrinks in recordings unlike those of training, see ``attenuation``; 0: not at all.
        visible: intensities that a face shows not at all, clearly and in full; None: intensity is shown as it is, see
            ``sedtalker.emotion.shown``.
        fill_scale: whether this scale is stretched over the recording's own intensities, see ``own_scale``.
        neutral_odds: how likely neutral is by intensity, see ``neutral_by_intensity``; None: by the posterior alone.
    """

    segments: SegmentRule = field(default_factory=SegmentRule)
    steadiness: float = 0.7
    ease: float = 0.3
    hold: float = 0.6
    release: float = 0.8
    anticipation: float = 0.25
    trust: float = 1.0
    visible: Scale = None
    fill_scale: bool = False
    neutral_odds: tuple[float, float] | None = None


def emotion_track(
    frames: FrameEmotions,
    clock: FrameClock,
    duration: float,
    labels: tuple[str, ...] = CATEGORIES,
    rule: TrackRule = TrackRule(),
) -> EmotionTrack:
    """The track of frames on a clock, fit to drive a face: what is shown, and what was predicted.

    Segments are decoded with a minimum duration; inside one the values stay near the segment's mean, between two they
    ease. That is what was predicted; ``sedtalker.emotion.shown`` makes of it what is shown. Short pauses hold the
    expression, long ones let it fade to neutral (the first category). Valence and arousal are those of what is shown.
    Sounds between pauses that are no voice, as of music, are no speech.
    """
    frames = replace(frames, speech=_of_voices(frames.speech, attenuation(frames.distance, rule.trust)))
    made = _shaped(frames, clock.rate, rule)
    shown, strength, posterior, intensity = (np.asarray(part, np.float32) for part in made)
    plane, prediction = valence_arousal(shown, strength, labels), Prediction(posterior, intensity)
    times = clock.times(len(strength))
    return EmotionTrack(times, shown, strength, *plane, labels, duration, frames.speech, predicted=prediction)


def _of_voices(speech: Mask, familiar: Floats | float) -> Mask:
    """Speech (T,) without the sounds between pauses of which ``NO_VOICE`` are like nothing trained on."""
    unlike, voices = np.broadcast_to(familiar, len(speech)) == 0.0, speech.copy()
    for first, last in stretches(speech):
        voices[first:last] = unlike[first:last].mean() < NO_VOICE
    return voices


def _shaped(frames: FrameEmotions, rate: float, rule: TrackRule) -> tuple[Reals, Reals, Reals, Reals]:
    """Posterior and intensity as a face shows them, and as they were predicted."""
    posterior, intensity = frames.posterior.astype(np.float64), frames.intensity.astype(np.float64)
    neutral = np.eye(posterior.shape[1])[0]
    if not frames.speech.any():
        still = np.tile(neutral, (len(posterior), 1)), np.zeros(len(posterior))
        return *still, *still
    scale = own_scale(rule.visible, intensity[frames.speech]) if rule.fill_scale else rule.visible
    familiar = attenuation(frames.distance, rule.trust)
    evidence = segment_evidence(posterior, visible(intensity, scale) * familiar, scale)
    values = _bridge_pauses(np.column_stack([posterior, intensity]), frames.speech)
    steady = np.empty_like(values)
    for first, last, _ in runs(decode_labels(evidence, rate, rule.segments, frames.speech, frames.boundary)):
        spoken = frames.speech[first:last]
        rows = values[first:last]
        steady[first:last] = (rows[spoken] if spoken.any() else rows).mean(0)
    eased = _ease(steady, rule.ease * rate)
    values = rule.steadiness * eased + (1 - rule.steadiness) * values
    posterior, intensity = values[:, :-1] / values[:, :-1].sum(1, keepdims=True), np.clip(values[:, -1], 0.0, 1.0)
    presence = _presence(frames.speech, rate, rule)
    face = decided(eased[:, :-1], visible(eased[:, -1], scale) * familiar, scale)
    shown = presence[:, None] * face + (1 - presence[:, None]) * neutral
    strength = presence * visible(intensity, scale) * familiar
    return shown, strength, neutral_by_intensity(posterior, intensity, rule.neutral_odds), intensity


def enrol(diarizer: EmotionModel, recordings: Iterable[SpeechFeatures]) -> Voice:
    """The voice of a speaker from one or more other recordings; the first minute of each counts, if it has any voice.

    Raises:
        InputError: nobody speaks in any of them.
    """
    voices = []
    for features in recordings:
        _check_encoder(diarizer, features)
        part = slice(0, round(WINDOW_SECONDS * features.clock.rate))
        voice = diarizer.voice_of(_window(features, part))
        if not voice.weight[1]:  # silence, of which every frame counts as speech, or a whisper
            log.warning("an enrolled recording has no voiced speech: it does not count")
            continue
        if diarizer.config.usual is not None:
            answer = speech_log_posterior(frame_emotions(diarizer, features.part(0, part.stop)))
            voice = voice._replace(answer=answer.astype(np.float32))
        voices.append(voice)
    if not voices:
        raise InputError("no speech was found in the enrolled clips; give clips in which the speaker talks")
    return pool_voices(voices)


def speech_log_posterior(frames: FrameEmotions) -> Doubles:
    """Log-posterior (C,) of a whole recording: the mean over its speech frames, or all if it has none, normalised."""
    logs = np.log(np.maximum(frames.posterior, 1e-8).astype(np.float64))
    mean = (logs[frames.speech] if frames.speech.any() else logs).mean(0)
    return np.asarray(mean - np.logaddexp.reduce(mean))


def unfamiliarity(frames: FrameEmotions, rate: float = 50.0) -> float:
    """The out-of-distribution score of a recording; above ``UNFAMILIAR`` it is unlike the training data.

    The functionals of its first minute in deviations of those of training, root mean square over functionals, median
    over frames, ``rate`` a second. The built-in diarizer gives about .65 for other speakers of CREMA-D (19 of 20 below
    .8), .75 to .85 for emotional and read speech of other corpora, more than 1 for animals, machines and words on bad
    telephones. 0 where the network does not know its training data, or nobody speaks in that minute.
    """
    first = slice(0, round(WINDOW_SECONDS * rate))
    if frames.distance is None or not frames.speech[first].any():
        return 0.0
    return float(np.median(frames.distance[first]))


def frame_emotions(
    diarizer: EmotionModel, features: SpeechFeatures, voice: Voice | None = None, ended: bool = True
) -> FrameEmotions:
    """The network's predictions for every frame of a recording.

    The network runs in windows of a minute that overlap by its receptive field; equal to one pass within 1e-4.
    ``ended``: whether it is all of the recording, not its beginning.
    """
    speech = speech_activity(features.prosody[:, 0], features.prosody[:, 2], features.clock.rate)
    other = alone(no_voice_steps(diarizer, features, speech, ended))
    return alone(emotion_steps(diarizer, features, speech, other, voice))


def no_voice_steps(
    diarizer: EmotionModel, features: SpeechFeatures, speech: Mask, ended: bool, since: int = 0
) -> Steps[Mask]:
    """(T,) short sounds between pauses that are no voice, as of a door that slams; they are no speech after all.

    Each is judged by itself, when it or the recording has ended. Arguments as of ``emotion_steps`` and
    ``frame_emotions``, but for ``since``: sounds that end before this frame are not judged.
    """
    other, sounds = np.zeros_like(speech), stretches(speech)
    for first, last in sounds if len(sounds) > 1 and diarizer.knows_its_training else ():
        seconds = (last - first) / features.clock.rate
        if since < last < len(speech) + ended and seconds <= SHORT_SOUND:
            batch = cast("Arrays", tuple(_window(features, slice(first, last))))
            *_, distance = yield Call(_estimated, batch, (diarizer, None, 0))
            limit = FAMILIAR[1] * (BRIEF_LIMIT if seconds < BRIEF_SOUND else 1.0)
            other[first:last] = distance[0, : last - first].mean() > limit
    return other


def emotion_steps(
    diarizer: EmotionModel, features: SpeechFeatures, speech: Mask, other: Mask, voice: Voice | None, since: int = 0
) -> Steps[FrameEmotions]:
    """``frame_emotions`` with its calls of the network handed out.

    Args:
        features: of a recording, or of what a stream keeps.
        speech: (T,) from ``speech_activity``.
        other: (T,) from ``no_voice_steps``, of which the network sees nothing.
        since: the first frame that is asked for.
    """
    parts, speech = [], speech & ~other
    features = replace(features, speech=features.speech & ~other) if other.any() else features
    for keep, first, batch in windows(diarizer, features, since):
        made = yield Call(_estimated, cast("Arrays", tuple(batch)), (diarizer, voice, keep.start - first))
        parts.append([values[0, : len(keep)] for values in made])
    log, intensity, boundary, distance = (np.concatenate(values) for values in zip(*parts, strict=True))
    usual = diarizer.config.usual
    if voice is not None and voice.answer is not None and usual is not None:
        log = log_softmax(log - ENROLLED_SHARE * (voice.answer - np.array(usual, np.float32)), -1)
    known = distance if diarizer.knows_its_training else None
    return FrameEmotions(np.exp(log), intensity, speech[since:], boundary, known)


def _estimated(*given: Any) -> FrameEstimate:
    """``EmotionModel.estimate`` of a batch, a model, a voice and a first frame."""
    *batch, diarizer, voice, since = given
    return cast("EmotionModel", diarizer).estimate(FrameBatch(*batch), voice, since)


def windows(
    diarizer: EmotionModel, features: SpeechFeatures, since: int = 0
) -> Iterator[tuple[range, int, FrameBatch]]:
    """A minute after the other from frame ``since`` on: its frames, the first frame that the network sees with them
    (they overlap by its receptive field), and what it sees.

    Raises:
        InputError: the features are those of another encoder.
    """
    _check_encoder(diarizer, features)
    step = round(WINDOW_SECONDS * features.clock.rate) // ROW * ROW
    margin = -(-diarizer.config.context // ROW) * ROW
    for start in range(since // step * step, len(features), step):
        first, last = max(0, start - margin), start + step
        frames = range(max(start, since), min(last, len(features)))
        yield frames, first, _window(features, slice(first, last + margin))


def _check_encoder(diarizer: EmotionModel, features: SpeechFeatures) -> None:
    given, needed = features.hidden.shape[1], diarizer.config.encoder_channels
    if needed not in (0, given):
        raise InputError(f"the diarizer was trained on an encoder with {needed} channels, this one gives {given}")


def _window(features: SpeechFeatures, part: slice) -> FrameBatch:
    mel, prosody, speech, hidden = (
        values[None, part] for values in (features.mel, features.prosody, features.speech, features.hidden)
    )
    return FrameBatch(mel, prosody, speech, np.ones_like(speech), hidden)


def shown_frames(frames: FrameEmotions, scale: Scale, trust: float = 1.0) -> tuple[Floats, Floats]:
    """Posterior (T, C) and intensity (T,) of every frame by itself as a face shows them, for streams.

    See ``visible`` for the scale, and ``attenuation`` for trust.
    """
    strength = visible(frames.intensity, scale) * attenuation(frames.distance, trust)
    return decided(frames.posterior, strength, scale), strength


def _bridge_pauses(values: Doubles, speech: Mask) -> Doubles:
    """Values (T, K) of speech frames, interpolated linearly across silence and held at the ends."""
    where = np.flatnonzero(speech)
    index = np.arange(len(values))
    return np.column_stack([np.interp(index, where, column) for column in values[where].T])


def _ease(steps: Doubles, frames: float) -> Doubles:
    """A piecewise constant signal (T, K) with raised-cosine transitions about ``frames`` long."""
    window = np.hanning(max(3, 2 * round(frames / 2) + 3))[1:-1]
    return scipy.ndimage.convolve1d(steps, window / window.sum(), axis=0, mode="nearest")


def _presence(speech: Mask, rate: float, rule: TrackRule) -> Doubles:
    """Share of the expression that is shown (T,), in [0, 1]: 1 in speech, fading after it and rising before it."""
    index = np.arange(len(speech))
    where = np.flatnonzero(speech)
    position = np.searchsorted(where, index, side="right")
    since = np.where(position > 0, index - where[np.maximum(position - 1, 0)], np.inf) / rate
    until = np.where(position < len(where), where[np.minimum(position, len(where) - 1)] - index, np.inf) / rate
    after = np.clip((since - rule.hold) / rule.release, 0.0, 1.0)
    before = np.where(speech, 0.0, np.clip(until / rule.anticipation, 0.0, 1.0))
    return np.maximum(0.5 + 0.5 * np.cos(np.pi * after), 0.5 + 0.5 * np.cos(np.pi * before))


def note_unfamiliar(frames: FrameEmotions, rate: float) -> None:
    """Log one line where a recording is unlike anything the network was trained on (``unfamiliarity``)."""
    if unfamiliarity(frames, rate) > UNFAMILIAR:
        log.warning("this recording is unlike anything the diarizer was trained on: take its emotion as a guess")
