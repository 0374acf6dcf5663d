"""Residual blocks over time without a condition: convolution, conformer, Mamba both ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.nn.attention import LocalAttention
from sedtalker.nn.mamba import Mamba

RADIUS = 25
"""Frames on either side that attention sees: one second at 25 Hz."""
KERNEL = 5
"""Frames that a convolution sees."""


class ConvolutionBlock(nn.Module):
    """Pre-norm dilated convolution over time."""

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=dilation, padding=dilation * (KERNEL // 2))
        self.dropout = nn.Dropout(dropout)
        self.context: int | None = dilation * (KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)))


class ConformerBlock(nn.Module):
    """Local attention, a gated depthwise convolution and a feed-forward layer (after Gulati et al. 2020)."""

    def __init__(self, width: int, dropout: float, kernel: int = 9):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = LocalAttention(width, 4, RADIUS)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.point = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)
        self.context: int | None = RADIUS + kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x)))
        local = F.glu(self.gate(self.norms[1](x)), -1).transpose(1, 2)
        x = x + self.dropout(self.point(F.silu(self.depthwise(local)).transpose(1, 2)))
        return x + self.dropout(self.mlp(self.norms[2](x)))


class MambaBlock(nn.Module):
    """Mamba, causal, or forwards and backwards with the two added (Zhu et al. 2024, arXiv 2401.09417)."""

    def __init__(self, width: int, dropout: float, both_ways: bool):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.forwards = Mamba(width, d_state=8)
        self.backwards = Mamba(width, d_state=8) if both_ways else None
        self.dropout = nn.Dropout(dropout)
        self.context = None  # unbounded, but forgetful

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        out = self.forwards(y)
        if self.backwards is not None:
            out = out + self.backwards(torch.flip(y, (1,))).flip(1)
        return x + self.dropout(out)


BLOCKS: dict[str, Callable[[int, int, float], nn.Module]] = {
    "C": ConvolutionBlock,
    "A": lambda width, _, dropout: ConformerBlock(width, dropout),
    "M": lambda width, _, dropout: MambaBlock(width, dropout, both_ways=False),
    "B": lambda width, _, dropout: MambaBlock(width, dropout, both_ways=True),
}
"""Kinds of block by the letter of ``FrameNetworkConfig.layout``: (width, dilation, dropout) → block."""


# --- The same over channels first, (B, C, T), for encoders.


class ResidualConvolution(nn.Module):
    """Pre-norm dilated convolution with a residual path, (B, C, T) → (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x))))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each frame of (B, C, T)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)
        return centred * scale * self.weight[:, None] + self.bias[:, None]
