"""What is fitted to a diarizer once its perceptrons are trained: which sounds are no voice, and what a face shows.

Speech activity goes by level and periodicity, so a bark, a clock, a chain saw or a piano counts as speech, and the
perceptrons, which know voices alone, took many of them for strong emotion: of sounds like these faces showed something
nearly all the time. What tells them apart is linear in the functionals. The expression fades where the classifier
finds no voice (``DiarizerNetwork.unfamiliarity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from sedtalker.arrays import Floats, Mask, Reals
from sedtalker.emotion.network import DiarizerNetwork, ordinal_intensity
from sedtalker.emotion.shown import CLEAR, NOTICED, UNNOTICED, Scale, intensity_logit, visible
from sedtalker.training.corpora.layer_features import HUMAN_SOUNDS
from sedtalker.training.tasks.whitened_perceptrons import (
    LONG,
    ClipWindows,
    Described,
    channel_columns,
    describe_windows,
    on_functionals,
)

RIDGE = 0.01
"""Weight of the squared coefficients."""
TOLERANCE, STEPS = 1e-7, 1000
"""Largest gradient at the end, and most steps of L-BFGS."""


def kinds_of(windows: ClipWindows) -> list[Described]:
    """Windows of each kind of sound that no person makes."""
    kinds = np.array([clip.emotion for clip in windows.clips])[windows.clip]
    wanted = [kind for kind in np.unique(kinds) if not kind.endswith(HUMAN_SOUNDS)]
    return [Described(*(column[kinds == kind] for column in windows.described)) for kind in wanted]


def read(described: Described) -> Floats:
    """What the classifier reads of N windows (N, 3K)."""
    return np.concatenate([described.now, described.speaker], 1)


def fit_no_voice(
    network: DiarizerNetwork, voices: Mapping[str, Described], sounds: Sequence[Described]
) -> tuple[Floats, float]:
    """Logistic regression between windows of voices and of other sounds.

    Args:
        network: knows the mean and scale of functionals.
        voices: windows of each corpus; all corpora count alike.
        sounds: windows of each kind of sound that is no voice; all kinds count alike, together as much as the voices.

    Returns:
        The weight (F,) and the bias of the logit that a row of standardised functionals is no voice.
    """
    config = network.config
    mean, scale = (
        read(describe_windows(config, x.cpu()[None], torch.ones(1, 2))) for x in (network.mean, network.scale)
    )
    parts = [(part, 0.0, 0.5 / len(voices)) for part in voices.values()]
    parts += [(part, 1.0, 0.5 / len(sounds)) for part in sounds]
    rows = [((read(d) - mean) * scale).clip(-5.0, 5.0) for d, _, _ in parts]
    truth = np.concatenate([np.full(len(row), label) for row, (_, label, _) in zip(rows, parts, strict=True)])
    share = np.concatenate([np.full(len(r), s / max(1, len(r))) for r, (_, _, s) in zip(rows, parts, strict=True)])
    fitted = LogisticRegression(C=1.0 / (2.0 * RIDGE), tol=TOLERANCE, max_iter=STEPS)
    fitted.fit(np.concatenate(rows).astype(np.float64), truth, share)
    now, speaker = np.split(fitted.coef_[0].astype(np.float32), [-len(channel_columns(config, LONG, False))])
    row = on_functionals(now[None], config)[0].astype(np.float32)
    row[channel_columns(config, LONG, False)] += speaker
    return row, float(fitted.intercept_[0])


@torch.no_grad()
def with_no_voice(network: DiarizerNetwork, weight: Floats, bias: float) -> DiarizerNetwork:
    """The same network, which finds where a sound is no voice."""
    config = network.config.model_copy(update={"finds_no_voice": True})
    layer = nn.Linear(len(weight), 1)
    layer.weight.copy_(torch.from_numpy(weight)[None])
    layer.bias.fill_(bias)
    network.config, network.no_voice = config, layer
    return network.eval().requires_grad_(False)


# --- The intensities that a face shows, and how likely each is neutral.

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
    known: Sequence[tuple[Reals, Mask]], calm: Sequence[Reals], scale: Scale
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
