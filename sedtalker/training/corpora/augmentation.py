"""Augmentation of speech: another speed, voice, room, device, background and spectrum, all drawn from one generator.

An ``Augmenter`` degrades waveforms, with recorded noises and room impulse responses. There are two recipes here,
because the shipped weights were trained on two; each draws its numbers in its own order, which must stay as it is:
``DiarizerAugmenter`` for the frame network and ``SpeechAugmenter`` for the speech encoder and the mouth. Other voices
come from WORLD; log-mels are warped and masked at the end of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import fftconvolve

from sedtalker.arrays import Floats, Reals
from sedtalker.audio import SAMPLE_RATE, load_audio, resample_frames
from sedtalker.errors import extra
from sedtalker.speech.features import MEL_BANDS
from sedtalker.storage import whole_file

Samples = Floats


@dataclass(frozen=True, eq=False)
class Augmenter:
    """Another speed, room, device and background for recordings; safe to send to other processes.

    A recipe is a class of this kind: its further fields say what is changed, how far and how often.
    """

    noises: Sequence[Samples] = ()
    """Background recordings, each (N,) at 16 kHz."""
    responses: Sequence[Samples] = ()
    """Room impulse responses, each (N,) at 16 kHz."""
    speed: tuple[float, float] = (0.8, 1.25)
    """Lowest and highest factor of the speed."""

    def draw_speed(self, rng: np.random.Generator) -> float:
        """A factor of the speed, even over the logarithm of ``speed``."""
        return float(np.exp(rng.uniform(*np.log(self.speed))))

    def degrade(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """The recording as another room, device and background would have given it; same length, similar level."""
        raise NotImplementedError


def change_speed(samples: Samples, factor: float, quality: str = "MQ") -> Samples:
    """Play ``factor`` times as fast: tempo, pitch and formants all change by it. ``quality``: of soxr's resampler."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality=quality).astype(np.float32)


def read_material(data: Path) -> tuple[list[Samples], list[Samples]]:
    """Noises of ESC-10 and the small set of noises and impulse responses of the training data."""
    responses = sorted((data / "audio/noise_rir").glob("*.flac"))
    noises, rooms = ([load_audio(path).samples for path in paths] for paths in (noise_files(data), responses))
    return noises, rooms


def noise_files(data: Path, hold_out: bool = True) -> list[Path]:
    """Recordings of noise that ``read_material`` uses; every fifth is held out (for tests) unless asked otherwise."""
    noises = sorted((data / "audio/esc10").glob("*.opus")) + sorted((data / "audio/noise_rir").glob("noise*"))
    return [p for i, p in enumerate(noises) if not hold_out or i % 5]


def from_direct_sound(response: Samples) -> Samples:
    """A measured response from its direct sound on, which becomes 1, half a second at most."""
    tail = response[int(np.argmax(np.abs(response))) :][: SAMPLE_RATE // 2]
    return tail / (np.abs(tail[0]) + 1e-9)


def mixed(samples: Samples, noise: Samples, decibels: float) -> Samples:
    """A recording (N,) with a background (N,) whose mean power lies ``decibels`` below its own."""
    power = np.mean(samples**2) / (np.mean(noise**2) + 1e-12)
    return (samples + noise * np.sqrt(power) * 10 ** (-decibels / 20)).astype(np.float32)


def random_background(noises: Sequence[Samples], length: int, rng: np.random.Generator) -> Samples:
    """A recorded noise, repeated to ``length`` samples from a random place on."""
    noise = noises[int(rng.integers(len(noises)))]
    return np.roll(np.resize(noise, length), int(rng.integers(length)))


# --- The recipe of the frame network: one chance for each of room, tilt, band limit and noise.


@dataclass(frozen=True, eq=False)
class DiarizerAugmenter(Augmenter):
    """All chances are drawn first; sound stays in double precision until the end."""

    speed: tuple[float, float] = (0.87, 1.15)
    likelihood: float = 0.4
    """Chance of each of room, tilt, band limit and noise."""
    wet: tuple[float, float] = (0.3, 1.0)
    """Range of the gain of a room's reverberation."""
    tilt: float = 6.0
    """Largest spectral tilt, dB a decade around 1 kHz."""
    cutoff: tuple[float, float] = (3400.0, 7500.0)
    """Range of the soft upper band limit, Hz."""
    snr: tuple[float, float] = (8.0, 35.0)
    """Range of the signal-to-noise ratio, dB."""
    recorded: float = 0.6
    """Share of recorded noises; the others are coloured noise."""

    def draw_speed(self, rng: np.random.Generator) -> float:
        """Even over ``speed``."""
        return float(rng.uniform(*self.speed))

    def degrade(self, samples: Samples, rng: np.random.Generator) -> Samples:
        room, tilted, limited, noisy = rng.random(4) < self.likelihood
        out: Reals = samples
        if room and self.responses:
            response = self.responses[int(rng.integers(len(self.responses)))]
            out = _reverberate(out, response, float(rng.uniform(*self.wet)))
        if tilted or limited:
            tilt = float(rng.uniform(-self.tilt, self.tilt)) if tilted else 0.0
            cutoff = float(rng.uniform(*self.cutoff)) if limited else SAMPLE_RATE / 2
            out = _colour(out, tilt, cutoff)
        if noisy:
            out = self._add_noise(out, rng)
        return out.astype(np.float32)

    def _add_noise(self, samples: Reals, rng: np.random.Generator) -> Reals:
        """Add a recorded background, or coloured noise, at a random ratio to the speech."""
        noise: Reals
        if self.noises and rng.random() < self.recorded:
            noise = random_background(self.noises, len(samples), rng)
        else:
            spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
            slope = rng.uniform(0.0, 1.2)
            noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** slope, len(samples))
        loud = np.sqrt(np.mean(samples**2)) + 1e-6
        gain = loud / (np.sqrt(np.mean(noise**2)) + 1e-9) * 10 ** (-rng.uniform(*self.snr) / 20)
        return samples + gain * noise


def _reverberate(samples: Reals, response: Samples, wet: float) -> Reals:
    """Convolve with an impulse response whose direct sound is kept in place."""
    onset = int(np.argmax(np.abs(response)))
    tail = response[onset : onset + SAMPLE_RATE] / (np.abs(response).max() + 1e-9)
    tail = np.concatenate([[1.0], wet * tail[1:]])
    return fftconvolve(samples, tail)[: len(samples)] / np.sqrt(np.sum(tail**2))


def _colour(samples: Reals, tilt: float, cutoff: float) -> Reals:
    """Tilt the spectrum by ``tilt`` dB a decade around 1 kHz and cut softly above ``cutoff`` Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain = 10 ** (tilt * np.log10(np.maximum(hertz, 50.0) / 1000.0) / 20)
    gain = gain / (1.0 + (hertz / cutoff) ** 16)
    return np.fft.irfft(spectrum * gain, len(samples))


# --- The recipe of the speech encoder and the mouth: a room, a random equaliser and a noise, one after the other.


@dataclass(frozen=True, eq=False)
class RoomAndNoise(Augmenter):
    """What two recipes draw of rooms and backgrounds."""

    room: float = 0.4
    """Chance of another room."""
    measured: float = 0.5
    """Share of measured impulse responses; the others are decaying noise."""
    reverberation: tuple[float, float] = (0.1, 0.6)
    """Range of the reverberation time of decaying noise, seconds."""
    noise: float = 0.6
    """Chance of a background."""
    recorded: float = 0.7
    """Share of recorded noises."""
    snr: tuple[float, float] = (3.0, 30.0)
    """Range of the signal-to-noise ratio, dB."""


@dataclass(frozen=True, eq=False)
class SpeechAugmenter(RoomAndNoise):
    """Each chance is drawn when its turn comes; every step gives single precision. Other noises are coloured."""

    equaliser: float = 0.7
    """Chance of another microphone."""
    telephone: float = 0.2
    """Share of microphones with a telephone's band limits."""

    def degrade(self, samples: Samples, rng: np.random.Generator) -> Samples:
        if rng.random() < self.room:
            samples = self._reverberate(samples, rng)
        if rng.random() < self.equaliser:
            samples = self._equalise(samples, rng)
        if rng.random() < self.noise:
            samples = self._add_noise(samples, rng)
        return samples

    def _reverberate(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A measured response or decaying noise; the direct sound stays in place."""
        if self.responses and rng.random() < self.measured:
            response = from_direct_sound(self.responses[int(rng.integers(len(self.responses)))])
        else:
            seconds = rng.uniform(*self.reverberation)
            t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
            decay = np.exp(-6.9 * t / seconds) * rng.uniform(0.01, 0.06)
            response = (rng.standard_normal(len(t)) * decay).astype(np.float32)
            response[0] = 1.0
        return fftconvolve(samples, response)[: len(samples)].astype(np.float32)

    def _equalise(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A smooth random gain of up to ±12 dB over frequency, sometimes with a telephone's band limits."""
        spectrum = np.fft.rfft(samples)
        octave = np.log2(np.linspace(0, SAMPLE_RATE / 2, len(spectrum)) / 50 + 1e-3)
        decibels = np.interp(octave, np.linspace(0, 7.5, 6), rng.normal(0, 4.0, 6).clip(-12, 12))
        if rng.random() < self.telephone:
            low, high = rng.uniform(80, 350), rng.uniform(3200, 7000)
            frequency = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
            decibels = decibels - 30 * (frequency < low) - 30 * (frequency > high)
        return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples)).astype(np.float32)

    def _add_noise(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A recorded background, or coloured noise, at a random ratio to the speech."""
        if self.noises and rng.random() < self.recorded:
            noise = random_background(self.noises, len(samples), rng)
        else:
            noise = self._equalise(rng.standard_normal(len(samples)).astype(np.float32), rng)
        return mixed(samples, noise, float(rng.uniform(*self.snr)))


# --- Other voices: pitch and formants changed apart, the timing kept (WORLD, Morise et al. 2016).

FORMANTS = (0.86, 1.28)
"""Factors of the formants: from a large man to a child."""
PITCH = (85.0, 260.0)
"""Median fundamental frequency, Hz."""
LOWEST_F0, HIGHEST_F0 = 60.0, 500.0
"""Range in which WORLD looks for the fundamental frequency, Hz."""
FRAME_MS = 5.0
"""Distance of WORLD's frames, milliseconds (its default)."""


def change_voice(samples: Samples, formants: float, pitch: float) -> Samples:
    """The same words in the same time (N,) with formants ``formants`` times as high and a median pitch of ``pitch`` Hz.

    Raises:
        InputError: pyworld is not installed.
    """
    with extra("voices"):
        import pyworld as world

    # analyse: fundamental frequency, spectral envelope, aperiodicity
    sound = samples.astype(np.float64)
    f0, times = world.dio(sound, SAMPLE_RATE, f0_floor=LOWEST_F0, f0_ceil=HIGHEST_F0, frame_period=FRAME_MS)
    f0 = world.stonemask(sound, f0, times, SAMPLE_RATE)
    envelope = world.cheaptrick(sound, f0, times, SAMPLE_RATE)
    aperiodicity = world.d4c(sound, f0, times, SAMPLE_RATE)
    # stretch both spectra along frequency
    bins = np.arange(envelope.shape[1], dtype=np.float64)
    low = (bins / formants).clip(0, len(bins) - 1)
    whole, part = low.astype(np.int64), low % 1.0
    above = np.minimum(whole + 1, len(bins) - 1)
    envelope, aperiodicity = (
        np.ascontiguousarray(v[:, whole] * (1 - part) + v[:, above] * part) for v in (envelope, aperiodicity)
    )
    # synthesise at the wanted pitch
    voiced = f0[f0 > 0]
    ratio = pitch / float(np.median(voiced)) if len(voiced) else 1.0
    made = world.synthesize(f0 * ratio, envelope, aperiodicity, SAMPLE_RATE, FRAME_MS)
    made = np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)]
    return np.asarray(made.clip(-1.0, 1.0), np.float32)


def _revoice(item: tuple[int, str, Path], folder: Path, count: int) -> None:
    index, key, path = item
    samples = load_audio(path).samples
    for n in range(count):
        target = folder / f"{key}.{n}.opus"
        if target.is_file():
            continue
        rng = np.random.default_rng((0, index, n))
        formants, pitch = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (FORMANTS, PITCH))
        with whole_file(target) as temporary:
            soundfile.write(temporary, change_voice(samples, formants, pitch), SAMPLE_RATE, "OPUS", format="OGG")


def revoice(
    name: str, recordings: Sequence[tuple[str, Path]], count: int, cache: Path, workers: int = 1
) -> list[tuple[str, Path]]:
    """``count`` other voices of every (key, file) recording, made once in ``cache/voices_<name>_0``.

    About 20 times faster than real time a process.
    """
    folder = cache / f"voices_{name}_0"
    made = [(key, folder / f"{key}.{n}.opus") for key, _ in recordings for n in range(count)]
    if not all(path.is_file() for _, path in made):
        items = [(i, key, path) for i, (key, path) in enumerate(recordings)]
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(partial(_revoice, folder=folder, count=count), items, chunksize=8))
    return made


# --- Spectra: log-mels of another vocal tract, and with parts missing.


def warp_bands(mel: Floats, factor: float) -> Floats:
    """Log-mels (n, 80) of a vocal tract shorter by ``factor`` (about): the band axis is stretched."""
    bands = np.arange(float(MEL_BANDS))
    return resample_frames(mel.T, bands, bands / factor).T


def mask_spectrum(mel: Floats, rng: np.random.Generator) -> Floats:
    """SpecAugment (Park et al. 2019) on log-mels (n, 80), and a random smooth tilt.

    Two bands up to 10 wide and two stretches up to 80 ms are set to the mean.
    """
    mel = mel.copy()
    for _ in range(2):
        width, first = rng.integers(0, 11), rng.integers(0, MEL_BANDS - 10)
        mel[:, first : first + width] = 0.0
        length, start = rng.integers(0, 9), rng.integers(0, max(1, len(mel) - 8))
        mel[start : start + length] = 0.0
    tilt = np.interp(np.arange(MEL_BANDS), np.linspace(0, MEL_BANDS - 1, 5), rng.normal(0, 0.25, 5))
    return (mel + tilt.astype(np.float32) * 1.5).astype(np.float32)
