"""The decoder of the published SEDTalker (arXiv 2604.13335), rebuilt from its description.

wav2vec 2.0 large XLSR, its convolutional features interpolated to 30 frames a second; a linear map to 512; embedding of
six emotions plus a linear map of the intensity, added; Mamba → Mamba with a mixture of two experts → transformer →
mixture → Mamba → mixture, where both Mambas and all three mixtures are one; a linear map to the vertices that starts at
zero. Lips are read by a second transformer, for two more losses.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.attention import rotate
from sedtalker.animation.mamba import Mamba

EMOTIONS: tuple[str, ...] = ("Smile2", "Sad1", "Irritated1", "Upset", "Disgust", "Afraid")
"""EmoVOCA's words for happy, sad, angry, upset, disgust and fear, in the order of the published ids."""
LETTERS = 33


class ExpertMamba(nn.Module):
    """Mamba, then a mixture of feed-forward experts, around one residual path. Every expert is used, as published."""

    def __init__(self, width: int, experts: int):
        super().__init__()
        self.mamba = Mamba(width, d_state=8, d_conv=8)
        self.gate = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False))
            for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.rms_norm(x, x.shape[-1:])
        y = self.mamba(y) + y
        y = F.rms_norm(y, y.shape[-1:])
        share = self.gate(y).softmax(-1)
        mixed = torch.stack([expert(y) for expert in self.experts], -1)
        return x + (mixed * share[..., None, :]).sum(-1)


class RotaryTransformer(nn.Module):
    """A transformer layer over the whole clip: eight heads, rotary positions, norms behind."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(4 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = (rotate(part, slice(0, length), length) for part in (q, k))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.dropout(self.out(y)))
        return self.norm2(x + self.dropout(self.feed(x)))


class LipReader(nn.Module):
    """Lip vertices (B, T, L, 3) to a recogniser's hidden vectors (B, n, H) and letters (B, n, 33)."""

    def __init__(self, lips: Tensor, hidden: int, heads: int, layers: int):
        super().__init__()
        self.register_buffer("lips", lips, persistent=False)
        self.map = nn.Linear(3 * len(lips), hidden)
        self.transformer = nn.Transformer(hidden, heads, layers, layers, dim_feedforward=2 * hidden, batch_first=True)
        self.letters = nn.Linear(hidden, LETTERS)

    def forward(self, vertices: Tensor, length: int) -> tuple[Tensor, Tensor]:
        assert isinstance(self.lips, Tensor)
        lips = self.map(vertices[:, :, self.lips].flatten(2))
        lips = resample(lips, length)
        read: Tensor = self.transformer(lips, lips)
        return read, self.letters(read)


def resample(x: Tensor, length: int) -> Tensor:
    """(B, T, D) to (B, length, D), linear, ends on ends."""
    return F.interpolate(x.transpose(1, 2), size=length, mode="linear", align_corners=True).transpose(1, 2)


class PublishedDecoder(nn.Module):
    """Waveform (B, N), emotion (B,) and intensity (B,) to vertex offsets (B, T, V, 3), metres, 30 frames a second."""

    def __init__(self, encoder: Any, vertices: int, lips: Tensor, width: int, heads: int, experts: int, layers: int):
        super().__init__()
        self.encoder = encoder
        hidden = int(encoder.config.hidden_size)
        self.audio = nn.Linear(hidden, width)
        self.emotion = nn.Embedding(len(EMOTIONS), width)
        self.intensity = nn.Linear(1, width)
        self.mamba = Mamba(width)
        self.mixture = ExpertMamba(width, experts)
        self.attention = RotaryTransformer(width, heads)
        self.offsets = nn.Linear(width, 3 * vertices)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)
        self.reader = LipReader(lips, hidden, heads, layers) if layers else None

    def move(self, audio: Tensor, emotion: Tensor, intensity: Tensor, frames: int) -> Tensor:
        """Offsets (B, T, V, 3)."""
        speech = resample(self.encoder.feature_extractor(audio).transpose(1, 2), frames)
        speech = self.encoder.encoder(self.encoder.feature_projection(speech)[0]).last_hidden_state
        x = self.audio(speech) + (self.emotion(emotion) + self.intensity(intensity[:, None]))[:, None]
        x = self.mixture(self.mamba(x))
        x = self.attention(x)
        x = self.mixture(self.mamba(self.mixture(x)))
        offsets: Tensor = self.offsets(x).unflatten(-1, (-1, 3))
        return offsets

    def forward(
        self, audio: Tensor, emotion: Tensor, intensity: Tensor, template: Tensor, frames: int, length: int
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Offsets, and what the lips of ``template`` (B, V, 3) + offsets read as, ``length`` vectors."""
        offsets = self.move(audio, emotion, intensity, frames)
        if self.reader is None:
            return offsets, None, None
        read, letters = self.reader(template[:, None] + offsets, length)
        return offsets, read, letters
