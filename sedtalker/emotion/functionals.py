"""Prosody channels and window functionals: the voice over a second, three seconds and twenty.

Means and deviations over windows describe how somebody speaks now, those of the longest window how they speak in
general; the difference is what normalises the speaker without any other recording of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.emotion.diarizer_model import BANDS, CEPSTRA, VOICED, WIDE_BANDS, WINDOW_STRIDE, Voice
from sedtalker.speech.features import MEL_SCALE

VOICED_ABOVE = 0.55
"""Voicing above which a frame counts as voiced."""
VARIANCE_FLOOR = 1e-4
"""Added to every variance, so that deviations of little evidence stay finite."""


class Spans(NamedTuple):
    """The stretch of a recording that each of its last frames lies in, which windows do not leave.

    Attributes:
        first: (B, T) integers, its first frame.
        last: (B, T), the frame after its last one.
    """

    first: Tensor
    last: Tensor


def window_statistics(
    values: Tensor, weight: Tensor, half: int, every: int = 1, newest: int = 0, spans: Spans | None = None
) -> tuple[Tensor, Tensor]:
    """Running weighted mean and standard deviation.

    Args:
        values: (B, T, C).
        weight: (B, T), zero where a frame does not count.
        half: frames on either side of each frame.
        every: evaluate in the middle of every so many frames.
        newest: only so many at the end; 0: all.
        spans: where windows end at the latest; of the last frames at least, ``newest`` times ``every`` of them.

    Returns:
        Two (B, ceil(T / every), C) tensors; zeros where no frame of the window counts.
    """
    if newest and spans is not None:  # short windows see but the end
        seen = every * (newest + 1 - (-half // every))
        before = values.shape[1] - values[:, -seen:].shape[1]
        values, weight = values[:, -seen:], weight[:, -seen:]
        spans = Spans(spans.first - before, spans.last - before)
    both = window_mean(torch.cat([values, values.square()], -1), weight, half, every, newest, spans)
    mean, square = both.chunk(2, -1)
    return mean, (square - mean.square()).clamp_min(0.0).add(VARIANCE_FLOOR).sqrt()


def window_mean(
    values: Tensor, weight: Tensor, half: int, every: int = 1, newest: int = 0, spans: Spans | None = None
) -> Tensor:
    """Running weighted mean, see ``window_statistics``; (B, ceil(T / every), C)."""
    if newest:
        shares = _inside(values.shape[1], values.device, half, every, newest, spans) * weight[:, None]
        return shares @ values / shares.sum(-1, keepdim=True).clamp_min(1e-6)
    stacked = torch.cat([torch.ones_like(values[..., :1]), values], -1) * weight[..., None]
    window = window_sum(stacked, half, every, newest, spans)
    return window[..., 1:] / window[..., :1].clamp_min(1e-6)


def window_sum(values: Tensor, half: int, every: int = 1, newest: int = 0, spans: Spans | None = None) -> Tensor:
    """Running sum of values (B, T, C), see ``window_statistics``; (B, ceil(T / every), C)."""
    frames = values.shape[1]
    if newest:
        return _inside(frames, values.device, half, every, newest, spans) @ values
    total = F.pad(values.cumsum(1, dtype=torch.float64), (0, 0, 1, 0))
    first, last = _ends(frames, values.device, half, every, newest, spans)
    if spans is None:
        return (total[:, last[0]] - total[:, first[0]]).to(values.dtype)
    batch = torch.arange(values.shape[0], device=values.device)[:, None] * (frames + 1)
    rows = total.flatten(0, 1)
    return (rows[last + batch] - rows[first + batch]).to(values.dtype)


def _inside(frames: int, device: torch.device, half: int, every: int, newest: int, spans: Spans | None) -> Tensor:
    """Whether each frame is in the window of each row (B or 1, R, T), 1 or 0: few rows are sums by a product."""
    first, last = _ends(frames, device, half, every, newest, spans)
    place = torch.arange(frames, device=device)
    return ((place >= first[..., None]) & (place < last[..., None])).float()


def _ends(
    frames: int, device: torch.device, half: int, every: int, newest: int, spans: Spans | None
) -> tuple[Tensor, Tensor]:
    """First frame of each window and the one after its last one, (B, R); (1, R) without spans."""
    index = torch.arange(0, frames, every, device=device)[-newest:] + every // 2
    first, last = (index - half).clamp(0, frames)[None], (index + half + 1).clamp_max(frames)[None]
    if spans is None:
        return first, last
    middle = (index - frames).clamp_max(-1) + spans.first.shape[1]
    return torch.maximum(first, spans.first[:, middle]), torch.minimum(last, spans.last[:, middle])


def prosody_channels(prosody: Tensor, speech: Tensor, valid: Tensor, half: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prosody relative to the speaker's own over the long window.

    Args:
        prosody: (B, T, 4), see ``PROSODY_CHANNELS``.
        speech: (B, T) bool.
        valid: (B, T) bool, false in padding.
        half: frames on either side of the long window.

    Returns:
        ``SPEECH_CHANNELS`` (B, T, 7), ``PITCH_CHANNELS`` (B, T, 4) and where there is pitch (B, T) bool.
    """
    energy, f0, voicing, tilt = prosody.unbind(-1)
    spoken = (speech & valid).to(prosody.dtype)
    voiced = speech & valid & (voicing > VOICED_ABOVE)
    mean, deviation = window_statistics(torch.stack([energy, tilt], -1), spoken, half)
    pitch_mean, pitch_deviation = window_statistics(f0[..., None], voiced.to(prosody.dtype), half)
    relative = ((energy - mean[..., 0]) / (deviation[..., 0] + 0.5)).clamp(-4.0, 3.0)
    rise = _change(relative)
    channels = [relative, rise.abs(), voicing, voiced.to(prosody.dtype), 0.3 * tilt, 0.4 * (tilt - mean[..., 1]), rise]
    pitch = [
        2.0 * f0,
        (f0 - pitch_mean[..., 0]) / (pitch_deviation[..., 0] + 0.1),
        8.0 * _change(f0).abs(),
        4.0 * _change(f0, 4),
    ]
    keep = voiced[..., None]
    pitches = torch.where(keep, torch.stack(pitch, -1).clamp(-4.0, 4.0), 0.0)
    return torch.where(valid[..., None], torch.stack(channels, -1), 0.0), pitches, voiced


def voice_channels(mel: Tensor, channels: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
    """Channels whose functionals describe the voice: spectrum, how fast it rises and falls, and prosody.

    Args:
        mel: (B, T, 80) centred log-mels.
        channels: (B, T, 7) ``SPEECH_CHANNELS``.
        pitch: (B, T, 4) ``PITCH_CHANNELS``.

    Returns:
        (B, T, SPOKEN) for statistics over speech and (B, T, VOICED) for statistics over voiced speech.
    """
    bands = MEL_SCALE * mel.unflatten(-1, (BANDS, -1)).mean(-1)
    wide = bands.unflatten(-1, (WIDE_BANDS, -1)).mean(-1)
    step, slope, slide = _change(wide), _change(wide, 4), _change(wide, 8)
    spoken = [bands, step.clamp_min(0.0), (-step).clamp_min(0.0), slope.abs(), slide.abs(), channels]
    cepstra = bands @ _cosines(bands.device).to(bands.dtype)
    return torch.cat(spoken, -1), torch.cat([pitch, wide, slope.abs(), cepstra], -1)


def functionals(
    channels: Tensor,
    pitch: Tensor,
    spoken: Tensor,
    voiced: Tensor,
    halves: list[int],
    newest: int = 0,
    spans: Spans | None = None,
) -> Tensor:
    """Means and deviations of all channels over each window, (B, ceil(T / WINDOW_STRIDE), 2 · windows · (C + P)).

    Args:
        channels: (B, T, C) taken over speech.
        pitch: (B, T, P) taken over voiced speech.
        spoken: (B, T) float weight of speech.
        voiced: (B, T) float weight of voiced speech.
        halves: half-widths of the windows, frames.
        newest: only so many at the end; 0: all.
        spans: where all windows but the last end at the latest, see ``window_statistics``.
    """
    parts: list[Tensor] = []
    for window, half in enumerate(halves):
        within = spans if window < len(halves) - 1 else None
        parts.extend(window_statistics(channels, spoken, half, WINDOW_STRIDE, newest, within))
        parts.extend(window_statistics(pitch, voiced, half, WINDOW_STRIDE, newest, within))
    return torch.cat(parts, -1)


def _change(track: Tensor, lag: int = 2) -> Tensor:
    """Difference over ``lag`` frames around each frame, (B, T, …) → (B, T, …), the ends held."""
    index = torch.arange(track.shape[1], device=track.device)
    later = track.index_select(1, (index + lag // 2).clamp_max(track.shape[1] - 1))
    return later - track.index_select(1, (index - lag // 2).clamp_min(0))


@lru_cache(maxsize=2)
def _cosines(device: torch.device) -> Tensor:
    """Orthonormal DCT-II (40, 14) without the constant."""
    band, order = torch.arange(BANDS) + 0.5, torch.arange(1, CEPSTRA + 1)
    return (torch.cos(torch.pi / BANDS * band[:, None] * order) * (2 / BANDS) ** 0.5).to(device)


# --- Other recordings of the speaker: how they sound in general, so that what is different now stands out.


def moments(window: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean square (…, C + P) of functionals of one window (…, 2 · (C + P)), see ``functionals``."""
    spoken = window.shape[-1] // 2 - VOICED
    mean, deviation, sung_mean, sung_deviation = window.split([spoken, spoken, VOICED, VOICED], -1)
    mean = torch.cat([mean, sung_mean], -1)
    variance = torch.cat([deviation, sung_deviation], -1).square() - VARIANCE_FLOOR
    return mean, variance.clamp_min(0.0) + mean.square()


def centre_on_voice(last: Tensor, weight: Tensor, voice: Voice) -> Tensor:
    """The longest window's functionals pooled with a voice.

    Args:
        last: (…, 2 · (C + P)) functionals of the longest window.
        weight: (…, 2) frames they were taken over.
        voice: of the same speaker.

    Returns:
        Same shape as ``last``; unchanged where the voice has no frames.
    """
    channels = last.shape[-1] // 2
    own, other = (_per_channel(each, channels) for each in (weight, voice.weight.expand_as(weight)))
    total = (own + other).clamp_min(1e-6)
    mean, square = (
        (own * here + other * there) / total
        for here, there in zip(moments(last), (voice.mean, voice.square), strict=True)
    )
    deviation = (square - mean.square()).clamp_min(0.0).add(VARIANCE_FLOOR).sqrt()
    spoken = mean.shape[-1] - VOICED
    pooled = torch.cat([mean[..., :spoken], deviation[..., :spoken], mean[..., spoken:], deviation[..., spoken:]], -1)
    known = other > 0
    known = torch.cat([known[..., :spoken]] * 2 + [known[..., spoken:]] * 2, -1)
    return torch.where(known, pooled, last)


def _per_channel(weight: Tensor, channels: int) -> Tensor:
    """(…, 2) weights repeated for the channels they belong to, (…, C + P)."""
    spoken, sung = weight[..., :1], weight[..., 1:]
    return torch.cat([spoken.expand(*spoken.shape[:-1], channels - VOICED), sung.expand(*sung.shape[:-1], VOICED)], -1)
