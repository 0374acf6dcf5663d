"""The kinds of damage of ``docs/cross-corpus.md``, several strengths each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfiltfilt

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.training.corpora.transfer_recipe import VOICES
from sedtalker.training.evaluation.robustness import Change, Samples, coded, noisy, reverberant, seed_of

SIGNAL_TO_NOISE = (20, 10, 0)
"""Decibels of speech over noise that are graded."""

MP3_KILOBITS = (32, 16, 8)
"""Bit rates that are graded, kbit/s."""

ROOMS = (0.3, 0.6, 1.2)
"""Reverberation times that are graded, seconds: a living room, a classroom, a hall."""

CLIPPED = (1, 5, 20)
"""Shares of the samples that are cut off at the peaks, per cent."""

TELEPHONES = {
    "wide band (G.722)": ("g722", 16_000, 64_000, (50.0, 7000.0)),
    "narrow band (G.711)": ("pcm_mulaw", 8_000, 64_000, (300.0, 3400.0)),
    "mobile (AMR, 4.75 kbit/s)": ("libopencore_amrnb", 8_000, 4_750, (300.0, 3400.0)),
}
"""Telephones: FFmpeg's name of the codec, samples a second, bits a second, limits of the band in Hz."""

LONGEST_DELAY = 0.1
"""Seconds by which a codec may delay the sound; it is moved back."""


def versions(path: Path, changes: Mapping[Any, Change]) -> Iterator[Samples]:
    """A recording as it is, and after each of the changes."""
    samples = load_audio(path).samples
    yield samples
    for change in changes.values():
        yield change(samples, np.random.default_rng(seed_of(path)))


def grades(noises: Sequence[Samples], voices: Sequence[Samples]) -> dict[tuple[str, str], Change]:
    """Each kind of damage at each of its strengths, mildest first.

    Args:
        noises: background recordings, see ``unmet_noises``.
        voices: recordings of speech, five of which make the babble of a crowd.
    """

    def babbling(decibels: int) -> Change:
        return lambda samples, rng: noisy(samples, [babble(voices, len(samples), rng)], rng, decibels)

    def behind(decibels: int) -> Change:
        return lambda samples, rng: noisy(samples, noises, rng, decibels)

    def called(codec: str, rate: int, bits: int, band: tuple[float, float]) -> Change:
        return lambda samples, rng: through_codec(within(samples, band), codec, rate, bits)

    def mp3(kilobits: int) -> Change:
        return lambda samples, rng: through_codec(samples, "libmp3lame", SAMPLE_RATE, 1000 * kilobits)

    def room(seconds: float) -> Change:
        return lambda samples, rng: reverberant(samples, rng, seconds)

    def cut(share: int) -> Change:
        return lambda samples, rng: clipped(samples, share / 100)

    return {
        **{("noise", f"{level} dB"): behind(level) for level in SIGNAL_TO_NOISE},
        **{("babble", f"{level} dB"): babbling(level) for level in SIGNAL_TO_NOISE},
        **{("telephone", name): called(*line) for name, line in TELEPHONES.items()},
        **{("MP3", f"{rate} kbit/s"): mp3(rate) for rate in MP3_KILOBITS},
        **{("reverberation", f"T60 {seconds:g} s"): room(seconds) for seconds in ROOMS},
        **{("clipping", f"{share} % of samples"): cut(share) for share in CLIPPED},
    }


def babble(voices: Sequence[Samples], count: int, rng: np.random.Generator) -> Samples:
    """``count`` samples of ``VOICES`` random recordings of speech at once, each from a random place on."""
    chosen = (voices[int(rng.integers(len(voices)))] for _ in range(VOICES))
    turned = [np.roll(np.resize(v, max(count, len(v))), int(rng.integers(max(count, len(v)))))[:count] for v in chosen]
    return np.asarray(np.sum(turned, axis=0), np.float32)


def within(samples: Samples, band: tuple[float, float]) -> Samples:
    """The part of the spectrum between two frequencies in Hz, not moved in time."""
    return np.asarray(sosfiltfilt(butter(3, band, "bandpass", fs=SAMPLE_RATE, output="sos"), samples), np.float32)


def clipped(samples: Samples, share: float) -> Samples:
    """The loudest samples, this share of all, cut off at one level."""
    limit = float(np.quantile(np.abs(samples), 1.0 - share))
    return np.asarray(samples.clip(-limit, limit), np.float32)


def through_codec(samples: Samples, codec: str, rate: int, bits: int) -> Samples:
    """Samples (N,) through a codec of FFmpeg, in their place again: codecs delay and pad.

    Args:
        samples: at 16 kHz.
        codec: FFmpeg's name of the encoder.
        rate: samples a second that it is given.
        bits: bits a second.
    """
    made = coded(samples, codec, rate, bits)
    length, most = len(samples) + len(made), round(LONGEST_DELAY * SAMPLE_RATE)
    match = np.fft.irfft(np.fft.rfft(made, length) * np.conj(np.fft.rfft(samples, length)), length)
    delay = int(match[:most].argmax())
    return np.resize(np.pad(made[delay:], (0, len(samples))), len(samples))
