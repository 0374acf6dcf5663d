"""Speech features and a dense emotion track to the coefficients of the 52 ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from sedtalker.animation.attention import LocalAttention
from sedtalker.animation.conditioning import AdaptiveNorm, Conditioning, Style
from sedtalker.animation.mamba import Mamba, MambaState
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.encoder import SpeechFeatures
from sedtalker.speech.features import PROSODY_CHANNELS

CHUNK_FRAMES = 512
PROSODY_MEAN = (-6.0, 0.0, 0.6, -3.0)
PROSODY_SCALE = (3.0, 0.5, 0.3, 3.0)


class DecoderConfig(BaseModel):
    """Hyper-parameters of ``Decoder``."""

    model_config = ConfigDict(extra="forbid")

    hidden: int = 192
    width: int = 128
    condition: int = 64
    layout: str = Field("MMAMMA", pattern="^[MA]+$", description="M: Mamba block, A: local attention block")
    d_state: int = 8
    heads: int = 4
    radius: int = Field(12, description="attention window on either side, frames of 20 ms")
    dropout: float = 0.05
    shapes: tuple[str, ...] = Field(ARKIT_52, description="the shapes that ever move; the others stay at zero")


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
        self.attention = LocalAttention(config.width, config.heads, config.radius)
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


class Decoder(nn.Module):
    """Encoder frames (B, T, 192 + 4) and emotion to shape coefficients (B, T, 52), not yet clamped to [0, 1]."""

    active: Tensor

    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.speech = nn.Linear(config.hidden + len(PROSODY_CHANNELS), config.width)
        self.conditioning = Conditioning(config.condition)
        blocks = [MambaBlock(config) if kind == "M" else AttentionBlock(config) for kind in config.layout]
        self.blocks = nn.ModuleList(blocks)
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.coefficients = nn.Linear(config.width, len(ARKIT_52))
        active = torch.tensor([float(name in config.shapes) for name in ARKIT_52])
        self.register_buffer("active", active, persistent=False)

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of ``speech`` (B, T, 196), posterior (B, T, 7), intensity (B, T), style (B, 2)."""
        x, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        for block in self.blocks:
            x = block(x, condition)
        return self.read_out(x, condition)

    def read_out(self, x: Tensor, condition: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of the last block's output (B, T, D)."""
        y, _ = self.norm(x, condition)
        return self.coefficients(y) * self.active

    @property
    def look_ahead(self) -> int:
        """Frames of 20 ms after a frame that it depends on."""
        return self.config.radius * self.config.layout.count("A")


class _AttentionStretch:
    """Runs an attention block over a stream: holds frames back until their future context is there."""

    def __init__(self, block: AttentionBlock, radius: int):
        self.block, self.radius = block, radius
        self.held: tuple[Tensor, Tensor] | None = None
        self.done = 0

    def push(self, x: Tensor, condition: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        if self.held is not None:
            x, condition = torch.cat([self.held[0], x], 1), torch.cat([self.held[1], condition], 1)
        ready = x.shape[1] if last else max(self.done, x.shape[1] - self.radius)
        out = self.block(x, condition)[:, self.done : ready] if ready > self.done else x[:, :0]
        emitted = condition[:, self.done : ready]
        keep = max(0, ready - self.radius)
        self.held, self.done = (x[:, keep:], condition[:, keep:]), ready - keep
        return out, emitted


class DecoderStream:
    """The decoder over a stream of stretches of any length, in memory that does not grow.

    Mamba blocks carry their state over; attention blocks delay by their radius. The concatenated output equals one
    pass (tested to 1e-4); frames come out ``decoder.look_ahead`` later than they go in.
    """

    def __init__(self, decoder: Decoder, style: Style):
        self.decoder = decoder
        self.style = decoder.coefficients.weight.new_tensor([astuple(style)])
        self.stages: list[MambaState | _AttentionStretch] = [
            block.mamba.start(1) if isinstance(block, MambaBlock) else _AttentionStretch(block, decoder.config.radius)  # type: ignore[arg-type]
            for block in decoder.blocks
        ]

    @torch.no_grad()
    def push(self, speech: Tensor, posterior: Tensor, intensity: Tensor, last: bool = False) -> Tensor:
        """Next frames (1, t, 196), (1, t, 7), (1, t) → the coefficients (1, n, 52) that have become certain."""
        x = self.decoder.speech(speech)
        condition = self.decoder.conditioning(posterior, intensity, self.style)
        for block, stage in zip(self.decoder.blocks, self.stages, strict=True):
            if isinstance(stage, _AttentionStretch):
                x, condition = stage.push(x, condition, last)
            elif x.shape[1]:
                x = block(x, condition, stage)
        return self.decoder.read_out(x, condition)


def load_decoder(folder: Path | None = None) -> Decoder:
    """The built-in decoder, or the one in a checkpoint folder, ready for inference."""
    folder = folder or builtin_checkpoint("decoder")
    _, config, state = read_checkpoint(folder, "decoder", DecoderConfig)
    decoder = Decoder(config)
    decoder.load_state_dict(state)
    return decoder.eval().requires_grad_(False)


def speech_input(hidden: Tensor, prosody: Tensor) -> Tensor:
    """(…, D) hidden vectors and (…, 4) prosody to the decoder's input (…, D + 4)."""
    mean, scale = hidden.new_tensor(PROSODY_MEAN), hidden.new_tensor(PROSODY_SCALE)
    return torch.cat([hidden, (prosody - mean) / scale], dim=-1)


def predict(
    decoder: Decoder, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None
) -> NDArray[np.float32]:
    """Coefficients (T, 52) in [0, 1] on ``features.clock``, in the order of ``ARKIT_52``.

    Any length: stretches of ten seconds go through ``DecoderStream``.

    Raises:
        InputError: the features are not of the encoder this decoder was trained on, or the track has other categories.
    """
    if features.hidden.shape[1] != decoder.config.hidden:
        raise InputError(
            f"the decoder needs {decoder.config.hidden} features a frame and the encoder gives "
            f"{features.hidden.shape[1]}: use the encoder it was trained on"
        )
    if track.labels != CATEGORIES:
        raise InputError(f"the decoder needs the categories {', '.join(CATEGORIES)}")
    device = decoder.coefficients.weight.device
    speech = speech_input(torch.from_numpy(features.hidden), torch.from_numpy(features.prosody))
    sampled = track.at(features.clock.times(len(features)))
    stream, parts = DecoderStream(decoder, style or Style()), []
    for start in range(0, len(features), CHUNK_FRAMES):
        part = slice(start, start + CHUNK_FRAMES)
        columns = (speech[part], torch.from_numpy(sampled.posterior[part]), torch.from_numpy(sampled.intensity[part]))
        last = start + CHUNK_FRAMES >= len(features)
        speech_now, posterior, intensity = (c[None].to(device) for c in columns)
        parts.append(stream.push(speech_now, posterior, intensity, last)[0])
    return torch.cat(parts).clamp(0.0, 1.0).float().cpu().numpy()


__all__ = [
    "Decoder",
    "DecoderConfig",
    "DecoderStream",
    "Style",
    "load_decoder",
    "predict",
    "speech_input",
]
