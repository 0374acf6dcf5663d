"""The third recipe of augmentation, for networks that must transfer to other corpora: the widest of the three.

Other voices, rooms, microphones, noises, babble, telephones and codecs. The emotion encoder and the free diarizer are
trained with it; kinds of noise are split, so that half of the environmental sounds never appear in training. The
numbers are drawn in a fixed order, which must stay as it is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from sedtalker.audio import SAMPLE_RATE
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.corpora.augmentation import Augmenter, Floats, Samples

CLEAN, OTHER_VOICE, DEGRADED = 0, 1, 2
"""Kinds of copies of a clip by number: the clip itself; another voice and microphone; the same voice degraded. From 3
on: another voice, degraded."""
VOICES = 5
"""Talkers in babble."""
CODECS = (("MP3", "MPEG_LAYER_III", 0.5, 0.6), ("OGG", "OPUS", 0.6, 1.0))
"""Format and codec as libsndfile names them, least compression (0 to 1), and the cumulative share of use."""
TRANSCODING_PEAK = 0.7
"""Peak that a recording is brought to before it is encoded."""
TELEPHONE_BAND = (300.0, 3500.0)
"""Lower and upper limit of a telephone, Hz."""
MU = 255.0
"""Of the telephone's eight-bit μ-law (ITU-T G.711)."""


@dataclass(frozen=True, eq=False)
class TransferRecipe:
    """Each chance is drawn when its turn comes; see ``Recipe``."""

    babble: Sequence[Samples] = ()
    """Read speech, ``VOICES`` recordings of which make babble."""
    speed: tuple[float, float] = (0.84, 1.19)
    """Lowest and highest factor of the speed."""
    room: float = 0.4
    """Chance of another room."""
    measured: float = 0.4
    """Share of measured impulse responses; the others are decaying noise."""
    wet: tuple[float, float] = (0.3, 1.0)
    """Range of the gain of a measured reverberation."""
    reverberation: tuple[float, float] = (0.1, 0.8)
    """Range of the reverberation time of decaying noise, seconds."""
    microphone: float = 0.8
    """Chance of another microphone."""
    band_limits: float = 0.25
    """Share of microphones with limits of their band."""
    noise: float = 0.55
    """Chance of a background."""
    recorded: float = 0.5
    """Share of recorded noises."""
    babbling: float = 0.2
    """Share of babble; the other backgrounds are coloured noise."""
    snr: tuple[float, float] = (0.0, 30.0)
    """Range of the signal-to-noise ratio, dB."""
    telephone: float = 0.12
    """Chance of a telephone."""
    transcoded: float = 0.28
    """Chance of a codec, where there is no telephone."""
    clipped: float = 0.06
    """Chance of clipping."""
    resampling: str = "MQ"
    """See ``Recipe``."""

    def draw_speed(self, rng: np.random.Generator) -> float:
        """Even over the logarithm of ``speed``."""
        return float(np.exp(rng.uniform(*np.log(self.speed))))

    def degrade(
        self, samples: Samples, noises: Sequence[Samples], responses: Sequence[Samples], rng: np.random.Generator
    ) -> Samples:
        """See ``Augmenter.degrade``."""
        if rng.random() < self.room:
            samples = self._reverberate(samples, responses, rng)
        samples = self.change_microphone(samples, rng)
        if rng.random() < self.noise:
            samples = self._add_noise(samples, noises, rng)
        line = rng.random()
        if line < self.telephone:
            samples = telephone(samples)
        elif line < self.telephone + self.transcoded:
            samples = transcode(samples, rng)
        if rng.random() < self.clipped:
            limit = rng.uniform(0.1, 0.5) * np.abs(samples).max()
            samples = np.clip(samples, -limit, limit)
        return samples.astype(np.float32)

    def _reverberate(self, samples: Samples, responses: Sequence[Samples], rng: np.random.Generator) -> Samples:
        """A measured response or decaying noise; the direct sound stays in place."""
        if responses and rng.random() < self.measured:
            room = responses[int(rng.integers(len(responses)))]
            tail = room[int(np.argmax(np.abs(room))) :][: SAMPLE_RATE // 2]
            tail = tail / (np.abs(tail[0]) + 1e-9)
            response = np.concatenate([[1.0], float(rng.uniform(*self.wet)) * tail[1:]])
        else:
            seconds = rng.uniform(*self.reverberation)
            t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
            response = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds) * rng.uniform(0.01, 0.08)
            response[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0.0  # before the first reflection
            response[0] = 1.0
        return fftconvolve(samples, response)[: len(samples)].astype(np.float32)

    def change_microphone(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """With its chance, a smooth random gain over frequency, up to ±14 dB, sometimes with limits of the band."""
        if rng.random() >= self.microphone:
            return samples
        spectrum = np.fft.rfft(samples)
        hertz = _frequencies(spectrum)
        octave = np.log2(hertz / 50)
        decibels = np.interp(octave, np.linspace(0, 7.5, 7), rng.normal(0, 5.0, 7).clip(-14, 14))
        if rng.random() < self.band_limits:
            low, high = rng.uniform(60, 300), rng.uniform(3400, 7500)
            below, above = np.clip(np.log2(low / hertz), 0, 1), np.clip(4 * np.log2(hertz / high), 0, 1)
            decibels = decibels - 40 * below - 40 * above
        return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples)).astype(np.float32)

    def _add_noise(self, samples: Samples, noises: Sequence[Samples], rng: np.random.Generator) -> Samples:
        """A recorded background, babble, or coloured noise, at a random ratio to the speech."""
        kind, count = rng.random(), len(samples)
        noise: Floats
        if kind < self.recorded and noises:
            noise = noises[int(rng.integers(len(noises)))]
        elif kind < self.recorded + self.babbling and self.babble:
            voices = [self.babble[int(rng.integers(len(self.babble)))] for _ in range(VOICES)]
            noise = np.sum([np.roll(np.resize(v, count), int(rng.integers(count))) for v in voices], axis=0)
        else:
            spectrum = np.fft.rfft(rng.standard_normal(count))
            noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, 1.1), count)
        noise = np.roll(np.resize(noise, count), int(rng.integers(count)))
        ratio = _rms(samples) / _rms(noise) * 10 ** (-rng.uniform(*self.snr) / 20)
        return (samples + ratio * noise).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TransferAugmenter(Augmenter):
    """``TransferRecipe`` and its material, which also makes the numbered copies of a clip."""

    recipe: TransferRecipe

    def copy(self, samples: Samples, number: int, rng: np.random.Generator) -> Samples:
        """Copy ``number`` of a clip, see ``CLEAN``."""
        if number == CLEAN:
            return samples
        if number == DEGRADED:
            return self.degrade(samples, rng)
        voice = self.change_speed(samples, self.draw_speed(rng))
        return self.recipe.change_microphone(voice, rng) if number == OTHER_VOICE else self.degrade(voice, rng)


def telephone(samples: Samples) -> Samples:
    """Samples (N,) within a telephone's band, coded with eight-bit μ-law."""
    spectrum, (low, high) = np.fft.rfft(samples), TELEPHONE_BAND
    hertz = _frequencies(spectrum)
    narrow = np.fft.irfft(spectrum / (1 + (hertz / high) ** 24) / (1 + (low / hertz) ** 8), len(samples))
    peak = np.abs(narrow).max() + 1e-9
    scaled = 0.9 * narrow / peak
    coded = np.round(127 * np.sign(scaled) * np.log1p(MU * np.abs(scaled)) / np.log(MU + 1)) / 127
    return (np.sign(coded) * ((MU + 1) ** np.abs(coded) - 1) / MU * peak / 0.9).astype(np.float32)


def transcode(samples: Samples, rng: np.random.Generator) -> Samples:
    """Samples (N,) through MP3 or Opus at a random quality."""
    peak = np.abs(samples).max() + 1e-9
    draw = rng.random()
    container, codec, least = next(c[:3] for c in CODECS if draw < c[3])
    level, stream = float(rng.uniform(least, 0.99)), io.BytesIO()
    try:
        data = (TRANSCODING_PEAK * samples / peak).astype(np.float32)
        soundfile.write(stream, data, SAMPLE_RATE, format=container, subtype=codec, compression_level=level)
        stream.seek(0)
        decoded = soundfile.read(stream, dtype="float32")[0][: len(samples)]
    except soundfile.LibsndfileError:
        return samples  # too short for the codec
    return (np.pad(decoded, (0, len(samples) - len(decoded))) * peak / TRANSCODING_PEAK).astype(np.float32)


def _frequencies(spectrum: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Of the bins of a spectrum, Hz; 1 in the place of 0."""
    return np.maximum(np.linspace(0, SAMPLE_RATE / 2, len(spectrum)), 1.0)


def _rms(samples: Floats) -> float:
    return float(np.sqrt(np.mean(samples**2) + 1e-12))


def mask_noisy_spectrum(mel: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """SpecAugment (Park et al. 2019) on centred log-mels (n, 80), half of the time with stationary noise added first.

    Two bands up to 8 wide and two stretches up to 130 ms are set to the mean; the noise is added in power.
    """
    mel = mel.copy()
    if rng.random() < 0.5:
        shape = np.interp(np.arange(MEL_BANDS), np.linspace(0, MEL_BANDS - 1, 6), rng.normal(0, 1.6, 6))
        noise = shape - rng.uniform(-0.3, 6.5) + 0.6 * rng.standard_normal(mel.shape)
        mel = np.logaddexp(mel, noise).astype(np.float32)
        mel -= mel.mean(0)
    for _ in range(2):
        width, first = rng.integers(0, 9), rng.integers(0, MEL_BANDS - 8)
        mel[:, first : first + width] = 0.0
        length, start = rng.integers(0, 14), rng.integers(0, max(1, len(mel) - 14))
        mel[start : start + length] = 0.0
    return mel
