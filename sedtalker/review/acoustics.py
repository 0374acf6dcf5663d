"""What a segment sounds like, in numbers: pitch, its range and course, level, rate, brightness; and against a speaker.

Few and plain, so that a rule, a person and a language model can read them: the medians and ranges of the minimal
acoustic set for the voice (Eyben et al., IEEE Trans. Affective Computing 2016), with the rate of energy peaks for that
of syllables (de Jong and Wempe 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.functionals import VOICED_ABOVE
from sedtalker.speech.features import SpeechFeatures

DECIBELS = 10 / np.log(10)
"""Decibels in a natural logarithm of power."""
SEMITONES = 12 / np.log(2)
"""Semitones in a natural logarithm of frequency."""
FEWEST_FRAMES = 5
"""Frames below which a range or a course says nothing."""
PEAK_PROMINENCE, PEAK_DISTANCE = 2.0, 5
"""Decibels that a syllable's peak rises, and frames (20 ms) between two."""


@dataclass(frozen=True)
class Acoustics:
    """Numbers of a stretch of speech.

    Attributes:
        pitch: median, semitones above 150 Hz.
        pitch_range: 10th to 90th percentile, semitones.
        pitch_slope: course, semitones a second.
        level: mean, dB.
        level_range: 10th to 90th percentile, dB.
        level_slope: course, dB a second.
        rate: peaks of energy a second of speech, about syllables.
        brightness: power above 1 kHz against below, dB.
        pauses: share of the stretch without speech.
    """

    pitch: float
    pitch_range: float
    pitch_slope: float
    level: float
    level_range: float
    level_slope: float
    rate: float
    brightness: float
    pauses: float

    def minus(self, usual: Acoustics) -> Acoustics:
        """How this differs from a speaker's usual; courses and pauses as well."""
        own, other = asdict(self), asdict(usual)
        return Acoustics(**{name: own[name] - other[name] for name in own})


NAMES = tuple(field.name for field in fields(Acoustics))
"""The numbers, in order."""


def measure_acoustics(
    features: SpeechFeatures, start: float = 0.0, end: float = np.inf, level: float = 0.0
) -> Acoustics | None:
    """The numbers from ``start`` to ``end`` seconds; None where nobody speaks.

    Args:
        features: of the whole recording, whose level was evened out.
        start: seconds.
        end: seconds.
        level: dB to add, so that recordings can be compared: what evening out took away.
    """
    energy, pitch, voicing, tilt = features.prosody.T.astype(np.float64)
    speech = speech_activity(features.prosody[:, 0], features.prosody[:, 2], features.clock.rate)
    times = features.clock.times(len(features))
    inside = (times >= start) & (times < end)
    spoken = inside & speech
    if not spoken.any():
        return None
    voiced = spoken & (voicing > VOICED_ABOVE)
    semitones, loud = SEMITONES * pitch[voiced], DECIBELS * energy[spoken] + level
    return Acoustics(
        pitch=float(np.median(semitones)) if len(semitones) else 0.0,
        pitch_range=_range(semitones),
        pitch_slope=_slope(times[voiced], semitones),
        level=float(loud.mean()),
        level_range=_range(loud),
        level_slope=_slope(times[spoken], loud),
        rate=_peaks(DECIBELS * energy, spoken) / (spoken.sum() / features.clock.rate),
        brightness=float(DECIBELS * tilt[spoken].mean()),
        pauses=float(1.0 - spoken.sum() / inside.sum()),
    )


def usual_of(stretches: Sequence[Acoustics]) -> Acoustics:
    """What is usual in several stretches: the median of each number; there must be one at least."""
    return Acoustics(**{name: float(np.median([getattr(each, name) for each in stretches])) for name in NAMES})


def _range(values: NDArray[np.float64]) -> float:
    if len(values) < FEWEST_FRAMES:
        return 0.0
    low, high = np.percentile(values, [10, 90])
    return float(high - low)


def _slope(times: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Slope of the least-squares line, per second."""
    if len(values) < FEWEST_FRAMES:
        return 0.0
    centred = times - times.mean()
    return float((centred * (values - values.mean())).sum() / (centred**2).sum())


def _peaks(level: NDArray[np.float64], spoken: NDArray[np.bool_]) -> int:
    """Peaks of the smoothed level (T,) where somebody speaks."""
    smooth = np.convolve(level, np.hanning(7)[1:-1] / np.hanning(7).sum(), mode="same")
    found, _ = find_peaks(smooth, prominence=PEAK_PROMINENCE, distance=PEAK_DISTANCE)
    return int(spoken[found].sum())
