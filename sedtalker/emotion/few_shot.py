"""A diarizer that learns from a handful of labelled recordings: one speaker's, one studio's, one language's.

Beside the shipped heads a linear head is fitted to what they answer wrongly: kernel ridge regression of the residuals
(label minus posterior) on two descriptions of a recording, the mean functionals and the mean hidden units of the heads.
Both heads are then weighted (stacked generalisation, Wolpert 1992). The ridge penalty and the weights are those under
which recordings that are left out are answered best, whole speakers at a time where speakers are named; so few or
contradictory labels change little. Recordings without a label hold the answers of categories that have hardly any.
Leaving out needs no refitting: the residuals of left-out recordings follow from the solution (Cook and Weisberg 1982).

The result is an ordinary diarizer. What is linear in the hidden units changes the last layers. What is linear in the
functionals goes through pairs of further hidden units, because GELU(u) - GELU(-u) = u.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.arrays import Doubles, softmax
from sedtalker.emotion.adaptation import (
    METHOD,
    STRENGTH,
    Method,
    SpokenRecording,
    adapted,
    linear_part,
    with_linear_part,
    with_mean_moved,
)
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError, one_of

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Ridge penalties that are tried, in units of the mean squared length of a description."""
USUAL = (1.0, 4.0)
"""Weights of the shipped heads and of the learned one before anything is left out: a residual is at most 1, where the
logits of the shipped heads differ by several."""
PULL = 5.0
"""How many recordings the belief in ``USUAL`` weighs: the prior of the logarithms of both weights is a normal one."""
HELD = 0.3
"""Importance of a recording without a label that is to keep its answer, where a labelled one has 1 in the mean."""
FREE = 2
"""Labels of a category from which on recordings without a label that are answered so are not held any more: what is
rarely labelled is then not forgotten, and what is labelled is free to change."""

FOLDS = 5
"""Parts of the labelled recordings, each scored by a diarizer that was adapted to the others."""


@dataclass(frozen=True, eq=False)
class Descriptions:
    """What the learned head knows of recordings.

    Attributes:
        parts: (N, D) each, of the hidden units and of the functionals.
        logits: (N, C) of the shipped heads; their softmax is the posterior.
    """

    parts: tuple[Doubles, Doubles]
    logits: Doubles


@dataclass(frozen=True, eq=False)
class LearnedHead:
    """``share`` times the shipped logits plus ``weights[0] @ hidden + weights[1] @ functionals + bias`` are the logits.

    Attributes:
        share: see above.
        weights: (C, D) for each part of ``Descriptions``.
        bias: (C,).
    """

    share: float
    weights: tuple[Doubles, Doubles]
    bias: Doubles


def learned(
    network: DiarizerNetwork, recordings: Sequence[SpokenRecording], strength: float = STRENGTH
) -> DiarizerNetwork:
    """A copy of a network that has learned from the recordings that have a label.

    Args:
        recordings: of one kind; those without a label tell what is usual in them, and hold what labels do not teach.
        strength: how far the mean of the functionals moves to theirs first, see ``adaptation``.

    Raises:
        InputError: fewer than two categories have a labelled recording with speech.
    """
    spoken = [recording for recording in recordings if recording.speech]
    labelled = [recording for recording in spoken if recording.label is not None]
    names, known = {str(recording.label) for recording in labelled}, network.config.labels
    if unknown := names.difference(known):
        raise InputError(f"the label '{min(unknown)}' is no category: {one_of(min(unknown), known)}")
    check_categories(names)
    moved = with_mean_moved(network, [piece for recording in spoken for piece in recording.speech], strength)
    truth = np.array([known.index(str(recording.label)) for recording in labelled])
    rest = [recording for recording in spoken if recording.label is None]
    if rest:
        answers = descriptions(moved, rest).logits.argmax(1)
        rare = np.bincount(truth, minlength=len(known))[answers] < FREE
        rest = [recording for recording, held in zip(rest, rare, strict=True) if held]
    speakers = np.array([recording.speaker or "" for recording in (*labelled, *rest)])
    return with_head(moved, fitted_head(descriptions(moved, [*labelled, *rest]), truth, speakers))


def adapted_without(
    network: DiarizerNetwork, recordings: Sequence[SpokenRecording], strength: float, method: Method = METHOD
) -> list[DiarizerNetwork]:
    """For each recording a network adapted to others, and to other speakers where they are named."""
    folds = _folds(recordings)
    made = {}
    for fold in sorted(set(folds)):
        others = [recording for recording, own in zip(recordings, folds, strict=True) if own != fold]
        known = len({r.label for r in others if r.label is not None}) > 1
        if known:
            made[fold] = learned(network, others, strength)
        elif pieces := [piece for recording in others for piece in recording.speech]:
            made[fold] = adapted(network, pieces, strength, method)
        else:
            made[fold] = network
    return [made[fold] for fold in folds]


def _folds(recordings: Sequence[SpokenRecording]) -> list[int]:
    """The fold of each: speakers in turn where several are named, else the recordings of each label in turn."""
    named = sorted({recording.speaker for recording in recordings if recording.speaker is not None})
    folds = min(FOLDS, len(recordings))
    if len(named) > 1:
        turn = {name: place % folds for place, name in enumerate(named)}
        return [turn.get(recording.speaker or "", k % folds) for k, recording in enumerate(recordings)]
    order = sorted(range(len(recordings)), key=lambda k: (recordings[k].label or "", k))
    return [place % folds for _, place in sorted(zip(order, range(len(order)), strict=True))]


def check_categories(names: Collection[str]) -> None:
    """Raise ``InputError`` where labels are of fewer than two categories."""
    if len(names) < 2:
        raise InputError("labels of fewer than two categories: nothing can be learned from these")


def descriptions(network: DiarizerNetwork, recordings: Sequence[SpokenRecording]) -> Descriptions:
    """What a head on top of a network knows of recordings with speech."""
    rows = [torch.cat(recording.speech) for recording in recordings]
    hidden, weight, bias = linear_part(network, rows)
    with torch.no_grad():
        functionals = torch.stack([network.standardised(part.to(network.mean)).mean(0).cpu() for part in rows])
    double = [np.asarray(values, np.float64) for values in (hidden, functionals, hidden @ weight.T + bias)]
    return Descriptions((double[0], double[1]), double[2])


def fitted_head(given: Descriptions, truth: NDArray[np.integer], speakers: NDArray[np.str_]) -> LearnedHead:
    """The head that labelled recordings teach.

    Args:
        given: of N recordings.
        truth: (L,) categories of the first ones; the others are held at their answers.
        speakers: (N,) names; the same everywhere where there is one speaker.
    """
    labels, wanted = slice(len(truth)), np.eye(given.logits.shape[1])[truth]
    importance = 1.0 / np.bincount(truth, minlength=wanted.shape[1])[truth]
    importance /= importance.mean()
    every = np.concatenate([importance, np.full(len(given.logits) - len(truth), HELD)])
    groups = speakers if len(set(speakers[labels])) > 1 else np.arange(len(every)).astype(str)
    scaled = [_centred(part, truth) for part in given.parts]
    kernel = np.mean([rows @ rows.T for rows, _, _ in scaled], 0)
    residual = np.zeros_like(given.logits)
    residual[labels] = wanted - softmax(given.logits[labels], -1)
    best: tuple[float, Doubles, Doubles] | None = None
    for penalty in PENALTIES:
        dual, left_out = _ridge(kernel, residual, penalty / every, groups)
        shares, loss = _stacked(given.logits[labels], left_out[labels], wanted, importance)
        if best is None or loss < best[0]:
            best = loss, shares, dual
    assert best is not None
    (own, new), dual = best[1], best[2]
    weights, bias = [], new * dual[-1]
    for rows, middle, length in scaled:
        weights.append(new * (dual[:-1].T @ rows) / (len(scaled) * length))
        bias = bias - weights[-1] @ middle
    return LearnedHead(float(own), (weights[0], weights[1]), bias)


def _centred(values: Doubles, truth: NDArray[np.integer]) -> tuple[Doubles, Doubles, float]:
    """Rows in units of their root mean squared length about the mean of the categories' means; that mean and length."""
    middle = np.stack([values[: len(truth)][truth == c].mean(0) for c in np.unique(truth)]).mean(0)
    length = float(np.sqrt(np.square(values - middle).sum(1).mean())) or 1.0
    return (values - middle) / length, middle, length


def _ridge(kernel: Doubles, wanted: Doubles, penalty: Doubles, groups: NDArray[np.str_]) -> tuple[Doubles, Doubles]:
    """Dual coefficients (N + 1, C), the last row the intercept, and predictions (N, C) without one's own group."""
    count = len(kernel)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = kernel + np.diag(penalty)
    system[count, count] = 0.0
    inverse = np.linalg.inv(system)
    dual = inverse[:, :count] @ wanted
    left_out = np.empty_like(wanted)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        left_out[own] = wanted[own] - np.linalg.solve(inverse[np.ix_(own, own)], dual[own])
    return dual, left_out


def _stacked(logits: Doubles, learned_logits: Doubles, wanted: Doubles, importance: Doubles) -> tuple[Doubles, float]:
    """Positive weights (2,) of two heads under which the right categories are likeliest, and their loss."""
    from scipy.optimize import minimize

    share = importance / importance.sum()

    def loss(logs: Doubles) -> float:
        own, new = np.exp(logs) * USUAL
        mixed = own * logits + new * learned_logits
        likelihood = share @ ((mixed * wanted).sum(1) - np.logaddexp.reduce(mixed, 1))
        return float(PULL / len(logits) * np.square(logs).sum() - likelihood)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 150, "xatol": 0.02, "fatol": 1e-4})
    return np.exp(found.x) * USUAL, float(found.fun)


# --- The head written into the weights.


def with_head(network: DiarizerNetwork, head: LearnedHead) -> DiarizerNetwork:
    """A copy of a network whose answers on whole recordings are those of the head."""
    config = network.config.model_copy(update={"temperature": network.config.temperature / head.share})
    changed = deepcopy(network)
    changed.config = config
    hidden, functionals = (torch.from_numpy(weight).float() for weight in head.weights)
    changed = with_linear_part(changed, hidden, torch.from_numpy(head.bias).float())
    return with_linear_path(changed, functionals)


@torch.no_grad()
def with_linear_path(network: DiarizerNetwork, weight: Tensor) -> DiarizerNetwork:
    """A copy whose logits, over the temperature, have ``weight @ x`` more, x being the standardised functionals.

    Args:
        network: a diarizer; its members become wider by two units a category.
        weight: (C, F).
    """
    classes, temperature = len(weight), network.config.temperature
    changed = deepcopy(network)
    changed.config = network.config.model_copy(update={"width": network.config.width + 2 * classes})
    for member in changed.members:
        first, last = cast(nn.Sequential, member)[1], cast(nn.Sequential, member)[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        extra = weight.to(first.weight)
        first.weight = nn.Parameter(torch.cat([first.weight, extra, -extra]))
        first.bias = nn.Parameter(torch.cat([first.bias, first.bias.new_zeros(2 * classes)]))
        path = last.weight.new_zeros(last.out_features, classes)
        path[:classes] = temperature * torch.eye(classes)
        last.weight = nn.Parameter(torch.cat([last.weight, path, -path], 1))
        first.out_features = last.in_features = changed.config.width
    return changed
