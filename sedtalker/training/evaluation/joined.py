"""Metrics of a diarizer on recordings joined from clips of one speaker, where emotions change at known times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import from_samples, load_audio
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.emotion.inference import FrameEmotions, TrackRule, frame_emotions, shape_track
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.metrics.emotion import (
    boundary_f1,
    diarization_error,
    expected_calibration_error,
    macro_f1,
    unweighted_average_recall,
)
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from sedtalker.training.corpora.augmentation import DIARIZER_RECIPE, Augmenter
from sedtalker.training.corpora.emotion_features import Corpus, DatasetConfig, joined_recording
from sedtalker.training.corpora.emotion_speech import SILENCE, Recording, clip_labels
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import JOINED

FOUR = tuple(CATEGORIES.index(name) for name in ("neutral", "happy", "sad", "angry"))
"""Categories that every corpus has."""
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6)
"""Confidences at which segments are called uncertain."""
SETS: dict[str, tuple[int, ...] | None] = {"7": None, "4": FOUR}
"""The two sets of joined recordings: all categories, and the four that every corpus has."""
EncodedRecording = tuple[Recording, SpeechFeatures]
"""A joined recording with its features."""


def joined_test_recordings(
    every: list[Clip], split: str, count: int, categories: tuple[int, ...] | None, seed: int = 7
) -> Iterable[Recording]:
    """The joined recordings of the protocol, the same ones every time."""
    dataset = DatasetConfig(tuple(JOINED), JOINED, split)
    corpora = {}
    for name in JOINED:
        clips = [c for c in every if c.corpus == name and c.split == split]
        if categories is not None:
            clips = [c for c in clips if (labels := clip_labels(c)) is not None and labels[0] in categories]
        corpora[name] = Corpus(clips, partial(_read, clips))
    for number in range(count):
        yield joined_recording(
            corpora, dataset, Augmenter(DIARIZER_RECIPE), np.random.default_rng((seed, number)), augment=False
        )


def encode_joined(
    encode: Encoder, made: Iterable[Recording], count: int, hook: Hook = no_progress
) -> list[EncodedRecording]:
    """``count`` recordings with their features."""
    return [
        (recording, encode(from_samples(recording.samples, SAMPLE_RATE)))
        for recording in counted(made, hook, "encoding joined recordings", count)
    ]


def joined_metrics(
    diarizer: DiarizerNetwork,
    recordings: Iterable[EncodedRecording],
    name: str,
    rule: TrackRule = TrackRule(),
) -> dict[str, float]:
    """``eder<name>`` and its companions, each the unweighted mean over recordings; frames over all of them.

    Args:
        diarizer: from ``load_diarizer``.
        recordings: with their features.
        name: ``7`` or ``4``, see ``SETS``; of the latter the posterior is renormalised over the four categories.
        rule: how segments are decoded.
    """
    values_by_key: dict[str, list[float]] = {}
    truths, guesses, posteriors, spans = [], [], [], []
    for recording, features in recordings:
        frames = among(frame_emotions(diarizer, features), SETS[name])
        posterior = frames.posterior.astype(np.float64)
        decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule.segments, frames.speech, frames.boundary)
        labels = recording.labels.astype(np.int64)
        spoken = labels < SILENCE
        for key, value in recording_metrics(labels, decoded, frames).items():
            values_by_key.setdefault(key, []).append(value)
        if name == "7":
            spans.extend(segment_confidences(frames, labels, rule))
        truths.append(labels[spoken])
        guesses.append(decoded[spoken])
        posteriors.append(frames.posterior[spoken])
    truth, guess = np.concatenate(truths), np.concatenate(guesses)
    tail = "" if name == "7" else f"_{name}"
    metrics = {
        f"boundary_f1{tail}" if key == "boundary_f1" else f"eder{name}{key}": float(np.mean(v))
        for key, v in values_by_key.items()
    }
    metrics[f"frame_macro_f1{tail}"] = macro_f1(truth, guess, len(CATEGORIES))
    metrics[f"frame_uar{tail}"] = unweighted_average_recall(truth, guess, len(CATEGORIES))
    metrics[f"frame_ece{tail}"] = expected_calibration_error(truth, np.concatenate(posteriors))
    return metrics | (confidence_metrics(np.array(spans)) if spans else {})


def recording_metrics(labels: NDArray[np.int64], decoded: NDArray[np.int64], frames: FrameEmotions) -> dict[str, float]:
    """Errors of one recording, see ``evaluate_diarizer``: true labels (T,) and those of the decoded segments."""
    spoken = labels < SILENCE
    shown = np.where(frames.speech, decoded, SILENCE)
    return {
        "": diarization_error(labels, shown),
        "_speech": diarization_error(labels, decoded, spoken),
        "_frames": diarization_error(labels, np.where(frames.speech, frames.posterior.argmax(1), SILENCE)),
        "_frames_speech": diarization_error(labels, frames.posterior.argmax(1), spoken),
        "_frames_everywhere": diarization_error(labels, frames.posterior.argmax(1)),
        "_neutral": diarization_error(labels, np.where(frames.speech, 0, SILENCE)),
        "_speech_neutral": float(np.mean(labels[spoken] != 0)),
        "_activity": float(np.mean(frames.speech != spoken)),
        "boundary_f1": boundary_f1(changes(labels), changes(shown)),
    }


def among(frames: FrameEmotions, categories: tuple[int, ...] | None) -> FrameEmotions:
    """The same frames with the posterior renormalised over some of the categories (``None``: all)."""
    if categories is None:
        return frames
    posterior = np.where(np.isin(np.arange(len(CATEGORIES)), categories), frames.posterior.astype(np.float64), 0.0)
    return replace(frames, posterior=posterior / posterior.sum(1, keepdims=True))


def segment_confidences(
    frames: FrameEmotions, labels: NDArray[np.integer], rule: TrackRule
) -> list[tuple[float, float, int]]:
    """Of each segment of the track: its confidence, the share of its speech frames it labels rightly, their number."""
    posterior, intensity = shape_track(frames, FRAME_CLOCK.rate, rule)
    times, none = FRAME_CLOCK.times(len(labels)), np.zeros(len(labels), np.float32)
    duration = len(labels) / FRAME_CLOCK.rate
    track = EmotionTrack(times, posterior, intensity, none, none, CATEGORIES, duration, frames.speech)
    out = []
    for segment in track.segments():
        inside = (times >= segment.start) & (times < segment.end) & (labels < SILENCE)
        if inside.any():
            right = np.mean(labels[inside] == CATEGORIES.index(segment.label))
            out.append((segment.confidence, float(right), int(inside.sum())))
    return out


def confidence_metrics(spans: NDArray[np.float64]) -> dict[str, float]:
    """How far segments' confidences (N, 3), see ``segment_confidences``, can be trusted; counted by duration.

    ``segment_ece``: expected calibration error in ten bins; ``uncertain_<t>``: share of speech below the threshold;
    ``certain_<t>``: accuracy of the rest.
    """
    confidence, right, weight = spans.T
    bins = np.minimum((10 * confidence).astype(np.int64), 9)
    gaps = [abs(np.sum(((right - confidence) * weight)[bins == b])) for b in np.unique(bins)]
    metrics = {"segment_ece": float(np.sum(gaps) / weight.sum())}
    for threshold in THRESHOLDS:
        sure = confidence >= threshold
        metrics[f"uncertain_{threshold}"] = float(weight[~sure].sum() / weight.sum())
        if sure.any():
            metrics[f"certain_{threshold}"] = float(np.average(right[sure], weights=weight[sure]))
    return metrics


def changes(labels: NDArray[np.integer]) -> list[float]:
    """Times (s) at which the emotion changes, silence ignored: the middle of the pause, if there is one."""
    where = np.flatnonzero(labels < SILENCE)
    step = np.flatnonzero(np.diff(labels[where]) != 0)
    return [float(where[i] + where[i + 1] + 1) / 2 / FRAME_CLOCK.rate for i in step]


def _read(clips: list[Clip], index: int) -> NDArray[np.float32]:
    return load_audio(clips[index].path).samples
