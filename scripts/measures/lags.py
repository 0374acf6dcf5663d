"""How far sound and picture of tracked clips are apart, by the motion that their phones lead one to expect.

A clip cut from a video holds its sound and its picture apart by up to a frame or two, each clip by another time. It
cannot be predicted from the sound alone: a decoder trained on such clips blurs the mouth. The measure is motion made
from phones that were aligned to the sound; no decoder takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import resample_frames
from sedtalker.metrics.motion import correlation
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.tracked_motion import TrackedClip
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.spoken_motion import (
    LipMeasure,
    SpokenMotion,
    expected_motion,
    rest_pose,
    spoken_motion,
    train_phone_motion,
)

FURTHEST = 6
"""Frames of 20 ms that sound and picture are at most apart."""

FINE = 4
"""Trials a frame."""

WIDTH_COUNTS = 0.5
"""What the lip width counts beside the height: it is the less certain of the two."""

ROUNDS = 2
"""The network is trained again on synchronised clips; more rounds change nothing."""


def lag_of(expected: NDArray[np.float32], spoken: SpokenMotion, lip_measure: LipMeasure) -> float:
    """Seconds by which tracked lips come later than expected ones (T, 52 and the gap): where they correlate best."""
    wanted = np.column_stack([expected[:, -1], expected[:, :-1] @ lip_measure.width])
    lips = np.column_stack([spoken.gap, spoken.coefficients @ lip_measure.width])
    talking, frames = spoken.talking > 0.5, np.arange(float(len(lips)))
    trials = np.arange(-FURTHEST * FINE, FURTHEST * FINE + 1) / FINE
    fits = np.empty(len(trials))
    for i, trial in enumerate(trials):
        moved = resample_frames(lips, frames, frames + trial)[talking]
        height, width = (correlation(moved[:, k], wanted[talking, k]) for k in (0, 1))
        fits[i] = height + WIDTH_COUNTS * width
    return float(trials[0] + peak(fits) / FINE) / FRAME_CLOCK.rate


def peak(values: NDArray[np.floating]) -> float:
    """Place of the largest value, between the samples by a parabola; the middle where there are two as large."""
    best = np.flatnonzero(values >= values.max() - 1e-12)
    k = int(best[np.argmin(np.abs(best - len(values) // 2))])
    if not 0 < k < len(values) - 1:
        return float(k)
    before, here, after = values[k - 1 : k + 2]
    curve = before - 2.0 * here + after
    return k + (0.5 * float(before - after) / float(curve) if curve < 0.0 else 0.0)


def measure_lags(
    clips: list[TrackedClip], spans: Mapping[str, list[PhoneSpan]], lip_measure: LipMeasure, rounds: int = ROUNDS
) -> dict[str, float]:
    """Seconds by which the picture of each clip as it was recorded comes late, against the median of those to train on.

    The median is what a talker does (and what aligned phones err by), not what a cut does.
    """
    lags = {clip.name: 0.0 for clip in clips}
    recorded = [clip.as_recorded() for clip in clips]
    rest = rest_pose([clip for clip in recorded if clip.split == "train"])
    raw = {clip.name: spoken_motion(clip, spans[clip.name], rest, lip_measure) for clip in recorded}
    for _ in range(rounds):
        trained_on = [replace(c, times=c.times - lags[c.name]) for c in recorded if c.split == "train"]
        network = train_phone_motion(
            [(spans[c.name], spoken_motion(c, spans[c.name], rest, lip_measure)) for c in trained_on]
        )
        found = {}
        for name, spoken in raw.items():
            times = (np.arange(len(spoken.gap)) + 0.5) / FRAME_CLOCK.rate
            found[name] = lag_of(expected_motion(network, spans[name], times), spoken, lip_measure)
        middle = float(np.median([found[c.name] for c in trained_on]))
        lags = {name: lag - middle for name, lag in found.items()}
    return lags
