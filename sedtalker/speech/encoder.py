"""The built-in speech encoder: centred log-mels in, one hidden vector every 20 ms out.

A stride-2 convolution and residual dilated convolutions. The receptive field is finite (``CONTEXT`` frames either
side), so long recordings run in windows whose result equals one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import Audio, FrameClock
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.errors import InputError
from sedtalker.speech.features import (
    FRAME_CLOCK,
    HOP_LENGTH,
    MEL_BANDS,
    PHONES,
    PITCH_WINDOW,
    centre_bands,
    level_gain,
    log_mel,
    prosody,
    speech_mask,
)

WINDOW_SECONDS = 30.0
MEL_SCALE = 0.4
"""Brings centred natural-log mels (standard deviation about 2.5) near unit variance."""


class SpeechEncoderConfig(BaseModel):
    """Hyper-parameters of ``SpeechEncoder``."""

    model_config = ConfigDict(extra="forbid")

    hop: Literal[10, 20] = 10
    """Milliseconds between the log-mels that it reads; the stem brings 10 to the 20 of the frames."""
    channels: int = 192
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 1)
    dropout: float = 0.05
    motion_channels: int = 0
    """Outputs of the training head for tracked mouth motion (0: no head)."""
    prosody_channels: int = 0


@dataclass(frozen=True, eq=False)
class SpeechFeatures:
    """What the heads read, 50 frames a second.

    Attributes:
        clock: times of the frames.
        hidden: (T, D) float32.
        mel: (T, 80) float32 centred log-mels, averaged over pairs of analysis frames.
        prosody: (T, 4) float32, see ``PROSODY_CHANNELS``, averaged over pairs.
        speech: (T,) bool, loud enough to be speech.
    """

    clock: FrameClock
    hidden: NDArray[np.float32]
    mel: NDArray[np.float32]
    prosody: NDArray[np.float32]
    speech: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.hidden)


class ResidualConvolution(nn.Module):
    """Pre-norm dilated convolution with a residual path, (B, C, T) → (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x))))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each frame of (B, C, T)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)
        return centred * scale * self.weight[:, None] + self.bias[:, None]


class SpeechEncoder(nn.Module):
    """Centred log-mels (B, T, 80), or twice as many frames, to hidden vectors (B, T, D).

    Heads for phones, mouth motion and prosody serve training.
    """

    def __init__(self, config: SpeechEncoderConfig | None = None):
        super().__init__()
        self.config = config = config or SpeechEncoderConfig()
        kernel, stride, padding = (6, 2, 2) if config.hop == 10 else (3, 1, 1)
        self.stem = nn.Conv1d(MEL_BANDS, config.channels, kernel, stride=stride, padding=padding)
        self.blocks = nn.ModuleList(
            ResidualConvolution(config.channels, config.kernel, d, config.dropout) for d in config.dilations
        )
        self.norm = ChannelNorm(config.channels)
        self.phone_head = nn.Linear(config.channels, len(PHONES))
        self.motion_head = nn.Linear(config.channels, config.motion_channels) if config.motion_channels else None
        self.prosody_head = nn.Linear(config.channels, config.prosody_channels) if config.prosody_channels else None

    @property
    def context(self) -> int:
        """Frames (20 ms) that a hidden vector sees on either side, rounded up."""
        return 2 + sum(d * (self.config.kernel // 2) for d in self.config.dilations)

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden vectors (B, T, D) of centred log-mels, (B, 2T, 80) at a hop of 10 ms or (B, T, 80) of 20."""
        x = F.gelu(self.stem(MEL_SCALE * mel.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.norm(x).transpose(1, 2)

    def phones(self, hidden: Tensor) -> Tensor:
        """Logits (…, 40) over ``PHONES`` of hidden vectors (…, D)."""
        return self.phone_head(hidden)


def load_encoder(folder: Path | None = None) -> SpeechEncoder:
    """The built-in encoder, or the one in a checkpoint folder, ready for inference."""
    folder = folder or builtin_checkpoint("speech_encoder")
    _, config, state = read_checkpoint(folder, "speech_encoder", SpeechEncoderConfig)
    if config.hop != 10:
        raise InputError(f"{folder}: this is a front end for a decoder, not an encoder")
    encoder = SpeechEncoder(config)
    encoder.load_state_dict(state)
    return encoder.eval().requires_grad_(False)


def analyse(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centred log-mel (2T, 80), prosody (2T, 4) and speech mask (2T,) of one recording (N,), window by window.

    The level is fixed over the whole recording first. Windows overlap by the analysis window, so the result does not
    depend on them.
    """
    step, margin = int(WINDOW_SECONDS * 100), 2 * (-(-PITCH_WINDOW // (2 * HOP_LENGTH)))
    gain = _gain(samples)
    mels, tracks = [], []
    for start in range(0, max(len(samples), 1), step * HOP_LENGTH):
        first = max(0, start - margin * HOP_LENGTH)
        part = gain * samples[None, first : start + (step + margin) * HOP_LENGTH]
        lead = (start - first) // HOP_LENGTH
        mels.append(log_mel(part)[0, lead : lead + step])
        tracks.append(prosody(part)[0, lead : lead + step])
    mel, track = torch.cat(mels), torch.cat(tracks)
    speech = speech_mask(mel[None])[0]
    return centre_bands(mel[None], speech[None])[0], track, speech


def _gain(samples: Tensor) -> Tensor:
    """``level_gain`` of a recording; torch.quantile takes at most 16 M values, which an hour (0.36 M) never reaches."""
    return level_gain(samples[None])[0]


@torch.no_grad()
def encode(encoder: SpeechEncoder, audio: Audio) -> SpeechFeatures:
    """Run the encoder over a recording in overlapping windows of 30 s; equal to one pass within 1e-4."""
    device = next(encoder.parameters()).device
    mel, track, speech = analyse(torch.from_numpy(audio.samples))
    count, step, margin = len(mel) // 2, int(WINDOW_SECONDS * FRAME_CLOCK.rate), encoder.context
    hidden = []
    for start in range(0, count, step):
        first = max(0, start - margin)
        part = mel[None, 2 * first : 2 * (start + step + margin)].to(device)
        hidden.append(encoder(part)[0, start - first : start - first + step].cpu())
    return SpeechFeatures(
        clock=FRAME_CLOCK,
        hidden=torch.cat(hidden).numpy(),
        mel=mel.unflatten(0, (-1, 2)).mean(1).numpy(),
        prosody=track.unflatten(0, (-1, 2)).mean(1).numpy(),
        speech=speech.unflatten(0, (-1, 2)).any(1).numpy(),
    )
