"""Emotion metrics: recognition, diarization and calibration; agreement of curves is ``metrics.motion.correlation``.

Each function says its formula, unit and source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Mask, Reals

Labels = NDArray[np.integer]


def diarization_error(reference: Labels, hypothesis: Labels, total: Mask | None = None) -> float:
    """Emotion diarization error rate of one recording, in [0, 1].

    EDER = (false alarm + missed emotion + confusion + overlap) / duration, which for one label a frame is
    1 - (correctly labelled time / total time). Average it unweighted over recordings. Wang et al., "Speech Emotion
    Diarization: Which Emotion Appears When?", arXiv 2306.12991. 20 ms frames by convention.

    Args:
        reference: (T,) labels.
        hypothesis: (T,) labels.
        total: (T,) frames that are scored; default all.
    """
    keep = np.ones(len(reference), bool) if total is None else total
    return float(np.mean(reference[keep] != hypothesis[keep])) if keep.any() else 0.0


def accuracy(truth: Labels, guess: Labels) -> float:
    """Share of equal labels, in [0, 1]."""
    return float(np.mean(truth == guess))


def recalls(truth: Labels, guess: Labels, classes: int) -> Doubles:
    """Recall of each class, correct_c / total_c; NaN for classes that ``truth`` lacks."""
    table = confusion(truth, guess, classes)
    with np.errstate(invalid="ignore"):
        return np.diag(table) / table.sum(1)


def unweighted_average_recall(truth: Labels, guess: Labels, classes: int) -> float:
    """UAR: mean recall over the classes that occur, in [0, 1] (Schuller et al., INTERSPEECH 2009 Emotion Challenge)."""
    return float(np.nanmean(recalls(truth, guess, classes)))


def own_guess(truth: Labels, scores: Reals) -> Labels:
    """The best of the classes that occur in ``truth`` (N,), of scores (N, C) such as posteriors."""
    own = np.unique(truth)
    answer: Labels = own[scores[:, own].argmax(1)]
    return answer


def own_recall(truth: Labels, scores: Reals) -> float:
    """UAR where only the classes that occur may be answered: how a corpus with other classes than ours is scored."""
    return unweighted_average_recall(truth, own_guess(truth, scores), scores.shape[1])


def macro_f1(truth: Labels, guess: Labels, classes: int) -> float:
    """Mean over occurring classes of F1_c = 2 TP / (2 TP + FP + FN), in [0, 1]."""
    table = confusion(truth, guess, classes)
    hits, actual, called = np.diag(table), table.sum(1), table.sum(0)
    scores = 2 * hits / np.maximum(actual + called, 1)
    return float(scores[actual > 0].mean())


def confusion(truth: Labels, guess: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows the truth, columns the guess."""
    flat = np.asarray(truth, np.int64) * classes + np.asarray(guess, np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def calibration_error(confidence: Reals, right: Reals, bins: int, weight: Reals | None = None) -> float:
    """Sum over equal-width bins of confidence of share · |how often it is right - mean confidence|, in [0, 1].

    Args:
        confidence: (N,) in [0, 1].
        right: (N,) whether each answer is right, or in which part of it.
        bins: how many.
        weight: (N,) share of each, sums to 1; None: all alike.
    """
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    off = (right - confidence) * (1.0 / max(1, len(confidence)) if weight is None else weight)
    return float(np.abs(np.bincount(which, off, bins)).sum())


def expected_calibration_error(truth: Labels, posterior: Reals, bins: int = 15) -> float:
    """ECE: ``calibration_error`` of the greatest of posteriors (N, C) (Guo et al., ICML 2017)."""
    return calibration_error(posterior.max(1).astype(np.float64), posterior.argmax(1) == truth, bins)


def accuracy_at_coverage(truth: Labels, posterior: Reals, coverage: float) -> float:
    """Accuracy of the most confident share of samples, in [0, 1]: a point of the curve of selective classification.

    Geifman & El-Yaniv, NeurIPS 2017. Of equal confidences, earlier samples come first.

    Args:
        truth: (N,) labels.
        posterior: (N, C); confidence is the greatest.
        coverage: share of the samples that is answered, in (0, 1].
    """
    count = max(1, int(len(truth) * coverage))
    kept = np.argsort(-posterior.max(1), kind="stable")[:count]
    return accuracy(truth[kept], posterior[kept].argmax(1))


def adjusted_logits(logits: Reals, log_train: Reals, log_target: Reals) -> Doubles:
    """Logits (N, C) moved from the shares of categories (C,) in training to those of a target, all as logarithms.

    z - log p_train + log p_target: Menon et al., ICLR 2021; across emotion corpora, arXiv 2408.07851.
    """
    return np.asarray(logits, np.float64) - log_train + log_target


def ranking_auc(greater: Reals, smaller: Reals) -> float:
    """Area under the ROC curve: P(g > s) + P(g = s) / 2 over all pairs, in [0, 1] (Hanley & McNeil 1982)."""
    difference = np.asarray(greater)[:, None] - np.asarray(smaller)[None, :]
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))


def boundary_f1(reference: Sequence[float], hypothesis: Sequence[float], tolerance: float = 0.25) -> float:
    """F1 of boundary times (seconds), each matched at most once within ±``tolerance``; 1 if neither has any."""
    if not len(reference) and not len(hypothesis):
        return 1.0
    free = sorted(hypothesis)
    hits = 0
    for time in sorted(reference):
        near = [h for h in free if abs(h - time) <= tolerance]
        if near:
            free.remove(near[0])
            hits += 1
    return 2 * hits / (len(reference) + len(hypothesis))


# --- Intervals.

Draws = list[NDArray[np.int64]]
"""Indices of the drawn clips, an array a corpus."""
ROUNDS = 1000
"""Samples that are drawn."""
COVERED = 0.95
"""Share of the drawn figures that an interval holds."""


def bootstrap_interval(
    figure: Callable[[Draws], float], speakers: Sequence[Sequence[str]], rounds: int = ROUNDS
) -> tuple[float, float]:
    """The middle 95 % of a figure over drawn samples of its clips.

    Args:
        figure: of drawn clips.
        speakers: of every clip, one sequence a corpus; corpora are drawn from apart.
        rounds: how many samples are drawn.
    """
    rng = np.random.default_rng(0)
    owned = [[np.flatnonzero(np.asarray(names) == name) for name in np.unique(names)] for names in speakers]
    values = [figure([_draw(clips, rng) for clips in owned]) for _ in range(rounds)]
    low, high = np.nanquantile(values, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def _draw(owned: Draws, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many speakers as there are, and of each as many clips."""
    drawn = (owned[int(i)] for i in rng.integers(len(owned), size=len(owned)))
    return np.concatenate([clips[rng.integers(len(clips), size=len(clips))] for clips in drawn])
