"""Figures of a diarizer on speakers it never heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import from_samples, load_audio
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.datasets.acoustics import Acoustics
from sedtalker.datasets.emotion_features import Corpus, Pool, joined_recording
from sedtalker.datasets.emotion_speech import NORMAL_LEVEL, SILENCE, STRONG_LEVEL, Recording, clip_labels
from sedtalker.datasets.manifest import Clip, read_manifest
from sedtalker.emotion.diarizer import FrameEmotions, TrackRule, frame_emotions, load_diarizer, shape_track
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.metrics.emotion import (
    boundary_f1,
    diarization_error,
    expected_calibration_error,
    macro_f1,
    mean_absolute_error,
    pearson,
    ranking_auc,
    unweighted_average_recall,
)
from sedtalker.speech.encoder import SpeechEncoder, encode, load_encoder
from sedtalker.speech.features import FRAME_CLOCK

JOINED = {"ravdess": 0.45, "nemo": 0.3, "emotiontts_ko": 0.25}
FOUR = tuple(CATEGORIES.index(name) for name in ("neutral", "happy", "sad", "angry"))
UNSEEN_CORPORA = {"tess": 5}
"""Corpora no part of which is trained on, and every how many of their clips are scored."""


@dataclass(frozen=True, eq=False)
class ClipResult:
    """A scored clip: truth, posterior (C,) over the clip, mean intensity and labelled strength."""

    clip: Clip
    truth: int
    level: int
    posterior: NDArray[np.float64]
    intensity: float


def evaluate_diarizer(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    recordings: int = 150,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Held-out figures of a diarizer; everything runs through ``encode`` and ``frame_emotions`` as in use.

    Clips: every labelled clip of the split's speakers, the recording alone, no enrolment. A clip's posterior is the
    normalised geometric mean of its speech frames' (voice activity, not labels, says which). ``uar_<corpus>`` over the
    categories of the corpus (ravdess 7, calm as neutral); ``uar_tess`` is zero-shot. ``ece`` and ``macro_f1`` over all
    clips of ravdess, nemo and emotiontts_ko. ``intensity_auc``: strong against normal within each emotion of ravdess,
    averaged; ``intensity_pearson``: with 0, 0.5, 1 for neutral, normal, strong; ``confidence_auc``: the greatest
    posterior in the place of the intensity.

    Joined recordings: ``recordings`` with seeds (7, number), 2-5 clips of one test speaker (ravdess 45 %, nemo 30 %,
    emotiontts_ko 25 %), neighbours of different emotions, half of the joins cross-faded by 20-100 ms, half with a
    pause up to 1 s, half of the recordings level-equalised (``JoinRule``). Scored every 20 ms without collar.
    ``eder7``: pauses are a label of their own (silence), so voice activity errors count; ``eder7_speech``: frames
    labelled speech only; ``eder4``, ``eder4_speech``: the same on recordings of neutral, happy, sad and angry clips,
    the posterior renormalised over the four. ``*_neutral``: the control that says neutral for all speech.
    """
    diarizer, encoder = load_diarizer(checkpoint), load_encoder()
    every = read_manifest(data)
    results = score_clips(diarizer, encoder, every, split, report)
    figures = clip_figures(results)
    for name, categories in (("7", None), ("4", FOUR)):
        made = joined_test_recordings(every, split, recordings, categories)
        figures |= joined_figures(diarizer, encoder, made, name, categories)
        report(f"eder{name} {figures[f'eder{name}']:.3f}")
    return figures


def score_clips(
    diarizer: DiarizerNetwork,
    encoder: SpeechEncoder,
    every: list[Clip],
    split: str,
    report: Callable[[str], None] = lambda line: None,
) -> list[ClipResult]:
    """Every labelled clip of the split in the diarizer's corpora, and a part of the unseen corpora."""
    known = [c for c in every if c.corpus in diarizer.config.corpora and c.split == split]
    unseen = [c for name, step in UNSEEN_CORPORA.items() for c in [c for c in every if c.corpus == name][::step]]
    results = []
    for number, clip in enumerate([*known, *unseen]):
        labels = clip_labels(clip)
        if labels is None or not clip.path.is_file():
            continue
        audio = load_audio(clip.path)
        frames = frame_emotions(diarizer, encode(encoder, audio))
        results.append(ClipResult(clip, *labels, clip_posterior(frames), float(_speech_mean(frames.intensity, frames))))
        if number % 200 == 199:
            report(f"{number + 1} of {len(known) + len(unseen)} clips")
    return results


def clip_posterior(frames: FrameEmotions) -> NDArray[np.float64]:
    """Posterior (C,) of a whole clip: the normalised geometric mean over its speech frames."""
    mean = _speech_mean(np.log(np.maximum(frames.posterior, 1e-8).astype(np.float64)), frames)
    weights = np.exp(mean - mean.max())
    return weights / weights.sum()


def clip_figures(results: list[ClipResult]) -> dict[str, float]:
    """Figures of single clips, see ``evaluate_diarizer``."""
    figures: dict[str, float] = {}
    classes = len(CATEGORIES)
    for corpus in sorted({r.clip.corpus for r in results}):
        rows = [r for r in results if r.clip.corpus == corpus]
        truth = np.array([r.truth for r in rows])
        present = np.unique(truth)
        posterior = np.stack([r.posterior for r in rows])
        figures[f"uar_{corpus}"] = unweighted_average_recall(truth, posterior.argmax(1), classes)
        if len(present) < classes:
            among = present[posterior[:, present].argmax(1)]
            figures[f"uar_{corpus}_own_classes"] = unweighted_average_recall(truth, among, classes)
    core = [r for r in results if r.clip.corpus in JOINED]
    truth, posterior = np.array([r.truth for r in core]), np.stack([r.posterior for r in core])
    figures["macro_f1"] = macro_f1(truth, posterior.argmax(1), classes)
    figures["ece"] = expected_calibration_error(truth, posterior)
    return figures | intensity_figures([r for r in results if r.clip.corpus == "ravdess"])


def intensity_figures(results: list[ClipResult]) -> dict[str, float]:
    """Intensity against ravdess's labelled strength, and what the confidence would say instead."""
    if not results:
        return {}
    truth, level = np.array([r.truth for r in results]), np.array([r.level for r in results])
    intensity = np.array([r.intensity for r in results])
    confidence = np.array([r.posterior.max() for r in results])

    def auc(values: NDArray[np.floating]) -> float:
        each = []
        for c in range(1, len(CATEGORIES)):
            strong, normal = ((truth == c) & (level == step) for step in (STRONG_LEVEL, NORMAL_LEVEL))
            if strong.any() and normal.any():
                each.append(ranking_auc(values[strong], values[normal]))
        return float(np.mean(each)) if each else float("nan")

    target = 0.5 * level
    return {
        "intensity_auc": auc(intensity),
        "confidence_auc": auc(confidence),
        "intensity_pearson": pearson(intensity, target),
        "intensity_mae": mean_absolute_error(intensity, target),
    }


def joined_test_recordings(
    every: list[Clip], split: str, count: int, categories: tuple[int, ...] | None, seed: int = 7
) -> Iterable[Recording]:
    """The joined recordings of the protocol, the same ones every time."""
    pool = Pool(tuple(JOINED), JOINED, split)
    corpora = {}
    for name in JOINED:
        clips = [c for c in every if c.corpus == name and c.split == split]
        if categories is not None:
            clips = [c for c in clips if (labels := clip_labels(c)) is not None and labels[0] in categories]
        corpora[name] = Corpus(clips, partial(_read, clips))
    for number in range(count):
        yield joined_recording(corpora, pool, Acoustics(), np.random.default_rng((seed, number)), augment=False)


def joined_figures(
    diarizer: DiarizerNetwork,
    encoder: SpeechEncoder,
    recordings: Iterable[Recording],
    name: str,
    categories: tuple[int, ...] | None,
    rule: TrackRule = TrackRule(),
) -> dict[str, float]:
    """``eder<name>`` and its companions, each the unweighted mean over recordings."""
    rows: dict[str, list[float]] = {}
    truths, guesses, posteriors, spans = [], [], [], []
    for recording in recordings:
        audio = from_samples(recording.samples, SAMPLE_RATE)
        frames = frame_emotions(diarizer, encode(encoder, audio))
        posterior = frames.posterior.astype(np.float64)
        if categories is not None:
            posterior = np.where(np.isin(np.arange(len(CATEGORIES)), categories), posterior, 0.0)
            posterior = posterior / posterior.sum(1, keepdims=True)
        labels = recording.labels.astype(np.int64)
        decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule.segments, frames.speech)
        shown = np.where(frames.speech, decoded, SILENCE)
        spoken = labels < SILENCE
        control = np.where(frames.speech, 0, SILENCE)
        for key, value in {
            "": diarization_error(labels, shown),
            "_speech": diarization_error(labels, decoded, spoken),
            "_frames": diarization_error(labels, posterior.argmax(1), spoken),
            "_neutral": diarization_error(labels, control),
            "_speech_neutral": float(np.mean(labels[spoken] != 0)),
            "_activity": float(np.mean(frames.speech != spoken)),
            "_boundary_f1": boundary_f1(_changes(labels), _changes(np.where(spoken, decoded, SILENCE))),
        }.items():
            rows.setdefault(f"eder{name}{key}", []).append(value)
        if categories is None:
            spans.extend(segment_confidences(frames, labels, rule))
        truths.append(labels[spoken])
        guesses.append(decoded[spoken])
        posteriors.append(posterior[spoken])
    truth, guess = np.concatenate(truths), np.concatenate(guesses)
    figures = {key.replace(f"eder{name}_boundary", f"boundary{name}"): float(np.mean(v)) for key, v in rows.items()}
    figures[f"frame_macro_f1_{name}"] = macro_f1(truth, guess, len(CATEGORIES))
    figures[f"frame_uar_{name}"] = unweighted_average_recall(truth, guess, len(CATEGORIES))
    figures[f"frame_ece_{name}"] = expected_calibration_error(truth, np.concatenate(posteriors))
    return figures | (confidence_figures(np.array(spans), name) if spans else {})


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


def confidence_figures(spans: NDArray[np.float64], name: str) -> dict[str, float]:
    """How far segments' confidences (N, 3), see ``segment_confidences``, can be trusted; counted by duration.

    ``segment_ece``: expected calibration error in ten bins; ``uncertain_<t>``: share of speech below the threshold;
    ``certain_<t>``: accuracy of the rest.
    """
    confidence, right, weight = spans.T
    bins = np.minimum((10 * confidence).astype(np.int64), 9)
    gaps = [abs(np.sum(((right - confidence) * weight)[bins == b])) for b in np.unique(bins)]
    figures = {f"segment_ece_{name}": float(np.sum(gaps) / weight.sum())}
    for threshold in (0.0, 0.3, 0.4, 0.5, 0.6):
        sure = confidence >= threshold
        figures[f"uncertain_{name}_{threshold}"] = float(weight[~sure].sum() / weight.sum())
        if sure.any():
            figures[f"certain_{name}_{threshold}"] = float(np.average(right[sure], weights=weight[sure]))
    return figures


def _read(clips: list[Clip], index: int) -> NDArray[np.float32]:
    return load_audio(clips[index].path).samples


def _changes(labels: NDArray[np.integer]) -> list[float]:
    """Times (s) at which the emotion changes, silence ignored: the middle of the pause, if there is one."""
    where = np.flatnonzero(labels < SILENCE)
    step = np.flatnonzero(np.diff(labels[where]) != 0)
    return [float(where[i] + where[i + 1] + 1) / 2 / FRAME_CLOCK.rate for i in step]


def _speech_mean(values: NDArray[np.floating], frames: FrameEmotions) -> NDArray[np.float64]:
    """Mean over speech frames, over all where there is none."""
    return np.asarray(values[frames.speech] if frames.speech.any() else values, np.float64).mean(0)
