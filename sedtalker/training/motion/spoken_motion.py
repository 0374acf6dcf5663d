"""What speech alone does to a face: the motion of a tracked clip with the moments in which the lips are bound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sedtalker.audio import resample_frames
from sedtalker.face.arkit import ARKIT_52, both_sides, speech_only
from sedtalker.speech.features import BILABIAL, LABIODENTAL, SILENCE
from sedtalker.training.corpora.tracked_motion import TrackedClip
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.lip_gauge import LipGauge, fit_gap, fit_width
from sedtalker.training.motion.visemes import RATE, tongue_curve

Floats = NDArray[np.float32]

TRACKED_REST_GAP = 0.0045
"""Inner-lip height the tracker gives for closed lips, outer-eye distances."""
CLOSING, OPEN = 0.010, 0.030
PAUSE_SECONDS = 0.4
ROUNDED = 0.45
"""Sum of pucker and funnel of a fully rounded mouth in speech."""
SLUR = 0.045
"""Seconds over which the lips slur at crispness -1 (standard deviation)."""
ROUNDING = both_sides("mouthPucker", "mouthFunnel")


@dataclass(frozen=True, eq=False)
class SpokenMotion:
    """A tracked clip on the analysis clock: what speech alone does to the face.

    Attributes:
        coefficients: (T, 52) speech shapes, rest removed, lip gap as tracked.
        gap: (T,) tracked inner-lip gap beyond closed lips, outer-eye distances.
        closure: (T,) in [0, 1], lips of a p, b or m held together.
        contact: (T,) in [0, 1], lip on teeth (f, v).
        rounding: (T,) in [0, 1].
        talking: (T,) in [0, 1], 0 in pauses.
        tongue: (T,) in [0, 1], the tip between the teeth (th).
    """

    coefficients: Floats
    gap: Floats
    closure: Floats
    contact: Floats
    rounding: Floats
    talking: Floats
    tongue: Floats

    def at(self, position: NDArray[np.floating]) -> SpokenMotion:
        """The same motion at other places (n,), counted in frames; held at both ends."""
        curves = (self.gap, self.closure, self.contact, self.rounding, self.talking, self.tongue)
        columns = np.column_stack([self.coefficients, *curves])
        values = resample_frames(columns, np.arange(float(len(columns))), position)
        return SpokenMotion(values[:, : len(ARKIT_52)], *values[:, len(ARKIT_52) :].T)

    def spoken_with(self, crispness: float) -> SpokenMotion:
        """The same motion slurred (below 0) or sharpened (above), closures kept."""
        if crispness == 0.0:
            return self
        columns = np.column_stack([self.coefficients, self.gap])
        slow = gaussian_filter1d(columns, SLUR * RATE, axis=0)
        columns = np.maximum(columns + crispness * (columns - slow), 0.0).astype(np.float32)
        gap = columns[:, -1] * (1.0 - self.closure * min(1.0, -2.0 * min(crispness, 0.0)))
        return replace(self, coefficients=columns[:, :-1].clip(0.0, 1.0), gap=gap)


@dataclass(frozen=True, eq=False)
class Rest:
    """A talker's closed mouth before speaking: speech shapes (52,) and inner-lip width in outer-eye distances."""

    coefficients: Floats
    width: float


def rest_pose(clips: list[TrackedClip]) -> Rest:
    """Medians over the first 0.3 s of clips, where the lips are closed."""
    closed = [c.feature("inner_lip_height")[:8] < 0.01 for c in clips]
    first = np.concatenate([speech_only(c.coefficients[:8])[k] for c, k in zip(clips, closed, strict=True)])
    width = np.concatenate([c.feature("inner_lip_width")[:8][k] for c, k in zip(clips, closed, strict=True)])
    return Rest(np.median(first, axis=0).astype(np.float32), float(np.median(width)))


def phone_curve(spans: list[PhoneSpan], phones: tuple[str, ...], times: NDArray[np.floating], margin: float) -> Floats:
    """(T,) 1 inside the given phones, falling to 0 over ``margin`` seconds on either side."""
    curve = np.zeros(len(times), np.float32)
    for span in spans:
        if span.phone in phones:
            away = np.maximum(np.maximum(span.start - times, times - span.end), 0.0)
            curve = np.maximum(curve, 1.0 - away / margin).astype(np.float32)
    return curve.clip(0.0, 1.0)


def talking_curve(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T,) 1 while words are spoken, 0 in pauses and outside the alignment."""
    if not spans:
        return np.ones(len(times), np.float32)
    outside = (times < spans[0].start) | (times > spans[-1].end)
    return np.where(outside, 0.0, 1.0 - phone_curve(spans, (SILENCE,), times, 0.08)).astype(np.float32)


def speaking_curve(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T,) 1 in and near words, 0 from 0.4 s away: mouths rest in longer pauses, whatever the tracked talker did."""
    if not spans:
        return np.ones(len(times), np.float32)
    words = tuple(sorted({span.phone for span in spans} - {SILENCE}))
    near = np.minimum(1.33 * phone_curve(spans, words, times, PAUSE_SECONDS), 1.0)
    return np.asarray(near * near * (3.0 - 2.0 * near), np.float32)


def rounding_of(coefficients: Floats) -> Floats:
    """(T,) how rounded a mouth is, in [0, 1]."""
    return np.clip(coefficients[:, ROUNDING].sum(1) / ROUNDED, 0.0, 1.0).astype(np.float32)


def speak(
    clip: TrackedClip, spans: list[PhoneSpan], rest: Rest, gauge: LipGauge, times: NDArray[np.floating]
) -> SpokenMotion:
    """The motion of a tracked clip at ``times`` (T,) seconds."""
    raw = resample_frames(np.maximum(speech_only(clip.coefficients) - rest.coefficients, 0.0), clip.times, times)
    gap = resample_frames(clip.feature("inner_lip_height")[:, None], clip.times, times)[:, 0]
    speaking = speaking_curve(spans, times)
    width = resample_frames(clip.feature("inner_lip_width")[:, None], clip.times, times)[:, 0] - rest.width
    raw, gap = raw * speaking[:, None], np.maximum(gap - TRACKED_REST_GAP, 0.0) * speaking
    shut = 1.0 - np.clip((gap - CLOSING) / (OPEN - CLOSING), 0.0, 1.0)
    return SpokenMotion(
        coefficients=fit_gap(fit_width(raw, width * speaking, gauge), gap, gauge),
        gap=gap.astype(np.float32),
        closure=(shut * phone_curve(spans, BILABIAL, times, 0.06)).astype(np.float32),
        contact=phone_curve(spans, LABIODENTAL, times, 0.05),
        rounding=rounding_of(raw),
        talking=talking_curve(spans, times),
        tongue=tongue_curve(spans, times),
    )


def pause(frames: int) -> SpokenMotion:
    """A closed, resting mouth: the target for silence and noise."""
    zero = np.zeros(frames, np.float32)
    return SpokenMotion(np.zeros((frames, len(ARKIT_52)), np.float32), zero, zero, zero, zero, zero, zero)
