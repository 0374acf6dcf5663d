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
from sedtalker.nn.blocks import ArrayModule, ChannelNorm, ResidualConvolution, SteppedModule, convolved
from sedtalker.speech.encoder_model import (
    GRID,
    ArticulationConfig,
    ConvolutionHeadConfig,
    EmotionEncoderConfig,
    MelNetwork,
    SpeechEncoderConfig,
)
from sedtalker.speech.features import HOPS, MEL_BANDS, MEL_SCALE, PHONES


class MelModule(SteppedModule, MelNetwork):
    """What encoders in torch have in common: convolutions that remember what came before."""

    before: tuple[nn.Conv1d, ...]
    """Those before the blocks, each with a stride of two."""
    blocks: nn.ModuleList

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """See ``SteppedModule``; zeros are what convolutions see beyond the ends of a recording."""
        every = [*self.before, *(cast(nn.Conv1d, block.conv) for block in self.blocks)]
        device = every[0].weight.device
        sizes = [(batch, conv.in_channels, int(conv.padding[0])) for conv in every]
        return {f"state_{index}": torch.zeros(size, device=device) for index, size in enumerate(sizes)}

    def convolve(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """(B, 80, 2T) to (B, C, T / grid) after all blocks, and the next states."""
        kept = []
        pending = HOPS * self.config.pending
        for conv, past in zip(self.before, states, strict=False):
            made, after = convolved(conv, x, past, pending)
            x, pending = F.gelu(made), pending // 2
            kept.append(after)
        for block, past in zip(self.blocks, states[len(self.before) :], strict=True):
            x, after = block(x, past, pending)
            kept.append(after)
        return x, *kept


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
        self.before = (self.stem,)
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
        return self.step(mel, *self.states(len(mel)).values())[0]

    def step(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        x, *after = self.convolve(MEL_SCALE * mel.transpose(1, 2), *states)
        return self.norm(x).transpose(1, 2), *after

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


class EncoderBlock(ResidualConvolution):
    """A ``ResidualConvolution`` with a pointwise projection at its end."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__(width, kernel, dilation, dropout)
        self.project = nn.Conv1d(width, width, 1)


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
        self.before = (self.stem, self.down)
        self.blocks = nn.ModuleList(
            EncoderBlock(config.width, config.kernel, d, config.dropout) for d in config.dilations
        )
        self.norm = ChannelNorm(config.width)
        self.project = nn.Conv1d(config.width, config.channels, 1)

    def coarse(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, ceil(T / 2), D) at 25 Hz of log-mels (B, 2T, 80) at 100 Hz."""
        missing = -mel.shape[1] % (2 * GRID)
        mel = torch.cat([mel, mel[:, -1:].expand(-1, missing, -1)], 1) if missing else mel
        return self.step(mel, *self.states(len(mel)).values())[0]

    def step(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See ``SteppedModule``; of log-mels (B, 4T, 80), vectors (B, T, D) at 25 Hz."""
        x, *after = self.convolve(MEL_SCALE * (mel - self.reference).transpose(1, 2), *states)
        return self.project(self.norm(x)).transpose(1, 2), *after

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, T, D) at 50 Hz, equal in pairs."""
        return self.coarse(mel).repeat_interleave(GRID, 1)[:, : mel.shape[1] // 2]


# --- Networks over the vectors of an encoder.


class ConvolutionHead(ArrayModule):
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


class ArticulationNetwork(ArrayModule):
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
