"""The diarizer's network: a head on the speech encoder that says frame by frame what is expressed, and how strongly.

Functionals over windows of one to twenty seconds around each frame, of the encoder's hidden vectors, the log-mels and
the prosody, go through several small perceptrons whose log-posteriors are averaged. With hours, not thousands of
hours, of labelled speech this was better on unseen speakers than convolutions trained from frames, and it trains in
minutes.

Where the emotion changes, as a network over frames predicts it, the shorter windows end: a moment is then not described
by what was said in another mood.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.emotion.burst_detector import BurstDetectorConfig
from sedtalker.emotion.diarizer_model import (
    APART,
    ROW,
    SPOKEN,
    STRIDE,
    VOICED,
    WINDOW_STRIDE,
    DiarizerConfig,
    FrameBatch,
    FrameEstimate,
    Voice,
    functional_layout,
)
from sedtalker.emotion.fine import FineConfig
from sedtalker.emotion.frame_network import FrameNetwork, relative_channels, stretches
from sedtalker.emotion.functionals import (
    Spans,
    centre_on_voice,
    functionals,
    prosody_channels,
    voice_channels,
    window_sum,
)
from sedtalker.emotion.shown import FAMILIAR, SHARPNESS
from sedtalker.emotion.side_by_side import beside_builtin
from sedtalker.nn.blocks import ArrayModule, perceptron
from sedtalker.speech.encoder_networks import ConvolutionHead
from sedtalker.speech.features import FRAME_CLOCK, PROSODY_CHANNELS


class Scores(NamedTuple):
    """Outputs of M members for rows or frames ``…``.

    Attributes:
        logits: (M, …, C).
        intensity: (M, …) on an open scale, see ``DiarizerConfig.intensity_steps``.
    """

    logits: Tensor
    intensity: Tensor


def functional_count(config: DiarizerConfig) -> int:
    """Size of a row of functionals."""
    return 2 * len(config.windows) * (SPOKEN + VOICED + config.hidden_channels)


class DiarizerNetwork(nn.Module):
    """Posterior over categories and intensity for every frame."""

    mean: Tensor
    scale: Tensor
    judged: Tensor | None
    layer_mean: Tensor
    layer_projection: Tensor

    def __init__(self, config: DiarizerConfig):
        super().__init__()
        self.config = config
        if config.layer_channels:
            self.register_buffer("layer_mean", torch.zeros(config.layer_channels))
            self.register_buffer("layer_projection", torch.zeros(config.layer_channels, config.hidden_channels))
        self.register_buffer("mean", torch.zeros(functional_count(config)))
        self.register_buffer("scale", torch.ones(functional_count(config)))
        judged = _of_second_encoder(config) if config.second_channels else None
        self.register_buffer("judged", judged, persistent=False)
        self.members = nn.ModuleList(
            perceptron(functional_count(config), config.width, len(config.labels) + 1, config.dropout)
            for _ in range(config.members)
        )
        self.no_voice = nn.Linear(functional_count(config), 1) if config.finds_no_voice else None
        self.frame_networks = nn.ModuleList(FrameNetwork(c) for c in config.frame_networks)

    @property
    def knows_its_training(self) -> bool:
        return bool(self.known.any())

    @property
    def known(self) -> Tensor:
        """Functionals (F,) that enter the out-of-distribution score: those with a mean and a deviation.

        Of two encoders' vectors the second's alone: they hardly tell languages apart, and recordings that are no
        clear speech very well.
        """
        known = (self.scale != 1.0) | (self.mean != 0.0)
        return known if self.judged is None else known & self.judged

    def distances(self, rows: Tensor) -> Tensor:
        """Distance (…) of rows of functionals (…, F) from the training data: root mean square of deviations.

        Zeros where the network does not know its training data.
        """
        known = self.known.to(self.mean)
        apart = (rows.to(self.mean) - self.mean) * self.scale
        return ((apart.square() * known).sum(-1) / known.sum().clamp_min(1.0)).sqrt()

    def unfamiliarity(self, rows: Tensor) -> Tensor:
        """``distances``, and where a sound is probably no voice, at least what takes its expression away.

        A bark or a piano lies near enough to the training data; a linear classifier (``no_voice``) knows them apart.
        """
        apart = self.distances(rows)
        if self.no_voice is None:
            return apart
        begin, end = FAMILIAR
        logit = self.no_voice(self.standardised(rows))[..., 0]
        return torch.maximum(apart, begin + (end - begin) * logit)

    def standardised(self, rows: Tensor) -> Tensor:
        """Functionals (…, F) as the members read them."""
        return ((rows - self.mean) * self.scale).clamp(-5.0, 5.0)

    def projection(self, channels: int) -> tuple[Floats, Floats]:
        """The mean (L,) and the matrix (L, C) through which vectors of a hub's encoder go, of two the first one's."""
        return self.layer_mean.cpu().numpy(), self.layer_projection[:, :channels].cpu().numpy()

    def describe(
        self, channels: tuple[Tensor, Tensor, Tensor], newest: int = 0, spans: Spans | None = None
    ) -> tuple[Tensor, Tensor]:
        """Functionals (B, ceil(T / 8), F) and frames of speech and of voiced speech in the longest window (…, 2).

        ``channels``: of ``channels``; ``newest``: only so many rows at the end; 0: all; ``spans``: where the shorter
        windows end at the latest.
        """
        over_speech, over_voiced, counts = channels
        halves, (spoken, voiced) = self._reaches(), counts.unbind(-1)
        rows = functionals(over_speech, over_voiced, spoken, voiced, halves, newest, spans)
        return rows, window_sum(counts, halves[-1], WINDOW_STRIDE, newest)

    def voice(self, batch: FrameBatch) -> Voice:
        """Speaker baselines of recordings, leading dimension B: the longest window's channels over all of it."""
        over_speech, over_voiced, counts = self.channels(batch)
        total = counts.sum(1)
        moments = []
        for values, weight in zip((over_speech, over_voiced), counts.unbind(-1), strict=True):
            share = (weight / weight.sum(1, keepdim=True).clamp_min(1e-6))[..., None]
            moments.append(((values * share).sum(1), (values.square() * share).sum(1)))
        return Voice(total, *(torch.cat(parts, -1) for parts in zip(*moments, strict=True)))

    def centre(self, rows: Tensor, weight: Tensor, voice: Voice) -> Tensor:
        """Rows (…, F), the longest window of each taken over ``weight`` (…, 2) frames, pooled with a voice."""
        size = rows.shape[-1] // len(self.config.windows)
        return torch.cat([rows[..., :-size], centre_on_voice(rows[..., -size:], weight, voice)], -1)

    def _halves(self) -> list[int]:
        return [round(0.5 * w * FRAME_CLOCK.rate) for w in self.config.windows]

    def _reaches(self) -> list[int]:
        """``_halves`` at 25 Hz."""
        return [max(1, half // STRIDE) for half in self._halves()]

    def channels(self, batch: FrameBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Channels over speech and over voiced speech at 25 Hz, and the frames of each (B, T / 2, 2)."""
        batch = _pad(batch, -batch.mel.shape[1] % ROW)
        channels, pitch, voiced = prosody_channels(batch.prosody, batch.speech, batch.valid, max(self._halves()))
        spoken, sung = (batch.speech & batch.valid).to(batch.mel.dtype), voiced.to(batch.mel.dtype)
        over_speech, over_voiced = voice_channels(batch.mel, channels, pitch)
        if batch.hidden is not None:
            hidden = batch.hidden
            if self.config.layer_channels:
                hidden = (hidden - self.layer_mean) @ self.layer_projection
            over_speech = torch.cat([over_speech, hidden], -1)
        counts = torch.stack([_thin(spoken), _thin(sung)], -1)
        return _average(over_speech, spoken), _average(over_voiced, sung), counts

    def forward(self, rows: Tensor) -> Scores:
        """Scores of rows of functionals (…, F)."""
        x = self.standardised(rows)
        out = torch.stack([member(x) for member in self.members])
        return Scores(out[..., :-1], out[..., -1])

    def frames(self, batch: FrameBatch, voice: Voice | None = None, newest: int = 0) -> FrameEstimate:
        """The prediction at 50 Hz; one voice for all of B.

        ``newest``: of so many frames at the end alone, both they and all being a multiple of ``ROW``; 0: of all.
        """
        channels, count = self.channels(batch), batch.mel.shape[1]
        spans, boundary = self._changes(channels, newest) if self.frame_networks else (None, None)
        log, intensity, distance = (part[:, :count] for part in self._by_functionals(channels, voice, newest, spans))
        if boundary is None:
            change = torch.zeros_like(intensity)
        else:
            change = _interpolate(boundary[..., None], count, STRIDE)[:, -newest:, 0]
        weight, centre = self.config.calm
        offset = intensity_offset(log, self.config)
        log = log.clone()
        log[..., self.config.labels.index("neutral")] += weight * (centre - intensity)
        log = F.log_softmax(log / self.config.temperature, -1)
        return FrameEstimate(log, ordinal_intensity(intensity + offset, self.config.intensity_steps), change, distance)

    @torch.no_grad()
    def estimate(self, batch: FrameBatch, voice: Voice | None = None, since: int = 0) -> FrameEstimate:
        """See ``EmotionModel``: ``frames`` of arrays."""
        known = None if voice is None else Voice(*(self._tensor(part) for part in voice[:3]))
        made = self.frames(self.tensors(batch), known)
        return FrameEstimate(*(part[:, since:].float().cpu().numpy() for part in made))

    def prepare_stream(self) -> None:
        """See ``EmotionModel``: nothing is to be opened."""

    @torch.no_grad()
    def voice_of(self, batch: FrameBatch) -> Voice:
        """See ``EmotionModel``: ``voice`` of arrays."""
        return Voice(*(part[0].float().cpu().numpy() for part in self.voice(self.tensors(batch))[:3]))

    def tensors(self, batch: FrameBatch) -> FrameBatch:
        """A batch of arrays on the device of the weights."""
        hidden = batch.hidden if self.config.hidden_channels else None
        mel, prosody, speech, valid = map(self._tensor, batch[:4])
        return FrameBatch(mel, prosody, speech, valid, None if hidden is None else self._tensor(hidden))

    def _tensor(self, values: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.mean.device)

    def _by_functionals(
        self, channels: tuple[Tensor, Tensor, Tensor], voice: Voice | None, newest: int, spans: Spans | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean log-posterior (B, T, C), intensity score and distance (B, T), interpolated."""
        rows, weight = self.describe(channels, newest // ROW + 1 if newest else 0, spans)
        scores = self(rows if voice is None else self.centre(rows, weight, voice))
        rest = torch.stack([scores.intensity.mean(0), self.unfamiliarity(rows)], -1)
        values = torch.cat([F.log_softmax(scores.logits, -1).mean(0), rest], -1)
        fine = _interpolate(values, ROW * values.shape[1], ROW)[:, -newest:]
        return fine[..., :-2], fine[..., -2], fine[..., -1]

    def _changes(self, channels: tuple[Tensor, Tensor, Tensor], newest: int) -> tuple[Spans, Tensor]:
        """Between which changes the frames at 25 Hz lie, and the probability (B, T) of one; see ``frames``."""
        reach, counts, found = max(self._reaches()[:-1], default=1), channels[-1], []
        for network in self.frame_networks:
            if newest:  # the frames that their rows' windows reach, and the peaks around these
                count = newest // STRIDE + WINDOW_STRIDE + reach + APART + 1
                context = cast(FrameNetwork, network).config.context
                seen = -(-(count + context) // WINDOW_STRIDE) * WINDOW_STRIDE
                found.append(torch.sigmoid(network(relative_channels(*channels, seen)))[:, -count:])
            else:
                found.append(torch.sigmoid(network(relative_channels(*channels))))
        boundary = torch.stack(found).mean(0)
        return stretches(boundary, counts[..., 0] / STRIDE, reach), boundary


def _of_second_encoder(config: DiarizerConfig) -> Tensor:
    """Mask (F,) of functionals that do not come from the first of two encoders."""
    first = config.hidden_channels - config.second_channels
    return torch.tensor([s > 1 or not SPOKEN <= c < SPOKEN + first for _, s, c in functional_layout(config)])


def with_beside(network: DiarizerNetwork, folder: Path) -> DiarizerNetwork:
    """See ``beside_builtin``, of a network in torch that is ready for inference."""
    if network.config.beside is None:
        return network
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    config, weights = beside_builtin(network.config, arrays, folder)
    joined = DiarizerNetwork(config)
    joined.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return joined.eval().requires_grad_(False)


def intensity_offset(log: Tensor, config: DiarizerConfig) -> Tensor:
    """What is added to the intensity score (…,) for the category that ``log`` (…, C) finds likeliest, sharpened."""
    each = [config.intensity_offsets.get(label, 0.0) for label in config.labels]
    return torch.softmax(SHARPNESS * log, -1) @ torch.tensor(each).to(log)


def ordinal_intensity(score: Tensor, steps: tuple[float, float]) -> Tensor:
    """Intensity in [0, 1] of an open-ended score: mean probability of exceeding each step.

    The proportional-odds model (McCullagh 1980): near 0 is neutral, 0.5 normal, near 1 strong.
    """
    return 0.5 * (torch.sigmoid(score - steps[0]) + torch.sigmoid(score - steps[1]))


def _pad(batch: FrameBatch, count: int) -> FrameBatch:
    """Longer by ``count`` frames that are not valid."""
    if not count:
        return batch
    return FrameBatch(
        _hold(batch.mel, count),
        _hold(batch.prosody, count),
        F.pad(batch.speech, (0, count)),
        F.pad(batch.valid, (0, count)),
        _hold(batch.hidden, count) if batch.hidden is not None else None,
    )


def _hold(values: Tensor, count: int) -> Tensor:
    """(B, T, C) with the last frame repeated: a change to zeros would look like a sound."""
    return torch.cat([values, values[:, -1:].expand(-1, count, -1)], 1)


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


# --- Heads on frozen vectors: fine-grained emotions and vocal bursts, which ``fine`` and ``burst_detector`` run.


class FineNetwork(ArrayModule):
    """Logits (…, K) of the kinds for rows (…, F) of ``pooled_windows``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: FineConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        self.layers = perceptron(config.inputs, config.width, len(config.kinds), config.dropout)

    def standardised(self, rows: Tensor) -> Tensor:
        """Rows in deviations of those of training, at most five."""
        return ((rows - self.mean) * self.scale).clamp(-5.0, 5.0)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.standardised(rows))
        return logits

    def curves(self, rows: Tensor) -> Tensor:
        """Values (…, K) in [0, 1]; rows sum to one."""
        return torch.softmax(self(rows), -1)

    def made(self, *rows: Tensor) -> tuple[Tensor, ...]:
        return (self.curves(*rows),)


class BurstDetector(ConvolutionHead):
    """Rows (B, T, D + 4) at 25 Hz to logits (B, T, 1 + K): no burst, and each kind."""

    def __init__(self, config: BurstDetectorConfig | None = None):
        config = config or BurstDetectorConfig()
        super().__init__(config, config.hidden + len(PROSODY_CHANNELS), 1 + len(config.kinds))
