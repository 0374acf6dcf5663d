"""The speech models of the published recipe: from the hub, from a folder, or of the real size with random weights."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from sedtalker.speech.backbone import Backbone, BackboneConfig, load_backbone
from sedtalker.speech.hub import load_pretrained

RANDOM = "random"
"""In the place of a model's name: the same classes and sizes, untrained. For dry runs without a network."""
XLSR_LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "layerdrop": 0.0,
    "vocab_size": 33,
}
"""Sizes of wav2vec 2.0 large XLSR-53."""


def open_backbone(name: str, kind: Literal["wav2vec2", "wavlm"]) -> Backbone:
    """A backbone in training shape: convolutions frozen, no layer dropped, everything else free to move."""
    import transformers

    if name == RANDOM:
        if kind == "wavlm":
            model: Any = transformers.WavLMModel(transformers.WavLMConfig(layerdrop=0.0))  # its defaults are Base(+)
        else:
            model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**XLSR_LARGE))
        backbone = Backbone(model, transformers.Wav2Vec2FeatureExtractor(do_normalize=True))
    else:
        backbone = load_backbone(BackboneConfig(name=name))
    backbone.model.config.layerdrop = 0.0
    backbone.model.requires_grad_(True)
    backbone.model.freeze_feature_encoder()
    backbone.model.masked_spec_embed.requires_grad_(False)  # no spectrum masking here
    return backbone


def open_recogniser(name: str) -> nn.Module:
    """The frozen speech recogniser (CTC) whose hidden vectors and text the lips have to match."""
    import transformers

    if name == RANDOM:
        model: Any = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**XLSR_LARGE))
    else:
        model = load_pretrained(transformers.AutoModelForCTC, name, use_safetensors=True, dtype=torch.float32)
    recogniser: nn.Module = model.eval().requires_grad_(False)
    return recogniser
