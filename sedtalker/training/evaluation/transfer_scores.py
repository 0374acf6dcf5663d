"""Figures of a diarizer on corpora it was not trained on: recognition, calibration, intensity, circumplex, groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.diarizer_model import Voice, pool_voices
from sedtalker.emotion.inference import enrol
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import (
    accuracy,
    accuracy_at_coverage,
    adjusted_logits,
    bootstrap_interval,
    expected_calibration_error,
    macro_f1,
    own_guess,
    ranking_auc,
    recalls,
    unweighted_average_recall,
)
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.clips import ClipResult, strength_auc

BINS = 10
"""Bins of the calibration error; a corpus may have only 300 clips."""
COVERAGES = tuple(round(0.1 * k, 1) for k in range(1, 11))
"""Coverages of the curve of selective classification."""
NEUTRAL, HAPPY, ANGRY = (CATEGORIES.index(name) for name in ("neutral", "happy", "angry"))
"""Places of three categories in a posterior."""
POLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "valence": (("happy",), ("sad", "angry", "fear", "disgust")),
    "arousal": (("happy", "angry", "fear", "surprise"), ("neutral", "sad")),
}
"""Categories on the greater and the smaller side of each axis of the circumplex (Russell 1980); the others are left
out, since raters place them on neither."""

Role = Literal["headline", "other", "development", "in-domain"]
"""What a corpus is to some weights; ``other``: unseen, but not one of the headline."""


@dataclass(frozen=True, eq=False)
class CorpusScores:
    """A diarizer on one corpus.

    Attributes:
        role: what the corpus is to the weights.
        clips: how many were scored.
        metrics: see ``corpus_scores``.
        recall: by category that the corpus has, over its own categories.
        coverage: accuracy of the most confident share of the clips, by ``COVERAGES``.
        speakers: how many spoke them.
        counts: clips of each category.
    """

    name: str
    role: Role
    clips: int
    metrics: dict[str, float]
    recall: dict[str, float]
    coverage: dict[float, float] = field(default_factory=dict)
    speakers: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TransferScores:
    """A diarizer on every labelled corpus of a folder.

    Attributes:
        model: name or folder of the weights.
        trained_on: what their checkpoint says.
        summary: see ``summary``; of unseen corpora alone.
        corpora: the headline first, those trained on last.
        languages: recall over own categories of all unseen clips of a language, by its code.
        narration: share of speech shown as emotional, by corpus of read speech.
        joined: error rates of joined recordings of unseen speakers, see ``joined_scores``.
        robust: recall under each condition, see ``robust_recalls``.
    """

    model: str
    licence: str
    trained_on: tuple[str, ...]
    summary: dict[str, float]
    corpora: tuple[CorpusScores, ...]
    languages: dict[str, float] = field(default_factory=dict)
    narration: dict[str, float] = field(default_factory=dict)
    joined: dict[str, float] = field(default_factory=dict)
    robust: dict[str, float] = field(default_factory=dict)


# --- One corpus.


def corpus_scores(name: str, role: Role, results: Sequence[ClipResult]) -> CorpusScores:
    """Figures of one corpus; ``own``: only the categories that its clips have may be answered.

    ``uar``, ``macro_f1``, ``angry_as_happy`` and the recalls over own categories; ``uar_seven``, ``ece``, ``accuracy``,
    ``accuracy_half`` and ``angry_as_happy_seven`` over all seven. ``uar_adjusted``, ``macro_f1_adjusted``: with
    ``adjusted_logits``; networks here are trained with all categories alike, so p_train is uniform.
    ``intensity_…``: mean over the neutral or the emotional clips, ``shown_…`` as a face shows it;
    ``intensity_auc`` where strengths are labelled. ``valence_auc``, ``arousal_auc``: see ``circumplex_scores``.
    ``uar_low``, ``uar_high``: the ends of its 95 % interval, speakers and then their clips drawn anew.
    ``uar_women``, ``uar_men``: over own categories. ``enrol_gain``: of ``uar``, see ``OrdinaryVoices``.
    """
    truth = np.array([r.truth for r in results])
    posterior = np.stack([r.posterior for r in results])
    own, guess = np.unique(truth), own_guess(truth, posterior)
    share = np.array([np.mean(truth == c) for c in own])
    logits = np.log(np.maximum(posterior[:, own], 1e-12))
    adjusted = own[adjusted_logits(logits, np.zeros(len(own)), np.log(share)).argmax(1)]
    classes = len(CATEGORIES)
    metrics = {
        "uar": unweighted_average_recall(truth, guess, classes),
        "uar_seven": unweighted_average_recall(truth, posterior.argmax(1), classes),
        "uar_adjusted": unweighted_average_recall(truth, adjusted, classes),
        "macro_f1": macro_f1(truth, guess, classes),
        "macro_f1_adjusted": macro_f1(truth, adjusted, classes),
        "ece": expected_calibration_error(truth, posterior, BINS),
        "accuracy": accuracy(truth, posterior.argmax(1)),
        "accuracy_half": accuracy_at_coverage(truth, posterior, 0.5),
    }
    angry = truth == ANGRY
    if angry.any():
        metrics["angry_as_happy"] = float(np.mean(guess[angry] == HAPPY))
        metrics["angry_as_happy_seven"] = float(np.mean(posterior[angry].argmax(1) == HAPPY))
    metrics |= intensity_scores(results) | circumplex_scores(results)
    gender = np.array([r.clip.gender for r in results])
    for people, letter in {"women": "f", "men": "m"}.items():  # letters of the manifest
        if (one := gender == letter).any():
            metrics[f"uar_{people}"] = unweighted_average_recall(truth[one], guess[one], classes)
    metrics |= enrolment_gain(results, own)
    speakers = [r.clip.speaker or str(k) for k, r in enumerate(results)]
    drawn = bootstrap_interval(lambda d: unweighted_average_recall(truth[d[0]], guess[d[0]], classes), [speakers])
    metrics |= dict(zip(("uar_low", "uar_high"), drawn, strict=True))
    recall = recalls(truth, guess, classes)
    curve = {share: accuracy_at_coverage(truth, posterior, share) for share in COVERAGES}
    each = {CATEGORIES[c]: float(recall[c]) for c in own}
    counts = {CATEGORIES[c]: int(np.sum(truth == c)) for c in own}
    return CorpusScores(name, role, len(results), metrics, each, curve, len(set(speakers)), counts)


def intensity_scores(results: Sequence[ClipResult]) -> dict[str, float]:
    """``intensity_…``, ``shown_…`` and ``intensity_auc`` of ``corpus_scores``."""
    truth = np.array([r.truth for r in results])
    metrics = {}
    for measure in ("intensity", "shown"):
        values = np.array([getattr(r, measure) for r in results])
        for kind, which in (("neutral", truth == NEUTRAL), ("emotional", truth != NEUTRAL)):
            if which.any() and not np.isnan(values).any():
                metrics[f"{measure}_{kind}"] = float(values[which].mean())
    auc = strength_auc(list(results), np.array([r.intensity for r in results]))
    return metrics if np.isnan(auc) else metrics | {"intensity_auc": auc}


def circumplex_scores(results: Sequence[ClipResult]) -> dict[str, float]:
    """``valence_auc`` and ``arousal_auc``: how well each predicted axis tells the sides of ``POLES`` apart.

    No corpus here rates the axes themselves, so the intended category stands for the side.
    """
    posterior = np.stack([r.posterior for r in results])
    axes = valence_arousal(posterior, np.array([r.intensity for r in results]))
    truth = np.array([CATEGORIES[r.truth] for r in results])
    metrics = {}
    for (name, sides), values in zip(POLES.items(), axes, strict=True):
        greater, smaller = (values[np.isin(truth, side)] for side in sides)
        if len(greater) and len(smaller):
            metrics[f"{name}_auc"] = ranking_auc(greater, smaller)
    return metrics


def enrolment_gain(results: Sequence[ClipResult], own: NDArray[np.integer]) -> dict[str, float]:
    """``enrol_gain`` of ``corpus_scores``, over the clips whose speaker is known; ``own``: categories of the corpus."""
    pairs = [(r.truth, r.posterior, r.enrolled) for r in results if r.enrolled is not None]
    if not pairs:
        return {}
    truth = np.array([one[0] for one in pairs])
    alone, enrolled = (
        unweighted_average_recall(truth, own[np.stack(column)[:, own].argmax(1)], len(CATEGORIES))
        for column in ([one[1] for one in pairs], [one[2] for one in pairs])
    )
    return {"enrol_gain": enrolled - alone}


# --- All corpora.


def language_recalls(by_corpus: Iterable[Sequence[ClipResult]]) -> dict[str, float]:
    """Recall of all clips of a language, each answered over the categories of its own corpus."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    for results in by_corpus:
        guesses = own_guess(np.array([r.truth for r in results]), np.stack([r.posterior for r in results]))
        for r, guess in zip(results, guesses, strict=True):
            pairs.setdefault(r.clip.language, []).append((r.truth, int(guess)))
    out = {}
    for language in sorted(pairs.keys() - {"und", "nonverbal", ""}):
        truth, guess = np.array(pairs[language]).T
        out[language] = unweighted_average_recall(truth, guess, len(CATEGORIES))
    return out


def summary(scores: Sequence[CorpusScores], narration: dict[str, float]) -> dict[str, float]:
    """The figures over corpora, by the keys of ``measures.TEST["transfer"]``; what has no corpus is left out.

    Means over the unseen corpora of the headline; ``angry_as_happy`` and ``intensity_neutral`` (as a track has it,
    as a face shows it) of the worst corpus never trained on, development corpora among them;
    ``narration_false_alarm``: mean of the corpora of read speech.
    """

    def of(key: str, *roles: Role) -> list[float]:
        return [s.metrics[key] for s in scores if s.role in roles and key in s.metrics]

    recall = ("uar", "uar_seven", "uar_adjusted", "macro_f1", "uar_women", "uar_men")
    others = ("accuracy", "accuracy_half", "valence_auc", "arousal_auc", "intensity_auc", "enrol_gain")
    headline = {f"zero_shot_{key}": key for key in recall} | {"ece_zero_shot": "ece"} | {key: key for key in others}
    out = {name: float(np.mean(values)) for name, key in headline.items() if (values := of(key, "headline"))}
    for name, key in (("angry_as_happy", "angry_as_happy"), ("intensity_neutral", "shown_neutral")):
        if values := of(key, "headline", "other", "development"):
            out[name] = max(values)
    if narration:
        out["narration_false_alarm"] = float(np.mean(list(narration.values())))
    if values := of("uar", "development"):
        out["development_uar"] = float(np.mean(values))
    return out


def coverage_curve(scores: Iterable[CorpusScores]) -> dict[float, float]:
    """Accuracy by coverage, mean over the corpora of the headline; empty where none is unseen."""
    curves = [s.coverage for s in scores if s.role == "headline" and s.coverage]
    return {share: float(np.mean([c[share] for c in curves])) for share in COVERAGES} if curves else {}


ORDINARY = 60.0
"""Seconds of a speaker's ordinary (neutral) speech that are enrolled."""


class OrdinaryVoices:
    """What neutral clips of each speaker say of their usual voice, up to a minute, never the clip that is scored.

    Args:
        diarizer: whose encoder and network are used.
        clips: of one corpus, scored or not.
    """

    def __init__(self, diarizer: Diarizer, clips: Iterable[Clip]):
        self.diarizer = diarizer
        self.neutral: dict[str, list[Clip]] = {}
        for clip in clips:
            if clip.emotion in ("neutral", "calm"):
                self.neutral.setdefault(clip.speaker, []).append(clip)
        self.voices: dict[Path, Voice | None] = {}

    def of(self, clip: Clip) -> Voice | None:
        """The speaker's usual voice for scoring a clip; None where no other neutral clip of theirs has speech."""
        found, seconds = list[Voice | None](), 0.0
        for other in self.neutral.get(clip.speaker, ()):
            if other.path != clip.path and seconds < ORDINARY:
                seconds += other.duration
                found.append(self._voice(other))
        voices = [voice for voice in found if voice is not None]
        return pool_voices(voices) if voices else None

    def _voice(self, clip: Clip) -> Voice | None:
        if clip.path not in self.voices:
            try:
                features = self.diarizer.encoder(load_audio(clip.path))
                self.voices[clip.path] = enrol(self.diarizer.network, [features])
            except InputError:
                self.voices[clip.path] = None
        return self.voices[clip.path]
