"""A network over frames, for how the voice changes from moment to moment; functionals describe how it is.

Its posteriors are averaged with those of the functionals' perceptrons: the two err differently. It also predicts
where the emotion changes.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.emotion.diarizer_model import PITCH_CHANNELS, SPEECH_CHANNELS, FrameNetworkConfig
from sedtalker.emotion.functionals import prosody_channels
from sedtalker.nn.blocks import DilatedConvolution
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, MEL_SCALE

INPUTS = MEL_BANDS + len(SPEECH_CHANNELS) + len(PITCH_CHANNELS)
"""Channels of ``frame_inputs``."""
STRIDE = 2
"""Frames of 20 ms for each of the network's: it runs at 25 Hz."""
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
