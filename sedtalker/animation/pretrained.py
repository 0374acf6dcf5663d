"""Decoders from checkpoint folders: the built-in ones by name, a user's own by folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sedtalker.animation.decoder import CorrectedDecoder, CorrectedDecoderConfig, Decoder, DecoderConfig
from sedtalker.animation.vertex_decoder import VertexDecoder, VertexDecoderConfig
from sedtalker.checkpoint import Kind, builtin_checkpoint, read_checkpoint, read_config, restored
from sedtalker.errors import InputError

AnyDecoder = Decoder | CorrectedDecoder | VertexDecoder
"""What ``load_decoder`` gives; each is a ``MotionDecoder``."""
KINDS: dict[Kind, tuple[type[BaseModel], Callable[[Any], AnyDecoder]]] = {
    "decoder": (DecoderConfig, Decoder),
    "corrected_decoder": (CorrectedDecoderConfig, CorrectedDecoder),
    "vertex_decoder": (VertexDecoderConfig, VertexDecoder),
}
"""Config and network of each kind of decoder checkpoint."""


def load_decoder(folder: Path | None = None) -> AnyDecoder:
    """The built-in decoder, or the one in a checkpoint folder, ready for inference.

    Raises:
        InputError: not a decoder's checkpoint folder, or damaged.
    """
    folder = folder or builtin_checkpoint("decoder")
    kind = read_config(folder).kind
    if kind not in KINDS:
        raise InputError(f"{folder}: this is a {kind} checkpoint, a decoder is needed ({', '.join(KINDS)})")
    schema, network = KINDS[kind]
    _, config, state = read_checkpoint(folder, kind, schema)
    return restored(lambda: network(config), state, folder)
