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
from sedtalker.nn.blocks import ChannelNorm, ResidualConvolution, before_last
from sedtalker.nn.engine import Arrays
from sedtalker.speech.encoder_model import (
    GRID,
    ArticulationConfig,
    ConvolutionHeadConfig,
    EmotionEncoderConfig,
    MelNetwork,
    SpeechEncoderConfig,
)
from sedtalker.speech.features import HOPS, MEL_BANDS, MEL_SCALE, PHONES


class MelModule(nn.Module, MelNetwork):
    """What encoders in torch have in common: ``run`` of arrays."""

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """The states before the first log-mel by name; zeros, as beyond the ends of a recording."""
        raise NotImplementedError

    def step(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """``MelNetwork.run`` of tensors."""
        raise NotImplementedError

    def start(self) -> Arrays:
        """See ``MelNetwork``."""
        return tuple(state.cpu().numpy() for state in self.states().values())

    @torch.no_grad()
    def run(self, *given: Floats) -> Arrays:
        """See ``MelNetwork``, on whatever device it is."""
        device = next(self.parameters()).device
        return tuple(x.float().cpu().numpy() for x in self.step(*(torch.from_numpy(x).to(device) for x in given)))


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

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """See ``MelModule``."""
        blocks = {f"block_{index}": _block(block).context for index, block in enumerate(self.blocks)}
        shapes = {"stem": (MEL_BANDS, 2), **{name: (self.config.channels, count) for name, count in blocks.items()}}
        return {name: torch.zeros(batch, *shape) for name, shape in shapes.items()}

    def step(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See ``MelModule``."""
        pending = self.config.pending
        seen = torch.cat([states[0], MEL_SCALE * mel.transpose(1, 2)], 2)
        kept = [before_last(seen, 2, HOPS * pending)]
        x = F.gelu(F.conv1d(F.pad(seen, (0, 2)), self.stem.weight, self.stem.bias, stride=2))
        for block, past in zip(self.blocks, states[1:], strict=True):
            x, after = _block(block).step(x, past, pending)
            kept.append(after)
        return self.norm(x).transpose(1, 2), *kept

    @torch.no_grad()
    def phones(self, hidden: Floats) -> Floats:
        """Logits (…, 40) over ``PHONES`` of hidden vectors (…, D), as arrays."""
        head = self.phone_head
        made: Floats = head(torch.from_numpy(hidden).to(head.weight.device)).float().cpu().numpy()
        return made


def _block(block: nn.Module) -> ResidualConvolution:
    return cast(ResidualConvolution, block)


# --- The encoder of the emotion diarizer.
#
# Residual dilated convolutions at 25 Hz. The receptive field is finite (``context``), so long recordings run in windows
# whose result equals one pass, and a stream can be encoded as it arrives.


class EncoderBlock(nn.Module):
    """Pre-norm dilated convolution, GELU and a pointwise projection with a residual path, (B, C, T) → (B, C, T)."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = ChannelNorm(width)
        self.context = dilation * (kernel // 2)
        self.conv = nn.Conv1d(width, width, kernel, dilation=dilation, padding=self.context)
        self.project = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.project(F.gelu(self.conv(self.norm(x)))))

    def step(self, x: Tensor, past: Tensor, pending: int) -> tuple[Tensor, Tensor]:
        """See ``ResidualConvolution.step``."""
        seen, conv = torch.cat([past, self.norm(x)], 2), self.conv
        made = F.conv1d(F.pad(seen, (0, self.context)), conv.weight, conv.bias, dilation=conv.dilation)
        return x + self.project(F.gelu(made)), before_last(seen, self.context, pending)


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

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """See ``MelModule``."""
        shapes = {"stem": (MEL_BANDS, 1), "down": (self.config.stem_channels, 1)}
        shapes |= {
            f"block_{index}": (self.config.width, cast(EncoderBlock, block).context)
            for index, block in enumerate(self.blocks)
        }
        return {name: torch.zeros(batch, *shape) for name, shape in shapes.items()}

    def step(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See ``MelModule``; of log-mels (B, 4T, 80), vectors (B, T, D) at 25 Hz."""
        pending = self.config.pending // GRID
        x, kept = MEL_SCALE * (mel - self.reference).transpose(1, 2), []
        for conv, past, scale in ((self.stem, states[0], HOPS * GRID), (self.down, states[1], GRID)):
            seen = torch.cat([past, x], 2)
            x = F.gelu(F.conv1d(F.pad(seen, (0, 1)), conv.weight, conv.bias, stride=2))
            kept.append(before_last(seen, 1, scale * pending))
        for block, past in zip(self.blocks, states[2:], strict=True):
            x, after = cast(EncoderBlock, block).step(x, past, pending)
            kept.append(after)
        return self.project(self.norm(x)).transpose(1, 2), *kept

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
