"""Log-mels and prosody on one grid: analysis frames every 10 ms, centred at ``(i + 1/2) · 10 ms``."""

from __future__ import annotations

from functools import lru_cache

import librosa
import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.audio import SAMPLE_RATE, FrameClock

HOP_LENGTH = 160
WINDOW_LENGTH = 400
FFT_LENGTH = 512
MEL_BANDS = 80
LOG_FLOOR = 1e-6
MEL_CLOCK = FrameClock(rate=SAMPLE_RATE / HOP_LENGTH, offset=0.5 * HOP_LENGTH / SAMPLE_RATE)
FRAME_CLOCK = FrameClock(rate=MEL_CLOCK.rate / 2, offset=HOP_LENGTH / SAMPLE_RATE)
"""Clock of the built-in encoder: 50 frames a second, frame i centred at ``(i + 1/2) · 20 ms``."""

MINUTE = 6000
"""Frames worked on at a time where an hour of them would not fit in memory."""

F0_LOWEST, F0_HIGHEST = 60.0, 500.0
PITCH_WINDOW = 800
PROSODY_CHANNELS = ("log_energy", "log_f0", "voicing", "spectral_tilt")


@lru_cache(maxsize=1)
def _mel_filters() -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT_LENGTH, n_mels=MEL_BANDS, fmax=8000.0))


def _frames(samples: Tensor, length: int) -> Tensor:
    """(B, N) samples cut to (B, T, length) frames centred at ``(i + 1/2) · hop``; T is even: pairs fill 50 Hz."""
    count = samples.shape[1]
    pairs = -(-count // (2 * HOP_LENGTH))
    left = length // 2 - HOP_LENGTH // 2
    right = 2 * pairs * HOP_LENGTH + length - HOP_LENGTH - left - count
    padded = F.pad(samples, (left, right))
    return padded.unfold(1, length, HOP_LENGTH)[:, : 2 * pairs]


def level_gain(samples: Tensor) -> Tensor:
    """Gain (B, 1) that brings the loud frames (95th percentile of 25 ms RMS) of each clip to 0.1 (-20 dBFS).

    Limited to 60 dB either way; 1 for silence.
    """
    frames = _frames(samples, WINDOW_LENGTH)
    rms = torch.cat([part.square().mean(-1).sqrt() for part in frames.split(MINUTE, 1)], 1)
    loud = torch.quantile(rms, 0.95, dim=1, keepdim=True)
    return torch.where(loud > 1e-5, (0.1 / loud.clamp_min(1e-5)).clamp(1e-3, 1e3), torch.ones_like(loud))


def log_mel(samples: Tensor) -> Tensor:
    """Natural-log mel power (B, T, 80) of samples (B, N) at 16 kHz, T = 2 · ceil(N / 320), 100 frames a second.

    25 ms Hann window, Slaney mel scale to 8 kHz, power floored at 1e-6. Give it samples scaled by
    ``level_gain``, or quiet recordings fall under the floor.
    """
    window = torch.hann_window(WINDOW_LENGTH, device=samples.device)
    spectrum = torch.fft.rfft(_frames(samples, WINDOW_LENGTH) * window, FFT_LENGTH).abs().square()
    return torch.log(spectrum @ _mel_filters().to(samples).T + LOG_FLOOR)


def prosody(samples: Tensor) -> Tensor:
    """Prosody tracks (B, T, 4) on the grid of ``log_mel``: see ``PROSODY_CHANNELS``.

    ``log_energy`` natural log of the frame's mean power (floored at 1e-7); ``log_f0`` natural log of the fundamental
    in Hz relative to 150 Hz, zero where unvoiced; ``voicing`` peak of the window-corrected normalised autocorrelation
    in [0, 1] (Boersma 1993, without path search); ``spectral_tilt`` log energy above 1 kHz minus below.
    """
    frames = _frames(samples, PITCH_WINDOW)
    frames = frames - frames.mean(-1, keepdim=True)
    window = torch.hann_window(PITCH_WINDOW, device=samples.device)
    spectrum = torch.fft.rfft(frames * window, 2048).abs().square()
    correlation = torch.fft.irfft(spectrum)
    window_correlation = torch.fft.irfft(torch.fft.rfft(window, 2048).abs().square())
    shortest, longest = int(SAMPLE_RATE / F0_HIGHEST), int(SAMPLE_RATE / F0_LOWEST)
    lags = slice(shortest, longest + 1)
    energy = frames.square().mean(-1)
    normalised = correlation[..., lags] / (correlation[..., :1] + 1e-3)
    normalised = normalised / (window_correlation[lags] / window_correlation[0])
    bias = 0.02 * torch.log2(torch.arange(shortest, longest + 1, device=samples.device) / shortest)
    strength, index = (normalised - bias).max(-1)
    voicing = strength.clamp(0.0, 1.0)
    f0 = SAMPLE_RATE / (index + shortest)
    low = spectrum[..., 2 : 1000 * 2048 // SAMPLE_RATE].sum(-1)
    high = spectrum[..., 1000 * 2048 // SAMPLE_RATE :].sum(-1)
    log_f0 = torch.where(voicing > 0.45, torch.log(f0 / 150.0), torch.zeros_like(voicing))
    tilt = torch.log(high + 1e-3) - torch.log(low + 1e-3)
    return torch.stack([torch.log(energy + 1e-7), log_f0, voicing, tilt], dim=-1)


def speech_mask(mel: Tensor) -> Tensor:
    """Frames (B, T) loud enough to be speech: an adaptive threshold on the smoothed level of each clip.

    The threshold is 30 dB below the loud frames (95th percentile), or 7 dB above the quiet ones (10th percentile)
    where the background is louder than that, but never less than 10 dB below the loud frames.
    """
    level = torch.cat([torch.logsumexp(part, dim=-1) for part in mel.split(MINUTE, 1)], 1)
    level = F.avg_pool1d(F.pad(level[:, None], (5, 5), mode="replicate"), 11, 1)[:, 0]
    quiet, loud = torch.quantile(level, torch.tensor([0.10, 0.95], device=mel.device), dim=1, keepdim=True)
    threshold = torch.maximum(loud - 6.9, quiet + 1.6).minimum(loud - 2.3)
    return level > threshold


def centre_bands(mel: Tensor, mask: Tensor) -> Tensor:
    """Log-mels minus each band's mean over the masked frames (all frames where the mask is empty), clamped to ±8.

    Takes the microphone and the level out; the variance stays. (B, T, 80) and (B, T) → (B, T, 80).
    """
    weight = torch.where(mask.any(1, keepdim=True), mask, torch.ones_like(mask)).to(mel.dtype)[..., None]
    mean = (mel * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
    return (mel - mean).clamp_(-8.0, 8.0)
