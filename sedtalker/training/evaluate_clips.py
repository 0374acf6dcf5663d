"""Figures of a diarizer on single clips of speakers it never heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.datasets.emotion_speech import NORMAL_LEVEL, STRONG_LEVEL
from sedtalker.datasets.manifest import Clip
from sedtalker.emotion.diarizer import frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import (
    Reliability,
    expected_calibration_error,
    macro_f1,
    mean_absolute_error,
    pearson,
    ranking_auc,
    reliability,
    spearman,
    unweighted_average_recall,
)
from sedtalker.training.heard_clips import (
    JOINED,
    UNSEEN_CORPORA,
    HeardClip,
    clip_posterior,
    enrolled_voice,
    recall_by_corpus,
    speech_mean,
    with_voices,
)

CLASSES = len(CATEGORIES)


@dataclass(frozen=True, eq=False)
class ClipResult:
    """A scored clip: truth, posterior (C,) over the clip, mean intensity and labelled strength."""

    clip: Clip
    truth: int
    level: int
    posterior: NDArray[np.float64]
    intensity: float


def score_clips(diarizer: DiarizerNetwork, heard: Iterable[HeardClip]) -> list[ClipResult]:
    """Each clip alone, as in use."""
    results = []
    for h in heard:
        frames = frame_emotions(diarizer, h.features)
        intensity = float(speech_mean(frames.intensity, frames))
        results.append(ClipResult(h.clip, h.category, h.level, clip_posterior(frames), intensity))
    return results


def clip_figures(results: list[ClipResult]) -> dict[str, float]:
    """Recognition, calibration, groups and intensity of single clips, see ``evaluate_diarizer``."""
    figures: dict[str, float] = {}
    for corpus in sorted({r.clip.corpus for r in results}):
        rows = [r for r in results if r.clip.corpus == corpus]
        figures[f"uar_{corpus}"] = _recall(rows)
        truth, posterior = _stacked(rows)
        present = np.unique(truth)
        if len(present) < CLASSES:
            among = present[posterior[:, present].argmax(1)]
            figures[f"uar_{corpus}_own_classes"] = unweighted_average_recall(truth, among, CLASSES)
    if "uar_emotiontts_ko" in figures:
        figures["uar_ko"] = figures["uar_emotiontts_ko"]
    core = [r for r in results if r.clip.corpus in JOINED]
    if core:
        truth, posterior = _stacked(core)
        figures["macro_f1"] = macro_f1(truth, posterior.argmax(1), CLASSES)
        figures["ece"] = expected_calibration_error(truth, posterior)
    return figures | group_figures(results) | intensity_figures([r for r in results if r.clip.corpus == "ravdess"])


def group_figures(results: list[ClipResult]) -> dict[str, float]:
    """``uar_<corpus>_<women|men|normal|strong|worst_speaker|best_speaker>``, ``uar_language_<code>``; ``n_…`` clips.

    Normal and strong each with the neutral clips, which have no strength. Languages over corpora of whole speech.
    """
    groups: dict[str, list[ClipResult]] = {}
    for r in results:
        name = r.clip.corpus
        groups.setdefault(name, []).append(r)
        if r.clip.gender in ("f", "m"):
            groups.setdefault(f"{name}_{'women' if r.clip.gender == 'f' else 'men'}", []).append(r)
        for strength, level in (("normal", NORMAL_LEVEL), ("strong", STRONG_LEVEL)):
            if name == "ravdess" and (r.level == level or r.truth == 0):
                groups.setdefault(f"{name}_{strength}", []).append(r)
        if r.clip.language not in ("nonverbal", "und") and name not in UNSEEN_CORPORA:
            groups.setdefault(f"language_{r.clip.language}", []).append(r)
    figures = {f"uar_{name}": _recall(rows) for name, rows in groups.items()}
    figures |= {f"n_{name}": float(len(rows)) for name, rows in groups.items()}
    for corpus in JOINED:
        speakers: dict[str, list[ClipResult]] = {}
        for r in groups.get(corpus, []):
            speakers.setdefault(r.clip.speaker, []).append(r)
        if len(speakers) > 1:
            each = [_recall(rows) for rows in speakers.values()]
            figures |= {f"uar_{corpus}_worst_speaker": min(each), f"uar_{corpus}_best_speaker": max(each)}
            figures[f"speakers_{corpus}"] = float(len(speakers))
    return figures


def intensity_figures(results: list[ClipResult]) -> dict[str, float]:
    """Intensity against ravdess's labelled strength, and what the confidence would say instead."""
    if not results:
        return {}
    level = np.array([r.level for r in results])
    intensity = np.array([r.intensity for r in results])
    target = 0.5 * level
    return {
        "intensity_auc": strength_auc(results, intensity),
        "confidence_auc": strength_auc(results, np.array([r.posterior.max() for r in results])),
        "intensity_pearson": pearson(intensity, target),
        "intensity_mae": mean_absolute_error(intensity, target),
    }


def strength_auc(results: list[ClipResult], values: NDArray[np.floating]) -> float:
    """AUC of strong against normal clips within each emotion, averaged over emotions; NaN without such pairs."""
    truth, level = np.array([r.truth for r in results]), np.array([r.level for r in results])
    each = []
    for c in range(1, CLASSES):
        strong, normal = ((truth == c) & (level == step) for step in (STRONG_LEVEL, NORMAL_LEVEL))
        if strong.any() and normal.any():
            each.append(ranking_auc(values[strong], values[normal]))
    return float(np.mean(each)) if each else float("nan")


def baved_figures(diarizer: DiarizerNetwork, heard: list[HeardClip]) -> dict[str, float]:
    """Rank correlation of the intensity with the three levels of baved, see ``evaluate_diarizer``."""
    if not heard:
        return {}
    intensity = np.array([r.intensity for r in score_clips(diarizer, heard)])
    level = np.array([h.level for h in heard], np.float64)
    _, speaker = np.unique([h.clip.speaker for h in heard], return_inverse=True)
    count = np.bincount(speaker)
    own = [values - (np.bincount(speaker, values) / count)[speaker] for values in (intensity, level)]
    mixed = (np.bincount(speaker, own[1] ** 2) > 0)[speaker]
    figures = {"intensity_baved_spearman": spearman(intensity, level), "n_baved": float(len(heard))}
    if mixed.any():
        figures["intensity_baved_spearman_within_speaker"] = spearman(own[0][mixed], own[1][mixed])
    return figures


def enrolled_figures(diarizer: DiarizerNetwork, heard: list[HeardClip]) -> dict[str, float]:
    """``uar_<corpus>_enrolled5`` and ``_enrolled_all``, see ``evaluate_diarizer``."""
    core = with_voices(diarizer, [h for h in heard if h.clip.corpus in JOINED])
    figures: dict[str, float] = {}
    for name, count in (("enrolled5", 5), ("enrolled_all", len(core))):
        guess = np.zeros(len(core), np.int64)
        for i, h in enumerate(core):
            voice = enrolled_voice(core, h.clip.speaker, count, False, np.random.default_rng((count, i)), i)
            guess[i] = clip_posterior(frame_emotions(diarizer, h.features, voice)).argmax()
        figures |= {f"uar_{corpus}_{name}": v for corpus, v in recall_by_corpus(core, guess, CLASSES).items()}
    return figures


def clip_reliability(results: list[ClipResult]) -> Reliability:
    """The reliability diagram that ``ece`` sums up."""
    return reliability(*_stacked([r for r in results if r.clip.corpus in JOINED]), bins=10)


def _stacked(rows: list[ClipResult]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.array([r.truth for r in rows]), np.stack([r.posterior for r in rows])


def _recall(rows: list[ClipResult]) -> float:
    truth, posterior = _stacked(rows)
    return unweighted_average_recall(truth, posterior.argmax(1), CLASSES)
