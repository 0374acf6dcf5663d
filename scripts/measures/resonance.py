"""Five labelled clips a category in one language, none in another: a faithful reading of SERE.

"SERE" (arXiv 2604.07417) is published without code or formulas; its abstract names an *instantaneous resonance field*,
a matrix of similarities that finds each clip's emotional moments, and a *triple-resonance* loss between labelled and
unlabelled clips. The formulas here are ours and keep to what it says: clips resonate by their best pairs of moments,
labels spread from the shots along that matrix, and three losses tie labelled to labelled, unlabelled to labelled and
unlabelled to unlabelled clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from measures.curved_space import Clips
from sedtalker.progress import Hook, no_progress


@dataclass(frozen=True)
class ResonanceSettings:
    """Hyper-parameters.

    Attributes:
        width: of the shared space.
        rounds: steps of training; every step sees all shots.
        unlabelled: clips without labels in a step, of each language.
        rate: of Adam.
        temperature: of similarities.
        highlight: temperature of the weights of moments.
        labelled_unlabelled: weight of the loss between shots and other clips.
        unlabelled_unlabelled: weight of the loss among other clips; 0 is a control.
        neighbours: clips that are mutual positives.
        ramp: steps until both weights have their full size.
        noise: deviation of the noise of the second view.
        moments: False pools every clip by its mean, the control without the field.
        identity: begin with the frames as they are instead of a random projection of them; ``width`` is then theirs.
    """

    width: int = 64
    rounds: int = 60
    unlabelled: int = 32
    rate: float = 2e-3
    temperature: float = 0.1
    highlight: float = 0.2
    labelled_unlabelled: float = 0.5
    unlabelled_unlabelled: float = 0.5
    neighbours: int = 5
    ramp: int = 20
    noise: float = 0.2
    moments: bool = True
    identity: bool = False


class Resonance(nn.Module):
    """Moments of clips on the unit sphere of a shared space, each language through a map of its own."""

    def __init__(self, channels: int, languages: int, settings: ResonanceSettings):
        super().__init__()
        self.settings = settings
        self.languages = nn.ModuleList(nn.Linear(channels, channels) for _ in range(languages))
        for layer in self.languages:
            assert isinstance(layer, nn.Linear)
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.shared = nn.Linear(channels, channels if settings.identity else settings.width)
        if settings.identity:
            nn.init.eye_(self.shared.weight)
            nn.init.zeros_(self.shared.bias)

    def forward(self, clips: Clips, language: int) -> Tensor:
        """(N, T, W) of length 1; zeros after the end of a clip."""
        z = F.normalize(self.shared(self.languages[language](clips.frames)), dim=-1)
        return z * clips.valid[..., None]

    def weights(self, moments: Tensor, valid: Tensor, means: Tensor | None) -> Tensor:
        """How much each moment of a clip counts (N, T): those near a category's mean count most."""
        score = torch.zeros(valid.shape)
        if self.settings.moments and means is not None:
            score = (moments @ means.T).amax(-1) / self.settings.highlight
        return score.masked_fill(~valid, -torch.inf).softmax(1)

    def field(self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
        """Resonance (N, M) of clips, given as moments and weights.

        R = τ log Σ w w' exp(⟨z, z'⟩ / τ) over pairs of moments, so that the best pairs decide.
        """
        (z, w), (y, v) = first, second
        if not self.settings.moments:
            return F.normalize((w[..., None] * z).sum(1), dim=-1) @ F.normalize((v[..., None] * y).sum(1), dim=-1).T
        tau = self.settings.temperature
        logs = torch.einsum("ntd,msd->nmts", z, y) / tau
        logs = logs + w.clamp_min(1e-9).log()[:, None, :, None] + v.clamp_min(1e-9).log()[None, :, None, :]
        return tau * torch.logsumexp(logs.flatten(2), -1)


def label_shares(field: Tensor, labels: Tensor, classes: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Shares (N, C) of the categories by resonance (N, L) with L shots, and how sure they are, 1 - H / ln C (N,)."""
    members = F.one_hot(labels, classes).to(field)
    each = (field @ members) / members.sum(0).clamp_min(1.0)
    shares = (each / temperature).softmax(-1)
    entropy = -(shares * shares.clamp_min(1e-9).log()).sum(-1)
    return shares, 1.0 - entropy / float(np.log(classes))


def train_resonance(
    shots: Clips,
    labels: NDArray[np.int64],
    unlabelled: Sequence[Clips],
    settings: ResonanceSettings = ResonanceSettings(),
    seed: int = 0,
    hook: Hook = no_progress,
) -> tuple[Resonance, Tensor]:
    """The network, and the means (C, W) of the categories.

    Args:
        shots: labelled clips of the first language.
        labels: (L,) from 0; every category occurs twice or more.
        unlabelled: clips of each language, the shots' language first, the target last.
    """
    classes, truth = int(labels.max()) + 1, torch.from_numpy(labels)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Resonance(shots.frames.shape[-1], len(unlabelled), settings)
    optimizer = torch.optim.Adam(network.parameters(), settings.rate)
    means: Tensor | None = None
    for step in range(settings.rounds):
        hook("training SERE", step, settings.rounds)
        z = network(shots, 0)
        ours = (z, network.weights(z, shots.valid, means))
        found = _means(ours, truth, classes)
        means = found.detach() if means is None else F.normalize(0.9 * means + 0.1 * found.detach(), dim=-1)
        loss = _between_shots(network.field(ours, ours), truth, settings.temperature)
        loss = loss + F.cross_entropy(_pooled(ours) @ found.T / settings.temperature, truth)
        ramp = min(1.0, step / max(1, settings.ramp))
        for language, clips in enumerate(unlabelled):
            count = min(settings.unlabelled, len(clips.frames))
            drawn = clips.chosen(rng.choice(len(clips.frames), count, replace=False))
            loss = loss + ramp * _unlabelled_loss(network, drawn, language, ours, truth, means)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    hook("training SERE", settings.rounds, settings.rounds)
    network.eval()
    with torch.no_grad():
        z = network(shots, 0)
        means = _means((z, network.weights(z, shots.valid, means)), truth, classes)
    return network, means


@torch.no_grad()
def resonance_scores(
    network: Resonance, means: Tensor, shots: Clips, labels: NDArray[np.int64], clips: Clips, language: int
) -> NDArray[np.float64]:
    """Shares (N, C) of the categories in clips of a language: by resonance with the shots."""
    first, z = network(clips, language), network(shots, 0)
    theirs = (first, network.weights(first, clips.valid, means))
    ours = (z, network.weights(z, shots.valid, means))
    field, truth = network.field(theirs, ours), torch.from_numpy(labels)
    values: NDArray[np.float64] = (
        label_shares(field, truth, len(means), network.settings.temperature)[0].double().numpy()
    )
    return values


def _pooled(clips: tuple[Tensor, Tensor]) -> Tensor:
    moments, weights = clips
    return F.normalize((weights[..., None] * moments).sum(1), dim=-1)


def _means(shots: tuple[Tensor, Tensor], labels: Tensor, classes: int) -> Tensor:
    pooled = _pooled(shots)
    return F.normalize(torch.stack([pooled[labels == c].mean(0) for c in range(classes)]), dim=-1)


def _between_shots(field: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrast (Khosla et al. 2020, arXiv 2004.11362) on the field (L, L)."""
    alone = torch.eye(len(labels), dtype=torch.bool)
    log = F.log_softmax((field / temperature).masked_fill(alone, -1e9), 1)
    same = (labels[:, None] == labels) & ~alone
    return -(log * same).sum(1).div(same.sum(1).clamp_min(1)).mean()


def _unlabelled_loss(
    network: Resonance, clips: Clips, language: int, shots: tuple[Tensor, Tensor], labels: Tensor, means: Tensor
) -> Tensor:
    """Loss on unlabelled clips: they follow the shots they resonate with, and each other."""
    settings = network.settings
    z = network(clips, language)
    theirs = (z, network.weights(z, clips.valid, means))
    field = network.field(theirs, shots)
    shares, sure = label_shares(field.detach(), labels, len(means), settings.temperature)
    shares = shares / shares.mean(0).clamp_min(1e-6)  # distribution alignment: all categories occur
    shares = (shares / shares.sum(1, keepdim=True)).square()  # sharpened
    shares = shares / shares.sum(1, keepdim=True)
    log = F.log_softmax(_pooled(theirs) @ means.T / settings.temperature, -1)
    follow = -(sure * (shares * log).sum(-1)).mean()
    if not settings.unlabelled_unlabelled:
        return settings.labelled_unlabelled * follow
    noisy = Clips(clips.frames + settings.noise * torch.randn_like(clips.frames), clips.valid)
    y = network(noisy, language)
    among = network.field(theirs, (y, network.weights(y, clips.valid, means)))
    near = torch.zeros_like(among, dtype=torch.bool)
    near.scatter_(1, among.topk(min(settings.neighbours, len(among)), 1).indices, True)
    positive = (near & near.T) | torch.eye(len(among), dtype=torch.bool)
    spread = F.log_softmax(among / settings.temperature, 1)
    apart = -(spread * positive).sum(1).div(positive.sum(1)).mean()
    return settings.labelled_unlabelled * follow + settings.unlabelled_unlabelled * apart
