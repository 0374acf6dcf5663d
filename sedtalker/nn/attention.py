"""Attention within a window on either side of each frame, with rotary positions."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
