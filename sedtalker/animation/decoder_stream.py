"""The decoder over a stream: states are carried over, attention waits for the frames it may look ahead at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sedtalker.animation.blocks import AttentionBlock, MambaBlock
from sedtalker.animation.conditioning import Style
from sedtalker.animation.mamba import MambaState

if TYPE_CHECKING:
    from sedtalker.animation.decoder import Decoder


class AttentionStretch:
    """Runs an attention block over a stream: holds frames back until their future context is there."""

    def __init__(self, block: AttentionBlock, radius: int, future: int):
        self.block, self.radius, self.future = block, radius, future
        self.held: tuple[Tensor, Tensor] | None = None
        self.done = 0

    def push(self, x: Tensor, condition: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        if self.held is not None:
            x, condition = torch.cat([self.held[0], x], 1), torch.cat([self.held[1], condition], 1)
        ready = x.shape[1] if last else max(self.done, x.shape[1] - self.future)
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
        self.style = decoder.coefficients.weight.new_tensor([style.code(decoder.config.styles)])
        self.stages: list[MambaState | AttentionStretch] = [
            block.mamba.start(1)
            if isinstance(block, MambaBlock)
            else AttentionStretch(block, decoder.config.radius, decoder.future)  # type: ignore[arg-type]
            for block in decoder.blocks
        ]

    @torch.no_grad()
    def push(self, speech: Tensor, posterior: Tensor, intensity: Tensor, last: bool = False) -> Tensor:
        """Next frames of speech (1, t, C), (1, t, 7), (1, t) → coefficients (1, n, 52) now certain."""
        x = self.decoder.speech(speech)
        condition = self.decoder.conditioning(posterior, intensity, self.style)
        for block, stage in zip(self.decoder.blocks, self.stages, strict=True):
            if isinstance(stage, AttentionStretch):
                x, condition = stage.push(x, condition, last)
            elif x.shape[1]:
                x = block(x, condition, stage)
        return self.decoder.read_out(x, condition)
