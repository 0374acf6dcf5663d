"""Waveform augmentation: voice, room, device and background, all drawn from one generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from sedtalker.audio import SAMPLE_RATE

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Acoustics:
    """Material and ranges of the augmentation.

    Attributes:
        noises: background recordings at 16 kHz.
        rooms: room impulse responses at 16 kHz.
        speed: lowest and highest factor of tempo and voice together (a shift of all frequencies).
        snr: lowest and highest signal-to-noise ratio, dB.
        likelihood: chance of each of room, tilt, band limit and noise.
    """

    noises: Sequence[Samples] = ()
    rooms: Sequence[Samples] = ()
    speed: tuple[float, float] = (0.87, 1.15)
    snr: tuple[float, float] = (8.0, 35.0)
    likelihood: float = 0.4


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play ``factor`` times as fast: shorter, higher and with a smaller vocal tract."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="MQ").astype(np.float32)


def degrade(samples: Samples, acoustics: Acoustics, rng: np.random.Generator) -> Samples:
    """The recording as another room, device and background would have given it; same length and similar level."""
    chances = rng.random(4) < acoustics.likelihood
    out: NDArray[np.floating] = samples
    if chances[0] and acoustics.rooms:
        out = _reverberate(out, acoustics.rooms[int(rng.integers(len(acoustics.rooms)))], float(rng.uniform(0.3, 1.0)))
    if chances[1] or chances[2]:
        tilt = float(rng.uniform(-6.0, 6.0)) if chances[1] else 0.0
        cutoff = float(rng.uniform(3400.0, 7500.0)) if chances[2] else 8000.0
        out = _colour(out, tilt, cutoff)
    if chances[3]:
        out = _add_noise(out, acoustics, rng)
    return out.astype(np.float32)


def _reverberate(samples: Samples, room: Samples, wet: float) -> NDArray[np.floating]:
    """Convolve with an impulse response whose direct sound is kept in place."""
    onset = int(np.argmax(np.abs(room)))
    tail = room[onset : onset + SAMPLE_RATE] / (np.abs(room).max() + 1e-9)
    tail = np.concatenate([[1.0], wet * tail[1:]])
    return fftconvolve(samples, tail)[: len(samples)] / np.sqrt(np.sum(tail**2))


def _colour(samples: NDArray[np.floating], tilt: float, cutoff: float) -> NDArray[np.floating]:
    """Tilt the spectrum by ``tilt`` dB an octave-decade around 1 kHz and cut softly above ``cutoff`` Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain = 10 ** (tilt * np.log10(np.maximum(hertz, 50.0) / 1000.0) / 20)
    gain = gain / (1.0 + (hertz / cutoff) ** 16)
    return np.fft.irfft(spectrum * gain, len(samples))


def _add_noise(samples: NDArray[np.floating], acoustics: Acoustics, rng: np.random.Generator) -> NDArray[np.floating]:
    """Add a recorded background, or coloured noise, at a random ratio to the loud part of the speech."""
    noise: NDArray[np.floating]
    if acoustics.noises and rng.random() < 0.6:
        noise = np.asarray(acoustics.noises[int(rng.integers(len(acoustics.noises)))])
        noise = np.roll(np.resize(noise, len(samples)), int(rng.integers(len(samples))))
    else:
        spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
        slope = rng.uniform(0.0, 1.2)
        noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** slope, len(samples))
    loud = np.sqrt(np.mean(samples**2)) + 1e-6
    gain = loud / (np.sqrt(np.mean(noise**2)) + 1e-9) * 10 ** (-rng.uniform(*acoustics.snr) / 20)
    return samples + gain * noise
