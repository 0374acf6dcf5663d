"""A diarizer as a function of arrays: its hyper-parameters, what goes in and out, and the graph that runs it.

``sedtalker.emotion.network`` is the same in torch, for training and for graphics cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from pydantic import BaseModel, Field, field_validator

from sedtalker.arrays import Floats
from sedtalker.checkpoint import read_all_arrays, read_arrays
from sedtalker.emotion.shown import CLEAR
from sedtalker.emotion.track import CATEGORIES
from sedtalker.nn import FRAME_KERNEL
from sedtalker.nn.engine import Arrays, GraphModel, GraphNetwork, Network, WeightedGraph, open_graph, open_model
from sedtalker.plugins import load
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.features import FRAME_CLOCK

JOINED_WITH_BUILTIN = "sedtalker.emotion.side_by_side:beside_builtin"
"""What joins a diarizer with the built-in one."""
STRIDE = 2
"""Channels are averaged over pairs of frames (25 Hz) before windows are taken."""
ENROLLED_SHARE = 0.3
"""Share of the bias of the speaker's neutral speech (against ``DiarizerConfig.usual``) that is subtracted."""
WINDOW_STRIDE = 4
"""Functionals move slowly and are taken at every fourth of those."""
ROW = STRIDE * WINDOW_STRIDE
"""Frames at 50 Hz for each row of functionals."""
FEWEST_ROWS = 4
"""Rows of functionals that a graph needs at least."""
NEWEST_FRAMES = 8 * ROW
"""Frames that the graph for streams answers for."""
BEFORE_NEWEST = 36 * ROW
"""Frames that it needs before them, more than any frame network sees."""
SPEAKER_REACH = 250
"""Frames of 40 ms on either side, over which a frame network's channels are set against their mean: ten seconds."""
APART = 12
"""Frames of 40 ms on either side of a change among which no boundary is likelier."""
SPEECH_CHANNELS = ("energy", "energy_change", "voicing", "voiced", "tilt", "relative_tilt", "energy_rise")
"""Prosody taken over speech."""
PITCH_CHANNELS = ("f0", "relative_f0", "f0_change", "f0_slope")
"""Prosody taken over voiced speech."""
BANDS, WIDE_BANDS, CEPSTRA = 40, 20, 14
"""Bands that the log-mels are averaged to, bands whose change is taken, and cepstral coefficients."""
SPOKEN = BANDS + 4 * WIDE_BANDS + len(SPEECH_CHANNELS)
"""Channels whose functionals are taken over speech."""
VOICED = len(PITCH_CHANNELS) + 2 * WIDE_BANDS + CEPSTRA
"""Channels whose functionals are taken over voiced speech."""


class Beside(BaseModel, extra="forbid", frozen=True):
    """A second diarizer that answers together with another, see ``sedtalker.emotion.side_by_side``."""

    weights_sha256: str
    """Hash of the built-in diarizer's weights."""
    temperature: float = Field(1.0, gt=0.0)
    """Temperature of the members' mean; fitted on the development corpora."""
    usual: tuple[float, ...] | None = None
    """See ``DiarizerConfig.usual``."""


class FrameNetworkConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``FrameNetwork``."""

    hidden: int = 0
    """Size of the encoder's hidden vectors that it reads beside the channels of log-mels and prosody."""
    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 4)
    """Dilations of the convolutions, in order."""
    dropout: float = 0.2

    @property
    def context(self) -> int:
        """Frames at 25 Hz that an output depends on, on either side, beyond the mean of its inputs."""
        return sum(self.dilations) * (FRAME_KERNEL // 2)


class DiarizerConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``DiarizerNetwork`` and what training measured for its use."""

    hidden_channels: int = 0
    """Size of the hidden vectors that the windows are taken of; 0: log-mels and prosody only."""
    layer_channels: int = 0
    """Size of the encoder's hidden vectors where they are projected to ``hidden_channels`` first; 0: they are not."""
    backbone: BackboneConfig | None = None
    """Backbone that the hidden vectors come from; null: the built-in encoder."""
    windows: tuple[float, ...] = (1.0, 2.0, 4.0, 20.0)
    """Widths of the functionals' windows, seconds, increasing; the last one normalises the speaker."""
    width: int = 192
    members: int = Field(3, ge=1)
    """Perceptrons whose log-posteriors are averaged."""
    dropout: float = 0.4
    labels: tuple[str, ...] = CATEGORIES
    temperature: float = 1.0
    """Divides the averaged log-posteriors; fitted on validation speakers."""
    intensity_steps: tuple[float, float] = (0.0, 2.0)
    """Thresholds between neutral, normal and strong on the scale of the intensity output."""
    calm: tuple[float, float] = (0.0, 0.0)
    """How calm speech becomes neutral: the log-posterior of neutral rises by the first number for each unit that the
    intensity score lies below the second; (0, 0): it does not."""
    visible: tuple[float, float, float] | None = None
    """Intensities that a face shows not at all, clearly and in full, see ``sedtalker.emotion.shown``; null: unknown."""
    neutral_odds: tuple[float, float] | None = None
    """Log-odds that speech of an intensity is neutral: the first number, plus the second times the intensity's logit;
    null: the posterior alone says how likely neutral is."""
    intensity_offsets: dict[str, float] = {}
    """What is added to the intensity score where a category is the likeliest of all, neutral before ``calm``, by its
    label: listeners rate sad voices as weakly as calm ones, so that the categories know them, not the strength."""
    finds_no_voice: bool = False
    """Whether the network says where a sound is no voice, which then counts as unlike the training data."""
    frame_networks: tuple[FrameNetworkConfig, ...] = ()
    """Networks over frames that find where the emotion changes."""
    usual: tuple[float, ...] | None = None
    """Mean log-posterior of neutral recordings of validation speakers, by which enrolled ones are judged; null: not."""
    beside: Beside | None = None
    """The built-in diarizer whose members answer beside these as soon as the weights are opened; null: none."""
    second_channels: int = 0
    """The last so many hidden vectors' channels are the built-in emotion encoder's (``side_by_side``)."""

    @field_validator("visible", mode="before")
    @classmethod
    def _with_clear(cls, value: Any) -> Any:
        """Earlier checkpoints say only which intensities are not seen and are full, with even degrees between."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            return value
        nothing, full = map(float, value)
        return nothing, nothing + CLEAR * (full - nothing), full

    @property
    def encoder_channels(self) -> int:
        """Size of the encoder's hidden vectors; 0 where none are read."""
        return self.layer_channels or self.hidden_channels

    @property
    def context(self) -> int:
        """Frames at 50 Hz that an output depends on, on either side.

        The longest window twice halved, and edges; where windows end at changes, what these depend on.
        """
        halves = [round(0.5 * width * FRAME_CLOCK.rate) for width in self.windows]
        reach = max(halves)
        if self.frame_networks:
            change = SPEAKER_REACH + max(network.context for network in self.frame_networks) + APART
            reach = max(reach, max(halves[:-1], default=0) + STRIDE * change)
        return max(halves) + reach + 4 * ROW


class FrameBatch(NamedTuple):
    """Inputs at 50 Hz, as arrays or as tensors.

    Attributes:
        mel: (B, T, 80) centred log-mels.
        prosody: (B, T, 4).
        speech: (B, T) bool.
        valid: (B, T) bool, false in padding.
        hidden: (B, T, D) or ``None``.
    """

    mel: Any
    prosody: Any
    speech: Any
    valid: Any
    hidden: Any | None = None


class FrameEstimate(NamedTuple):
    """The prediction for every frame at 50 Hz.

    Attributes:
        log_posterior: (B, T, C) calibrated; ``exp`` of a row sums to 1.
        intensity: (B, T) in [0, 1].
        boundary: (B, T) probability that the emotion changes within 120 ms; zeros without a frame network.
        distance: (B, T) from what the network was trained on, see ``DiarizerNetwork.unfamiliarity``.
    """

    log_posterior: Any
    intensity: Any
    boundary: Any
    distance: Any


def functional_layout(config: DiarizerConfig) -> list[tuple[int, int, int]]:
    """Window, statistic and channel of every functional (F), as ``functionals`` lays them out.

    Statistics 0 and 1: mean and deviation over speech, of ``SPOKEN`` channels and then the hidden ones; 2 and 3: over
    voiced speech.
    """
    counts = (SPOKEN + config.hidden_channels,) * 2 + (VOICED,) * 2
    windows = range(len(config.windows))
    return [(w, s, c) for w in windows for s, count in enumerate(counts) for c in range(count)]


class Voice(NamedTuple):
    """A speaker baseline from other recordings, as arrays or as tensors; it equals itself only.

    Leading dimensions, if any, are those of the rows it serves.

    Attributes:
        weight: (…, 2) frames at 50 Hz of speech and of voiced speech.
        mean: (…, C + P) mean of each channel, over speech (C) and over voiced speech (P).
        square: (…, C + P) mean of its square.
        answer: (K,) mean log-posterior of the categories, or None: what a diarizer makes of their ordinary speech.
    """

    weight: Any
    mean: Any
    square: Any
    answer: Any | None = None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def pool_voices(voices: Sequence[Voice]) -> Voice:
    """One voice of several, as arrays without leading dimensions, each counting by its frames.

    The answer is the mean of those that are known; None where no voice has one.
    """
    weight = np.stack([voice.weight for voice in voices])
    sizes = voices[0].mean.shape[-1] - VOICED, VOICED
    each = np.repeat(weight, sizes, -1)
    total = np.maximum(each.sum(0), 1e-6)
    mean = (each * np.stack([voice.mean for voice in voices])).sum(0) / total
    square = (each * np.stack([voice.square for voice in voices])).sum(0) / total
    known = [(voice.answer, float(voice.weight[0])) for voice in voices if voice.answer is not None]
    spoken = sum(frames for _, frames in known)
    answer = np.stack([given * frames for given, frames in known]).sum(0) / spoken if spoken else None
    return Voice(weight.sum(0), mean.astype(np.float32), square.astype(np.float32), answer)


class EmotionModel(Protocol):
    """The interface that ``sedtalker.emotion.inference`` runs: a graph, or a ``DiarizerNetwork`` of torch."""

    config: DiarizerConfig

    def __hash__(self) -> int:
        """Calls of one network are stacked."""

    @property
    def knows_its_training(self) -> bool:
        """Whether the out-of-distribution score can be computed."""

    def estimate(self, batch: FrameBatch, voice: Voice | None = None, since: int = 0) -> FrameEstimate:
        """The prediction of arrays from frame ``since`` on; one voice, without leading dimensions, for all of B."""

    def prepare_stream(self) -> None:
        """Open what only streams need, so that none of them has to wait for it later."""

    def voice_of(self, batch: FrameBatch) -> Voice:
        """The speaker baseline of one recording (B = 1), without leading dimensions."""


class GraphDiarizer(GraphModel):
    """A diarizer that ``sedtalker.nn.engine`` runs."""

    config: DiarizerConfig

    def __init__(self, folder: Path, config: DiarizerConfig, graph: Network) -> None:
        self._joined: dict[str, Floats] | None = None
        if config.beside is None:
            mean, scale = read_arrays(folder, "mean", "scale")
        else:
            config, self._joined = load(JOINED_WITH_BUILTIN)(config, read_all_arrays(folder), folder)
            mean, scale = self._joined["mean"], self._joined["scale"]
        super().__init__(folder, config, self._weighted(graph))
        self.knows_its_training = bool(((scale != 1.0) | (mean != 0.0)).any())
        *_, self._channels = graph.inputs["voice_mean"]

    def _weighted(self, graph: Network) -> Network:
        """A graph with the weights of both diarizers, where two answer."""
        return graph if self._joined is None else WeightedGraph(cast("GraphNetwork", graph), self._joined)

    @cached_property
    def in_torch(self) -> Any:
        """The same weights as a ``DiarizerNetwork``, opened once."""
        return open_model(self.folder, "diarizer", in_torch=True)

    def estimate(self, batch: FrameBatch, voice: Voice | None = None, since: int = 0) -> FrameEstimate:
        items, count = batch.speech.shape
        if voice is None:
            nothing = np.zeros((items, int(self._channels)), np.float32)
            known = [np.zeros((items, 2), np.float32), nothing, nothing]
        else:
            known = [np.repeat(np.asarray(part, np.float32)[None], items, 0) for part in voice[:3]]
        given = cast("Arrays", whole_rows(batch))
        first = given[0].shape[1] - NEWEST_FRAMES
        newest = self._newest if since >= first >= BEFORE_NEWEST else None
        made = (newest or self._graph)(*given, *known)
        part = slice(since, count) if newest is None else slice(since - first, count - first)
        return FrameEstimate(*(values[:, part] for values in made))

    def prepare_stream(self) -> None:
        _ = self._newest

    def voice_of(self, batch: FrameBatch) -> Voice:
        graph = open_graph(self.folder, "voice")
        assert graph is not None
        return Voice(*(values[0] for values in self._weighted(graph)(*cast("Arrays", whole_rows(batch)))))


def whole_rows(batch: FrameBatch) -> FrameBatch:
    """Arrays of a number of frames that a graph takes, the last one held and marked as not valid."""
    count = batch.speech.shape[1]
    more = max(-count % ROW, FEWEST_ROWS * ROW - count)
    if not more:
        return batch

    def longer(values: Any) -> Any:
        fill = np.zeros_like(values[:, :1]) if values.dtype == bool else values[:, -1:]
        return np.concatenate([values, np.repeat(fill, more, 1)], 1)

    return FrameBatch(*map(longer, batch))
