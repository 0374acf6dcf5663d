"""Voice activity: where somebody speaks, by adaptive energy and voicing with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask, Reals, stretches

ENERGY_FLOOR = 1e-7
"""Added to the mean power of a frame before its logarithm."""
DIGITAL_SILENCE = float(np.log(ENERGY_FLOOR))
"""Level (natural-log power) of digital silence, where nothing was recorded."""


@dataclass(frozen=True)
class ActivityRule:
    """When sound counts as speech. Levels are natural-log power (1 = 4.34 dB), times are seconds.

    Attributes:
        below_loud: a frame is loud enough within this much of the loud frames nearby (95th percentile).
        above_quiet: and at least this much above the quiet frames nearby (10th percentile).
        steady_margin: but never asked to be closer to the loud frames than this, so speech without pauses passes.
        hysteresis: once speech has begun it lasts until the level falls this much below the threshold.
        window: half-width of "nearby".
        shortest_speech: shorter bursts are dropped.
        shortest_silence: shorter gaps are filled.
        padding: speech is widened by this much on both sides.
        voiced: share of voiced frames a burst needs.
    """

    below_loud: float = 5.5
    above_quiet: float = 2.0
    steady_margin: float = 3.5
    hysteresis: float = 0.7
    window: float = 8.0
    shortest_speech: float = 0.1
    shortest_silence: float = 0.2
    padding: float = 0.04
    voiced: float = 0.15


def speech_activity(
    log_energy: Reals,
    voicing: Reals,
    rate: float,
    rule: ActivityRule = ActivityRule(),
    loud: float | None = None,
) -> Mask:
    """Frames (T,) that are speech.

    Args:
        log_energy: (T,) natural log of the frame's mean power, the recording scaled by ``level_gain``.
        voicing: (T,) in [0, 1].
        rate: frames a second.
        loud: 95th percentile of ``activity_level`` over the whole recording, where this is only a part of it.
    """
    frames = len(log_energy)
    level = activity_level(log_energy, rate)
    if frames == 0 or level.max() < np.log(1e-6):
        return np.zeros(frames, dtype=bool)
    overall = float(np.quantile(level, 0.95)) if loud is None else loud
    low, peak = _nearby_levels(level, np.asarray(voicing) > 0.5, rate, rule, overall)
    high = np.minimum(np.maximum(peak - rule.below_loud, low + rule.above_quiet), peak - rule.steady_margin)
    certain, voiced, speech = level > high, np.asarray(voicing) > 0.5, np.zeros(frames, bool)
    for first, last in stretches(level > high - rule.hysteresis):
        share = np.count_nonzero(voiced[first:last]) / (last - first)
        speech[first:last] = certain[first:last].any() and share >= rule.voiced
    speech = _drop_short_runs(speech, False, rule.shortest_silence * rate)
    speech = _drop_short_runs(speech, True, rule.shortest_speech * rate)
    return scipy.ndimage.maximum_filter1d(speech, 2 * round(rule.padding * rate) + 1, mode="constant")


def activity_level(log_energy: Reals, rate: float) -> Doubles:
    """Natural-log power (T,) smoothed over 60 ms, the ends held."""
    return scipy.ndimage.uniform_filter1d(
        np.asarray(log_energy, np.float64), max(1, round(0.06 * rate)), mode="nearest"
    )


def spans(mask: Mask, rate: float) -> list[tuple[float, float]]:
    """Runs of true frames as (start, end) seconds, where frame i covers ``[i / rate, (i + 1) / rate)``."""
    return [(first / rate, last / rate) for first, last in stretches(mask)]


def _nearby_levels(
    level: Doubles, voiced: Mask, rate: float, rule: ActivityRule, overall: float
) -> tuple[NDArray, NDArray]:
    """Running 10th and 95th percentile of the level; the loud one never 20 dB under the whole recording's.

    Digital silence hides how loud the background of a recording is. Where there is any, the quiet level is that of the
    other frames that are not voiced.
    """
    step = max(1, round(0.1 * rate))
    step = step if len(level) >= step else len(level)
    coarse, sung = (values[: len(level) // step * step].reshape(-1, step) for values in (level, voiced))
    size = 2 * round(rule.window * rate / step) + 1
    at = (np.arange(len(coarse)) + 0.5) * step
    index = np.arange(len(level))
    quiet = np.ones(len(coarse), bool)
    if not (sounding := np.abs(coarse - DIGITAL_SILENCE).min(1) > 1e-4).all():
        hum = scipy.ndimage.minimum_filter1d(sounding, 3, mode="nearest") & (sung.mean(1) < 0.5)
        quiet = hum if hum.any() else quiet
    low = scipy.ndimage.percentile_filter(coarse.mean(1)[quiet], 10, size=size, mode="nearest")
    high = scipy.ndimage.percentile_filter(coarse.max(1), 95, size=size, mode="nearest")
    return np.interp(index, at[quiet], low), np.interp(index, at, np.maximum(high, overall - 4.6))


def _drop_short_runs(mask: Mask, value: bool, shortest: float) -> Mask:
    """Flip inner runs of ``value`` shorter than ``shortest`` frames; runs of speech at the ends count too."""
    made = mask.copy()
    for first, last in stretches(mask == value):
        if last - first < shortest and (value or 0 < first < last < len(mask)):
            made[first:last] = not value
    return made


# --- How loud speech is at least, of a whole recording, before anybody has looked at its voice.

QUIET, LOUD = 0.10, 0.95
"""Quantiles that stand for the level of quiet and of loud frames."""
FAINTEST, STEADY_RANGE = 0.02, 1.5
"""Quantile of the faintest frames, and how far it is from ``QUIET`` at most (natural log) in a steady background."""
LEAST_RANGE = 1.0
"""How far loud frames are at least from a background (natural log)."""


def recorded(levels: NDArray[Any], sound: Mask) -> NDArray[Any]:
    """The levels (N,) of frames that are no digital silence; all where there are none."""
    return levels[sound] if sound.any() else levels


def background(faint: float, quiet: float, loud: float) -> float:
    """Level of the background of a recording with digital silence, from those of its faint, quiet and loud frames.

    Of a steady one, little separates faint from quiet frames; without one, as behind a noise gate, faint frames are the
    ends of words, or there are no quiet ones.
    """
    level = min(quiet, faint + STEADY_RANGE)
    return level if level < loud - LEAST_RANGE else -np.inf


def speech_threshold(quiet: float, loud: float, higher: float = 0.0) -> float:
    """The threshold for the levels of quiet and loud frames, see ``speech_mask``."""
    return min(max(loud - 6.9, quiet + 1.6) + higher, loud - 2.3)
