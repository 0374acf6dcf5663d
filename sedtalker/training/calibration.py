"""What a trained diarizer's parts are worth and how sure it may be, measured on validation speakers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.datasets.emotion_features import EmotionFeatures
from sedtalker.datasets.emotion_rows import collate
from sedtalker.datasets.emotion_speech import SILENCE
from sedtalker.emotion.network import ROW, DiarizerConfig, DiarizerNetwork

UNSPOKEN = ("emogator", "indian_emospeech")
"""Corpora of bursts and single words: how sure to be of whole speech is not learned from them."""
SHARES = tuple(np.linspace(0.0, 1.0, 11))
TEMPERATURES = tuple(np.exp(np.linspace(np.log(0.5), np.log(4.0), 43)))


@torch.no_grad()
def calibrate(network: DiarizerNetwork, features: EmotionFeatures) -> DiarizerConfig:
    """The network's configuration with the share and the temperature of least negative log-likelihood.

    Every corpus of whole speech counts alike. The network is left as it was.
    """
    shares = SHARES if network.frame_networks else (0.0,)
    perceptrons, frames, label, corpus = _log_posteriors(network, features)
    _, group, size = np.unique(corpus, return_inverse=True, return_counts=True)
    weight = torch.from_numpy(1.0 / size[group])
    best = (np.inf, 0.0, 1.0)
    for share in shares:
        log = (1 - share) * perceptrons + share * frames
        for temperature in TEMPERATURES:
            loss = float((F.cross_entropy(log / temperature, label, reduction="none") * weight).sum())
            best = min(best, (loss, float(share), float(temperature)))
    return network.config.model_copy(update={"frame_share": round(best[1], 2), "temperature": round(best[2], 4)})


def _log_posteriors(
    network: DiarizerNetwork, features: EmotionFeatures
) -> tuple[Tensor, Tensor, Tensor, NDArray[np.str_]]:
    """Of every eighth frame that is speech: both parts' log-posteriors (N, C), labels (N,) and corpora (N,)."""
    perceptrons, frames, labels, corpora = [], [], [], []
    for index in np.flatnonzero(~np.isin(features.corpus, UNSPOKEN)):
        batch, label, _ = collate(features, np.array([index]))
        chosen = np.arange(ROW // 2, label.shape[1], ROW)
        chosen = chosen[(label[0, chosen] >= 0) & (label[0, chosen] < SILENCE)]
        where = torch.from_numpy(chosen)
        parts = network.parts(batch)
        perceptrons.append(parts[0][0, where])
        frames.append(parts[1][0, where])
        labels.append(torch.from_numpy(label[0, chosen].astype(np.int64)))
        corpora.append(np.repeat(features.corpus[index], len(chosen)))
    return torch.cat(perceptrons), torch.cat(frames), torch.cat(labels), np.concatenate(corpora)
