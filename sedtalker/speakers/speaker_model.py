"""The speaker networks as functions of arrays: frames of a recording, the voice of a stretch, and where a voice speaks.

Log-mels at 100 Hz, and the vectors that the encoders of lips and emotion make of them, become *frames* at 25 Hz. A
*voice* is a unit vector made of the frames in which one person speaks alone. For a voice the networks then say how
likely it is, frame by frame, that this person speaks: target-speaker voice activity detection (Medennikov et al. 2020,
arXiv 2005.07272), which finds overlapping speech too, because every voice is asked for by itself.
Several networks, the *members*, answer together: their voices stand side by side, so that the cosine of two is the mean
of the members' cosines, and their logits are averaged.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Floats, softmax
from sedtalker.audio import Audio, FrameClock
from sedtalker.nn.engine import GraphModel, open_graph
from sedtalker.progress import share
from sedtalker.speech.encoder import EMOTION, SPEECH, EncoderPair, MelEncoder, open_encoder
from sedtalker.speech.features import MEL_BANDS, MEL_CLOCK, pair_means

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
    vectors: int = 0
    """Values of the encoders' vectors of a frame, see ``encoder_vectors``; 0: log-mels are all that is read."""
    kept: int = 96
    """Values that a frame keeps of them."""
    heads: int = 1
    """Attentions that each weigh the frames of a voice in their own way."""

    @property
    def frame(self) -> int:
        """W, values of a frame."""
        return self.width + MEL_BANDS + (self.kept if self.vectors else 0)


class SpeakersConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``SpeakerNetworks``."""

    members: tuple[SpeakerConfig, ...] = (SpeakerConfig(),)
    """The networks that answer together."""

    @property
    def vectors(self) -> int:
        """Values of the encoders' vectors that the members read; 0: none does."""
        return max(member.vectors for member in self.members)


class SpeakerModel(Protocol):
    """What both forms of the network can do; B recordings at a time."""

    config: SpeakersConfig

    def frames(self, mel: Floats, vectors: Floats) -> tuple[Floats, Floats]:
        """Frames (B, T, W) and logits (B, T, 3) of 0, 1 and more speakers, of log-mels (B, 4T, 80) at a fixed level and
        the encoders' vectors (B, T, V), see ``encoder_vectors``."""

    def voices(self, frames: Floats, weight: Floats) -> Floats:
        """Unit vectors (B, E) of frames (B, T, W), each with a weight (B, T) in [0, 1]."""

    def activity(self, frames: Floats, voice: Floats) -> Floats:
        """Logits (B, T) of whether the people with these voices (B, E) speak in the frames (B, T, W)."""


class GraphSpeakers(GraphModel):
    """Speaker networks that ``sedtalker.nn.engine`` runs, see ``SpeakerModel``."""

    config: SpeakersConfig

    def frames(self, mel: Floats, vectors: Floats) -> tuple[Floats, Floats]:
        frames, counts = self._graph(mel, vectors) if self.config.vectors else self._graph(mel)
        return frames, counts

    def voices(self, frames: Floats, weight: Floats) -> Floats:
        return self._other(VOICE, frames, np.asarray(weight, np.float32))

    def activity(self, frames: Floats, voice: Floats) -> Floats:
        return self._other(ACTIVITY, frames, voice)

    def _other(self, name: str, *inputs: Floats) -> Floats:
        graph = open_graph(Path(self.folder), name)
        assert graph is not None, f"{self.folder}: no graph {name}"
        (made,) = graph(*inputs)
        return np.asarray(made)


@lru_cache(maxsize=1)
def vector_encoders() -> EncoderPair:
    """The encoders of lips and of emotion, opened once."""
    return EncoderPair({SPEECH: open_encoder(SPEECH, articulates=False), EMOTION: open_encoder(EMOTION)})


def encoder_vectors(sound: Audio) -> Floats:
    """(T, V) what the built-in encoders make of a recording, 25 times a second: the vectors of the lips' encoder, its
    posteriors of phones, and the vectors of the emotion's.

    They say what is spoken and how, so that a voice can be compared sound by sound.
    """
    lips, emotion = (cast(MelEncoder, encoder) for encoder in vector_encoders().encoders.values())
    with share(0.0, 0.5):
        hidden = lips.hidden(sound)
    with share(0.5, 1.0):
        every = hidden, softmax(lips.network.phones(hidden), -1), emotion.hidden(sound)
    pairs = [pair_means(np.pad(rows, ((0, len(rows) % 2), (0, 0)), mode="edge")) for rows in every]
    return np.concatenate(pairs, -1)
