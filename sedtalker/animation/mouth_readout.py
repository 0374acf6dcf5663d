"""The talking mouth as a linear readout of a large speech encoder's layers, beside a decoder.

Layers 3 and 4 of Whisper-base follow lips of talkers that a network trained on one talker never saw: read out linearly
within 0.2 s, and averaged with the built-in decoder on neutral speech. Where p, b or m are detected the decoder still
closes the lips. What is stored is small: a projection of each layer and one convolution.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from sedtalker.animation.articulation import Articulation
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.arrays import Floats
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, TALKING_INDEX
from sedtalker.nn.engine import GraphModel, Model, Network, frame_logits, open_model
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

    @property
    def context(self) -> int:
        """Frames on either side that a frame depends on."""
        return self.reach * self.step


class ReadoutDecoder:
    """A decoder averaged with a readout of layers that stand beside its own encoder's hidden vectors.

    Its features are those of ``EncoderPair``. Only ``predict`` runs it, over whole recordings.

    Args:
        decoder: the built-in one.
        readout: layers side by side (B, T, L · D) to coefficients of the talking mouth (B, T, 52).
    """

    shapes = ARKIT_52
    moves_vertices = False
    """See ``ShapeDecoder``."""

    def __init__(self, decoder: ShapeDecoder, readout: Model):
        self.decoder, self.readout = decoder, readout
        self.config, self.styles = readout.config, decoder.styles

    def to(self, device: str) -> ReadoutDecoder:
        """Move both there, which are networks of torch."""
        self.decoder, self.readout = self.decoder.to(device), self.readout.to(device)  # type: ignore[attr-defined]
        return self

    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Floats:
        """See ``ShapeDecoder``: coefficients (T, 52) in [0, 1]."""
        own = self.decoder.config.hidden
        if features.hidden.shape[1] != own + self.config.channels:
            raise InputError(
                f"this decoder needs {own} features a frame and {self.config.channels} of {self.config.backbone.name} "
                f"beside them, not {features.hidden.shape[1]}: use the encoders it was trained on"
            )
        spoken = frame_logits(self.readout, features.of(FROM_HUB).hidden, CHUNK_FRAMES)[:, TALKING_INDEX]
        spoken = spoken if features.presence is None else spoken * features.presence[:, None]
        mouth = spoken if features.mouth is None else 0.5 * (spoken + features.mouth)
        made = self.decoder.with_mouth(features.of(SPEECH), track, style, mouth, self.config.share)
        return np.asarray(np.clip(made, 0.0, 1.0), np.float32)

    def articulation(self, features: SpeechFeatures) -> Articulation:
        return self.decoder.articulation(features)


def beside_builtin(readout: Model, folder: Path, in_torch: bool = True) -> ReadoutDecoder:
    """The built-in decoder with the readout in a checkpoint folder beside it.

    Raises:
        InputError: it was made for another built-in decoder.
    """
    if readout.config.decoder_sha256 != weights_sha256(builtin_checkpoint("decoder")):
        raise InputError(f"{folder}: made for another built-in decoder: scripts/fit_mouth_readout.py makes it anew")
    return ReadoutDecoder(open_model("decoder", in_torch=in_torch), readout)


def opened(folder: Path, config: MouthReadoutConfig, graph: Network) -> ReadoutDecoder:
    """See ``beside_builtin``, of graphs."""
    return beside_builtin(GraphModel(folder, config, graph), folder, in_torch=False)
