"""A diarizer that learns from its own answers on recordings without labels.

Its answers on the recordings, evened out so that no category takes them all, become soft labels; the last layers learn
them, held near what they were; and again (Lee 2013, "Pseudo-label"; distribution alignment: Berthelot et al. 2020,
"ReMixMatch"). Only layers that are linear in the result are trained: for a whole recording the mean over its rows
comes first, so that a run takes a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.emotion.network import DiarizerNetwork

ALIGNMENT_STEPS = 60
"""Iterations of ``balance``; it has settled long before."""


@dataclass(frozen=True)
class SelfTraining:
    """Hyper-parameters, chosen on corpora that were never trained on (``docs/diarizer.md``).

    Attributes:
        rounds: of labelling and learning.
        sharpness: divides the log-posterior before it becomes a soft label; under 1 labels are sharper than answers.
        hold: weight of the squared change of the weights.
        alignment: how far the shares of the categories are evened out, 0 to 1.
        iterations: of the optimiser in each round.
    """

    rounds: int = 2
    sharpness: float = 0.5
    hold: float = 1e-2
    alignment: float = 0.5
    iterations: int = 12


@torch.no_grad()
def balance(log_posterior: Tensor, alignment: float = 1.0) -> Tensor:
    """Offsets (C,), summing to 0, whose softmax with rows (N, C) has all categories equally often in the mean.

    Args:
        log_posterior: of N recordings.
        alignment: share of the offsets that is returned.
    """
    offsets = torch.zeros(log_posterior.shape[1])
    even = -torch.log(torch.tensor(float(log_posterior.shape[1])))
    for _ in range(ALIGNMENT_STEPS):
        offsets += 0.7 * (even - (log_posterior + offsets).softmax(1).mean(0).clamp_min(1e-12).log())
    return alignment * (offsets - offsets.mean())


def self_trained(
    network: DiarizerNetwork, rows: Sequence[Tensor], settings: SelfTraining = SelfTraining()
) -> DiarizerNetwork:
    """A copy of a network whose last layers have learned from its answers.

    Args:
        network: a diarizer, already moved to the recordings by other means.
        rows: functionals (N_i, F) of each recording.
        settings: see there.
    """
    inputs, weight, bias = linear_part(network, rows)
    learned, shift = weight, bias
    for _ in range(settings.rounds):
        scores = inputs @ learned.T + shift
        wanted = ((scores + balance(scores, settings.alignment)) / settings.sharpness).softmax(1)
        learned, shift = _fitted(inputs, wanted, weight, bias, settings)
    scores = inputs @ learned.T + shift
    return with_linear_part(network, learned - weight, shift + balance(scores, settings.alignment) - bias)


@torch.no_grad()
def linear_part(network: DiarizerNetwork, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """What the mean log-posterior of recordings is linear in: inputs (N, U), weight (C, U) and bias (C,).

    The softmax of ``inputs @ weight.T + bias`` is that of the mean log-posterior of each recording's rows.
    """
    classes, scale = len(network.config.labels), 1.0 / (len(network.members) * network.config.temperature)
    inputs, weights, bias = [], [], torch.zeros(classes)
    for member in network.members:
        assert isinstance(member, nn.Sequential)
        last = cast(nn.Linear, member[-1])
        used = last.weight[:classes].abs().sum(0) > 0
        weights.append(scale * last.weight[:classes, used])
        bias += scale * last.bias[:classes]
        each = []
        for part in rows:
            x = ((part.to(network.mean) - network.mean) * network.scale).clamp(-5.0, 5.0)
            each.append(member[:-1](x).mean(0)[used])
        inputs.append(torch.stack(each))
    return torch.cat(inputs, 1).cpu(), torch.cat(weights, 1).cpu(), bias.cpu()


@torch.enable_grad()
def _fitted(
    inputs: Tensor, wanted: Tensor, weight: Tensor, bias: Tensor, settings: SelfTraining
) -> tuple[Tensor, Tensor]:
    """Weight and bias of least cross-entropy with soft labels, confident recordings counting more."""
    middle, sure = inputs.mean(0), wanted.amax(1)
    centred, before, sure = inputs - middle, inputs @ weight.T + bias, sure / sure.sum()
    change = torch.zeros_like(weight, requires_grad=True)
    shift = torch.zeros_like(bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([change, shift], max_iter=settings.iterations, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        log = F.log_softmax(before + centred @ change.T + shift, 1)
        loss = -(sure[:, None] * wanted * log).sum() + settings.hold * change.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    done, moved = change.detach(), shift.detach()
    return weight + done, bias + moved - middle @ done.T


@torch.no_grad()
def with_linear_part(network: DiarizerNetwork, weight: Tensor, bias: Tensor) -> DiarizerNetwork:
    """A copy of the network with changes of ``linear_part``'s weight and bias written into every member."""
    changed, first = deepcopy(network), 0
    classes, temperature = len(network.config.labels), network.config.temperature
    for member in changed.members:
        assert isinstance(member, nn.Sequential)
        last = cast(nn.Linear, member[-1])
        used = (last.weight[:classes].abs().sum(0) > 0).nonzero()[:, 0]
        part = len(changed.members) * temperature * weight[:, first : first + len(used)].to(last.weight)
        last.weight[:classes, used] += part
        last.bias[:classes] += temperature * bias.to(last.bias)
        first += len(used)
    return changed
