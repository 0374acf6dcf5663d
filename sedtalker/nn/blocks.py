"""Residual blocks over time: those of a decoder, modulated by a condition, and plain ones of encoders.

Every conditioned block maps (B, T, D) and a condition (B, T, C) to (B, T, D), with a gated residual path. For streams
each has ``start()``, which gives its state before the first frame, and ``push()``, which takes the next frames and
gives those that have become final. The pushed frames, put together, equal one ``forward`` over the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.nn.mamba import Mamba, MambaState


@lru_cache(maxsize=8)
def _rotary_table(length: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    frequency = 1.0 / (1000.0 ** (torch.arange(0, width, 2, device=device) / width))
    angle = torch.arange(length, device=device)[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, positions: slice, length: int) -> Tensor:
    """Rotary positions (Su et al. 2021, arXiv 2104.09864) for (…, L, width)."""
    cos, sin = _rotary_table(length, x.shape[-1], x.device)
    cos, sin = cos[positions].to(x.dtype), sin[positions].to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class LocalAttention(nn.Module):
    """Multi-head attention to ``radius`` frames before and ``future`` after, (B, L, D) → (B, L, D), memory linear in L.

    Queries are taken in blocks of ``radius`` frames, each against its own and both neighbouring blocks; rotary
    positions count within those three blocks, so the result does not depend on where a stretch starts.
    """

    def __init__(self, d_model: int, heads: int, radius: int, future: int | None = None):
        """``future`` is at most ``radius``, and ``radius`` if None."""
        super().__init__()
        self.heads, self.radius, self.future = heads, radius, radius if future is None else future
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        r, h = self.radius, self.heads
        blocks = -(-length // r)
        padded = F.pad(x, (0, 0, 0, blocks * r - length))
        q, k, v = self.qkv(padded).reshape(batch, blocks, r, 3, h, width // h).permute(3, 0, 4, 1, 2, 5)
        around_k, around_v = self._neighbours(k), self._neighbours(v)
        q, around_k = rotate(q, slice(r, 2 * r), 3 * r), rotate(around_k, slice(0, 3 * r), 3 * r)
        mask = self._mask(blocks, length, x.device)
        y = F.scaled_dot_product_attention(q, around_k, around_v, attn_mask=mask)
        return self.out(y.permute(0, 2, 3, 1, 4).reshape(batch, blocks * r, width)[:, :length])

    @staticmethod
    def _neighbours(x: Tensor) -> Tensor:
        """(B, H, n, r, w) blocks to (B, H, n, 3r, w): each with the one before and the one after."""
        padded = F.pad(x, (0, 0, 0, 0, 1, 1))
        return torch.cat([padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]], dim=3)

    def _mask(self, blocks: int, length: int, device: torch.device) -> Tensor:
        """(n, r, 3r) bool: keys within the window and within the recording (every query keeps at least itself)."""
        r = self.radius
        query, key = torch.arange(r, device=device)[:, None] + r, torch.arange(3 * r, device=device)[None]
        near = (query - key <= r) & (key - query <= self.future)
        position = (torch.arange(blocks, device=device)[:, None] - 1) * r + key
        inside = (position >= 0) & (position < length)
        own = query == key
        return (near[None] & inside[:, None]) | own[None]


DILATIONS = (1, 2, 4, 8, 2, 1)
"""Dilations of successive convolution blocks, in turn."""


class AdaptiveNorm(nn.Module):
    """Layer norm whose scale and shift follow the condition, and a gate for its branch (Peebles and Xie 2023)."""

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(condition, 3 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) → the normalised (B, T, D) and the gate (B, T, D)."""
        scale, shift, gate = self.modulation(condition).chunk(3, dim=-1)
        return self.norm(x) * (1 + scale) + shift, 1 + gate


class Streamable(Protocol):
    """A block that can also run over streams; its state has ``tensors()`` and is made ``of`` them again."""

    def start(self) -> Any:
        """The state before the first frame, for one stream."""

    def push(self, x: Tensor, condition: Tensor, state: Any, last: bool) -> tuple[Tensor, Tensor]:
        """Next frames (B, t, D) and conditions → the frames (B, n, D) now final, and their conditions."""


class ConditionedMambaBlock(nn.Module):
    """Adaptive norm and Mamba with a gated residual path; causal."""

    def __init__(self, width: int, condition: int, d_state: int, dropout: float):
        super().__init__()
        self.norm = AdaptiveNorm(width, condition)
        self.mamba = Mamba(width, d_state)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor, state: MambaState | None = None) -> Tensor:
        y, gate = self.norm(x, condition)
        return x + gate * self.dropout(self.mamba(y, state))

    def start(self) -> MambaState:
        """See ``Streamable``."""
        return self.mamba.start(1)

    def push(self, x: Tensor, condition: Tensor, state: MambaState, last: bool) -> tuple[Tensor, Tensor]:
        """See ``Streamable``: every frame is final at once."""
        return (self(x, condition, state) if x.shape[1] else x), condition


@dataclass
class AttentionState:
    """Frames and conditions that an attention block still needs, and how many of the frames are final already."""

    x: Tensor
    condition: Tensor
    done: int = 0

    def tensors(self) -> tuple[Tensor, ...]:
        """What it holds, to be stacked with that of other streams: how many are final as the length of a tensor."""
        return self.x, self.condition, self.x[:, : self.done, 0]

    @classmethod
    def of(cls, x: Tensor, condition: Tensor, done: Tensor) -> AttentionState:
        """From its tensors."""
        return cls(x, condition, done.shape[1])


class ConditionedAttentionBlock(nn.Module):
    """Adaptive norm, local attention and a feed-forward layer, each with a gated residual path."""

    def __init__(self, width: int, condition: int, heads: int, radius: int, future: int | None, dropout: float):
        super().__init__()
        self.norm = AdaptiveNorm(width, condition)
        self.attention = LocalAttention(width, heads, radius, future)
        self.mlp_norm = AdaptiveNorm(width, condition)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y, gate = self.norm(x, condition)
        x = x + gate * self.dropout(self.attention(y))
        y, gate = self.mlp_norm(x, condition)
        return x + gate * self.dropout(self.mlp(y))

    def start(self) -> AttentionState:
        """See ``Streamable``."""
        like = self.norm.modulation.weight
        return AttentionState(like.new_zeros(1, 0, len(like) // 3), like.new_zeros(1, 0, like.shape[1]))

    def push(self, x: Tensor, condition: Tensor, state: AttentionState, last: bool) -> tuple[Tensor, Tensor]:
        """See ``Streamable``: a frame is final once the frames it attends to have come."""
        x, condition = torch.cat([state.x, x], 1), torch.cat([state.condition, condition], 1)
        ready = x.shape[1] if last else max(state.done, x.shape[1] - self.attention.future)
        out = self(x, condition)[:, state.done : ready] if ready > state.done else x[:, :0]
        final = condition[:, state.done : ready]
        # frames that are final are kept for as long as later ones attend to them
        keep = max(0, ready - self.attention.radius)
        state.x, state.condition, state.done = x[:, keep:], condition[:, keep:], ready - keep
        return out, final


class ConditionedConvolutionBlock(nn.Module):
    """Adaptive norm and a dilated convolution over the frames on either side, with a gated residual path."""

    def __init__(self, width: int, condition: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = AdaptiveNorm(width, condition)
        self.conv = nn.Conv1d(width, 2 * width, 5, dilation=dilation, padding=2 * dilation)
        self.out = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y, gate = self.norm(x, condition)
        y = F.gelu(self.conv(y.transpose(1, 2)).transpose(1, 2))
        return x + gate * self.dropout(self.out(y))


# --- Residual blocks without a condition, of encoders and frame networks.

FRAME_KERNEL = 5
"""Frames that a ``DilatedConvolution`` sees, ``dilation`` apart."""


class DilatedConvolution(nn.Module):
    """Pre-norm dilated convolution over time with a residual path, (B, T, D) → (B, T, D)."""

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, FRAME_KERNEL, dilation=dilation, padding=dilation * (FRAME_KERNEL // 2))
        self.dropout = nn.Dropout(dropout)
        self.context = dilation * (FRAME_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)))


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
