"""The talking mouth as a linear readout of a large speech encoder's layers, beside a decoder.

Layers 3 and 4 of Whisper-base follow lips of talkers that a network trained on one talker never saw: read out linearly
within 0.2 s, and averaged with the built-in decoder on neutral speech. Where p, b or m are detected the decoder still
closes the lips. What is stored is small: a projection of each layer and one convolution.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.articulation import Articulation
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder_network import Decoder
from sedtalker.arrays import Floats
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, TALKING_INDEX, TALKING_SHAPES, TALKING_SIDES
from sedtalker.nn.engine import open_model
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.features import FROM_HUB, SPEECH, SpeechFeatures

CHUNK_FRAMES = 1500
"""Frames that are read out at once: 30 s."""
READ_LAYERS = (3, 4)
"""Layers of Whisper-base that follow lips best, 1 being the first."""


class MouthReadoutConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``MouthReadout``, and what it stands beside."""

    backbone: BackboneConfig = BackboneConfig(name="openai/whisper-base", side_by_side=READ_LAYERS)
    """The encoder whose layers are read."""
    decoder_sha256: str = ""
    """Hash of the built-in decoder's weights that the mouth is averaged with."""
    layer_channels: int = 512
    """Channels of each layer."""
    width: int = 160
    """Channels that each layer is projected to."""
    reach: int = Field(5, ge=0)
    """Steps on either side of a frame that are read."""
    step: int = Field(2, ge=1)
    """Frames of 20 ms between them."""
    share: float = Field(0.5, ge=0.0, le=1.0)
    """Weight of the readout against the decoder on neutral speech."""

    @property
    def layers(self) -> int:
        """Number of layers that are read."""
        return len(self.backbone.side_by_side or ())

    @property
    def channels(self) -> int:
        """Channels of the layers side by side."""
        return self.layers * self.layer_channels


class MouthReadout(nn.Module):
    """Layers side by side (B, T, L · D) to coefficients of the talking mouth (B, T, 52) in [0, 1]; linear but for that.

    The layers are projected to their principal components without whitening: small directions are noise.
    """

    mean: Tensor
    projection: Tensor
    sides: Tensor

    def __init__(self, config: MouthReadoutConfig | None = None):
        super().__init__()
        self.config = config = config or MouthReadoutConfig()
        self.context = config.reach * config.step
        """Frames on either side that a frame depends on."""
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
        padded = F.pad(self.project(layers).transpose(1, 2), (self.context, self.context), mode="replicate")
        return (self.read(padded).transpose(1, 2) @ self.sides).clamp(0.0, 1.0)

    @torch.no_grad()
    def predict(self, layers: Floats) -> Floats:
        """(T, 52) of a recording's layers (T, L · D), in overlapping chunks; equal to one pass within 1e-5."""
        count, reach, parts = len(layers), self.context, []
        for start in range(0, count, CHUNK_FRAMES):
            first = max(0, start - reach)
            part = torch.from_numpy(layers[first : start + CHUNK_FRAMES + reach])[None].to(self.mean.device)
            parts.append(self(part)[0, start - first :][:CHUNK_FRAMES].float().cpu().numpy())
        return np.concatenate(parts)


class ReadoutDecoder(nn.Module):
    """A decoder averaged with a readout of layers that stand beside its own encoder's hidden vectors.

    Its features are those of ``EncoderPair``. Only ``predict`` runs it, over whole recordings.
    """

    shapes = ARKIT_52
    moves_vertices = False
    """See ``ShapeDecoder``."""

    def __init__(self, decoder: Decoder, readout: MouthReadout):
        super().__init__()
        self.decoder, self.readout = decoder, readout
        self.config, self.styles = readout.config, decoder.styles

    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Floats:
        """See ``ShapeDecoder``: coefficients (T, 52) in [0, 1]."""
        own = self.decoder.config.hidden
        if features.hidden.shape[1] != own + self.config.channels:
            raise InputError(
                f"this decoder needs {own} features a frame and {self.config.channels} of {self.config.backbone.name} "
                f"beside them, not {features.hidden.shape[1]}: use the encoders it was trained on"
            )
        spoken = self.readout.predict(features.of(FROM_HUB).hidden)[:, TALKING_INDEX]
        spoken = spoken if features.presence is None else spoken * features.presence[:, None]
        mouth = spoken if features.mouth is None else 0.5 * (spoken + features.mouth)
        made = self.decoder.with_mouth(features.of(SPEECH), track, style, mouth, self.config.share)
        return np.asarray(np.clip(made, 0.0, 1.0), np.float32)

    def articulation(self, features: SpeechFeatures) -> Articulation:
        """See ``Decoder.articulation``."""
        return self.decoder.articulation(features)


def beside_builtin(readout: MouthReadout, folder: Path) -> ReadoutDecoder:
    """The built-in decoder with the readout in a checkpoint folder beside it.

    Raises:
        InputError: it was made for another built-in decoder.
    """
    if readout.config.decoder_sha256 != weights_sha256(builtin_checkpoint("decoder")):
        raise InputError(f"{folder}: made for another built-in decoder: scripts/fit_mouth_readout.py makes it anew")
    return ReadoutDecoder(open_model("decoder", in_torch=True), readout)
