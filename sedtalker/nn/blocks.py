"""Residual blocks over time: those of a decoder, modulated by a condition, and plain ones of encoders.

Every conditioned block maps (B, T, D) and a condition (B, T, C) to (B, T, D), with a gated residual path. For streams
Mamba and attention have ``step()``: the next frames, whether they are valid, and what the block remembers go in; the
frames that have become final, and what it remembers then, come out. Put together they equal one ``forward``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.nn import FRAME_KERNEL
from sedtalker.nn.engine import Arrays
from sedtalker.nn.mamba import Mamba


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


FAR = 1e9
"""What is taken from the score of a frame that is not attended to."""


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

    def keys_and_values(self, x: Tensor) -> Tensor:
        """(B, L, 2D) of frames (B, L, D), before they know their positions."""
        width = x.shape[-1]
        return F.linear(x, self.qkv.weight[width:], self.qkv.bias[width:])

    def step(self, x: Tensor, attended: Tensor, valid: Tensor) -> Tensor:
        """Frames (B, L, D) among keys and values (B, radius + L + future, 2D) of which some are valid."""
        width, length, first = x.shape[-1], x.shape[1], self.radius
        total = first + length + self.future

        def by_head(values: Tensor) -> Tensor:
            return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q = by_head(F.linear(x, self.qkv.weight[:width], self.qkv.bias[:width]))
        q = rotate(q, slice(first, first + length), total)
        k = rotate(by_head(attended[..., :width]), slice(0, total), total)
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5
        query = torch.arange(length, device=x.device)[:, None] + first
        key = torch.arange(total, device=x.device)[None]
        near = ((query - key <= self.radius) & (key - query <= self.future)).to(x.dtype)
        own = (query == key).to(x.dtype)  # as in ``_mask``
        seen = torch.maximum(near * valid[:, None], own)[:, None]
        share = torch.softmax(scores + (seen - 1.0) * FAR, -1)
        return self.out((share @ by_head(attended[..., width:])).transpose(1, 2).flatten(2))

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


class ConditionedMambaBlock(nn.Module):
    """Adaptive norm and Mamba with a gated residual path; causal."""

    def __init__(self, width: int, condition: int, d_state: int, dropout: float):
        super().__init__()
        self.norm = AdaptiveNorm(width, condition)
        self.mamba = Mamba(width, d_state)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y, gate = self.norm(x, condition)
        return x + gate * self.dropout(self.mamba(y))

    def states(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what a stream remembers, by name."""
        mamba = self.mamba
        return {"convolution": (mamba.d_inner, mamba.d_conv - 1), "scan": (mamba.d_inner, mamba.d_state)}

    def step(self, x: Tensor, condition: Tensor, valid: Tensor, past: Tensor, scanned: Tensor) -> tuple[Tensor, ...]:
        """Next frames (B, L, D): every one is final at once."""
        y, gate = self.norm(x, condition)
        made, *after = self.mamba.step(y, valid, past, scanned)
        return x + gate * made, condition, valid, *after


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

    def states(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what a stream remembers, by name."""
        width, condition = len(self.norm.modulation.weight) // 3, self.norm.modulation.weight.shape[1]
        seen, future = self.attention.radius + self.attention.future, self.attention.future
        shapes = {"attended": (seen, 2 * width), "valid": (seen,)}
        return shapes | {"pending": (future, width + condition)} if future else shapes

    def step(self, x: Tensor, condition: Tensor, valid: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Next frames (B, L, D): those that came ``future`` frames ago are final."""
        length, width = x.shape[1], x.shape[2]
        y, _ = self.norm(x, condition)
        attended = torch.cat([states[0], self.attention.keys_and_values(y)], 1)
        known = torch.cat([states[1], valid], 1)
        kept = [attended[:, length:], known[:, length:]]
        if self.attention.future:
            pending = torch.cat([states[2], torch.cat([x, condition], -1)], 1)
            kept.append(pending[:, length:])
            x, condition = pending[:, :length].split([width, condition.shape[-1]], -1)
        y, gate = self.norm(x, condition)
        x = x + gate * self.attention.step(y, attended, known)
        y, gate = self.mlp_norm(x, condition)
        radius = self.attention.radius
        return x + gate * self.mlp(y), condition, known[:, radius : radius + length], *kept


# --- Without a condition: the perceptron of the heads, and residual blocks of encoders and frame networks.


def perceptron(inputs: int, width: int, outputs: int, dropout: float) -> nn.Sequential:
    """(…, inputs) → (…, outputs) through one hidden layer; what both its layers read is dropped out in training."""
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(inputs, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs)
    )


class DilatedConvolution(nn.Module):
    """Pre-norm dilated convolution over time with a residual path, (B, T, D) → (B, T, D)."""

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, FRAME_KERNEL, dilation=dilation, padding=dilation * (FRAME_KERNEL // 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)))


def convolved(conv: nn.Conv1d, x: Tensor, past: Tensor | None = None, pending: int = 0) -> tuple[Tensor, Tensor]:
    """A padded convolution over (B, C, T) that goes on from frames before.

    Args:
        past: (B, C, P) the frames before, as many as it pads with on one side; None at the beginning: zeros.
        pending: frames at the end that will come again.

    Returns:
        What it gives, with zeros after the end, and the ``past`` of the next call; where less than ``pending`` frames
        have come, that is none.
    """
    padding = int(conv.padding[0])
    seen = torch.cat([x.new_zeros(*x.shape[:2], padding) if past is None else past, x], 2)
    made = F.conv1d(F.pad(seen, (0, padding)), conv.weight, conv.bias, conv.stride, dilation=conv.dilation)
    index = torch.arange(padding, device=x.device) + (seen.shape[2] - pending - padding)
    return made, seen.index_select(2, index.clamp(min=0))


class ArrayModule(nn.Module):
    """A network that takes and gives arrays, too."""

    def made(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What ``run`` gives."""
        return (self(*given),)

    @torch.no_grad()
    def run(self, *given: Floats) -> Arrays:
        """``made`` of arrays, on whatever device it is."""
        device = next(self.parameters()).device
        return tuple(x.float().cpu().numpy() for x in self.made(*(torch.from_numpy(x).to(device) for x in given)))


class SteppedModule(ArrayModule):
    """A network over frames that come stretch by stretch, with all that it remembers handed in and out."""

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """What it remembers before the first frame, by name; zeros."""
        raise NotImplementedError

    def step(self, *given: Any, **named: Any) -> tuple[Tensor, ...]:
        """The next frames and the states to what it makes of them, and the next states."""
        raise NotImplementedError

    def start(self) -> Arrays:
        """``states`` of one item, as arrays."""
        return tuple(state.cpu().numpy() for state in self.states().values())

    def made(self, *given: Tensor) -> tuple[Tensor, ...]:
        return self.step(*given)


class ResidualConvolution(nn.Module):
    """Pre-norm dilated convolution with a residual path over (B, C, T); see ``convolved``."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
        self.project: nn.Module = nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, past: Tensor | None = None, pending: int = 0) -> tuple[Tensor, Tensor]:
        made, after = convolved(self.conv, self.norm(x), past, pending)
        return x + self.dropout(self.project(F.gelu(made))), after


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
