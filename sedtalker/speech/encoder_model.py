"""The encoders' sizes, and networks from log-mels to hidden vectors as functions of arrays.

Both encoders take sound stretch by stretch, with all that they remember of what came before handed in and out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Floats
from sedtalker.checkpoint import read_arrays
from sedtalker.nn.engine import Arrays, GraphModel, Network
from sedtalker.speech.features import HOPS, LOG_FLOOR

GRID = 2
"""Frames of 20 ms that share a hidden vector of the emotion encoder; windows have to begin at a multiple of it."""
STEM_CONTEXT = 2
"""Frames, of 20 ms or of an encoder's grid, that its first convolutions see on either side, rounded up."""

SETTLED = 12
"""Frames of sound after a frame from which on a stream's lips hardly depend on more of it (docs/streaming.md).

With the four frames of a hop they are sixteen, and rows are multiplied in blocks of sixteen.
"""
SETTLED_EMOTION = 48
"""The same of emotions, whose encoder sees 52; with the sixteen frames of their hop they are 32 of its rows."""


class SpeechEncoderConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``SpeechEncoder``."""

    hop: Literal[10] = 10
    """Milliseconds between the log-mels that it reads; the stem brings them to the 20 of the frames."""
    channels: int = 192
    """Size of a hidden vector."""
    kernel: int = 5
    """Frames that a convolution sees, odd."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 1)
    """Dilations of the residual convolutions, in order."""
    dropout: float = 0.05
    """Share of the values that training drops."""
    motion_channels: int = 0
    """Outputs of the training head for tracked mouth motion (0: no head)."""
    prosody_channels: int = 0
    """Outputs of the training head for prosody (0: no head)."""
    layer_channels: int = 0
    """Outputs of the training head for a teacher's layers (0: no head)."""

    @property
    def context(self) -> int:
        """Frames (20 ms) that a hidden vector sees on either side, rounded up."""
        return STEM_CONTEXT + sum(d * (self.kernel // 2) for d in self.dilations)

    @property
    def pending(self) -> int:
        """Frames at the end of a stream's sound that come again, because later sound changes what is before it."""
        return min(self.context, SETTLED)


class EmotionEncoderConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``EmotionEncoder``."""

    stem_channels: int = 160
    """Channels at 50 Hz."""
    width: int = 320
    """Channels at 25 Hz."""
    channels: int = 256
    """Size of the hidden vectors."""
    kernel: int = 3
    """Frames that a convolution sees, odd."""
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4, 1, 2, 4, 1)
    """Dilations of the residual convolutions, in order."""
    dropout: float = 0.05
    """Share of the values that training drops."""

    @property
    def context(self) -> int:
        """Frames (20 ms) that a hidden vector depends on, on either side: an even number, rounded up."""
        return GRID * (STEM_CONTEXT + sum(d * (self.kernel // 2) for d in self.dilations))

    @property
    def pending(self) -> int:
        return min(self.context, SETTLED_EMOTION)


class ConvolutionHeadConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of a ``ConvolutionHead``."""

    hidden: int = 192
    """Channels of the encoder's frames."""
    width: int = 32
    """Channels of the convolutions."""
    kernel: int = 5
    """Frames that a convolution sees, odd."""
    dilations: tuple[int, ...] = (1, 2, 4)
    """Dilations of the convolutions, in order."""
    dropout: float = 0.1
    """In training."""

    @property
    def context(self) -> int:
        """Frames that an output sees on either side."""
        return sum(d * (self.kernel // 2) for d in self.dilations)


class ArticulationConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``ArticulationNetwork``."""

    phones: ConvolutionHeadConfig = ConvolutionHeadConfig(hidden=448, width=256, dropout=0.3)
    """What finds phones in all channels of the frames."""
    mouth: ConvolutionHeadConfig = ConvolutionHeadConfig(width=192, dropout=0.2)
    """What finds the mouth in the last channels."""
    shapes: int = 20
    """Shapes of a talking mouth: ``TALKING_SHAPES``."""
    smooths: bool = False
    """Whether each frame of the mouth is a quarter of the one before, a half of its own and a quarter of the next."""

    @property
    def hidden(self) -> int:
        """Channels of the frames that it reads."""
        return self.phones.hidden

    @property
    def context(self) -> int:
        """Frames that an output sees on either side."""
        return max(self.phones.context, self.mouth.context + self.smooths)


def with_silence(mel: Floats, before: int, after: int) -> Floats:
    """Log-mels (…, 2T, 80) with so many frames of digital silence, a pair each, at the ends."""
    if not before and not after:
        return mel
    beside = [(0, 0)] * (mel.ndim - 2) + [(HOPS * before, HOPS * after), (0, 0)]
    return np.pad(mel, beside, constant_values=np.log(np.float32(LOG_FLOOR)))


class MelNetwork:
    """A network from log-mels to hidden vectors: graphs without torch, or a module of torch. Calls of one are stacked.

    Attributes:
        centred: whether it reads log-mels without the mean of each band.
        grid: frames of 20 ms that share a hidden vector.
    """

    config: SpeechEncoderConfig | EmotionEncoderConfig
    centred: bool
    grid: int

    def start(self) -> Arrays:
        """The states before the first log-mel, of one stream."""
        raise NotImplementedError

    def run(self, *given: Floats) -> Arrays:
        """Hidden vectors, one for ``grid`` frames, and the next states, of whole log-mels and the states."""
        raise NotImplementedError

    def advance(self, mel: Floats, *states: Floats) -> Arrays:
        """The next log-mels (B, 2T, 80) at 100 Hz to their hidden vectors (B, T, D), and the next states.

        Those are of a moment ``config.pending`` frames before the end: log-mels from there on are to come again, with
        those that follow them. Where fewer have come since the start, the next states are none. Where frames share a
        hidden vector, the last log-mel is repeated until they are whole.
        """
        count = mel.shape[1]
        missing = -count % (2 * self.grid)
        padded = np.concatenate([mel, np.repeat(mel[:, -1:], missing, 1)], 1) if missing else mel
        made, *after = self.run(padded, *states)
        whole = made if self.grid == 1 else np.repeat(made, self.grid, 1)
        return whole[:, : count // 2], *after

    @property
    def around(self) -> int:
        """Frames of digital silence that recordings are put into: one that is cut at a voice, and the same with silence
        beside it, have the same vectors. None for the lips' encoder, whose networks were trained without.
        """
        return 0 if self.centred else self.config.context

    def stretch(self, mel: Floats) -> Floats:
        """(B, 2T, 80) log-mels at 100 Hz, of which nothing is known beyond both ends, to (B, T, D) hidden vectors."""
        return np.asarray(self.advance(mel, *(np.repeat(state, len(mel), 0) for state in self.start()))[0])

    def hidden(self, mel: Floats) -> Floats:
        """(B, 2T, 80) log-mels of whole recordings to (B, T, D) hidden vectors, see ``around``."""
        return self.stretch(with_silence(mel, self.around, self.around))[:, self.around :][:, : mel.shape[1] // HOPS]

    def phones(self, hidden: Floats) -> Floats:
        """Logits (…, 40) over ``PHONES`` of hidden vectors (…, D), of the encoder of the lips alone."""
        raise NotImplementedError


class GraphEncoder(GraphModel, MelNetwork):
    """An encoder that ``sedtalker.nn.engine`` runs."""

    def __init__(self, folder: Path, config: SpeechEncoderConfig | EmotionEncoderConfig, graph: Network) -> None:
        super().__init__(folder, config, graph)
        self.centred = isinstance(config, SpeechEncoderConfig)
        self.grid = 1 if self.centred else GRID

    def start(self) -> Arrays:
        return self.zeros_after(1)

    def phones(self, hidden: Floats) -> Floats:
        weight, bias = read_arrays(self.folder, "phone_head.weight", "phone_head.bias")
        return hidden @ weight.T + bias
