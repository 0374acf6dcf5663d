"""Windows of speech of many clips, described by what the diarizer's perceptrons read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.emotion.network import ROW, DiarizerNetwork, FrameBatch
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.speech.emotion_encoder import EmotionEncoder
from sedtalker.speech.features import centre_bands
from sedtalker.training.corpora.layer_features import LayerFeatures
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.tasks.whitened_perceptrons import Described, describe_windows, join_described

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
        clips: the clips.
        category: (clips,) index into ``CATEGORIES``.
    """

    described: Described
    clip: NDArray[np.int64]
    clips: list[Clip]
    category: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "category", np.array([category_of(c) for c in self.clips]))


def category_of(clip: Clip) -> int:
    """Index into ``CATEGORIES``; -1 where the label is none of ours."""
    name = known_category(clip.emotion)
    return -1 if name is None else CATEGORIES.index(name)


@torch.no_grad()
def describe_clips(
    clips: Sequence[Clip], features: LayerFeatures, network: DiarizerNetwork, encoder: EmotionEncoder | None, most: int
) -> ClipWindows:
    """At most ``most`` windows of speech of each clip; without an encoder they are of the teacher's vectors."""
    rng, parts, owner = np.random.default_rng(0), [], []
    for index in range(len(features)):
        first, last = int(features.starts[index]), int(features.starts[index + 1])
        mel = torch.from_numpy(np.asarray(features.mel[2 * first : 2 * last], np.float32))[None]
        speech = torch.from_numpy(np.array(features.speech[first:last]))[None]
        if encoder is None:
            assert features.teacher is not None
            hidden = torch.from_numpy(np.asarray(features.teacher[first:last], np.float32))[None]
        else:
            hidden = encoder(mel)
        centred = centre_bands(mel, torch.from_numpy(np.array(features.means[index])))
        batch = FrameBatch(
            mel=centred.unflatten(1, (-1, 2)).mean(2),
            prosody=torch.from_numpy(np.asarray(features.prosody[first:last], np.float32))[None],
            speech=speech,
            valid=torch.ones_like(speech),
            hidden=hidden,
        )
        values, weight = network.describe(batch)
        middle = (torch.arange(values.shape[1]) * ROW + ROW // 2).clamp_max(last - first - 1)
        spoken = np.flatnonzero(speech[0, middle].numpy())
        chosen = np.sort(rng.choice(spoken, min(most, len(spoken)), replace=False))
        parts.append(describe_windows(network.config, values[0, chosen], weight[0, chosen]))
        owner.append(np.full(len(chosen), index))
    return ClipWindows(join_described(parts), np.concatenate(owner), list(clips))


def enrolled_means(described: Described, clips: Sequence[Clip]) -> NDArray[np.float32]:
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
