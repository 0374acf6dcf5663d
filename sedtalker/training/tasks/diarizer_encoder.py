"""How sure a trained diarizer may be, measured on validation speakers."""

from __future__ import annotations

import sys
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
from sedtalker.speech.backbone import Backbone, BackboneConfig, load_backbone
from sedtalker.speech.encoder import load_encoder
from sedtalker.training.corpora.emotion_features import (
    EmotionFeatures,
    Pool,
    PoolAudio,
    clip_layer_means,
    open_features,
    with_backbone,
)
from sedtalker.training.corpora.emotion_speech import SILENCE
from sedtalker.training.corpora.window_statistics import collate
from sedtalker.training.tasks.backbone import learn_layer_weights

UNSPOKEN = ("emogator", "indian_emospeech")
"""Corpora of bursts and single words: how sure to be of whole speech is not learned from them."""
TEMPERATURES = tuple(np.exp(np.linspace(np.log(0.5), np.log(4.0), 43)))


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
    logs, labels, corpora = [], [], []
    for index in np.flatnonzero(~np.isin(features.corpus, UNSPOKEN)):
        batch, label, _ = collate(features, np.array([index]))
        chosen = np.arange(ROW // 2, label.shape[1], ROW)
        chosen = chosen[(label[0, chosen] >= 0) & (label[0, chosen] < SILENCE)]
        logs.append(network.frames(batch).log_posterior[0, torch.from_numpy(chosen)])
        labels.append(torch.from_numpy(label[0, chosen].astype(np.int64)))
        corpora.append(np.repeat(features.corpus[index], len(chosen)))
    return torch.cat(logs), torch.cat(labels), np.concatenate(corpora)


# --- What the diarizer hears through in training: the built-in encoder, a backbone of the hub, or nothing.

Features = Callable[[Pool], EmotionFeatures]


def to_stderr(line: str) -> None:
    """Progress of what can take an hour before the first step of training."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, eq=False)
class DiarizerEncoder:
    """A frozen encoder and the features it gives.

    Attributes:
        channels: size of its hidden vectors, 0 without an encoder.
        sha256: of its weights.
        features: opens the features of a pool, computed on first use.
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
    pool: Pool,
    held_out: tuple[str, ...] = (),
    report: Callable[[str], None] = to_stderr,
) -> DiarizerEncoder:
    """The encoder that a configuration asks for.

    Args:
        encoder: a backbone; folder of an encoder checkpoint; ``none``; ``None``: the built-in encoder.
        data: folder of the training data.
        cache: where features are kept.
        pool: training recordings, on whose unaltered clips the layer weights of a backbone are learned.
        held_out: speakers those must not know.
        report: progress.
    """
    if isinstance(encoder, BackboneConfig):
        return _backbone_encoder(encoder, data, cache, pool, held_out, report)
    if encoder == "none":
        return DiarizerEncoder(0, None, lambda pool: open_features(data, cache, pool))
    folder = Path(encoder) if encoder else builtin_checkpoint("speech_encoder")
    builtin = load_encoder(folder)
    return DiarizerEncoder(
        builtin.config.channels, weights_sha256(folder), lambda pool: open_features(data, cache, pool, builtin)
    )


def _backbone_encoder(
    config: BackboneConfig,
    data: Path,
    cache: Path,
    pool: Pool,
    held_out: tuple[str, ...],
    report: Callable[[str], None],
) -> DiarizerEncoder:
    backbone = load_backbone(config)
    backbone.model.to("cuda" if torch.cuda.is_available() else "cpu")
    if config.layer_weights is None:
        features = open_features(data, cache, pool)
        means = clip_layer_means(features, backbone, PoolAudio(data, cache, pool), report)
        allowed = np.flatnonzero(~np.isin(features.speaker[: len(means)], held_out))
        weight = _even_weights(features.corpus[allowed], features.category[allowed], pool)
        weights = learn_layer_weights(means[allowed], features.category[allowed], weight)
        report("layer weights " + " ".join(f"{w:.2f}" for w in weights))
        config = config.model_copy(update={"layer_weights": weights})
    chosen = Backbone(backbone.model, backbone.extractor, config.layer_weights)

    def features_of(pool: Pool) -> EmotionFeatures:
        return with_backbone(open_features(data, cache, pool), chosen, PoolAudio(data, cache, pool), report)

    return DiarizerEncoder(backbone.channels, backbone.sha256(), features_of, config)


def _even_weights(corpus: NDArray[np.str_], category: NDArray[np.int8], pool: Pool) -> NDArray[np.float64]:
    """Weights under which every corpus counts alike, and every category within it."""
    number = np.array([pool.corpora.index(str(name)) for name in corpus])
    cell = number * 128 + category
    _, index, size = np.unique(cell, return_inverse=True, return_counts=True)
    cells = np.bincount(np.unique(cell) // 128, minlength=len(pool.corpora))
    return 1.0 / (size[index] * cells[number])
