"""Other voices and other rooms: augmentation of recordings at 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from sedtalker.audio import SAMPLE_RATE, load_audio

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Noises and measured room impulse responses, each (N,) at 16 kHz."""

    noises: tuple[Samples, ...]
    responses: tuple[Samples, ...]


def read_surroundings(data_dir: Path, split_test_noises: bool = True) -> Surroundings:
    """ESC-10 and the small noise and impulse-response set. Every fifth noise is left out (for tests) if asked."""
    noises = sorted((data_dir / "audio/esc10").glob("*.opus")) + sorted((data_dir / "audio/noise_rir").glob("noise*"))
    responses = [p for p in sorted((data_dir / "audio/noise_rir").glob("*.flac"))]
    kept = [p for i, p in enumerate(noises) if not split_test_noises or i % 5]
    return Surroundings(tuple(load_audio(p).samples for p in kept), tuple(load_audio(p).samples for p in responses))


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play ``factor`` times faster: pitch, formants and tempo all change by it."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ").astype(np.float32)


def _reverberate(samples: Samples, rng: np.random.Generator, surroundings: Surroundings) -> Samples:
    """A measured response, or decaying noise with a reverberation time of 0.1 to 0.6 s; the direct sound stays put."""
    if surroundings.responses and rng.random() < 0.5:
        response = surroundings.responses[rng.integers(len(surroundings.responses))]
        response = response[np.argmax(np.abs(response)) :][: SAMPLE_RATE // 2]
        response = response / (np.abs(response[0]) + 1e-9)
    else:
        seconds = rng.uniform(0.1, 0.6)
        t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        decay = np.exp(-6.9 * t / seconds) * rng.uniform(0.01, 0.06)
        response = (rng.standard_normal(len(t)) * decay).astype(np.float32)
        response[0] = 1.0
    return fftconvolve(samples, response)[: len(samples)].astype(np.float32)


def _equalise(samples: Samples, rng: np.random.Generator) -> Samples:
    """A smooth random gain of up to ±12 dB over frequency, sometimes with a telephone's band limits."""
    spectrum = np.fft.rfft(samples)
    octave = np.log2(np.linspace(0, SAMPLE_RATE / 2, len(spectrum)) / 50 + 1e-3)
    decibels = np.interp(octave, np.linspace(0, 7.5, 6), rng.normal(0, 4.0, 6).clip(-12, 12))
    if rng.random() < 0.2:
        low, high = rng.uniform(80, 350), rng.uniform(3200, 7000)
        frequency = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
        decibels = decibels - 30 * (frequency < low) - 30 * (frequency > high)
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples)).astype(np.float32)


def _add_noise(samples: Samples, rng: np.random.Generator, surroundings: Surroundings) -> Samples:
    """An environmental noise or coloured noise at 3 to 30 dB below the speech."""
    if surroundings.noises and rng.random() < 0.7:
        noise = surroundings.noises[rng.integers(len(surroundings.noises))]
        noise = np.roll(np.resize(noise, len(samples)), int(rng.integers(len(samples))))
    else:
        noise = _equalise(rng.standard_normal(len(samples)).astype(np.float32), rng)
    decibels = rng.uniform(3.0, 30.0)
    power = np.mean(samples**2) / (np.mean(noise**2) + 1e-12)
    return (samples + noise * np.sqrt(power) * 10 ** (-decibels / 20)).astype(np.float32)


def place(samples: Samples, rng: np.random.Generator, surroundings: Surroundings) -> Samples:
    """The same speech in another room, through another microphone, with other noise; each with its own chance."""
    if rng.random() < 0.4:
        samples = _reverberate(samples, rng, surroundings)
    if rng.random() < 0.7:
        samples = _equalise(samples, rng)
    if rng.random() < 0.6:
        samples = _add_noise(samples, rng, surroundings)
    return samples
