"""Decoders from checkpoint folders: the built-in ones by name, a user's own by folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sedtalker.animation.decoder import Decoder, DecoderConfig
from sedtalker.animation.mouth_readout import MouthReadout, MouthReadoutConfig, ReadoutDecoder
from sedtalker.animation.vertex_decoder import VertexDecoder, VertexDecoderConfig
from sedtalker.checkpoint import Kind, builtin_checkpoint, open_network, read_config, weights_sha256
from sedtalker.errors import InputError
from sedtalker.speech.encoder import Encoder, EncoderPair, open_encoder, open_trained_encoder
from sedtalker.speech.features import FROM_HUB, SPEECH

AnyDecoder = Decoder | ReadoutDecoder | VertexDecoder
"""What ``load_decoder`` gives; each is a ``MotionDecoder``."""
KINDS: dict[Kind, tuple[type[BaseModel], Callable[[Any], AnyDecoder]]] = {
    "decoder": (DecoderConfig, Decoder),
    "vertex_decoder": (VertexDecoderConfig, VertexDecoder),
}
"""Config and network of each kind of decoder checkpoint."""
READOUT: Kind = "readout_decoder"
"""Kind of the checkpoints that hold only what stands beside the built-in decoder."""


def load_decoder(folder: Path | None = None) -> AnyDecoder:
    """The built-in decoder, or the one in a checkpoint folder, ready for inference.

    Raises:
        InputError: not a decoder's checkpoint folder, or damaged.
    """
    folder = folder or builtin_checkpoint("decoder")
    kind = read_config(folder).kind
    if kind == READOUT:
        return _readout_decoder(folder)
    if kind not in KINDS:
        raise InputError(f"{folder}: this is a {kind} checkpoint, a decoder is needed ({', '.join([*KINDS, READOUT])})")
    schema, network = KINDS[kind]
    return open_network(folder, kind, schema, network)


def _readout_decoder(folder: Path) -> ReadoutDecoder:
    """The built-in decoder with the readout in a checkpoint folder beside it; ``InputError`` where it was another."""
    readout = open_network(folder, READOUT, MouthReadoutConfig, MouthReadout)
    base = builtin_checkpoint("decoder")
    if readout.config.decoder_sha256 != weights_sha256(base):
        raise InputError(f"{folder}: made for another built-in decoder: scripts/fit_mouth_readout.py makes it anew")
    return ReadoutDecoder(open_network(base, "decoder", DecoderConfig, Decoder), readout)


def open_decoder_encoder(
    decoder: AnyDecoder, folder: Path, encoder: str | Path | None = None, device: str = "cpu"
) -> Encoder:
    """The encoder whose features a decoder reads.

    Args:
        decoder: from ``load_decoder``.
        folder: its checkpoint folder.
        encoder: folder of the hub encoder's weights, where it needs one; default: this machine's cache, or the hub.
        device: where it runs.

    Raises:
        InputError: it cannot be had, is not the one the decoder was trained on, or the decoder needs none of the hub.
    """
    backbone = decoder.config.backbone if isinstance(decoder, VertexDecoder | ReadoutDecoder) else None
    if encoder is not None:
        if backbone is None:
            raise InputError(f"{folder}: it reads the built-in encoder; another one cannot be given")
        backbone = backbone.model_copy(update={"name": str(encoder)})
    opened = open_trained_encoder(folder, backbone, device, given=encoder is not None)
    if not isinstance(decoder, ReadoutDecoder):
        return opened
    return EncoderPair({SPEECH: open_encoder(SPEECH, device), FROM_HUB: opened})
