"""Other recordings of the speaker: how they sound in general, so that what is different now stands out.

The longest window's statistics are what everything else is heard against. Without enrolment they come from the
recording alone, and a short angry sentence is all the network knows of its speaker; enrolled clips are pooled with it,
frame by frame, as if they had been said in the same breath.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sedtalker.emotion.functionals import VARIANCE_FLOOR, VOICED


class Voice(NamedTuple):
    """What other recordings say of a speaker; leading dimensions, if any, are those of the rows it serves.

    Attributes:
        weight: (…, 2) frames at 50 Hz of speech and of voiced speech.
        mean: (…, C + P) mean of each channel, over speech (C) and over voiced speech (P).
        square: (…, C + P) mean of its square.
    """

    weight: Tensor
    mean: Tensor
    square: Tensor


def moments(window: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean square (…, C + P) of functionals of one window (…, 2 · (C + P)), see ``functionals``."""
    spoken = window.shape[-1] // 2 - VOICED
    mean, deviation, sung_mean, sung_deviation = window.split([spoken, spoken, VOICED, VOICED], -1)
    mean = torch.cat([mean, sung_mean], -1)
    variance = torch.cat([deviation, sung_deviation], -1).square() - VARIANCE_FLOOR
    return mean, variance.clamp_min(0.0) + mean.square()


def pool_voices(voices: Sequence[Voice]) -> Voice:
    """One voice of several, each counting by its frames."""
    weight = torch.stack([v.weight for v in voices])
    each = _per_channel(weight, voices[0].mean.shape[-1])
    total = each.sum(0).clamp_min(1e-6)
    mean = (each * torch.stack([v.mean for v in voices])).sum(0) / total
    square = (each * torch.stack([v.square for v in voices])).sum(0) / total
    return Voice(weight.sum(0), mean, square)


def centre_on_voice(last: Tensor, weight: Tensor, voice: Voice) -> Tensor:
    """The longest window's functionals pooled with a voice.

    Args:
        last: (…, 2 · (C + P)) functionals of the longest window.
        weight: (…, 2) frames they were taken over.
        voice: of the same speaker.

    Returns:
        Same shape as ``last``; unchanged where the voice has no frames.
    """
    mean, square = moments(last)
    own = Voice(weight, mean, square)
    other = Voice(*(torch.broadcast_to(v, (*last.shape[:-1], v.shape[-1])) for v in voice))
    _, mean, square = pool_voices([own, other])
    deviation = (square - mean.square()).clamp_min(0.0).add(VARIANCE_FLOOR).sqrt()
    spoken = mean.shape[-1] - VOICED
    parts = (mean[..., :spoken], deviation[..., :spoken], mean[..., spoken:], deviation[..., spoken:])
    pooled = torch.cat(parts, -1)
    known = _per_channel(other.weight, mean.shape[-1]) > 0
    known = torch.cat([known[..., :spoken]] * 2 + [known[..., spoken:]] * 2, -1)
    return torch.where(known, pooled, last)


def _per_channel(weight: Tensor, channels: int) -> Tensor:
    """(…, 2) weights repeated for the channels they belong to, (…, C + P)."""
    spoken, sung = weight[..., :1], weight[..., 1:]
    return torch.cat([spoken.expand(*spoken.shape[:-1], channels - VOICED), sung.expand(*sung.shape[:-1], VOICED)], -1)
