"""The speaker network as functions of arrays: frames of a recording, the voice of a stretch, and where a voice speaks.

Log-mels at 100 Hz become *frames* at 25 Hz. A *voice* is a unit vector made of the frames in which one person speaks
alone. For a voice the network then says how likely it is, frame by frame, that this person speaks: target-speaker
voice activity detection (Medennikov et al. 2020, arXiv 2005.07272), which finds overlapping speech too, because every
voice is asked for by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Floats
from sedtalker.audio import FrameClock
from sedtalker.nn.engine import GraphModel, open_graph
from sedtalker.speech.features import MEL_CLOCK

STRIDE = 4
"""Log-mels that make a frame."""
SPEAKER_CLOCK = FrameClock(MEL_CLOCK.rate / STRIDE, MEL_CLOCK.offset + 0.5 * (STRIDE - 1) / MEL_CLOCK.rate)
"""Clock of the frames: 25 a second, each at the middle of its log-mels."""
VOICE, ACTIVITY = "voice", "activity"
"""Names of the graphs beside that of the frames."""


class SpeakerConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``SpeakerNetwork``."""

    stem_channels: int = 96
    """Channels at 50 Hz."""
    width: int = 192
    """Channels of a frame."""
    kernel: int = 3
    """Frames that a convolution sees, odd."""
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    """Dilations of the residual convolutions, in order."""
    voice: int = 128
    """Size of a voice."""
    activity_width: int = 128
    """Channels of the convolutions that look for a voice."""
    activity_dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Their dilations, in order; each sees five frames."""
    dropout: float = 0.05
    """Share of the values that training drops."""


class SpeakerModel(Protocol):
    """What both forms of the network can do; B recordings at a time."""

    config: SpeakerConfig

    def frames(self, mel: Floats) -> tuple[Floats, Floats]:
        """Log-mels (B, 4T, 80) at a fixed level to frames (B, T, W) and logits (B, T, 3) of 0, 1 and more speakers."""

    def voices(self, frames: Floats, weight: Floats) -> Floats:
        """Unit vectors (B, E) of frames (B, T, W), each with a weight (B, T) in [0, 1]."""

    def activity(self, frames: Floats, voice: Floats) -> Floats:
        """Logits (B, T) of whether the people with these voices (B, E) speak in the frames (B, T, W)."""


class GraphSpeakers(GraphModel):
    """A speaker network that ``sedtalker.nn.engine`` runs, see ``SpeakerModel``."""

    config: SpeakerConfig

    def frames(self, mel: Floats) -> tuple[Floats, Floats]:
        """See ``SpeakerModel``."""
        frames, counts = self._graph(mel)
        return frames, counts

    def voices(self, frames: Floats, weight: Floats) -> Floats:
        """See ``SpeakerModel``."""
        return self._other(VOICE, frames, np.asarray(weight, np.float32))

    def activity(self, frames: Floats, voice: Floats) -> Floats:
        """See ``SpeakerModel``."""
        return self._other(ACTIVITY, frames, voice)

    def _other(self, name: str, *inputs: Floats) -> Floats:
        graph = open_graph(Path(self.folder), name)
        assert graph is not None, f"{self.folder}: no graph {name}"
        (made,) = graph(*inputs)
        return np.asarray(made)
