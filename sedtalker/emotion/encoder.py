"""The encoder that a diarizer was trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sedtalker.audio import Audio
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.speech.backbone import encode_with_backbone, load_backbone, unpack_backbone
from sedtalker.speech.encoder import SpeechFeatures, encode, load_encoder

Encode = Callable[[Audio], SpeechFeatures]


def encoder_of(diarizer: DiarizerNetwork, checkpoint: Path | None = None, device: str = "cpu") -> Encode:
    """What turns a recording into the features that a diarizer reads: its backbone, or the built-in encoder.

    Args:
        diarizer: from ``load_diarizer``.
        checkpoint: the folder it came from; default the built-in one.
        device: where the encoder runs.

    Raises:
        InputError: the encoder cannot be had, or its weights are not those the diarizer was trained on.
    """
    folder = checkpoint or builtin_checkpoint("diarizer")
    needed = read_config(folder).encoder_sha256
    config = diarizer.config.backbone
    if config is not None:
        backbone = load_backbone(unpack_backbone(config, folder))
        if needed not in (None, backbone.sha256()):
            raise InputError(f"{config.name}: these are not the weights that the diarizer in {folder} was trained on")
        backbone.model.to(device)
        return partial(encode_with_backbone, backbone)
    if needed not in (None, weights_sha256(builtin_checkpoint("speech_encoder"))):
        raise InputError(f"{folder}: trained on another speech encoder than the built-in one")
    return partial(encode, load_encoder().to(device))
