"""Waveform augmentation: voice, room, device and background, all drawn from one generator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.errors import InputError
from sedtalker.storage import whole_file

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


# --- Other voices and other rooms: augmentation of recordings at 16 kHz.


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


def resample_speed(samples: Samples, factor: float) -> Samples:
    """Play ``factor`` times faster: pitch, formants and tempo all change by it."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ").astype(np.float32)


def _random_reverberation(samples: Samples, rng: np.random.Generator, surroundings: Surroundings) -> Samples:
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


def _random_noise(samples: Samples, rng: np.random.Generator, surroundings: Surroundings) -> Samples:
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
        samples = _random_reverberation(samples, rng, surroundings)
    if rng.random() < 0.7:
        samples = _equalise(samples, rng)
    if rng.random() < 0.6:
        samples = _random_noise(samples, rng, surroundings)
    return samples


# --- Other voices for a recording: pitch and formants changed apart, the timing kept (WORLD, Morise et al. 2016).

FORMANTS = (0.86, 1.28)
"""Factors of the formants: from a large man to a child."""
PITCH = (85.0, 260.0)
"""Median fundamental frequency, Hz."""
LOWEST_F0, HIGHEST_F0 = 60.0, 500.0
FRAME_MS = 5.0


def _world() -> ModuleType:
    try:
        import pyworld
    except ImportError:
        raise InputError("changing voices needs pyworld: pip install 'sedtalker[voices]'") from None
    module: ModuleType = pyworld
    return module


def change_voice(samples: NDArray[np.float32], formants: float, pitch: float) -> NDArray[np.float32]:
    """The same words in the same time (N,) with formants ``formants`` times as high and a median pitch of ``pitch`` Hz.

    Raises:
        InputError: pyworld is not installed.
    """
    world = _world()
    sound = samples.astype(np.float64)
    f0, times = world.dio(sound, SAMPLE_RATE, f0_floor=LOWEST_F0, f0_ceil=HIGHEST_F0, frame_period=FRAME_MS)
    f0 = world.stonemask(sound, f0, times, SAMPLE_RATE)
    envelope = world.cheaptrick(sound, f0, times, SAMPLE_RATE)
    aperiodicity = world.d4c(sound, f0, times, SAMPLE_RATE)
    bins = np.arange(envelope.shape[1], dtype=np.float64)
    low = (bins / formants).clip(0, len(bins) - 1)
    whole, part = low.astype(np.int64), low % 1.0
    above = np.minimum(whole + 1, len(bins) - 1)
    envelope, aperiodicity = (
        np.ascontiguousarray(v[:, whole] * (1 - part) + v[:, above] * part) for v in (envelope, aperiodicity)
    )
    voiced = f0[f0 > 0]
    ratio = pitch / float(np.median(voiced)) if len(voiced) else 1.0
    made = world.synthesize(f0 * ratio, envelope, aperiodicity, SAMPLE_RATE, FRAME_MS)
    made = np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)]
    return np.asarray(made.clip(-1.0, 1.0), np.float32)


def _revoice(item: tuple[int, str, Path], folder: Path, count: int, seed: int) -> None:
    index, key, path = item
    samples = load_audio(path).samples
    for n in range(count):
        target = folder / f"{key}.{n}.opus"
        if target.is_file():
            continue
        rng = np.random.default_rng((seed, index, n))
        formants, pitch = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (FORMANTS, PITCH))
        with whole_file(target) as temporary:
            soundfile.write(temporary, change_voice(samples, formants, pitch), SAMPLE_RATE, "OPUS", format="OGG")


def revoice(
    name: str, recordings: Sequence[tuple[str, Path]], count: int, cache: Path, seed: int = 0, workers: int = 1
) -> list[tuple[str, Path]]:
    """``count`` other voices of every (key, file) recording, made once in ``cache/voices_<name>_<seed>``.

    About 20 times real time a process.
    """
    folder = cache / f"voices_{name}_{seed}"
    done = folder / f"done_{count}_{len(recordings)}.json"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        items = [(i, key, path) for i, (key, path) in enumerate(recordings)]
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(partial(_revoice, folder=folder, count=count, seed=seed), items, chunksize=8))
        done.write_text(json.dumps({"formants": FORMANTS, "pitch": PITCH}))
    return [(key, folder / f"{key}.{n}.opus") for key, _ in recordings for n in range(count)]
