"""How a decoder hears the mouth of somebody who only talks: networks of its own on log-mels, read off linearly.

One tracked talker teaches all mouth motion. A linear readout of what an ear hears follows other voices and noise better
than deeper networks behind it, and errs in other places; so where nothing is acted, ears and decoder are averaged.
Lips meet where the ears hear p, b, m, whoever moved them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import read_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX, SPEECH_SHAPES, both_sides
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import BILABIAL, PHONE_INDEX

TALKING_SHAPES: tuple[str, ...] = (
    *(name.removesuffix("Left") for name in SPEECH_SHAPES if not name.endswith("Right")),
    "tongueOut",
)
"""What an ear reads off, both sides alike."""
STRETCH_FRAMES = 1500
LIPS_MEET = (0.05, 0.2)
"""Posteriors of p, b, m at which lips begin to meet, and have met."""
PEAK_FRAMES = 2
SEALED, BESIDE = 0.85, 0.3
"""How far they close at the peak, and in the frames beside it."""
NEAR, APART = 0.03, 0.05
"""Lip gaps of lips that close there anyway, and of lips that must be told to, outer-eye distances."""
ACTED_NEARER = 0.6
"""By how much nearer lips must come where something is acted: expressions hold them apart for longer."""
JAW_GIVES, JAW_SEALED = 0.3, 0.9
"""Shares of the jaw's opening: what it gives up for a closure, and what ``mouthClose`` makes up for of the rest."""
PARTING = both_sides("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
JAW, CLOSE = INDEX["jawOpen"], INDEX["mouthClose"]
GAP = {"jawOpen": 0.42, "mouthClose": -0.43, "mouthFunnel": 0.13, "mouthShrugUpper": 0.07} | {
    f"mouth{name}{side}": gap for name, gap in (("LowerDown", 0.05), ("UpperUp", 0.03)) for side in ("Left", "Right")
}
"""How far shapes part the lips of a usual face, outer-eye distances."""


def spread_sides() -> Tensor:
    """(S, 52) matrix from ``TALKING_SHAPES`` to the shapes of both sides."""
    matrix = torch.zeros(len(TALKING_SHAPES), len(ARKIT_52))
    for row, name in enumerate(TALKING_SHAPES):
        matrix[row, both_sides(name)] = 1.0
    return matrix


class Told(NamedTuple):
    """What ears tell a decoder of each frame.

    Attributes:
        talking: (B, T, 52) coefficients of the talking mouth.
        meet: (B, T, 1) how far lips must meet.
    """

    talking: Tensor
    meet: Tensor


class Ears(nn.Module):
    """Centred log-mels (B, T, 80), 50 frames a second, to ``Told``."""

    sides: Tensor
    heard: Tensor
    gap: Tensor

    def __init__(self, configs: Sequence[SpeechEncoderConfig]):
        super().__init__()
        self.configs = tuple(configs)
        self.ears = nn.ModuleList(SpeechEncoder(config) for config in configs)
        sides = spread_sides()
        parted = torch.tensor([GAP.get(name, 0.0) for name in ARKIT_52])
        for name, values in (("sides", sides), ("heard", sides.sum(0)), ("gap", parted)):
            self.register_buffer(name, values, persistent=False)

    @property
    def context(self) -> int:
        """Frames on either side that a frame of ``Told`` depends on."""
        ears = [ear.context for ear in self.ears if isinstance(ear, SpeechEncoder)]
        return max(ears) + PEAK_FRAMES + 1

    def forward(self, mel: Tensor) -> Told:
        """What the decoder is told: the mean of what the ears hear."""
        mouth, phones = [], []
        for ear in self.ears:
            assert isinstance(ear, SpeechEncoder)
            assert ear.motion_head is not None
            hidden = ear(mel)
            mouth.append(ear.motion_head(hidden).to(self.sides))
            phones.append(ear.phones(hidden).float().softmax(-1))
        posterior = torch.stack(phones).mean(0)
        bilabial = posterior[..., [PHONE_INDEX[name] for name in BILABIAL]].sum(-1, keepdim=True)
        return Told(torch.stack(mouth).mean(0) @ self.sides, lips_meet(bilabial))

    @torch.no_grad()
    def hear(self, mel: Tensor) -> Told:
        """As ``forward``, of a recording of any length, stretch by stretch."""
        parts = []
        for start in range(0, mel.shape[1], STRETCH_FRAMES):
            first = max(0, start - self.context)
            told = self(mel[:, first : start + STRETCH_FRAMES + self.context])
            parts.append([column[:, start - first :][:, :STRETCH_FRAMES] for column in told])
        return Told(*(torch.cat(columns, 1) for columns in zip(*parts, strict=True)))

    def lead(self, moved: Tensor, told: Told, acting: Tensor) -> Tensor:
        """What a decoder moved (B, T, 52), as ears would have it.

        Where nothing is acted (B, T, 1) the talking mouth is the mean of the ears and the decoder, each counting alike.
        Lips meet where they must, whatever is acted.
        """
        share = len(self.ears) / (len(self.ears) + 1.0)
        mixed = (moved + share * self.heard * (1.0 - acting) * (told.talking - moved)).clamp(0.0, 1.0)
        return seal(mixed, told.meet * self.apart(mixed, acting))

    def apart(self, mouth: Tensor, acting: Tensor) -> Tensor:
        """(B, T, 1) from 0, where lips (B, T, 52) close within ``PEAK_FRAMES`` anyway, to 1."""
        gap = (mouth @ self.gap)[:, None]
        nearest = -F.max_pool1d(-gap, 2 * PEAK_FRAMES + 1, 1, PEAK_FRAMES)
        nearer = 1.0 - ACTED_NEARER * acting
        return ((nearest.transpose(1, 2) - nearer * NEAR) / (nearer * (APART - NEAR))).clamp(0.0, 1.0)


def lips_meet(bilabial: Tensor) -> Tensor:
    """How far lips meet (B, T, 1), of the posterior of p, b, m: at its peaks."""
    posterior = bilabial.transpose(1, 2)
    low, high = LIPS_MEET
    peak = posterior >= F.max_pool1d(posterior, 2 * PEAK_FRAMES + 1, 1, PEAK_FRAMES)
    met = SEALED * ((posterior - low) / (high - low)).clamp(0.0, 1.0) * peak
    beside = F.pad(met, (1, 1))
    return torch.maximum(met, BESIDE * torch.maximum(beside[..., :-2], beside[..., 2:])).transpose(1, 2)


def seal(talking: Tensor, met: Tensor) -> Tensor:
    """A talking mouth (B, T, 52) closed as far as lips meet (B, T, 1), the jaw mostly where it was."""
    keep = torch.ones_like(talking)
    keep[..., PARTING] = 1.0 - met
    keep[..., JAW] = 1.0 - JAW_GIVES * met[..., 0]
    mouth = talking * keep
    more = (JAW_SEALED * mouth[..., JAW] - mouth[..., CLOSE]).clamp_min(0.0) * met[..., 0]
    return torch.cat([mouth[..., :CLOSE], (mouth[..., CLOSE] + more)[..., None], mouth[..., CLOSE + 1 :]], dim=-1)


def load_ears(folders: Sequence[Path]) -> Ears:
    """The ears in checkpoint folders, as ``experiment=ear`` writes them, ready for inference.

    Raises:
        InputError: one is another kind of encoder.
    """
    read = [read_checkpoint(folder, "speech_encoder", SpeechEncoderConfig) for folder in folders]
    for folder, (_, config, _) in zip(folders, read, strict=True):
        if config.hop != 20 or config.motion_channels != len(TALKING_SHAPES):
            raise InputError(f"{folder}: this is not an ear: sedtalker train experiment=ear makes one")
    ears = Ears([config for _, config, _ in read])
    for ear, (_, _, state) in zip(ears.ears, read, strict=True):
        ear.load_state_dict(state)
    return ears.eval().requires_grad_(False)


def mouth_indices() -> list[int]:
    """Of each of ``TALKING_SHAPES`` in ``ARKIT_52``, the left half of a pair."""
    return [INDEX[name] if name in INDEX else INDEX[name + "Left"] for name in TALKING_SHAPES]
