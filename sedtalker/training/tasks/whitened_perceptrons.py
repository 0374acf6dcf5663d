"""Perceptrons on whitened functionals, and the diarizer that they fold into.

Between corpora the means of features move most along directions of large variance, and emotion sits in those of small
one. Scaling by the covariance *within* categories (as linear discriminant analysis does) makes the two alike before the
perceptron sees them. The scaling is linear, so that afterwards it is part of the perceptrons' first layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.emotion.diarizer_model import (
    PITCH_CHANNELS,
    ROW,
    SPEECH_CHANNELS,
    SPOKEN,
    VOICED,
    DiarizerConfig,
    FrameBatch,
)
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.nn.blocks import perceptron
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.speech.features import pair_any, speech_mask
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.layer_features import LayerFeatures
from sedtalker.training.corpora.manifest import Clip

MAIN, LONG = (0, 1), 2
"""Windows whose mean describes how somebody speaks now, and the one that describes the speaker."""
PROSODY = range(SPOKEN - len(SPEECH_CHANNELS), SPOKEN)
"""Columns of the prosody among the channels taken over speech."""
SPREAD = 1.6
"""The diarizer clamps standardised functionals at 5: so many deviations count as one."""
LEAST_DEVIATION = 0.02
"""Smallest deviation that functionals are divided by."""


class Described(NamedTuple):
    """Functionals of N windows, of the K channels that are used: prosody, hidden vectors and pitch.

    Attributes:
        now: (N, 2K) means, then deviations, over the shorter windows.
        speaker: (N, K) means over the longest window.
        weight: (N, 2) frames of speech and of voiced speech in it.
    """

    now: Floats
    speaker: Floats
    weight: Floats


def join_described(parts: Iterable[Described]) -> Described:
    """All of them, one after the other."""
    return Described(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def channel_columns(config: DiarizerConfig, window: int, deviation: bool) -> NDArray[np.int64]:
    """Columns (K,) of a window's means or deviations of prosody, hidden vectors and pitch among the functionals."""
    spoken = SPOKEN + config.hidden_channels
    start = window * 2 * (spoken + VOICED)
    first = [*PROSODY, *range(SPOKEN, spoken)]
    columns = [start + deviation * spoken + c for c in first]
    columns += [start + 2 * spoken + deviation * VOICED + c for c in range(len(PITCH_CHANNELS))]
    return np.array(columns)


def hidden_columns(config: DiarizerConfig) -> NDArray[np.int64]:
    """Columns of the hidden channels among the K used."""
    return len(SPEECH_CHANNELS) + np.arange(config.hidden_channels)


def describe_windows(config: DiarizerConfig, values: Tensor, weight: Tensor) -> Described:
    """Functionals (N, F) of ``DiarizerNetwork.describe`` reduced to what the perceptrons read."""
    every = values.numpy()
    now = [np.mean([every[:, channel_columns(config, w, d)] for w in MAIN], axis=0) for d in (False, True)]
    return Described(np.concatenate(now, 1), every[:, channel_columns(config, LONG, False)], weight.numpy())


# --- Whitening.


class Whitening(NamedTuple):
    """``(x - mean) @ matrix``; mean (F,), matrix (F, F)."""

    mean: Doubles
    matrix: Doubles

    def __call__(self, values: Reals) -> Floats:
        return np.asarray((values - self.mean) @ self.matrix, np.float32)


def fit_whitening(values: Reals, targets: Reals, chance: Reals, shrinkage: float) -> Whitening:
    """Whitening of the covariance within categories.

    Args:
        values: (N, F).
        targets: (N, C) soft category of each.
        chance: (N,) weights that sum to 1.
        shrinkage: share of the mean variance added to the diagonal.
    """
    x = np.asarray(values, np.float64)
    share = (targets * chance[:, None]).sum(0)
    means = (targets * chance[:, None]).T @ x / share.clip(1e-9)[:, None]
    mean = chance @ x
    total = ((x - mean) * chance[:, None]).T @ (x - mean)
    within = total - ((means - mean) * share[:, None]).T @ (means - mean)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    variance, vectors = np.linalg.eigh(within)
    return Whitening(mean, vectors * variance**-0.5)


class Scaling(NamedTuple):
    """How functionals become inputs.

    Attributes:
        now: of the hidden channels' means and deviations.
        speaker: of differences of means; its own mean is zero.
        prosodic: of all channels' means and deviations.
        mean: (2K,) of ``Described.now``.
        deviation: (2K,).
    """

    now: Whitening
    speaker: Doubles
    prosodic: Whitening
    mean: Doubles
    deviation: Doubles

    @property
    def spread(self) -> Doubles:
        """(2K,) what the diarizer divides by."""
        return self.deviation.clip(LEAST_DEVIATION) * SPREAD

    def inputs(self, described: Described, config: DiarizerConfig) -> tuple[Floats, ...]:
        """Inputs of the perceptrons: hidden vectors now, the speaker's difference from them, and all for intensity."""
        hidden = hidden_columns(config)
        now = described.now[:, both_columns(config)]
        change = (described.speaker[:, hidden] - described.now[:, hidden]) @ self.speaker
        return self.now(now), change.clip(-8, 8).astype(np.float32), self.prosodic(described.now)


def both_columns(config: DiarizerConfig) -> NDArray[np.int64]:
    """Columns of the hidden channels' means and deviations in ``Described.now``."""
    hidden = hidden_columns(config)
    return np.concatenate([hidden, len(channel_columns(config, LONG, False)) + hidden])


class Rated(NamedTuple):
    """Windows that intensity is learned from.

    Attributes:
        described: what the perceptrons read of M windows.
        strength: (M,) in [0, 1], how strong listeners found the emotion; near 0 for calm speech.
        chance: (M,) how likely each is drawn; sums to 1.
    """

    described: Described
    strength: Floats
    chance: Doubles


def fit_scaling(
    described: Described, targets: Reals, chance: Reals, rated: Rated, config: DiarizerConfig, shrinkage: float
) -> Scaling:
    """The scaling of training windows for the categories, and of those that intensity is learned from."""
    now, hidden = described.now, hidden_columns(config)
    calm_or_not = np.stack([1.0 - rated.strength, rated.strength], 1)
    return Scaling(
        fit_whitening(now[:, both_columns(config)], targets, chance, shrinkage),
        fit_whitening(now[:, hidden], targets, chance, shrinkage).matrix,
        fit_whitening(rated.described.now, calm_or_not, rated.chance, 2 * shrinkage),
        now.mean(0),
        now.std(0),
    )


# --- The perceptrons.


class WhitenedPerceptrons(nn.Module):
    """M perceptrons for the category, and M for intensity.

    The former read hidden vectors now and the speaker's difference from them, the latter prosody and pitch as well.

    Args:
        sizes: of these inputs: now, speaker, all.
        config: of the diarizer that they fold into.
        hidden: units for intensity; those for the category are the rest of ``config.width``.
    """

    def __init__(self, sizes: Sequence[int], config: DiarizerConfig, hidden: int):
        super().__init__()
        count, dropout = range(config.members), config.dropout
        categorical = sizes[0] + sizes[1], config.width - hidden, len(config.labels)
        self.members = nn.ModuleList(perceptron(*categorical, dropout) for _ in count)
        self.intensities = nn.ModuleList(perceptron(sizes[2], hidden, 1, dropout) for _ in count)

    def forward(self, now: Tensor, speaker: Tensor, prosodic: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (M, N, C) and intensity scores (M, N) of whitened inputs."""
        both = torch.cat([now, speaker], -1)
        return torch.stack([member(both) for member in self.members]), torch.stack(
            [each(prosodic)[:, 0] for each in self.intensities]
        )


# --- Folding: the scaling goes into the first layers.


@torch.no_grad()
def fold(perceptrons: WhitenedPerceptrons, scaling: Scaling, config: DiarizerConfig) -> DiarizerNetwork:
    """The diarizer that computes the same from functionals; channels that are not used have no weight."""
    network = DiarizerNetwork(config)
    used = len(scaling.mean) // 2
    spread = scaling.spread
    for window in (*MAIN, LONG):
        for half, deviation in ((slice(0, used), False), (slice(used, None), True)):
            columns = torch.from_numpy(channel_columns(config, window, deviation))
            network.mean[columns] = torch.from_numpy(scaling.mean[half]).float()
            network.scale[columns] = torch.from_numpy(1.0 / spread[half]).float()
    for parts in zip(perceptrons.members, perceptrons.intensities, network.members, strict=True):
        category, intensity, target = cast("list[Any]", parts)
        _fold_first(category[1], intensity[1], target[1], scaling, config)
        _fold_last(category[4], intensity[4], target[4])
    return network.eval().requires_grad_(False)


def _fold_first(
    category: nn.Linear, intensity: nn.Linear, target: nn.Linear, scaling: Scaling, config: DiarizerConfig
) -> None:
    """Write the first layer of a member of the diarizer: units for the category, then those for intensity."""
    spread, hidden, both = scaling.spread, hidden_columns(config), both_columns(config)
    matrix, bias = _arrays(category)
    now, now_bias = _unwhitened(matrix[:, : len(both)], bias, scaling.now, both, scaling)
    every, every_bias = _unwhitened(*_arrays(intensity), scaling.prosodic, np.arange(len(spread)), scaling)
    wide = len(now)
    weight = on_functionals(np.concatenate([now, every]) * spread, config)
    # the speaker's mean, minus the mean now
    change = (matrix[:, len(both) :] @ scaling.speaker.T) * spread[hidden]
    weight[:wide, channel_columns(config, LONG, False)[hidden]] += change
    for window in MAIN:
        weight[:wide, channel_columns(config, window, False)[hidden]] -= change / len(MAIN)
    target.weight.copy_(torch.from_numpy(weight))
    target.bias.copy_(torch.from_numpy(np.concatenate([now_bias, every_bias])))


def on_functionals(weight: Reals, config: DiarizerConfig) -> Doubles:
    """A weight (W, 2K) on ``Described.now`` as one (W, F) on the functionals, of which the main windows share."""
    out = np.zeros((len(weight), functional_count(config)))
    for deviation, half in enumerate(np.split(weight, 2, axis=1)):
        for window in MAIN:
            out[:, channel_columns(config, window, bool(deviation))] += half / len(MAIN)
    return out


def _fold_last(category: nn.Linear, intensity: nn.Linear, target: nn.Linear) -> None:
    """Write the last layer: categories from their units, intensity from its own."""
    classes, wide = category.weight.shape
    target.weight.zero_()
    target.bias.zero_()
    target.weight[:classes, :wide] = category.weight
    target.bias[:classes] = category.bias
    target.weight[classes, wide:] = intensity.weight[0]
    target.bias[classes] = intensity.bias[0]


def _arrays(layer: nn.Linear) -> tuple[Doubles, Doubles]:
    return layer.weight.double().cpu().numpy(), layer.bias.double().cpu().numpy()


def _unwhitened(
    weight: Doubles, bias: Doubles, whitening: Whitening, columns: NDArray[np.integer], scaling: Scaling
) -> tuple[Doubles, Doubles]:
    """Weight (W, 2K) and bias (W,) on values minus ``scaling.mean``, of a layer on whitened values of some columns."""
    plain = weight @ whitening.matrix.T
    full = np.zeros((len(plain), len(scaling.mean)))
    full[:, columns] = plain
    return full, bias + plain @ (scaling.mean[columns] - whitening.mean)


NEUTRAL_ENROLMENT = 0.7
"""Share of windows whose enrolled clips are all neutral."""
MOST_ENROLLED = 12
"""Most windows of other clips of the speaker that are enrolled."""


@dataclass(frozen=True, eq=False)
class ClipWindows:
    """Windows of speech of many clips.

    Attributes:
        described: what the perceptrons read of N windows.
        clip: (N,) index into ``clips``.
    """

    described: Described
    clip: NDArray[np.int64]
    clips: list[Clip]

    @cached_property
    def category(self) -> NDArray[np.int64]:
        """(clips,) index into ``CATEGORIES``."""
        return np.array([category_of(clip) for clip in self.clips])


MOVED = (-3.0, 0.7)
"""How much higher the threshold of speech is, at random, for half of the windows of training (natural log)."""


@torch.no_grad()
def describe_clips(
    clips: Sequence[Clip],
    features: LayerFeatures,
    network: DiarizerNetwork,
    encoder: EmotionEncoder | None,
    most: int,
    moved: bool = False,
) -> ClipWindows:
    """Windows of speech of each clip, see ``ClipWindows``.

    Args:
        clips: N clips.
        features: of a copy of them.
        network: which channels and windows it reads.
        encoder: of the vectors; None: they are the teacher's.
        most: so many windows of a clip at most.
        moved: as many again, of speech that was found with another threshold (see ``MOVED``). Noise that counts as
            speech, as where a recording is faded, would otherwise be taken for emotion.
    """
    parts, owner = [], []
    for index in range(len(features)):
        rng = np.random.default_rng((1, index))
        mel, *read = features.recording(index, encoder)
        centred, prosody, hidden = (torch.from_numpy(values)[None] for values in read)
        valid = torch.ones(1, len(prosody[0]), dtype=torch.bool)
        sound = FrameBatch(mel=centred, prosody=prosody, speech=None, valid=valid, hidden=hidden)
        other = rng.uniform(*MOVED)
        for higher in (0.0, other) if moved else (0.0,):
            speech = pair_any(speech_mask(mel, higher))
            found = sound._replace(speech=torch.from_numpy(speech)[None])
            values, weight = network.describe(network.channels(found))
            middle = (np.arange(values.shape[1]) * ROW + ROW // 2).clip(max=len(prosody[0]) - 1)
            spoken = np.flatnonzero(speech[middle])
            chosen = np.sort(rng.choice(spoken, min(most, len(spoken)), replace=False))
            parts.append(describe_windows(network.config, values[0, chosen], weight[0, chosen]))
            owner.append(np.full(len(chosen), index))
    return ClipWindows(join_described(parts), np.concatenate(owner), list(clips))


def enrolled_means(described: Described, clips: Sequence[Clip]) -> Floats:
    """Means of the speaker (N, K), joined with those of 1 to 12 windows of other clips of theirs, mostly neutral ones.

    Args:
        described: N windows.
        clips: (N,) the clip of each; copies of a clip count as one.
    """
    rng = np.random.default_rng(0)
    key = np.unique([f"{c.corpus}/{c.path.name}" for c in clips], return_inverse=True)[1]
    speaker, neutral = np.array([c.speaker for c in clips]), np.array([category_of(c) == 0 for c in clips])
    out = described.speaker.copy()
    for name in np.unique(speaker):
        own = np.flatnonzero(speaker == name)
        for window in own:
            others = own[neutral[own]] if rng.random() < NEUTRAL_ENROLMENT else own
            others = others[key[others] != key[window]]
            if len(others):
                chosen = rng.choice(others, min(int(rng.integers(1, MOST_ENROLLED + 1)), len(others)), replace=False)
                weight = np.concatenate([described.weight[[window], :1], described.weight[chosen, :1]])
                values = np.concatenate([described.speaker[[window]], described.speaker[chosen]])
                out[window] = (weight * values).sum(0) / weight.sum().clip(1e-6)
    return out
