"""How sure a trained diarizer may be, measured on validation speakers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.datasets.emotion_features import EmotionFeatures
from sedtalker.datasets.emotion_rows import collate
from sedtalker.datasets.emotion_speech import SILENCE
from sedtalker.emotion.network import ROW, DiarizerNetwork

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
