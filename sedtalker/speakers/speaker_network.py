"""The speaker networks in torch, see ``sedtalker.speakers.speaker_model``."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.nn.blocks import ChannelNorm, DilatedConvolution
from sedtalker.speakers.speaker_model import STRIDE, SpeakerConfig, SpeakersConfig
from sedtalker.speech.encoder_networks import EncoderBlock
from sedtalker.speech.features import MEL_BANDS, MEL_SCALE

LEAST_VARIANCE = 1e-4
"""Added to variances, so that the deviation of one frame is finite."""
LEAST_WEIGHT = 1e-8
"""Added to weights before their logarithm."""
VECTOR_DROPOUT = 0.1
"""Share of the encoders' vectors, and of the statistics that a voice is made of beside them, that training drops."""


class SpeakerNetwork(nn.Module):
    """Residual dilated convolutions over log-mels and, if there are any, the encoders' vectors; attentive pooling to a
    voice, and a search for a voice."""

    reference: Tensor

    def __init__(self, config: SpeakerConfig | None = None):
        super().__init__()
        self.config = c = config or SpeakerConfig()
        self.register_buffer("reference", torch.full((MEL_BANDS,), -6.0))
        self.stem = nn.Conv1d(MEL_BANDS, c.stem_channels, 4, stride=2, padding=1)
        self.down = nn.Conv1d(c.stem_channels, c.width, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(EncoderBlock(c.width, c.kernel, d, c.dropout) for d in c.dilations)
        self.norm = ChannelNorm(c.width)
        if c.vectors:
            self.scaled_vectors = nn.BatchNorm1d(c.vectors, affine=False)
            self.to_trunk, self.to_frame = nn.Linear(c.vectors, c.width), nn.Linear(c.vectors, c.kept)
        self.dropped = nn.Dropout(VECTOR_DROPOUT if c.vectors else 0.0)
        whole, pooled = c.frame, 2 * c.frame * c.heads
        self.counts = nn.Linear(whole, 3)
        self.attention = nn.Sequential(nn.Linear(whole, c.voice), nn.Tanh(), nn.Linear(c.voice, c.heads))
        self.statistics = nn.BatchNorm1d(pooled)
        self.to_voice = nn.Linear(pooled, c.voice)
        self.centred = nn.BatchNorm1d(c.voice, affine=False)
        self.to_query = nn.Linear(whole, c.voice)
        self.compared = nn.Linear(whole + 2 * c.voice, c.activity_width)
        self.search = nn.ModuleList(DilatedConvolution(c.activity_width, d, c.dropout) for d in c.activity_dilations)
        self.found = nn.Linear(c.activity_width, 1)

    def encode(self, mel: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        scaled = MEL_SCALE * (mel - self.reference)
        x = F.gelu(self.down(F.gelu(self.stem(scaled.transpose(1, 2)))))
        spectrum, kept = scaled.unflatten(1, (-1, STRIDE)).mean(2), list[Tensor]()
        if self.config.vectors:
            assert vectors is not None
            known = self.dropped(self.scaled_vectors(vectors.transpose(1, 2)).transpose(1, 2))
            x = x + self.to_trunk(known).transpose(1, 2)
            kept.append(self.to_frame(known))
        for block in self.blocks:
            x, _ = block(x)
        frames = torch.cat([self.norm(x).transpose(1, 2), spectrum, *kept], -1)
        return frames, self.counts(frames)

    def pool(self, frames: Tensor, weight: Tensor) -> Tensor:
        """See ``SpeakerModel.voices``: attentive statistics pooling (Okabe et al. 2018, arXiv 1803.10963)."""
        share = torch.softmax(self.attention(frames) + (weight + LEAST_WEIGHT).log()[..., None], 1).transpose(1, 2)
        mean = share @ frames
        deviation = (share @ frames.square() - mean.square()).clamp_min(0.0).add(LEAST_VARIANCE).sqrt()
        voice = self.to_voice(self.dropped(self.statistics(torch.cat([mean, deviation], -1).flatten(1))))
        return F.normalize(self.centred(voice), dim=-1)

    def look_for(self, frames: Tensor, voice: Tensor) -> Tensor:
        query = self.to_query(frames)
        wanted = voice[:, None].expand(-1, frames.shape[1], -1)
        x = F.gelu(self.compared(torch.cat([frames, query * wanted, wanted], -1)))
        for block in self.search:
            x = block(x)
        return self.found(x)[..., 0]


class SpeakerNetworks(nn.Module):
    """Speaker networks that answer together."""

    def __init__(self, config: SpeakersConfig | None = None):
        super().__init__()
        self.config = config or SpeakersConfig()
        self.members = nn.ModuleList(SpeakerNetwork(member) for member in self.config.members)

    def encode(self, mel: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        frames, counts = zip(*(member.encode(mel, vectors) for member in self._networks), strict=True)
        return torch.cat(frames, -1), torch.stack(counts).mean(0)

    def pool(self, frames: Tensor, weight: Tensor) -> Tensor:
        voices = [member.pool(own, weight) for member, own in zip(self._networks, self._split(frames), strict=True)]
        return torch.cat(voices, -1) / len(voices) ** 0.5

    def look_for(self, frames: Tensor, voice: Tensor) -> Tensor:
        count = len(self.members)
        voices = (voice * count**0.5).split([member.config.voice for member in self._networks], -1)
        each = zip(self._networks, self._split(frames), voices, strict=True)
        return torch.stack([member.look_for(own, wanted) for member, own, wanted in each]).mean(0)

    def forward(self, mel: Tensor, vectors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.encode(mel, vectors)

    @property
    def _networks(self) -> list[SpeakerNetwork]:
        return cast("list[SpeakerNetwork]", list(self.members))

    def _split(self, frames: Tensor) -> tuple[Tensor, ...]:
        """The frames of each member."""
        return frames.split([member.config.frame for member in self._networks], -1)

    @torch.no_grad()
    def frames(self, mel: Floats, vectors: Floats) -> tuple[Floats, Floats]:
        frames, counts = self.encode(self._tensor(mel), self._tensor(vectors))
        return frames.cpu().numpy(), counts.cpu().numpy()

    @torch.no_grad()
    def voices(self, frames: Floats, weight: Floats) -> Floats:
        return self.pool(self._tensor(frames), self._tensor(weight)).cpu().numpy()

    @torch.no_grad()
    def activity(self, frames: Floats, voice: Floats) -> Floats:
        return self.look_for(self._tensor(frames), self._tensor(voice)).cpu().numpy()

    def _tensor(self, values: Floats) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._networks[0].reference.device)
