"""The diarizer's network: a head on the speech encoder that says, frame by frame, what is expressed and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.emotion.functionals import (
    PITCH_CHANNELS,
    SPEECH_CHANNELS,
    SPOKEN,
    VOICED,
    functionals,
    prosody_channels,
    voice_channels,
)
from sedtalker.emotion.track import CATEGORIES
from sedtalker.speech.encoder import MEL_SCALE
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS

STRIDE = 2
"""The network works at half the frame rate (25 Hz) and interpolates its output."""
WINDOW_STRIDE = 4
"""Functionals move slowly and are taken at every fourth of those frames."""


class DiarizerConfig(BaseModel):
    """Hyper-parameters of ``DiarizerNetwork`` and what training measured for its use."""

    model_config = ConfigDict(extra="forbid")

    hidden_channels: int = 0
    """Size of the encoder's hidden vectors; 0: log-mels and prosody only."""
    width: int = 128
    kernel: int = 7
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    pooled: int = 48
    trunk: int = 192
    windows: tuple[float, ...] = (1.0, 3.0, 20.0)
    """Widths of the functionals' windows, seconds; the longest one normalises the speaker."""
    members: int = Field(2, ge=1)
    """Trunks trained side by side whose log-posteriors are averaged, besides the functionals' own classifier."""
    dropout: float = 0.2
    voice_dropout: float = 0.4
    """Share of functionals dropped from the classifier on functionals alone."""
    labels: tuple[str, ...] = CATEGORIES
    corpora: tuple[str, ...] = ()
    """Training corpora, each with its own shift of the logits during training; none is used afterwards."""
    temperature: float = 1.0
    """Divides the averaged log-posteriors; fitted on validation speakers."""
    intensity_steps: tuple[float, float] = (0.0, 2.0)
    """Thresholds between neutral, normal and strong on the scale of the intensity output."""


class FrameBatch(NamedTuple):
    """Inputs at 50 Hz.

    Attributes:
        mel: (B, T, 80) centred log-mels.
        prosody: (B, T, 4).
        speech: (B, T) bool.
        valid: (B, T) bool, false in padding.
        hidden: (B, T, D) or ``None``.
    """

    mel: Tensor
    prosody: Tensor
    speech: Tensor
    valid: Tensor
    hidden: Tensor | None = None


class FrameScores(NamedTuple):
    """Outputs at 50 Hz of M classifiers.

    Attributes:
        logits: (M, B, T, C).
        intensity: (M, B, T) on an open scale, see ``DiarizerConfig.intensity_steps``.
        speech: (B, T) logit of speech.
    """

    logits: Tensor
    intensity: Tensor
    speech: Tensor


class Block(nn.Module):
    """Pre-norm depth-wise dilated convolution and a two-layer perceptron, (B, T, C) → (B, T, C)."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dilation = dilation
        self.taps = nn.Parameter(torch.randn(kernel, width) / kernel**0.5)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        y = self.norm(x) * valid[..., None]
        y = depthwise(y, self.taps, self.dilation)
        return x + self.dropout(self.contract(F.gelu(self.expand(y))))


def depthwise(x: Tensor, taps: Tensor, dilation: int) -> Tensor:
    """Depth-wise convolution of (B, T, C) with (K, C) as shifted sums: on a CPU faster to train than ``nn.Conv1d``."""
    reach = dilation * (len(taps) // 2)
    padded = F.pad(x, (0, 0, reach, reach))
    frames = x.shape[1]
    out = padded[:, :frames] * taps[0]
    for k in range(1, len(taps)):
        out = torch.addcmul(out, padded[:, k * dilation : k * dilation + frames], taps[k])
    return out


class ChannelDropout(nn.Module):
    """Drops whole channels of a recording, (B, T, C): a frame's neighbours must not give the channel away."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.share
        return x * keep / (1.0 - self.share)


class Trunk(nn.Module):
    """Convolutions over some frames either side, then functionals of what they found and of the voice itself."""

    def __init__(self, config: DiarizerConfig):
        super().__init__()
        inputs = MEL_BANDS + len(SPEECH_CHANNELS) + len(PITCH_CHANNELS) + config.hidden_channels
        self.stem = nn.Linear(STRIDE * inputs, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.kernel, d, config.dropout) for d in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.pool = nn.Linear(config.width, config.pooled)
        self.local = nn.Linear(config.width, config.trunk)
        self.window = nn.Linear(2 * len(config.windows) * (config.pooled + SPOKEN + VOICED), config.trunk)
        self.middle = nn.Linear(config.trunk, config.trunk)
        self.output = nn.Linear(config.trunk, len(config.labels) + 2)
        self.dropout = ChannelDropout(config.dropout)

    def forward(self, frames: Tensor, voice: Tensor, coarse: _Coarse, halves: list[int]) -> Tensor:
        """Scores (B, T/2, C + 2) of input frames (B, T, inputs) and the voice's functionals (B, T/8, …)."""
        x = self.stem(frames.unflatten(1, (-1, STRIDE)).flatten(2))
        for block in self.blocks:
            x = block(x, coarse.valid)
        x = self.norm(x)
        pooled = functionals(self.pool(x), x[..., :0], coarse.spoken, coarse.voiced, halves, WINDOW_STRIDE)
        window = self.window(self.dropout(torch.cat([pooled, voice], -1)))
        y = self.local(self.dropout(x)) + _interpolate(window, x.shape[1], WINDOW_STRIDE)
        y = self.dropout(F.gelu(y))
        y = self.dropout(F.gelu(self.middle(y))) + y
        return self.output(y)


@dataclass(frozen=True, eq=False)
class _Coarse:
    """Masks at 25 Hz: (B, T/2) each; ``valid`` bool, ``spoken`` and ``voiced`` float weights."""

    valid: Tensor
    spoken: Tensor
    voiced: Tensor


class DiarizerNetwork(nn.Module):
    """Posterior over categories, intensity and speech for every frame.

    Several trunks and a small classifier on the functionals alone: networks and functionals err differently, and their
    average is better than either.
    """

    voice_mean: Tensor
    voice_scale: Tensor

    def __init__(self, config: DiarizerConfig):
        super().__init__()
        self.config = config
        self.trunks = nn.ModuleList(Trunk(config) for _ in range(config.members))
        statistics = 2 * len(config.windows) * (SPOKEN + VOICED)
        self.register_buffer("voice_mean", torch.zeros(statistics))
        self.register_buffer("voice_scale", torch.ones(statistics))
        self.voice = nn.Sequential(
            ChannelDropout(config.voice_dropout),
            nn.Linear(statistics, config.trunk),
            nn.GELU(),
            ChannelDropout(config.voice_dropout),
            nn.Linear(config.trunk, len(config.labels) + 1),
        )
        self.corpus_shift = nn.Parameter(torch.zeros(len(config.corpora) + 1, config.members + 1, len(config.labels)))

    @property
    def context(self) -> int:
        """Frames at 50 Hz that an output depends on, on either side."""
        convolution = STRIDE * (2 + sum(d * (self.config.kernel // 2) for d in self.config.dilations))
        return round(max(self.config.windows) * FRAME_CLOCK.rate) + convolution + 4 * STRIDE * WINDOW_STRIDE

    def prepare(self, batch: FrameBatch) -> tuple[Tensor, Tensor, _Coarse, list[int]]:
        """Input frames (B, T, inputs), functionals (B, T/8, …), masks and half-widths at 25 Hz; T is even."""
        halves = [round(0.5 * w * FRAME_CLOCK.rate) for w in self.config.windows]
        channels, pitch, voiced = prosody_channels(batch.prosody, batch.speech, batch.valid, max(halves))
        valid = batch.valid[..., None]
        parts = [MEL_SCALE * batch.mel * valid, channels, pitch]
        if batch.hidden is not None:
            parts.append(batch.hidden * valid)
        spoken, sung = (batch.speech & batch.valid).to(batch.mel.dtype), voiced.to(batch.mel.dtype)
        halves = [max(1, half // STRIDE) for half in halves]
        coarse = _Coarse(batch.valid[:, ::STRIDE], _thin(spoken), _thin(sung))
        over_speech, over_voiced = voice_channels(batch.mel, channels, pitch)
        averaged = _average(over_speech, spoken), _average(over_voiced, sung)
        voice = functionals(*averaged, coarse.spoken, coarse.voiced, halves, WINDOW_STRIDE)
        return torch.cat(parts, -1), voice, coarse, halves

    def forward(self, batch: FrameBatch, corpus: Tensor | None = None) -> FrameScores:
        """Scores of a batch; ``corpus`` (B,) adds the shift of corpus ``c - 1``, 0 none."""
        frames, classes = batch.mel.shape[1], len(self.config.labels)
        inputs, voice, coarse, halves = self.prepare(_pad(batch, frames % STRIDE))
        voice = ((voice - self.voice_mean) * self.voice_scale).clamp(-5.0, 5.0)
        scores = torch.stack([trunk(inputs, voice, coarse, halves) for trunk in self.trunks])
        plain = _interpolate(self.voice(voice), scores.shape[2], WINDOW_STRIDE)
        logits = torch.cat([scores[..., :classes], plain[None, ..., :classes]])
        if corpus is not None:
            logits = logits + self.corpus_shift[corpus].transpose(0, 1)[:, :, None]
        intensity = torch.cat([scores[..., classes], plain[None, ..., classes]])
        speech = scores[..., classes + 1].mean(0)
        return FrameScores(
            _interpolate(logits, frames, STRIDE),
            _interpolate(intensity[..., None], frames, STRIDE)[..., 0],
            _interpolate(speech[..., None], frames, STRIDE)[..., 0],
        )


def average_posterior(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Posterior (…, C) of M classifiers' logits (M, …, C): normalised geometric mean, then the temperature."""
    return torch.softmax(F.log_softmax(logits, -1).mean(0) / temperature, -1)


def ordinal_intensity(score: Tensor, steps: tuple[float, float]) -> Tensor:
    """Intensity in [0, 1] of an open-ended score: mean probability of exceeding each step.

    The proportional-odds model (McCullagh 1980): near 0 is neutral, 0.5 normal, near 1 strong.
    """
    return 0.5 * (torch.sigmoid(score - steps[0]) + torch.sigmoid(score - steps[1]))


def _pad(batch: FrameBatch, count: int) -> FrameBatch:
    if not count:
        return batch
    wide = (0, 0, 0, count)
    return FrameBatch(
        F.pad(batch.mel, wide),
        F.pad(batch.prosody, wide),
        F.pad(batch.speech, (0, count)),
        F.pad(batch.valid, (0, count)),
        F.pad(batch.hidden, wide) if batch.hidden is not None else None,
    )


def _thin(weight: Tensor) -> Tensor:
    """(B, T) weights summed over pairs, (B, T/2)."""
    return weight.unflatten(1, (-1, STRIDE)).sum(-1)


def _average(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of pairs, (B, T, C) and (B, T) → (B, T/2, C)."""
    total = (values * weight[..., None]).unflatten(1, (-1, STRIDE)).sum(2)
    return total / _thin(weight).clamp_min(1.0)[..., None]


def _interpolate(values: Tensor, frames: int, factor: int) -> Tensor:
    """(…, ceil(T / factor), C) to (…, frames, C), linearly between frame centres."""
    flat = values.flatten(0, -3).transpose(1, 2)
    fine = F.interpolate(flat, scale_factor=float(factor), mode="linear", align_corners=False)[..., :frames]
    return fine.transpose(1, 2).unflatten(0, values.shape[:-2])
