"""Validation of a talking mouth: the tracked talker, unseen speakers with aligned phones, an unseen tracked talker."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import resample_frames
from sedtalker.metrics.motion import ClosureCounts, correlation, count_closures, lip_aperture, lip_width
from sedtalker.speech.features import BILABIAL, FRAME_CLOCK, VOWELS
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.motion.alignment import phone_intervals
from sedtalker.training.motion.crops import TalkingCrops

Move = Callable[[FeatureStore, Copy], NDArray[np.float32]]
"""A recording to the coefficients (T, 52) of its talking mouth, clamped."""
OPEN_VOWELS = ("AA", "AE", "AY", "AW", "EH", "EY")
"""Vowels (ARPAbet) on which nobody closes the lips."""
UNSEEN_CLIPS = 40
"""Recordings of unseen speakers that are scored."""


def speech_frames(store: FeatureStore, copy: Copy) -> NDArray[np.bool_]:
    """(T,) loud enough to be speech, 50 frames a second."""
    return store.rows(copy)[:, -1].reshape(-1, 2).max(1) > 0.5


def frame_times(frames: int) -> NDArray[np.float64]:
    """(T,) seconds."""
    return np.asarray((np.arange(frames) + 0.5) / FRAME_CLOCK.rate, np.float64)


def validate_talking(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Metrics of the tracked talker's validation sentences, of unseen speakers and of an unseen tracked talker.

    Their keys are described in ``evaluation.measures.VALIDATION``.
    """
    return _tracked(crops, move) | _unseen(crops, move) | _unseen_talker(crops, move)


def _tracked(crops: TalkingCrops, move: Move) -> dict[str, float]:
    metrics: dict[str, list[float]] = {"lip_r": [], "width_r": []}
    counts, own = ClosureCounts(), crops.tracked.own
    for copy in (c for c in crops.tracked.copies(own, "valid") if c.copy == 0):
        clip, spans, moved = crops.tracked.clips[copy.key], crops.tracked.spans[copy.key], move(own, copy)
        times, speech = frame_times(len(moved)), speech_frames(own, copy)
        spoken = crops.tracked.spoken[copy.key].at(times * FRAME_CLOCK.rate - 0.5)
        gap = lip_aperture(crops.face, moved) - crops.lip_measure.rest
        width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
        metrics["lip_r"].append(correlation(gap[speech], spoken.gap[speech]))
        metrics["width_r"].append(correlation(lip_width(crops.face, moved)[speech], width[speech]))
        stops = phone_intervals(spans, BILABIAL)
        vowels = phone_intervals(spans, VOWELS)
        count_closures(counts, times, gap, spoken.gap, stops, vowels)
    means = {name: float(np.mean(values)) for name, values in metrics.items()}
    return means | {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}


def _unseen(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
    counts = ClosureCounts()
    for copy in crops.read.unseen[:UNSEEN_CLIPS]:
        gap = lip_aperture(crops.face, move(crops.read.store, copy)) - crops.lip_measure.rest
        times, spans = frame_times(len(gap)), crops.read.spans[copy.key]
        stops = phone_intervals(spans, BILABIAL)
        vowels = phone_intervals(spans, OPEN_VOWELS)
        # no tracker here: bilabials count as closed and these vowels as open
        assumed = np.any([(times >= start) & (times <= end) for start, end in vowels] or [times < 0], axis=0)
        count_closures(counts, times, gap, assumed.astype(np.float32), stops, vowels)
    return {"unseen_closure": counts.recall, "unseen_false": counts.false_rate, "unseen_closure_f1": counts.f1}


def _unseen_talker(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """The lips of a tracked talker never trained on: correlation of their height, on speech frames and on all."""
    metrics: dict[str, list[float]] = {"unseen_talker_r": [], "unseen_talker_r_all": []}
    store = crops.unseen_speaker.store
    for copy in (c for c in store.copies if c.key in crops.unseen_speaker.takes):
        take, moved, speech = crops.unseen_speaker.takes[copy.key], move(store, copy), speech_frames(store, copy)
        lips = lip_aperture(crops.face, moved)
        tracked = resample_frames(take.coefficients, take.times, frame_times(len(moved)))
        reference = lip_aperture(crops.face, tracked)
        metrics["unseen_talker_r"].append(correlation(lips[speech], reference[speech]))
        metrics["unseen_talker_r_all"].append(correlation(lips, reference))
    return {name: float(np.mean(values)) for name, values in metrics.items()}
