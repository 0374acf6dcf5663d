"""Fine-grained emotions than seven: a curve in [0, 1] for each of some thirty, beside the track.

Means and deviations of hidden vectors, prosody and log-mels over three seconds go through a small perceptron with an
output for each kind (after the heads of EmoNet-Voice, Schuhmann et al. 2025, arXiv 2506.09827, which pool the frozen
vectors of a larger encoder alike). A curve says how probable its kind is among all of them, if every one were equally
frequent; ``docs/diarizer.md`` has the agreement with what speakers were asked for and with what raters called it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import Audio
from sedtalker.checkpoint import open_network, read_config
from sedtalker.emotion.network import ROW, DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.models import WHISPER, model_names
from sedtalker.speech.encoder import Encoder, EncoderPair
from sedtalker.speech.features import FRAME_CLOCK, FROM_HUB, MEL_BANDS, PROSODY_CHANNELS, SpeechFeatures

Statistic = Literal["mean", "deviation", "min", "max"]
"""What is taken of every channel over a window."""
PIECE_ROWS = 400
"""Rows that are computed at once: about a minute."""


class FineConfig(BaseModel):
    """Hyper-parameters of ``FineNetwork``."""

    model_config = ConfigDict(extra="forbid")

    kinds: tuple[str, ...]
    """What the outputs are called, see ``fine_families.KINDS``."""
    hidden_channels: int
    """Size of the hidden vectors."""
    seconds: float = Field(3.0, gt=0.0)
    """Width of a window."""
    statistics: tuple[Statistic, ...] = ("mean", "deviation")
    """Statistics of each channel over the speech of a window, in this order."""
    width: int = 224
    """Units of the hidden layer."""
    dropout: float = 0.6
    """Share of the values that training drops."""

    @property
    def inputs(self) -> int:
        """Numbers that the perceptron reads."""
        return len(self.statistics) * (self.hidden_channels + len(PROSODY_CHANNELS) + MEL_BANDS)


class FineNetwork(nn.Module):
    """Logits (…, K) of the kinds for rows (…, F) of ``pooled_windows``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: FineConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(config.inputs, config.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, len(config.kinds)),
        )

    def standardised(self, rows: Tensor) -> Tensor:
        """Rows in deviations of those of training, at most five."""
        return ((rows - self.mean) * self.scale).clamp(-5.0, 5.0)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.standardised(rows))
        return logits

    def curves(self, rows: Tensor) -> Tensor:
        """Values (…, K) in [0, 1]; rows sum to one."""
        return torch.softmax(self(rows), -1)


def fine_channels(hidden: Tensor, prosody: Tensor, mel: Tensor) -> Tensor:
    """Channels (T, C) that windows are taken of: hidden vectors, prosody and centred log-mels at 50 Hz."""
    return torch.cat([hidden, prosody, mel], -1)


def pooled_windows(
    channels: Tensor, speech: Tensor, config: FineConfig, first: int = 0, last: int | None = None
) -> tuple[Tensor, Tensor]:
    """Statistics of every channel over the speech of windows; a row every ``ROW`` frames, centred there.

    Args:
        channels: (T, C) at 50 Hz.
        speech: (T,) bool.
        config: says which statistics, and how wide a window is.
        first: row to begin with.
        last: row to end before; None: after the last.

    Returns:
        rows (R, statistics · C), zeros where nobody speaks within the window, and whether somebody does (R,).
    """
    half = _half(config)
    count = -(-len(channels) // ROW)
    last = count if last is None else min(last, count)
    start, stop = max(0, first * ROW - half), min(len(channels), (last - 1) * ROW + half + 1)
    before, after = start - (first * ROW - half), (last - 1) * ROW + half + 1 - stop
    x, weight = channels[start:stop].T[None], speech[start:stop].to(channels)[None, None]

    def windows(values: Tensor) -> Tensor:
        return F.avg_pool1d(F.pad(values, (before, after)), 2 * half + 1, ROW)

    def highest(values: Tensor) -> Tensor:
        spoken = values.masked_fill(weight == 0, -torch.inf)
        return F.max_pool1d(F.pad(spoken, (before, after), value=-torch.inf), 2 * half + 1, ROW)

    share = windows(weight)
    mean = windows(x * weight) / share.clamp_min(1e-9)
    made: dict[Statistic, Tensor] = {"mean": mean}
    if "deviation" in config.statistics:
        square = windows(x.square() * weight) / share.clamp_min(1e-9)
        made["deviation"] = (square - mean.square()).clamp_min(0.0).sqrt()
    if "max" in config.statistics:
        made["max"] = highest(x)
    if "min" in config.statistics:
        made["min"] = -highest(-x)
    spoken = share[0, 0] > 1e-9
    rows = torch.cat([made[name] for name in config.statistics], 1)[0].T
    return torch.where(spoken[:, None], rows, 0.0), spoken


class FineCurves(Protocol):
    """What gives a diarizer's tracks their finer curves."""

    def __call__(self, audio: Audio, features: SpeechFeatures) -> Mapping[str, NDArray[np.float32]]:
        """Curves (T,) in [0, 1] on the clock of the features, by the name of the kind."""


@dataclass(frozen=True, eq=False)
class FineEmotions:
    """The curves of a ``FineNetwork``.

    Attributes:
        network: the perceptron.
        projection: mean (L,) and matrix (L, C) that hidden vectors go through before; None: as they are.
    """

    network: FineNetwork
    projection: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def __call__(self, audio: Audio, features: SpeechFeatures) -> dict[str, NDArray[np.float32]]:
        """See ``FineCurves``; zeros where nobody speaks within the window."""
        values = _rows(self.network, *self._inputs(features))
        at, centres = np.arange(len(features)), ROW * np.arange(len(values))
        return {
            kind: np.interp(at, centres, curve).astype(np.float32)
            for kind, curve in zip(self.kinds, values.T, strict=True)
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the curves."""
        return self.network.config.kinds

    @property
    def context(self) -> int:
        """Frames before one that are needed for its values: half a window, to the row before, from a row on."""
        return _half(self.network.config) + 2 * ROW

    @torch.no_grad()
    def of_frames(self, features: SpeechFeatures, first: int, since: int, count: int) -> NDArray[np.float32]:
        """Values (count, K) of some frames, as ``__call__`` gives them of a recording that ends with ``features``.

        Args:
            features: the last frames of the recording, ``context`` before the frames that are asked for.
            first: number of frames before ``features``.
            since: first of the frames asked for, counted from the beginning of ``features``.
            count: how many.
        """
        half, total = _half(self.network.config), first + len(features)
        at = np.arange(first + since, first + since + count)
        low, high = at[0] // ROW, min(-(-at[-1] // ROW), -(-total // ROW) - 1)
        start = max(-(-first // ROW), (low * ROW - half) // ROW)  # in rows, so that their places stay
        stop = min(total, high * ROW + half + 1)
        channels, speech = self._inputs(features.part(start * ROW - first, stop - first))
        config = self.network.config
        rows, spoken = pooled_windows(channels, speech, config, int(low - start), int(high - start + 1))
        values = (self.network.curves(rows) * spoken[:, None]).cpu().double().numpy()
        centres = ROW * np.arange(low, high + 1)
        return np.column_stack([np.interp(at, centres, curve) for curve in values.T]).astype(np.float32)

    def _inputs(self, features: SpeechFeatures) -> tuple[Tensor, Tensor]:
        """Channels (T, C) that windows are taken of, and speech (T,)."""
        device = self.network.mean.device
        hidden = torch.from_numpy(np.ascontiguousarray(features.hidden)).to(device)
        if self.projection is not None:
            mean, matrix = (part.to(device) for part in self.projection)
            hidden = (hidden - mean) @ matrix
        prosody, mel, speech = (
            torch.from_numpy(np.ascontiguousarray(part)).to(device)
            for part in (features.prosody, features.mel, features.speech)
        )
        return fine_channels(hidden, prosody, mel), speech


def _half(config: FineConfig) -> int:
    """Frames on either side of the middle one of a window."""
    return round(0.5 * config.seconds * FRAME_CLOCK.rate)


def _rows(network: FineNetwork, channels: Tensor, speech: Tensor) -> NDArray[np.float64]:
    """Values (R, K) of every row, a minute at a time."""
    parts = []
    for first in range(0, -(-len(channels) // ROW), PIECE_ROWS):
        rows, spoken = pooled_windows(channels, speech, network.config, first, first + PIECE_ROWS)
        parts.append((network.curves(rows) * spoken[:, None]).cpu().double().numpy())
    return np.concatenate(parts)


def open_fine(source: str | Path | None, diarizer: DiarizerNetwork, encoder: Encoder) -> FineEmotions:
    """The heads in a checkpoint folder, or the built-in ones for this encoder.

    Args:
        source: the folder; None: built in.
        diarizer: that they stand beside; heads on a hub's encoder read vectors that went through its projection.
        encoder: of the diarizer.

    Raises:
        InputError: no such heads, or they were trained on another encoder.
    """
    built_in = model_names("fine-grained emotions")["emotion_encoder" if diarizer.config.backbone is None else WHISPER]
    folder = built_in.path if source is None else Path(source)
    opened = open_network(folder, "fine_emotions", FineConfig, FineNetwork)
    own = encoder.encoders.get(FROM_HUB, encoder) if isinstance(encoder, EncoderPair) else encoder
    if read_config(folder).encoder_sha256 != own.sha256():
        raise InputError(f"{folder}: these fine-grained heads were trained on another encoder than the diarizer's")
    network = opened.to(next(diarizer.parameters()).device)
    if not diarizer.config.layer_channels:
        return FineEmotions(network)
    read = diarizer.layer_projection[:, : network.config.hidden_channels]  # of two encoders, the first one's
    return FineEmotions(network, (diarizer.layer_mean, read))


def strongest(curves: Mapping[str, NDArray[np.floating]], inside: NDArray[np.bool_], count: int = 3) -> Sequence[str]:
    """Names of the curves with the greatest means over some frames, greatest first."""
    means = {name: float(np.mean(curve[inside])) if inside.any() else 0.0 for name, curve in curves.items()}
    return sorted(means, key=lambda name: -means[name])[:count]
