"""The speaker network in torch, see ``sedtalker.speakers.speaker_model``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.nn.blocks import ChannelNorm, DilatedConvolution
from sedtalker.speakers.speaker_model import STRIDE, SpeakerConfig
from sedtalker.speech.encoder_networks import EncoderBlock
from sedtalker.speech.features import MEL_BANDS, MEL_SCALE

LEAST_VARIANCE = 1e-4
"""Added to variances, so that the deviation of one frame is finite."""
LEAST_WEIGHT = 1e-8
"""Added to weights before their logarithm."""


class SpeakerNetwork(nn.Module):
    """Residual dilated convolutions over log-mels, attentive pooling to a voice, and a search for a voice."""

    reference: Tensor

    def __init__(self, config: SpeakerConfig | None = None):
        super().__init__()
        self.config = c = config or SpeakerConfig()
        self.register_buffer("reference", torch.full((MEL_BANDS,), -6.0))
        self.stem = nn.Conv1d(MEL_BANDS, c.stem_channels, 4, stride=2, padding=1)
        self.down = nn.Conv1d(c.stem_channels, c.width, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(EncoderBlock(c.width, c.kernel, d, c.dropout) for d in c.dilations)
        self.norm = ChannelNorm(c.width)
        whole = c.width + MEL_BANDS
        self.counts = nn.Linear(whole, 3)
        self.attention = nn.Sequential(nn.Linear(whole, c.voice), nn.Tanh(), nn.Linear(c.voice, 1))
        self.statistics = nn.BatchNorm1d(2 * whole)
        self.to_voice = nn.Linear(2 * whole, c.voice)
        self.centred = nn.BatchNorm1d(c.voice, affine=False)
        self.to_query = nn.Linear(whole, c.voice)
        self.compared = nn.Linear(whole + 2 * c.voice, c.activity_width)
        self.search = nn.ModuleList(DilatedConvolution(c.activity_width, d, c.dropout) for d in c.activity_dilations)
        self.found = nn.Linear(c.activity_width, 1)

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """See ``SpeakerModel.frames``."""
        scaled = MEL_SCALE * (mel - self.reference)
        x = F.gelu(self.down(F.gelu(self.stem(scaled.transpose(1, 2)))))
        for block in self.blocks:
            x = block(x)
        spectrum = scaled.unflatten(1, (-1, STRIDE)).mean(2)
        frames = torch.cat([self.norm(x).transpose(1, 2), spectrum], -1)
        return frames, self.counts(frames)

    def pool(self, frames: Tensor, weight: Tensor) -> Tensor:
        """See ``SpeakerModel.voices``: attentive statistics pooling (Okabe et al. 2018, arXiv 1803.10963)."""
        share = torch.softmax(self.attention(frames)[..., 0] + (weight + LEAST_WEIGHT).log(), 1)[..., None]
        mean = (share * frames).sum(1)
        deviation = ((share * frames.square()).sum(1) - mean.square()).clamp_min(0.0).add(LEAST_VARIANCE).sqrt()
        voice = self.to_voice(self.statistics(torch.cat([mean, deviation], -1)))
        return F.normalize(self.centred(voice), dim=-1)

    def look_for(self, frames: Tensor, voice: Tensor) -> Tensor:
        """See ``SpeakerModel.activity``."""
        query = self.to_query(frames)
        wanted = voice[:, None].expand(-1, frames.shape[1], -1)
        x = F.gelu(self.compared(torch.cat([frames, query * wanted, wanted], -1)))
        for block in self.search:
            x = block(x)
        return self.found(x)[..., 0]

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        return self.encode(mel)

    @torch.no_grad()
    def frames(self, mel: Floats) -> tuple[Floats, Floats]:
        """See ``SpeakerModel``."""
        frames, counts = self.encode(self._tensor(mel))
        return frames.cpu().numpy(), counts.cpu().numpy()

    @torch.no_grad()
    def voices(self, frames: Floats, weight: Floats) -> Floats:
        """See ``SpeakerModel``."""
        return self.pool(self._tensor(frames), self._tensor(weight)).cpu().numpy()

    @torch.no_grad()
    def activity(self, frames: Floats, voice: Floats) -> Floats:
        """See ``SpeakerModel``."""
        return self.look_for(self._tensor(frames), self._tensor(voice)).cpu().numpy()

    def _tensor(self, values: Floats) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.reference.device)
