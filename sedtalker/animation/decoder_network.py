"""The decoder in torch, for training and for graphics cards: speech and emotion to coefficients of the ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive. ``sedtalker.animation.decoder`` runs it, and its graphs, over recordings and streams.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.decoder import PROSODY_MEAN, PROSODY_SCALE, DecoderConfig, PhoneHead, ShapeDecoder
from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.arrays import Floats
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, TALKING_SHAPES, TALKING_SIDES
from sedtalker.nn import initialised
from sedtalker.nn.blocks import (
    AdaptiveNorm,
    ArrayModule,
    ConditionedAttentionBlock,
    ConditionedMambaBlock,
    SteppedModule,
)
from sedtalker.nn.engine import Arrays
from sedtalker.speech.features import PHONES, PROSODY_CHANNELS

CHUNK_FRAMES = 512
"""Frames that go through a decoder at once: ten seconds."""


class Conditioning(nn.Module):
    """Emotion and style to a condition vector a frame.

    The category embeddings are mixed by the posterior and scaled by the intensity, so blends and transitions need no
    special case, and intensity 0 of any category is the same as neutral.
    """

    def __init__(self, width: int, styles: int):
        """``styles``: how many values a style has."""
        super().__init__()
        shape = len(CATEGORIES), width
        self.categories = initialised(lambda: torch.randn(shape) * width**-0.5, *shape)
        self.style = nn.Linear(styles, width)
        self.mix = nn.Linear(width, width)

    def forward(self, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """(B, T, 7), (B, T) and (B, S) → (B, T, width)."""
        emotion = (posterior @ self.categories) * intensity[..., None]
        joined = emotion + self.style(style)[:, None]
        return joined + F.silu(self.mix(joined))


class Decoder(SteppedModule, ShapeDecoder):
    """Speech (B, T, C) and emotion to shape coefficients (B, T, 52), not yet clamped to [0, 1].

    Speech is what ``speech_input`` makes of the encoder's hidden values and 4 prosody channels a frame.
    """

    active: Tensor

    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.speech = nn.Linear(config.hidden + len(PROSODY_CHANNELS), config.width)
        self.conditioning = Conditioning(config.condition, len(config.styles))
        self.blocks = nn.ModuleList(make_block(config, i) for i in range(len(config.layout)))
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.coefficients = nn.Linear(config.width, len(ARKIT_52))
        self.register_buffer("active", torch.from_numpy(self.moved), persistent=False)
        self.phone_head = nn.Linear(config.hidden, len(PHONES)).requires_grad_(False) if config.closes else None

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of ``speech`` (B, T, C), posterior (B, T, 7), intensity (B, T), style (B, S)."""
        x, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        for block in self.blocks:
            x = block(x, condition)
        return self.read_out(x, condition)

    def read_out(self, x: Tensor, condition: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of the last block's output (B, T, D)."""
        y, _ = self.norm(x, condition)
        return self.coefficients(y) * self.active

    @property
    def phone_head_arrays(self) -> PhoneHead | None:
        head = self.phone_head
        return None if head is None else (head.weight.detach().cpu().numpy(), head.bias.detach().cpu().numpy())

    def steps_of(self, frames: int, last: bool = False) -> list[int]:
        """See ``ShapeDecoder``: torch takes any number, so steps are as long as memory allows."""
        return [min(CHUNK_FRAMES, frames - start) for start in range(0, frames, CHUNK_FRAMES)]

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        shapes = {
            f"{name}_{index}": shape
            for index, block in enumerate(self.blocks)
            for name, shape in cast("ConditionedMambaBlock", block).states().items()
        }
        return {name: torch.zeros(batch, *shape, device=self.active.device) for name, shape in shapes.items()}

    def step(
        self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor, valid: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        """``ShapeDecoder.advance`` of tensors.

        Frames come out ``look_ahead`` later than they go in: the first of a stream, and those that are pushed after its
        end to get the last ones, are not valid. Frames that are not valid leave every state as it is and are attended
        to by none, so the valid ones equal one pass over the whole recording.
        """
        left, kept = list(states), []
        x, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        for block in self.blocks:
            part = cast("ConditionedMambaBlock | ConditionedAttentionBlock", block)
            count = len(part.states())
            x, condition, valid, *after = part.step(x, condition, valid, *left[:count])
            left = left[count:]
            kept.extend(after)
        return self.read_out(x, condition), *kept

    def advance(self, *given: Floats) -> Arrays:
        return self.run(*given)


def speech_tensor(hidden: Tensor, prosody: Tensor) -> Tensor:
    """``speech_input`` of tensors."""
    mean, scale = hidden.new_tensor(PROSODY_MEAN), hidden.new_tensor(PROSODY_SCALE)
    return torch.cat([hidden, (prosody - mean) / scale], dim=-1)


def make_block(config: DecoderConfig, index: int) -> nn.Module:
    """The block at a place of ``config.layout``."""
    sizes = config.width, config.condition
    if config.layout[index] == "M":
        return ConditionedMambaBlock(*sizes, config.d_state, config.dropout)
    return ConditionedAttentionBlock(*sizes, config.heads, config.radius, config.future, config.dropout)


class MouthReadout(ArrayModule):
    """Layers side by side (B, T, L · D) to coefficients of the talking mouth (B, T, 52) in [0, 1]; linear but for that.

    The layers are projected to their principal components without whitening: small directions are noise.
    """

    mean: Tensor
    projection: Tensor
    sides: Tensor

    def __init__(self, config: MouthReadoutConfig | None = None):
        super().__init__()
        self.config = config = config or MouthReadoutConfig()
        self.register_buffer("mean", torch.zeros(config.layers, config.layer_channels))
        self.register_buffer("projection", torch.zeros(config.layers, config.layer_channels, config.width))
        self.read = nn.Conv1d(
            config.layers * config.width, len(TALKING_SHAPES), 2 * config.reach + 1, dilation=config.step
        )
        self.register_buffer("sides", torch.from_numpy(TALKING_SIDES), persistent=False)

    def project(self, layers: Tensor) -> Tensor:
        """(B, T, L · C) principal components of layers (B, T, L · D)."""
        apart = layers.unflatten(-1, (self.config.layers, -1)) - self.mean
        return torch.einsum("btld,ldc->btlc", apart, self.projection).flatten(-2)

    def forward(self, layers: Tensor) -> Tensor:
        """Coefficients of layers; the first and the last frame are held beyond the ends."""
        padded = F.pad(self.project(layers).transpose(1, 2), [self.config.context] * 2, mode="replicate")
        return (self.read(padded).transpose(1, 2) @ self.sides).clamp(0.0, 1.0)
