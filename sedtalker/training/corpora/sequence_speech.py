"""What vertex decoders hear: the built-in encoder or a backbone of the hub, cached on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.speech.backbone import Backbone, BackboneConfig, encode_with_backbone, load_backbone
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures, encode, load_encoder
from sedtalker.training.corpora.waveforms import SpeechCache


@dataclass(frozen=True, eq=False)
class Hearing:
    """A frozen source of speech features, 50 frames a second.

    Attributes:
        channels: size D of a hidden vector; the cache's rows are D + 4 of prosody.
        cache: rows by sound file.
        folder: checkpoint of the built-in encoder, or None.
        backbone: the hub model, or None.
    """

    channels: int
    cache: SpeechCache
    folder: Path | None = None
    backbone: BackboneConfig | None = None


def open_hearing(source: str | dict[str, Any] | None, cache: Path) -> Hearing:
    """The built-in encoder (None), its checkpoint folder (a name) or a backbone (``BackboneConfig`` as plain data)."""
    if isinstance(source, dict):
        config = BackboneConfig.model_validate(source)
        backbone = load_backbone(config)
        listen = _Listener(backbone)
        return Hearing(backbone.channels, SpeechCache(cache, backbone.sha256(), listen), backbone=config)
    folder = Path(source) if source else builtin_checkpoint("speech_encoder")
    encoder = load_encoder(folder)
    return Hearing(
        encoder.config.channels, SpeechCache(cache, weights_sha256(folder), _Listener(encoder)), folder=folder
    )


class _Listener:
    """Hidden vectors and prosody (T, D + 4) of a recording."""

    def __init__(self, model: SpeechEncoder | Backbone):
        self.model = model

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        features: SpeechFeatures
        if isinstance(self.model, Backbone):
            features = encode_with_backbone(self.model, audio)
        else:
            features = encode(self.model, audio)
        return np.concatenate([features.hidden, features.prosody], axis=1)
