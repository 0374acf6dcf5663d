"""The network over frames of a diarizer: what it says of every frame, and where it finds that the emotion changes.

Functionals over seconds describe how a voice is; convolutions over frames see how it changes from moment to moment.
A diarizer lets its windows end where the emotion changes (``stretches``), and segments begin there at a lower price.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.emotion.diarizer_model import PITCH_CHANNELS, SPEECH_CHANNELS, STRIDE, FrameNetworkConfig
from sedtalker.emotion.functionals import Spans, prosody_channels
from sedtalker.nn.blocks import DilatedConvolution
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, MEL_SCALE

INPUTS = MEL_BANDS + len(SPEECH_CHANNELS) + len(PITCH_CHANNELS)
"""Channels of ``frame_inputs``."""
SPEAKER_WINDOW = 20.0
"""Seconds over which prosody is set against the speaker's own."""
STEM_KERNEL = 6
"""Frames of 20 ms that the first convolution sees."""


class FrameScores(NamedTuple):
    """Outputs at 25 Hz.

    Attributes:
        logits: (B, T, C).
        intensity: (B, T) on an open scale, see ``DiarizerConfig.intensity_steps``.
        affect: (B, T, 2) valence and arousal in [-1, 1].
        boundary: (B, T) logit of a change of emotion within 120 ms.
        corpus: (B, T, K).
    """

    logits: Tensor
    intensity: Tensor
    affect: Tensor
    boundary: Tensor
    corpus: Tensor


def frame_inputs(mel: Tensor, prosody: Tensor, speech: Tensor, valid: Tensor) -> Tensor:
    """Inputs (B, T, 91) at 50 Hz: scaled log-mels, and prosody relative to the speaker; see ``FrameBatch``."""
    half = round(0.5 * SPEAKER_WINDOW * FRAME_CLOCK.rate)
    channels, pitch, _ = prosody_channels(prosody, speech, valid, half)
    return torch.cat([MEL_SCALE * mel, channels, pitch], -1)


class FrameNetwork(nn.Module):
    """Inputs (B, T, 91) at 50 Hz to ``FrameScores`` at 25 Hz."""

    def __init__(self, config: FrameNetworkConfig | None = None):
        super().__init__()
        self.config = config = config or FrameNetworkConfig()
        width = config.width
        self.stem = nn.Conv1d(INPUTS, width, STEM_KERNEL, stride=STRIDE, padding=STEM_KERNEL // 2 - 1)
        self.masked = nn.Parameter(torch.zeros(width))
        dilation = [config.dilations[i % len(config.dilations)] for i in range(len(config.layout))]
        self.blocks = nn.ModuleList(DilatedConvolution(width, d, config.dropout) for d in dilation)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, len(config.labels) + 4 + len(config.corpora))

    @property
    def context(self) -> int:
        """Frames at 50 Hz that an output depends on, on either side, beyond the speaker's window."""
        return STRIDE * (3 + sum(cast(DilatedConvolution, block).context for block in self.blocks))

    def hidden(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden vectors (B, T / 2, D); frames of ``mask`` (B, T / 2) are replaced after the stem."""
        x = F.gelu(self.stem(inputs.transpose(1, 2))).transpose(1, 2)
        if mask is not None:
            x = torch.where(mask[..., None], self.masked.to(x.dtype), x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, inputs: Tensor) -> FrameScores:
        classes = len(self.config.labels)
        out = self.head(self.dropout(self.hidden(inputs))).float()
        logits, rest, corpus = out.split([classes, 4, len(self.config.corpora)], -1)
        return FrameScores(logits, rest[..., 0], torch.tanh(rest[..., 1:3]), rest[..., 3], corpus)


# --- Where the emotion changes.

CHANGE = 0.6
"""Probability of a boundary from which on the emotion changes."""
APART = 12
"""Frames of 40 ms on either side of a change among which no boundary is likelier."""
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
