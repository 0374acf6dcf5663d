"""Speech features and emotion to the vertices of one topology, through a basis that starts from the data's PCA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.conditioning import AdaptiveNorm
from sedtalker.animation.decoder import DecoderConfig
from sedtalker.checkpoint import read_checkpoint
from sedtalker.errors import InputError
from sedtalker.nn.blocks import AttentionBlock, MambaBlock
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.features import PROSODY_CHANNELS

MILLIMETRES = 1000.0
BLOCKS: dict[str, type[MambaBlock] | type[AttentionBlock]] = {"M": MambaBlock, "A": AttentionBlock}


class VertexDecoderConfig(BaseModel):
    """Hyper-parameters of ``VertexDecoder``."""

    model_config = ConfigDict(extra="forbid")

    blocks: DecoderConfig = DecoderConfig()
    coefficients: int = Field(48, ge=1, description="size of the basis")
    vertices: int = Field(5023, ge=1)
    labels: tuple[str, ...] = Field(("neutral",), description="words for emotions, in the order of the posterior")
    backbone: BackboneConfig | None = Field(None, description="speech backbone; None: the built-in encoder")


class VertexDecoder(nn.Module):
    """Features (B, T, D + 4), posterior (B, T, C) and intensity (B, T) to vertex offsets (B, T, V, 3), metres."""

    def __init__(self, config: VertexDecoderConfig):
        super().__init__()
        self.config = config
        blocks = config.blocks
        self.speech = nn.Linear(blocks.hidden + len(PROSODY_CHANNELS), blocks.width)
        self.emotions = nn.Parameter(torch.randn(len(config.labels), blocks.condition) * blocks.condition**-0.5)
        self.mix = nn.Linear(blocks.condition, blocks.condition)
        if not set(blocks.layout) <= set(BLOCKS):
            raise InputError(f"task.blocks.layout: {blocks.layout} has other blocks than {', '.join(BLOCKS)}")
        self.blocks = nn.ModuleList(BLOCKS[kind](blocks) for kind in blocks.layout)
        self.norm = AdaptiveNorm(blocks.width, blocks.condition)
        self.coefficients = nn.Linear(blocks.width, config.coefficients)
        self.basis = nn.Linear(config.coefficients, 3 * config.vertices)

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor) -> Tensor:
        emotion = (posterior @ self.emotions) * intensity[..., None]
        condition = emotion + F.silu(self.mix(emotion))
        x = self.speech(speech)
        for block in self.blocks:
            x = block(x, condition)
        y, _ = self.norm(x, condition)
        offsets = self.basis(self.coefficients(y)) / MILLIMETRES
        return offsets.unflatten(-1, (-1, 3))

    @torch.no_grad()
    def start_from(self, mean: NDArray[np.floating], components: NDArray[np.floating]) -> None:
        """Set the basis to a mean offset (V, 3) and principal components (K, V, 3) of unit coefficients, metres."""
        flat = torch.from_numpy(np.asarray(components, np.float32)).flatten(1) * MILLIMETRES
        self.basis.weight.zero_()
        self.basis.weight[:, : len(flat)].copy_(flat.T)
        self.basis.bias.copy_(torch.from_numpy(np.asarray(mean, np.float32)).flatten() * MILLIMETRES)
        self.coefficients.weight.mul_(0.1)
        self.coefficients.bias.zero_()


def principal_components(
    offsets: NDArray[np.floating], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Mean (V, 3), components (K, V, 3) scaled so that coefficients have variance 1, and the share of variance kept.

    Args:
        offsets: (N, V, 3) displacements from the resting face.
        count: K; fewer where there are not so many frames.
    """
    flat = np.asarray(offsets, np.float32).reshape(len(offsets), -1)
    mean = flat.mean(0)
    centred = flat - mean
    gram = centred.astype(np.float64) @ centred.T.astype(np.float64) / len(flat)
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][: min(count, len(flat) - 1)]
    kept = np.maximum(values[order], 0.0)
    components = (vectors[:, order].T @ centred) / np.sqrt(len(flat))
    share = float(kept.sum() / max(np.maximum(values, 0.0).sum(), 1e-20))
    shape = offsets.shape[1:]
    return mean.reshape(shape), components.reshape(-1, *shape).astype(np.float32), share


def load_vertex_decoder(folder: Path) -> VertexDecoder:
    """The decoder in a checkpoint folder, ready for inference."""
    _, config, state = read_checkpoint(folder, "vertex_decoder", VertexDecoderConfig)
    decoder = VertexDecoder(config)
    decoder.load_state_dict(state)
    return decoder.eval().requires_grad_(False)


def one_hot(labels: tuple[str, ...], emotion: str | None, frames: int) -> NDArray[Any]:
    """Posterior (T, C) of one word throughout; the first word stands for neutral, whose intensity is 0."""
    posterior = np.zeros((frames, len(labels)), np.float32)
    posterior[:, labels.index(emotion) if emotion else 0] = 1.0
    return posterior
