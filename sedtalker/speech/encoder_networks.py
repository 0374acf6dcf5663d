"""The encoders in torch, that of the lips and that of the diarizer: log-mels in, one hidden vector every 20 ms out; and
what finds phones in the vectors.

That of the lips is a stride-2 convolution and residual dilated convolutions. ``sedtalker.speech.encoder`` runs both
over recordings.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.nn.blocks import ChannelNorm, ResidualConvolution
from sedtalker.nn.engine import Arrays
from sedtalker.speech.encoder import (
    GRID,
    STEM_CONTEXT,
    ArticulationConfig,
    ConvolutionHeadConfig,
    EmotionEncoderConfig,
    MelNetwork,
    SpeechEncoderConfig,
)
from sedtalker.speech.features import MEL_BANDS, MEL_SCALE, PHONES


class MelModule(nn.Module, MelNetwork):
    """What encoders in torch have in common: ``forward`` of arrays."""

    @torch.no_grad()
    def hidden(self, mel: Floats, after: int = 0) -> Floats:
        """See ``MelNetwork``, on whatever device it is."""
        made: Floats = self(torch.from_numpy(mel).to(next(self.parameters()).device)).float().cpu().numpy()
        return made[:, after:]


class SpeechEncoder(MelModule):
    """Centred log-mels (B, 2T, 80) at 100 Hz to hidden vectors (B, T, D).

    Heads for phones, mouth motion, prosody and a teacher's layers serve training.
    """

    centred = True
    config: SpeechEncoderConfig
    grid = 1

    def __init__(self, config: SpeechEncoderConfig | None = None):
        super().__init__()
        self.config = config = config or SpeechEncoderConfig()
        self.stem = nn.Conv1d(MEL_BANDS, config.channels, 6, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            ResidualConvolution(config.channels, config.kernel, d, config.dropout) for d in config.dilations
        )
        self.norm = ChannelNorm(config.channels)
        self.phone_head = nn.Linear(config.channels, len(PHONES))
        self.motion_head = nn.Linear(config.channels, config.motion_channels) if config.motion_channels else None
        self.prosody_head = nn.Linear(config.channels, config.prosody_channels) if config.prosody_channels else None
        self.layer_head = nn.Linear(config.channels, config.layer_channels) if config.layer_channels else None

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, T, D) of centred log-mels (B, 2T, 80)."""
        x = F.gelu(self.stem(MEL_SCALE * mel.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.norm(x).transpose(1, 2)

    def newest(self, mel: Tensor) -> Tensor:
        """``forward`` without the first ``context`` frames; no block works on more of them than the next one sees."""
        x = F.gelu(self.stem(MEL_SCALE * mel.transpose(1, 2)))[..., STEM_CONTEXT:]
        for block in self.blocks:
            x = block(x)[..., cast(ResidualConvolution, block).context :]
        return self.norm(x).transpose(1, 2)

    @torch.no_grad()
    def phones(self, hidden: Floats) -> Floats:
        """Logits (…, 40) over ``PHONES`` of hidden vectors (…, D), as arrays."""
        head = self.phone_head
        made: Floats = head(torch.from_numpy(hidden).to(head.weight.device)).float().cpu().numpy()
        return made


# --- The encoder of the emotion diarizer.
#
# Residual dilated convolutions at 25 Hz. The receptive field is finite (``context``), so long recordings run in windows
# whose result equals one pass, and a stream can be encoded as it arrives.


class EncoderBlock(nn.Module):
    """Pre-norm dilated convolution, GELU and a pointwise projection with a residual path, (B, C, T) → (B, C, T)."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation, padding=dilation * (kernel // 2))
        self.project = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.project(F.gelu(self.conv(self.norm(x)))))


class EmotionEncoder(MelModule):
    """Log-mels (B, 2T, 80) at 100 Hz and a fixed level to hidden vectors (B, T, D) at 50 Hz."""

    config: EmotionEncoderConfig
    grid = GRID
    centred = False
    """It reads log-mels as they are: the long-term spectrum of a voice tells of emotion too."""
    reference: Tensor

    def __init__(self, config: EmotionEncoderConfig | None = None):
        super().__init__()
        self.config = config = config or EmotionEncoderConfig()
        self.register_buffer("reference", torch.zeros(MEL_BANDS))
        self.stem = nn.Conv1d(MEL_BANDS, config.stem_channels, 4, stride=2, padding=1)
        self.down = nn.Conv1d(config.stem_channels, config.width, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            EncoderBlock(config.width, config.kernel, d, config.dropout) for d in config.dilations
        )
        self.norm = ChannelNorm(config.width)
        self.project = nn.Conv1d(config.width, config.channels, 1)

    def coarse(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, ceil(T / 2), D) at 25 Hz of log-mels (B, 2T, 80) at 100 Hz."""
        missing = -mel.shape[1] % (2 * GRID)
        mel = torch.cat([mel, mel[:, -1:].expand(-1, missing, -1)], 1) if missing else mel
        x = F.gelu(self.down(F.gelu(self.stem(MEL_SCALE * (mel - self.reference).transpose(1, 2)))))
        for block in self.blocks:
            x = block(x)
        hidden: Tensor = self.project(self.norm(x)).transpose(1, 2)
        return hidden

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, T, D) at 50 Hz, equal in pairs."""
        return self.coarse(mel).repeat_interleave(GRID, 1)[:, : mel.shape[1] // 2]


# --- Networks over the vectors of an encoder.


class ConvolutionHead(nn.Module):
    """Rows (B, T, D) to logits (B, T, K): dilated convolutions with residual paths over scaled rows."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ConvolutionHeadConfig, inputs: int, outputs: int):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.inputs = nn.Linear(inputs, config.width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.width, config.width, config.kernel, padding=d * (config.kernel // 2), dilation=d)
            for d in config.dilations
        )
        self.dropout = nn.Dropout(config.dropout)
        self.outputs = nn.Linear(config.width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        x = F.gelu(self.inputs(self.dropout((rows - self.mean) * self.scale))).transpose(1, 2)
        for convolution in self.convolutions:
            x = x + F.gelu(convolution(self.dropout(x)))
        logits: Tensor = self.outputs(x.transpose(1, 2))
        return logits

    @torch.no_grad()
    def run(self, rows: Floats) -> Arrays:
        """``forward`` of arrays."""
        return (self(torch.from_numpy(rows)).numpy(),)


class ArticulationNetwork(nn.Module):
    """Hidden vectors (B, T, D) of encoders to logits over ``PHONES`` and the mouth's shapes.

    They come in one array (B, T, 40 + S) and have nothing in common but the vectors: trained together, both were worse.
    Of joined vectors the mouth is found in the last ones, those of the emotion encoder.
    """

    def __init__(self, config: ArticulationConfig | None = None):
        super().__init__()
        self.config = config = config or ArticulationConfig()
        self.phones = ConvolutionHead(config.phones, config.phones.hidden, len(PHONES))
        self.mouth = ConvolutionHead(config.mouth, config.mouth.hidden, config.shapes)

    def forward(self, rows: Tensor) -> Tensor:
        mouth: Tensor = self.mouth(rows[..., -self.config.mouth.hidden :])
        if self.config.smooths:
            before, after = torch.cat([mouth[:, :1], mouth[:, :-1]], 1), torch.cat([mouth[:, 1:], mouth[:, -1:]], 1)
            mouth = 0.25 * before + 0.5 * mouth + 0.25 * after
        return torch.cat([self.phones(rows), mouth], -1)

    @torch.no_grad()
    def run(self, rows: Floats) -> Arrays:
        """``forward`` of arrays."""
        return (self(torch.from_numpy(rows)).numpy(),)
