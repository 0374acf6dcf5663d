"""The decoder's own ear: log-mels in, one hidden vector a frame out, trained together with what moves the lips.

The shared encoder has learnt the tracked sentences by heart; a decoder on its frozen vectors trusts them too much. This
one hears the same sentences in other voices, with most of a spectrum's details dropped, as long as the decoder learns.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.speech.encoder import MEL_SCALE, ChannelNorm, ResidualConvolution
from sedtalker.speech.features import MEL_BANDS
from sedtalker.speech.phones import PHONES


class FrontEndConfig(BaseModel):
    """Hyper-parameters of ``FrontEnd``."""

    model_config = ConfigDict(extra="forbid")

    channels: int = 192
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 1)
    dropout: float = 0.2


class FrontEnd(nn.Module):
    """Centred log-mels (B, T, 80), 50 a second, to hidden vectors (B, T, C); a head for phones serves training."""

    def __init__(self, config: FrontEndConfig):
        super().__init__()
        self.config = config
        self.stem = nn.Conv1d(MEL_BANDS, config.channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResidualConvolution(config.channels, config.kernel, d, config.dropout) for d in config.dilations
        )
        self.norm = ChannelNorm(config.channels)
        self.phone_head = nn.Linear(config.channels, len(PHONES))

    @property
    def context(self) -> int:
        """Frames that a hidden vector sees on either side."""
        return 1 + sum(d * (self.config.kernel // 2) for d in self.config.dilations)

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, T, C) of centred log-mels (B, T, 80)."""
        x = F.gelu(self.stem(MEL_SCALE * mel.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.norm(x).transpose(1, 2)
