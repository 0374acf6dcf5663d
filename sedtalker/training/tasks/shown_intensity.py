"""Which intensities a face shows, and how likely each is neutral: what is fitted to a diarizer once it is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from sedtalker.arrays import Mask, Reals
from sedtalker.emotion.network import ordinal_intensity
from sedtalker.emotion.shown import CLEAR, NOTICED, UNNOTICED, Scale, intensity_logit, visible

TO_CLEAR, TO_FULL = 0.175, 1.2
"""Units of the intensity score from calm speech to a clear and to a full expression; listeners' ratings of a category
spread over three."""


def visible_scale(level: float, steps: tuple[float, float]) -> tuple[float, float, float]:
    """``DiarizerConfig.visible`` for an intensity score of calm speech, which is just noticed."""
    scores = torch.tensor([level, level + TO_CLEAR, level + TO_FULL])
    noticed, clear, full = ordinal_intensity(scores, steps).tolist()
    nothing = noticed - NOTICED / (CLEAR - NOTICED) * (clear - noticed)
    return round(nothing, 4), round(clear, 4), round(full, 4)


def neutral_odds(
    known: Sequence[tuple[Reals, Mask]],
    calm: Sequence[Reals],
    scale: Scale,
) -> tuple[float, float] | None:
    """How likely a clip is neutral by its intensity, among those that a face shows as neutral: logistic regression.

    Args:
        known: intensities of the clips of each corpus, and which are neutral; all corpora count alike.
        calm: intensities of read speech, all of it neutral, of each corpus; in all they count as much as ``known``.
        scale: see ``visible``.

    Returns:
        See ``DiarizerConfig.neutral_odds``; None where there are not both neutral clips and others.
    """
    groups = [(x, neutral, 1.0 / len(known)) for x, neutral in known]
    groups += [(x, np.ones(len(x), bool), 1.0 / len(calm)) for x in calm]
    values, truths, weights = [], [], []
    for intensity, neutral, share in groups:
        unseen = visible(intensity, scale) < (UNNOTICED + NOTICED) / 2  # as ``decided`` has it
        values.append(intensity_logit(intensity[unseen]))
        truths.append(neutral[unseen])
        weights.append(np.full(unseen.sum(), share / max(1, unseen.sum())))
    x, truth, weight = (np.concatenate(each) if each else np.zeros(0) for each in (values, truths, weights))
    if not len(truth) or truth.all() or not truth.any():
        return None
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(x[:, None], truth, weight)
    return round(float(fitted.intercept_[0]), 3), round(float(fitted.coef_[0, 0]), 3)
