"""Before and after the training of a diarizer: the frozen encoder it reads, and the temperature of its posteriors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.network import ROW, DiarizerNetwork
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.backbone import Backbone, BackboneConfig, load_backbone
from sedtalker.speech.encoder import load_network
from sedtalker.training.corpora.emotion_features import (
    DatasetAudio,
    DatasetConfig,
    EmotionFeatures,
    clip_layer_means,
    open_features,
    with_backbone,
)
from sedtalker.training.corpora.emotion_speech import SILENCE
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.corpora.window_statistics import collate
from sedtalker.training.tasks.backbone import learn_layer_weights

TEMPERATURES = tuple(np.exp(np.linspace(np.log(0.5), np.log(4.0), 43)))
"""Tried temperatures, evenly spaced in the logarithm."""


@torch.no_grad()
def fit_temperature(network: DiarizerNetwork, features: EmotionFeatures) -> float:
    """Temperature with the least negative log-likelihood of speech, each corpus of whole speech counting alike.

    ``network`` must have temperature 1.
    """
    log, label, corpus = _log_posteriors(network, features)
    _, group, size = np.unique(corpus, return_inverse=True, return_counts=True)
    weight = torch.from_numpy(1.0 / size[group])
    loss = [float((F.cross_entropy(log / t, label, reduction="none") * weight).sum()) for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(loss))]), 4)


def _log_posteriors(network: DiarizerNetwork, features: EmotionFeatures) -> tuple[Tensor, Tensor, NDArray[np.str_]]:
    """Log-posteriors (N, C), labels (N,) and corpora (N,) of every eighth frame that is speech."""
    logs, labels, names = [], [], []
    # how sure to be of whole speech is not learned from bursts and single words
    words = [name for name, corpus in corpora().items() if not corpus.sentences]
    for index in np.flatnonzero(~np.isin(features.corpus, words)):
        batch, label, _ = collate(features, np.array([index]))
        chosen = np.arange(ROW // 2, label.shape[1], ROW)
        chosen = chosen[(label[0, chosen] >= 0) & (label[0, chosen] < SILENCE)]
        logs.append(network.frames(batch).log_posterior[0, torch.from_numpy(chosen)])
        labels.append(torch.from_numpy(label[0, chosen].astype(np.int64)))
        names.append(np.repeat(features.corpus[index], len(chosen)))
    return torch.cat(logs), torch.cat(labels), np.concatenate(names)


# --- The frozen encoder: the built-in one, a backbone of the hub, or none.

Features = Callable[[DatasetConfig], EmotionFeatures]
"""Opens the features of a dataset."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DiarizerEncoder:
    """A frozen encoder and the features it gives.

    Attributes:
        channels: size of its hidden vectors, 0 without an encoder.
        sha256: of its weights.
        features: opens the features of a dataset, computed on first use.
        backbone: which backbone it is, with its layer weights; ``None`` for the built-in encoder.
    """

    channels: int
    sha256: str | None
    features: Features
    backbone: BackboneConfig | None = None


def open_diarizer_encoder(
    encoder: str | BackboneConfig | None,
    data: Path,
    cache: Path,
    dataset: DatasetConfig,
    held_out: tuple[str, ...] = (),
    hook: Hook = no_progress,
) -> DiarizerEncoder:
    """The encoder that a configuration asks for.

    Args:
        encoder: a backbone; folder of an encoder checkpoint; ``none``; ``None``: the built-in encoder.
        data: folder of the training data.
        cache: where features are kept.
        dataset: training recordings, on whose unaltered clips the layer weights of a backbone are learned.
        held_out: speakers that are kept out of it.
        hook: progress.
    """
    if isinstance(encoder, BackboneConfig):
        return _backbone_encoder(encoder, data, cache, dataset, held_out, hook)
    if encoder == "none":
        return DiarizerEncoder(0, None, lambda dataset: open_features(data, cache, dataset, hook=hook))
    folder = Path(encoder) if encoder else builtin_checkpoint("speech_encoder")
    builtin = load_network(folder)
    return DiarizerEncoder(
        builtin.config.channels,
        weights_sha256(folder),
        lambda dataset: open_features(data, cache, dataset, builtin, hook),
    )


def _backbone_encoder(
    config: BackboneConfig,
    data: Path,
    cache: Path,
    dataset: DatasetConfig,
    held_out: tuple[str, ...],
    hook: Hook,
) -> DiarizerEncoder:
    backbone = load_backbone(config)
    backbone.model.to("cuda" if torch.cuda.is_available() else "cpu")
    if config.layer_weights is None:
        features = open_features(data, cache, dataset, hook=hook)
        means = clip_layer_means(features, backbone, DatasetAudio(data, cache, dataset), hook)
        allowed = np.flatnonzero(~np.isin(features.speaker[: len(means)], held_out))
        weight = _even_weights(features.corpus[allowed], features.category[allowed], dataset)
        weights = learn_layer_weights(means[allowed], features.category[allowed], weight)
        logger.info("layer weights %s", " ".join(f"{w:.2f}" for w in weights))
        config = config.model_copy(update={"layer_weights": weights})
    chosen = Backbone(backbone.model, backbone.extractor, config.layer_weights)

    def features_of(dataset: DatasetConfig) -> EmotionFeatures:
        return with_backbone(
            open_features(data, cache, dataset, hook=hook), chosen, DatasetAudio(data, cache, dataset), hook
        )

    return DiarizerEncoder(backbone.channels, backbone.sha256(), features_of, config)


def _even_weights(corpus: NDArray[np.str_], category: NDArray[np.int8], dataset: DatasetConfig) -> NDArray[np.float64]:
    """Weights under which every corpus counts alike, and every category within it."""
    number = np.array([dataset.corpora.index(str(name)) for name in corpus])
    cell = number * 128 + category
    _, index, size = np.unique(cell, return_inverse=True, return_counts=True)
    cells = np.bincount(np.unique(cell) // 128, minlength=len(dataset.corpora))
    return 1.0 / (size[index] * cells[number])
