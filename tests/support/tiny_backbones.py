"""Tiny random models of the real classes, so that nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.speech.backbone import BackboneConfig, load_backbone
from sedtalker.speech.whisper import LAYERS, WhisperEncoder

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SPREAD = 0.3
"""Of the random weights: wide enough that layers differ."""
CONVOLUTIONS = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
WHISPER = {
    "d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_layers": 1,
    "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip

ON_MADE = {"corpora": {"made": 1.0}, "joined_corpora": {"made": 1.0}, "copies": 0}
"""What a small training of the diarizer on ``buzzing_voices`` reads."""


def tiny_model(kind: str) -> Any:
    """``WavLM``, ``Wav2Vec2``, ``Hubert`` or ``Whisper`` (the whole model)."""
    torch.manual_seed(0)
    sizes = (
        WHISPER | {"init_std": SPREAD} if kind == "Whisper" else SIZES | CONVOLUTIONS | {"initializer_range": SPREAD}
    )
    return getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**sizes)).eval()


def tiny_extractor(kind: str) -> Any:
    name = "Whisper" if kind == "Whisper" else "Wav2Vec2"
    return getattr(transformers, f"{name}FeatureExtractor")()


def save_tiny(kind: str, folder: Path) -> Path:
    """As a folder of the hub would be."""
    tiny_model(kind).save_pretrained(folder)
    tiny_extractor(kind).save_pretrained(folder)
    return folder


def save_diarizer(folder: Path, backbone: BackboneConfig, source: BackboneConfig) -> Path:
    """The checkpoint of a small random diarizer on a backbone, trained on the features of ``source``."""
    torch.manual_seed(0)
    network = DiarizerNetwork(DiarizerConfig(hidden_channels=16, backbone=backbone, width=8, windows=(0.5, 2.0)))
    sha256, model = load_backbone(source).sha256(), network.config.model_dump(mode="json")
    config = CheckpointConfig(kind="diarizer", licence="MIT", trained_on=[], encoder_sha256=sha256, model=model)
    write_checkpoint(folder, config, network.state_dict(), "# card\n")
    return folder


def save_whisper(folder: Path, layers: int) -> Path:
    """A Whisper whose encoder has so many layers, with the mel bands of whisper-base."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(num_mel_bins=80, **(WHISPER | {"encoder_layers": layers}))
    transformers.WhisperModel(config).save_pretrained(folder)
    return folder


def tiny_whisper() -> WhisperEncoder:
    """Three random layers."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(num_mel_bins=80, init_std=SPREAD, **(WHISPER | {"encoder_layers": 3}))
    weights = transformers.WhisperModel(config).get_encoder().state_dict()
    heads = WHISPER["encoder_attention_heads"]
    return WhisperEncoder({name: value.numpy() for name, value in weights.items()}, LAYERS, heads)


def save_tiny_classifier(folder: Path, labels: list[str], **options: Any) -> Path:
    """A ``Wav2Vec2ForSequenceClassification`` that answers with these labels."""
    torch.manual_seed(0)
    sizes = SIZES | CONVOLUTIONS | {"initializer_range": SPREAD, "classifier_proj_size": 8}
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    config = transformers.Wav2Vec2Config(**sizes, **names, **options)
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    tiny_extractor("Wav2Vec2").save_pretrained(folder)
    return folder
