"""Heads on frozen vectors, in torch: those of ``sedtalker.emotion.fine`` and of ``burst_detector``, which run them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sedtalker.arrays import Floats
from sedtalker.emotion.burst_detector import BurstDetectorConfig
from sedtalker.emotion.fine import FineConfig
from sedtalker.nn.engine import Arrays
from sedtalker.speech.encoder_networks import ConvolutionHead
from sedtalker.speech.features import PROSODY_CHANNELS


class FineNetwork(nn.Module):
    """Logits (…, K) of the kinds for rows (…, F) of ``pooled_windows``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: FineConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(config.inputs, config.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, len(config.kinds)),
        )

    def standardised(self, rows: Tensor) -> Tensor:
        """Rows in deviations of those of training, at most five."""
        return ((rows - self.mean) * self.scale).clamp(-5.0, 5.0)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.standardised(rows))
        return logits

    def curves(self, rows: Tensor) -> Tensor:
        """Values (…, K) in [0, 1]; rows sum to one."""
        return torch.softmax(self(rows), -1)

    @torch.no_grad()
    def run(self, rows: Floats) -> Arrays:
        """``curves`` of arrays."""
        return (self.curves(torch.from_numpy(rows).to(self.mean.device)).cpu().numpy(),)


# --- Vocal bursts.


class BurstDetector(ConvolutionHead):
    """Rows (B, T, D + 4) at 25 Hz to logits (B, T, 1 + K): no burst, and each kind."""

    def __init__(self, config: BurstDetectorConfig | None = None):
        config = config or BurstDetectorConfig()
        super().__init__(config, config.hidden + len(PROSODY_CHANNELS), 1 + len(config.kinds))
