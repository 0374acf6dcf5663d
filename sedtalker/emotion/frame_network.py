"""The network over frames of a diarizer, which finds where the emotion changes.

Functionals over seconds describe how a voice is; convolutions over frames see how it changes from moment to moment.
A diarizer lets its windows end where the emotion changes (``stretches``), and segments begin there at a lower price.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.emotion.diarizer_model import (
    APART,
    SPEAKER_REACH,
    SPOKEN,
    STRIDE,
    VOICED,
    WINDOW_STRIDE,
    FrameNetworkConfig,
)
from sedtalker.emotion.functionals import Spans, window_mean
from sedtalker.nn.blocks import DilatedConvolution


def relative_channels(over_speech: Tensor, over_voiced: Tensor, counts: Tensor, newest: int = 0) -> Tensor:
    """Channels less their mean over 20 s, so that only what changes is left.

    Args:
        over_speech: (B, T, C) at 25 Hz, T a multiple of ``WINDOW_STRIDE``.
        over_voiced: (B, T, P).
        counts: (B, T, 2) frames at 50 Hz of speech and of voiced speech.
        newest: only so many frames at the end, a multiple of it too; 0: all.

    Returns:
        (B, T, C + P + 2), zeros where nobody speaks; the last two are the counts' shares.
    """
    parts = []
    for values, weight in zip((over_speech, over_voiced), counts.unbind(-1), strict=True):
        mean = window_mean(values, weight, SPEAKER_REACH, WINDOW_STRIDE, newest // WINDOW_STRIDE)
        apart = values[:, -newest:] - mean.repeat_interleave(WINDOW_STRIDE, 1)
        parts.append(torch.where(weight[:, -newest:, None] > 0, apart, 0.0))
    return torch.cat([*parts, counts[:, -newest:] / STRIDE], -1)


class FrameNetwork(nn.Module):
    """``relative_channels`` (B, T, C) at 25 Hz to the logit (B, T) of a change of emotion at each frame."""

    scale: Tensor

    def __init__(self, config: FrameNetworkConfig | None = None):
        super().__init__()
        self.config = config = config or FrameNetworkConfig()
        inputs = SPOKEN + config.hidden + VOICED + 2
        self.register_buffer("scale", torch.ones(inputs))
        self.read = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(inputs, config.width))
        self.blocks = nn.ModuleList(DilatedConvolution(config.width, d, config.dropout) for d in config.dilations)
        self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Dropout(config.dropout), nn.Linear(config.width, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.read((inputs * self.scale).clamp(-5.0, 5.0))
        for block in self.blocks:
            x = block(x)
        return self.head(x)[..., 0]


# --- Where the emotion changes.

CHANGE = 0.6
"""Probability of a boundary from which on the emotion changes."""
BESIDE = 50
"""Frames of 40 ms before a change and after it in which there must be speech."""
ENOUGH = 25.0
"""So many of them must be speech, or a change divides nothing that could be described."""


def stretches(boundary: Tensor, spoken: Tensor, reach: int) -> Spans:
    """Between which changes of emotion each frame of 40 ms lies.

    Args:
        boundary: (B, T) probability that the emotion changes about here.
        spoken: (B, S) in [0, 1], the share of a frame that is speech; S is T, or more where frames before them count.
        reach: frames on either side of each that matter; a change farther away may be left out.

    Returns:
        Frames (B, T) of S.
    """
    count, total = boundary.shape[1], spoken.shape[1]
    summed = F.pad(spoken.cumsum(1), (BESIDE + 1, 0))
    summed = torch.cat([summed, summed[:, -1:].expand(-1, BESIDE)], 1)
    so_far = summed[:, BESIDE : BESIDE + total]
    before, after = so_far - summed[:, :total], summed[:, 2 * BESIDE : 2 * BESIDE + total] - so_far
    divides = ((before >= ENOUGH) & (after >= ENOUGH))[:, total - count :]
    peak = F.max_pool1d(boundary[:, None], 2 * APART + 1, 1, APART)[:, 0]
    change = divides & (boundary >= CHANGE) & (boundary == peak)
    place = torch.arange(total - count, total, device=boundary.device).to(boundary.dtype)
    left = torch.arange(count, 0, -1, device=boundary.device).to(boundary.dtype)
    begins = F.pad(torch.where(change, place, 0.0), (reach, 0))
    ends = F.pad(torch.where(change, left, 0.0), (0, reach + 1))[:, 1:]
    first = F.max_pool1d(begins[:, None], reach + 1, 1)[:, 0].long()
    return Spans(first, total - F.max_pool1d(ends[:, None], reach + 1, 1)[:, 0].long())
