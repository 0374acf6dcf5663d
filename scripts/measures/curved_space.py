"""Labelled speech to unlabelled speech of another kind by transport in a curved space, after NOVA-ARC.

After "NOVA-ARC" (arXiv 2604.17647; published code Helixometry/NOVA-ARC---ACL26): frames of a frozen encoder go to the
Poincaré ball and are quantised by a codebook of prosody there; frame and code are added, an emotion lens stretches
their lengths, attention pools them. Prototypes of the categories are Fréchet means of the source; optimal transport
labels the unlabelled target softly by them. Everything runs in either ``Geometry``, so that the flat twin differs in
nothing else.

Ours, as the published code lacks them: the consistency of two noisy views, the restart of codes that nothing uses, and
masks for clips of different lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Reals
from sedtalker.progress import Hook, no_progress

SMOOTHNESS = 0.05
"""Weight of the entropy, for costs between 0 and 1."""
STEPS = 50
"""Iterations."""


def sinkhorn(cost: Tensor, rows: Tensor, columns: Tensor, smoothness: float = SMOOTHNESS, steps: int = STEPS) -> Tensor:
    """The transport plan (C, N) of least cost plus negative entropy; its columns sum to ``columns`` exactly.

    Args:
        cost: (C, N).
        rows: (C,) mass of each row, positive, sums to 1.
        columns: (N,) mass of each column, positive, sums to 1.
        smoothness: of the plan; near 0 it becomes a hard assignment.
    """
    kernel = -cost / smoothness
    left, right = torch.zeros_like(rows), torch.zeros_like(columns)
    for _ in range(steps):
        left = rows.log() - torch.logsumexp(kernel + right, 1)
        right = columns.log() - torch.logsumexp(kernel + left[:, None], 0)
    return (kernel + left[:, None] + right).exp()


def soft_labels(cost: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Shares (N, C) of the prototypes in each sample, and the cost of the plan, from costs (C, N) of any scale.

    Args:
        cost: of each prototype and sample, not negative.
        rows: (C,) how much of the samples each prototype gets.
    """
    count = cost.shape[1]
    scaled = cost / cost.max().clamp_min(1e-12)
    plan = sinkhorn(scaled.detach(), rows, torch.full((count,), 1.0 / count, dtype=cost.dtype))
    return (plan * count).T, (plan * scaled).sum()


EDGE = 1e-5
"""How far points of the ball stay from its edge, where distances grow without end."""
TINY = 1e-15
"""Least length that is divided by."""


class FlatSpace:
    """Euclidean space. Points and tangent vectors have their coordinates in the last dimension."""

    def from_tangent(self, vector: Tensor) -> Tensor:
        """The point that a tangent vector at the origin leads to."""
        return vector

    def to_tangent(self, point: Tensor) -> Tensor:
        """The tangent vector at the origin that leads to a point; inverse of ``from_tangent``."""
        return point

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """The second point moved as the first lies from the origin."""
        return first + second

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances (N, K) of points (N, D) and (K, D)."""
        return _squared_distances(first, second).clamp_min(TINY).sqrt()

    def mean(self, points: Tensor, steps: int = 20) -> Tensor:
        """Fréchet mean (D,) of points (N, D), the point of least squared distances."""
        return points.mean(0)


class PoincareBall:
    """The unit ball with the hyperbolic metric of curvature -1; see ``FlatSpace``."""

    def from_tangent(self, vector: Tensor) -> Tensor:
        """exp_0(v) = tanh(‖v‖) v / ‖v‖."""
        length = _length(vector)
        return _inside(torch.tanh(length) * vector / length)

    def to_tangent(self, point: Tensor) -> Tensor:
        """log_0(x) = artanh(‖x‖) x / ‖x‖."""
        length = _length(point)
        return torch.atanh(length.clamp_max(1.0 - EDGE)) * point / length

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """Möbius addition x ⊕ y."""
        inner = (first * second).sum(-1, keepdim=True)
        one, two = first.square().sum(-1, keepdim=True), second.square().sum(-1, keepdim=True)
        total = (1 + 2 * inner + two) * first + (1 - one) * second
        return _inside(total / (1 + 2 * inner + one * two).clamp_min(TINY))

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """d(x, y) = arcosh(1 + 2 ‖x - y‖² / ((1 - ‖x‖²)(1 - ‖y‖²))), equal to 2 artanh ‖(-x) ⊕ y‖."""
        one, two = (1 - points.square().sum(-1) for points in (first, second))
        ratio = _squared_distances(first, second) / (one[:, None] * two).clamp_min(TINY)
        # arcosh(1 + 2r) = 2 arsinh(√r), which is exact where r is small
        return 2 * torch.asinh(ratio.clamp_min(TINY).sqrt())

    def exponential(self, at: Tensor, vector: Tensor) -> Tensor:
        """exp_x(v), the point that a tangent vector at ``at`` leads to."""
        factor = 2.0 / (1.0 - at.square().sum(-1, keepdim=True)).clamp_min(EDGE)
        length = _length(vector)
        return self.add(at, _inside(torch.tanh(0.5 * factor * length) * vector / length))

    def logarithm(self, at: Tensor, point: Tensor) -> Tensor:
        """log_x(y), the tangent vector at ``at`` that leads to ``point``."""
        factor = 2.0 / (1.0 - at.square().sum(-1, keepdim=True)).clamp_min(EDGE)
        towards = self.add(-at, point)
        length = _length(towards)
        return 2.0 / factor * torch.atanh(length.clamp_max(1.0 - EDGE)) * towards / length

    def mean(self, points: Tensor, steps: int = 20) -> Tensor:
        """By Karcher's iteration from the mean of the tangent vectors at the origin."""
        middle = self.from_tangent(self.to_tangent(points).mean(0))
        for _ in range(steps):
            change = self.logarithm(middle, points).mean(0)
            middle = self.exponential(middle, change)
        return middle


Geometry = FlatSpace | PoincareBall
"""A space with an origin."""
GEOMETRIES: dict[str, Geometry] = {"ball": PoincareBall(), "flat": FlatSpace()}
"""By name."""


def _length(values: Tensor) -> Tensor:
    """Norms (…, 1), never zero, with a finite gradient at zero."""
    return values.square().sum(-1, keepdim=True).clamp_min(TINY).sqrt()


def _inside(points: Tensor) -> Tensor:
    """Points brought back inside the ball."""
    length = _length(points)
    return torch.where(length > 1.0 - EDGE, points / length * (1.0 - EDGE), points)


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances (N, K)."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist").square()


COMMITMENT = 0.25
"""How much frames are drawn to their codes, beside codes to frames (van den Oord et al. 2017)."""


@dataclass(frozen=True)
class NovaArcSettings:
    """Hyper-parameters; sizes are smaller than the published 256 so that a run takes a minute of one core.

    Attributes:
        geometry: ``ball``, or ``flat`` for the twin.
        width: of the space.
        codes: of the codebook.
        rounds: passes through the larger of source and target.
        batch: clips of each in a step.
        rate: of Adam.
        transport_cost: weight of the cost of the transport plan.
        transport_labels: weight of the cross-entropy with its soft labels.
        consistency: weight of the divergence of two noisy views of the target.
        noise: deviation of the noise of a view, of standardised frames.
        warm_up: rounds on the source alone.
    """

    geometry: str = "ball"
    width: int = 64
    codes: int = 64
    rounds: int = 8
    batch: int = 32
    rate: float = 2e-3
    transport_cost: float = 0.1
    transport_labels: float = 0.1
    consistency: float = 0.1
    noise: float = 0.3
    warm_up: int = 2


class Clips(NamedTuple):
    """Frames of clips of different lengths.

    Attributes:
        frames: (N, T, D), standardised; zeros after the end of a clip.
        valid: (N, T) bool.
    """

    frames: Tensor
    valid: Tensor

    def chosen(self, index: NDArray[np.int64] | Tensor) -> Clips:
        """Some of the clips."""
        return Clips(self.frames[index], self.valid[index])


def clips_of(frames: Sequence[Reals], longest: int) -> Clips:
    """Frames (T_i, D) of clips side by side; of longer clips the middle ``longest`` frames."""
    kept = [f[max(0, (len(f) - longest) // 2) :][:longest] for f in frames]
    out = torch.zeros(len(kept), max(map(len, kept)), kept[0].shape[1])
    valid = torch.zeros(out.shape[:2], dtype=torch.bool)
    for k, values in enumerate(kept):
        out[k, : len(values)] = torch.from_numpy(np.asarray(values, np.float32))
        valid[k, : len(values)] = True
    return Clips(out, valid)


class Outputs(NamedTuple):
    """What the network says of clips.

    Attributes:
        logits: (N, C).
        pooled: (N, W) tangent vectors at the origin.
        quantisation: loss of the codebook.
        used: (K,) how many frames each code has.
    """

    logits: Tensor
    pooled: Tensor
    quantisation: Tensor
    used: Tensor


class NovaArc(nn.Module):
    """The network: frames to logits through a space with a codebook."""

    def __init__(self, channels: int, classes: int, settings: NovaArcSettings):
        super().__init__()
        self.space: Geometry = GEOMETRIES[settings.geometry]
        self.project = nn.Linear(channels, settings.width)
        self.codes = nn.Parameter(torch.empty(settings.codes, settings.width).uniform_(-0.1, 0.1))
        self.lens = nn.Parameter(torch.ones(()))
        self.attention = nn.Linear(settings.width, 1)
        self.classify = nn.Linear(settings.width, classes)

    def forward(self, clips: Clips) -> Outputs:
        points = self.space.from_tangent(self._tangents(clips))
        codes = self.space.from_tangent(self.codes)
        nearest = self.space.distances(points.detach(), codes.detach()).argmin(1)
        chosen = self.codes[nearest]
        tangent = self.space.to_tangent(points)
        loss = (chosen - tangent.detach()).square().mean() + COMMITMENT * (tangent - chosen.detach()).square().mean()
        through = tangent + (chosen - tangent).detach()  # the gradient passes as if nothing were rounded
        vectors = self.space.to_tangent(self.space.add(points, self.space.from_tangent(through)))
        length = vectors.norm(dim=-1, keepdim=True) + 1e-6
        vectors = self.space.to_tangent(self.space.from_tangent(length**self.lens * vectors / length))
        score = torch.full(clips.valid.shape, -torch.inf).masked_scatter(clips.valid, self.attention(vectors)[:, 0])
        spread = torch.zeros(*clips.valid.shape, vectors.shape[-1])
        spread = spread.masked_scatter(clips.valid[..., None], vectors)
        pooled = (score.softmax(1)[..., None] * spread).sum(1)
        used = torch.bincount(nearest, minlength=len(self.codes))
        return Outputs(self.classify(pooled), pooled, loss, used)

    def _tangents(self, clips: Clips) -> Tensor:
        """The frames (F, W) of all clips as tangent vectors at the origin, shorter than 1."""
        frames = self.project(clips.frames[clips.valid])
        return frames / (frames.norm(dim=-1, keepdim=True) + 1.0)

    @torch.no_grad()
    def prototypes(self, clips: Clips, labels: Tensor, classes: int) -> Tensor:
        """Fréchet means (C, W) of the clips of each category, as points."""
        points = self.space.from_tangent(self(clips).pooled)
        return torch.stack([self.space.mean(points[labels == c]) for c in range(classes)])

    @torch.no_grad()
    def restart_codes(self, used: Tensor, clips: Clips, generator: torch.Generator) -> int:
        """Put codes that no frame uses onto random frames; how many."""
        dead = (used == 0).nonzero()[:, 0]
        if len(dead):
            frames = self._tangents(clips)
            drawn = torch.randint(len(frames), (len(dead),), generator=generator)
            self.codes[dead] = self.space.to_tangent(self.space.from_tangent(frames[drawn]))
        return len(dead)


def train_nova_arc(
    source: Clips,
    labels: NDArray[np.int64],
    target: Clips | None,
    settings: NovaArcSettings = NovaArcSettings(),
    seed: int = 0,
    hook: Hook = no_progress,
) -> NovaArc:
    """A network for the target, from labelled clips of the source and unlabelled clips of the target.

    Args:
        labels: (N,) from 0; every category occurs.
        target: clips without labels; None: the source alone, which is the control without adaptation.
    """
    classes = int(labels.max()) + 1
    torch.manual_seed(seed)
    rng, given = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    network = NovaArc(source.frames.shape[-1], classes, settings)
    optimizer = torch.optim.Adam(network.parameters(), settings.rate)
    truth, prior = torch.from_numpy(labels), torch.full((classes,), 1.0 / classes)
    shares = 1.0 / np.bincount(labels)[labels]
    steps = -(-max(len(labels), len(target.frames) if target is not None else 0) // settings.batch)
    for number in range(settings.rounds):
        hook("training NOVA-ARC", number, settings.rounds)
        adapts = target is not None and number >= settings.warm_up
        means = network.prototypes(source, truth, classes) if adapts else None
        total = torch.zeros(settings.codes, dtype=torch.long)
        for _ in range(steps):
            chosen = rng.choice(len(labels), settings.batch, p=shares / shares.sum())
            out = network(_noisy(source.chosen(chosen), settings.noise))
            loss = F.cross_entropy(out.logits, truth[chosen]) + out.quantisation
            total += out.used
            if target is not None and means is not None:
                drawn = rng.choice(len(target.frames), min(settings.batch, len(target.frames)), replace=False)
                loss = loss + _target_loss(network, target.chosen(drawn), means, prior, settings)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.restart_codes(total, source.chosen(rng.choice(len(labels), settings.batch)), given)
    hook("training NOVA-ARC", settings.rounds, settings.rounds)
    return network.eval()


def _target_loss(network: NovaArc, clips: Clips, means: Tensor, prior: Tensor, settings: NovaArcSettings) -> Tensor:
    """Loss on unlabelled clips: transport to the prototypes, soft labels, codebook, consistency of two views."""
    one, two = (network(_noisy(clips, settings.noise)) for _ in range(2))
    cost = network.space.distances(means, network.space.from_tangent(one.pooled)).square()
    shares, moved = soft_labels(cost, prior)
    log = F.log_softmax(one.logits, -1)
    entropy = -(shares * log).sum(-1).mean()
    apart = F.kl_div(log, F.log_softmax(two.logits, -1).detach(), log_target=True, reduction="batchmean")
    total: Tensor = settings.transport_cost * moved + settings.transport_labels * entropy
    return total + settings.consistency * apart + one.quantisation


def _noisy(clips: Clips, noise: float) -> Clips:
    return Clips(clips.frames + noise * torch.randn_like(clips.frames) * clips.valid[..., None], clips.valid)
