"""The mouth model: a second network that predicts the talking mouth from log-mels and corrects a decoder with it.

One tracked talker is the source of all mouth motion. A linear readout of a convolutional network on log-mels follows
other voices and noise better than deeper networks, and errs in other places than the decoder; so on neutral speech the
two are averaged. Where the model detects p, b or m and the lips would stay apart, they are closed, under emotion too.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import read_checkpoint, read_config
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX, SPEECH_SHAPES, both_sides
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import BILABIAL, PHONE_INDEX

MOUTH_SHAPES: tuple[str, ...] = (
    *(name.removesuffix("Left") for name in SPEECH_SHAPES if not name.endswith("Right")),
    "tongueOut",
)
"""What the model predicts, both sides alike."""
CHUNK_FRAMES = 1500
"""Frames that go through the network at once: 30 s."""
SHARE = 0.5
"""Weight of the model's mouth against the decoder's on neutral speech."""
CLOSURE_ONSET = (0.05, 0.2)
"""Posteriors of p, b, m at which lips begin to close, and are closed."""
PEAK_FRAMES = 2
"""Frames on either side that a peak of the posterior must exceed."""
SEALED, BESIDE = 0.85, 0.3
"""How far lips close at the peak, and in the frames beside it."""
NEAR, APART = 0.03, 0.05
"""Lip gaps, in outer-eye distances: of lips that close anyway, and of lips that have to be closed."""
EMOTIONAL_NEARER = 0.6
"""By which share of these gaps lips must come nearer under emotion, which holds lips apart for longer."""
JAW_GIVES, JAW_SEALED = 0.3, 0.9
"""Shares of the jaw's opening: what it gives up for a closure, and what ``mouthClose`` makes up for of the rest."""
PARTING = both_sides("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
"""Indices of the shapes that part the lips."""
JAW, CLOSE = INDEX["jawOpen"], INDEX["mouthClose"]
"""Indices of the jaw's opening and of the shape that closes the lips over it."""
GAP = {"jawOpen": 0.42, "mouthClose": -0.43, "mouthFunnel": 0.13, "mouthShrugUpper": 0.07} | {
    f"mouth{name}{side}": gap for name, gap in (("LowerDown", 0.05), ("UpperUp", 0.03)) for side in ("Left", "Right")
}
"""How far each shape parts the lips of a usual face, outer-eye distances."""


def side_matrix() -> Tensor:
    """(S, 52) matrix from ``MOUTH_SHAPES`` to the shapes of both sides."""
    matrix = np.zeros((len(MOUTH_SHAPES), len(ARKIT_52)), np.float32)
    for row, name in enumerate(MOUTH_SHAPES):
        matrix[row, both_sides(name)] = 1.0
    return torch.from_numpy(matrix)


class Mouth(NamedTuple):
    """What the model predicts of each frame.

    Attributes:
        motion: (B, T, 52) coefficients of the talking mouth.
        closure: (B, T, 1) how far lips must close.
    """

    motion: Tensor
    closure: Tensor


class MouthModel(nn.Module):
    """Centred log-mels (B, T, 80), 50 frames a second, to ``Mouth``."""

    sides: Tensor
    moved: Tensor
    gap: Tensor

    def __init__(self, config: SpeechEncoderConfig):
        super().__init__()
        self.config = config
        self.encoder = SpeechEncoder(config)
        sides = side_matrix()
        gap = torch.tensor([GAP.get(name, 0.0) for name in ARKIT_52])
        for name, values in (("sides", sides), ("moved", sides.sum(0)), ("gap", gap)):
            self.register_buffer(name, values, persistent=False)

    @property
    def context(self) -> int:
        """Frames on either side that a frame of ``Mouth`` depends on."""
        return self.encoder.context + PEAK_FRAMES + 1

    def forward(self, mel: Tensor) -> Mouth:
        """Motion and closures of log-mels (B, T, 80)."""
        assert self.encoder.motion_head is not None
        hidden = self.encoder(mel)
        posterior = self.encoder.phones(hidden).float().softmax(-1)
        bilabial = posterior[..., [PHONE_INDEX[name] for name in BILABIAL]].sum(-1, keepdim=True)
        return Mouth(self.encoder.motion_head(hidden).to(self.sides) @ self.sides, closures(bilabial))

    @torch.no_grad()
    def predict(self, mel: Tensor) -> Mouth:
        """As ``forward``, of a recording of any length, in overlapping chunks; equal to one pass."""
        parts = []
        for start in range(0, mel.shape[1], CHUNK_FRAMES):
            first = max(0, start - self.context)
            mouth = self(mel[:, first : start + CHUNK_FRAMES + self.context])
            parts.append([column[:, start - first :][:, :CHUNK_FRAMES] for column in mouth])
        return Mouth(*(torch.cat(columns, 1) for columns in zip(*parts, strict=True)))

    def correct(self, motion: Tensor, mouth: Mouth, emotional: Tensor) -> Tensor:
        """A decoder's motion (B, T, 52) with the mouth of the model.

        On neutral speech the mouth is the mean of both; ``emotional`` (B, T, 1) fades the model out. Lips that must
        close do so under any emotion.
        """
        mixed = (motion + SHARE * self.moved * (1.0 - emotional) * (mouth.motion - motion)).clamp(0.0, 1.0)
        return close_lips(mixed, mouth.closure * self.apart(mixed, emotional))

    def apart(self, motion: Tensor, emotional: Tensor) -> Tensor:
        """(B, T, 1) from 0, where the lips of a motion (B, T, 52) close within ``PEAK_FRAMES`` anyway, to 1."""
        gap = (motion @ self.gap)[:, None]
        nearest = -F.max_pool1d(-gap, 2 * PEAK_FRAMES + 1, 1, PEAK_FRAMES)
        nearer = 1.0 - EMOTIONAL_NEARER * emotional
        return ((nearest.transpose(1, 2) - nearer * NEAR) / (nearer * (APART - NEAR))).clamp(0.0, 1.0)


def closures(bilabial: Tensor) -> Tensor:
    """How far lips must close (B, T, 1), from the posterior of p, b, m (B, T, 1): at its peaks."""
    posterior = bilabial.transpose(1, 2)
    low, high = CLOSURE_ONSET
    peak = posterior >= F.max_pool1d(posterior, 2 * PEAK_FRAMES + 1, 1, PEAK_FRAMES)
    closed = SEALED * ((posterior - low) / (high - low)).clamp(0.0, 1.0) * peak
    beside = F.pad(closed, (1, 1))
    return torch.maximum(closed, BESIDE * torch.maximum(beside[..., :-2], beside[..., 2:])).transpose(1, 2)


def close_lips(motion: Tensor, closure: Tensor) -> Tensor:
    """A mouth (B, T, 52) closed as far as ``closure`` (B, T, 1) says, the jaw mostly where it was."""
    keep = torch.ones_like(motion)
    keep[..., PARTING] = 1.0 - closure
    keep[..., JAW] = 1.0 - JAW_GIVES * closure[..., 0]
    mouth = motion * keep
    more = (JAW_SEALED * mouth[..., JAW] - mouth[..., CLOSE]).clamp_min(0.0) * closure[..., 0]
    return torch.cat([mouth[..., :CLOSE], (mouth[..., CLOSE] + more)[..., None], mouth[..., CLOSE + 1 :]], dim=-1)


def load_mouth_model(folder: Path) -> MouthModel:
    """The mouth model in a checkpoint folder, as ``experiment=mouth_model`` writes it, ready for inference.

    Raises:
        InputError: another kind of encoder.
    """
    if read_config(folder).kind != "mouth_model":
        raise InputError(f"{folder}: not a mouth model: sedtalker train experiment=mouth_model makes one")
    _, config, state = read_checkpoint(folder, "mouth_model", SpeechEncoderConfig)
    if config.hop != 20 or config.motion_channels != len(MOUTH_SHAPES):
        raise InputError(f"{folder}: not a mouth model: sedtalker train experiment=mouth_model makes one")
    model = MouthModel(config)
    model.encoder.load_state_dict(state)
    return model.eval().requires_grad_(False)


def mouth_indices() -> list[int]:
    """Of each of ``MOUTH_SHAPES`` in ``ARKIT_52``, the left half of a pair."""
    return [INDEX[name] if name in INDEX else INDEX[name + "Left"] for name in MOUTH_SHAPES]
