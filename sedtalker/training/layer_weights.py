"""Which layers of a frozen backbone hear emotion: a softmax-weighted sum of them under a linear classifier.

The emotion recognition probe of SUPERB (Yang et al. 2021). It pools by the mean over time, and the mean of a weighted
sum is the weighted sum of the means: learning from one vector a clip and layer is exact, and takes seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

STEPS, LEARNING_RATE, WEIGHT_DECAY = 300, 0.02, 0.01


class LayerProbe(nn.Module):
    """Logits of a weighted sum of layer vectors."""

    def __init__(self, layers: int, channels: int, classes: int):
        super().__init__()
        self.mixture = nn.Parameter(torch.zeros(layers))
        self.head = nn.Linear(channels, classes)

    @property
    def weights(self) -> Tensor:
        """Shares of the layers (L,), sum 1."""
        return torch.softmax(self.mixture, 0)

    def forward(self, means: Tensor) -> Tensor:
        """Logits (B, C) of time means (B, L, D)."""
        logits: Tensor = self.head(torch.einsum("bld,l->bd", means, self.weights.to(means)))
        return logits


def learn_layer_weights(
    means: NDArray[np.floating], label: NDArray[np.integer], weight: NDArray[np.floating], seed: int = 0
) -> tuple[float, ...]:
    """Shares of the layers that serve a linear classifier best.

    Args:
        means: (N, L, D) of clips.
        label: (N,) category of each.
        weight: (N,) of each in the loss.
        seed: of the classifier's initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = LayerProbe(means.shape[1], means.shape[2], int(label.max()) + 1)
    values = torch.from_numpy(np.asarray(means, np.float32))
    wanted, share = torch.from_numpy(label.astype(np.int64)), torch.from_numpy(np.asarray(weight, np.float32))
    optimizer = torch.optim.AdamW(probe.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        loss = (F.cross_entropy(probe(values), wanted, reduction="none") * share).sum() / share.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tuple(round(float(w), 4) for w in probe.weights.detach())
