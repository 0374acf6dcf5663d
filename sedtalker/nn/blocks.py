"""The blocks of the decoder: each modulated frame by frame by the emotion, with a gated residual path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.conditioning import AdaptiveNorm
from sedtalker.nn.attention import LocalAttention
from sedtalker.nn.mamba import Mamba, MambaState

if TYPE_CHECKING:
    from sedtalker.animation.decoder import DecoderConfig

DILATIONS = (1, 2, 4, 8, 2, 1)


class MambaBlock(nn.Module):
    """Adaptive norm and Mamba with a gated residual path."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.mamba = Mamba(config.width, config.d_state)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, condition: Tensor, state: MambaState | None = None) -> Tensor:
        y, gate = self.norm(x, condition)
        return x + gate * self.dropout(self.mamba(y, state))


class AttentionBlock(nn.Module):
    """Adaptive norm, local attention and a feed-forward layer, each with a gated residual path."""

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.attention = LocalAttention(config.width, config.heads, config.radius, config.future)
        self.mlp_norm = AdaptiveNorm(config.width, config.condition)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, config.width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y, gate = self.norm(x, condition)
        x = x + gate * self.dropout(self.attention(y))
        y, gate = self.mlp_norm(x, condition)
        return x + gate * self.dropout(self.mlp(y))


class ConvolutionBlock(nn.Module):
    """Adaptive norm and a dilated convolution over the frames on either side, with a gated residual path."""

    def __init__(self, config: DecoderConfig, dilation: int):
        super().__init__()
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.conv = nn.Conv1d(config.width, 2 * config.width, 5, dilation=dilation, padding=2 * dilation)
        self.out = nn.Linear(2 * config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y, gate = self.norm(x, condition)
        y = F.gelu(self.conv(y.transpose(1, 2)).transpose(1, 2))
        return x + gate * self.dropout(self.out(y))


def make_block(config: DecoderConfig, index: int) -> nn.Module:
    """The block at a place of ``config.layout``."""
    kind = config.layout[index]
    if kind == "C":
        return ConvolutionBlock(config, DILATIONS[index % len(DILATIONS)])
    return MambaBlock(config) if kind == "M" else AttentionBlock(config)
