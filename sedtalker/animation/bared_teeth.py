"""What an open mouth does in loud anger: it is squared, and the teeth are bared.

Decoders learned an anger that presses its lips between words and opens them as other speech does. Here a table is added
to their motion, before lips are closed, as far as the mouth is open and with the square of the anger: half of it still
looks annoyed. Amounts are by eye, beside what actors do in strong anger (RAVDESS: upper lip, stretched corners, parted
lips and jaw rise most).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sedtalker.animation.closures import GAP
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52

ANGRY = CATEGORIES.index("angry")
"""Index of anger."""
BARED = {"mouthUpperUp": 0.4, "mouthLowerDown": 0.5, "mouthStretch": 0.3, "mouthFunnel": 0.12}
"""What is added to an open mouth at full anger, by the beginnings of shapes' names."""
SNEERED = {"noseSneer": 0.15, "eyeSquint": 0.1}
"""What is added to the rest of the face, however open the mouth."""
RELAXED = ("mouthPucker", "mouthRollUpper")
"""Shapes that would hide the teeth: an open mouth gives them up."""
OPENING = (0.03, 0.08)
"""Lip gaps, outer-eye distances, at which teeth begin to be bared, and are."""


def anger(posterior: Tensor, intensity: Tensor) -> Tensor:
    """(B, T, 1) how angry each frame is, of posterior (B, T, 7) and intensity (B, T)."""
    return (posterior[..., ANGRY] * intensity)[..., None]


def bare_teeth(motion: Tensor, angry: Tensor) -> Tensor:
    """A motion (B, T, 52) in [0, 1] with what ``angry`` (B, T, 1) does to it; without anger it is the same."""
    if not angry.any():
        return motion
    gap = (motion @ motion.new_tensor([GAP.get(name, 0.0) for name in ARKIT_52]))[..., None]
    low, high = OPENING
    loud = angry.to(motion) ** 2
    opened = loud * ((gap - low) / (high - low)).clamp(0.0, 1.0)
    kept = 1.0 - opened * motion.new_tensor([float(name in RELAXED) for name in ARKIT_52])
    return (motion * kept + opened * _amounts(motion, BARED) + loud * _amounts(motion, SNEERED)).clamp(0.0, 1.0)


def _amounts(like: Tensor, table: dict[str, float]) -> Tensor:
    """(52,) of a table by beginnings of names."""
    return like.new_tensor([next((v for k, v in table.items() if name.startswith(k)), 0.0) for name in ARKIT_52])


class BaredTeethStream:
    """The same while somebody speaks: motion comes later than what is known of the anger, by a decoder's look-ahead."""

    def __init__(self) -> None:
        self.pending = torch.zeros(1, 0, 1)
        """The anger of frames whose motion is still to come."""

    def push(self, motion: Tensor, angry: Tensor) -> Tensor:
        """The next frames of a motion (1, n, 52), the anger (1, m, 1) of the next frames being known."""
        self.pending = torch.cat([self.pending.to(angry), angry], 1)
        now, self.pending = self.pending[:, : motion.shape[1]], self.pending[:, motion.shape[1] :]
        return bare_teeth(motion, now)
