"""Sound made worse in the ways of the world: noise, a telephone, MP3, a room, level, silence cut away.

``conditions`` are those of ``evaluate transfer``. Noises are of kinds that no training of the emotion networks has met.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import soxr
from scipy.signal import fftconvolve

from sedtalker.audio import SAMPLE_RATE, from_samples, readable
from sedtalker.training.corpora.augmentation import Samples, mixed, random_background
from sedtalker.training.corpora.joined_speech import FRAME_LENGTH, clip_activity
from sedtalker.training.corpora.layer_features import TRAINING_NOISES
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.transfer_recipe import telephone

Change = Callable[[Samples, np.random.Generator], Samples]
"""Samples (N,) at 16 kHz to what they have become; the generator is seeded by the clip."""

NOISE_DECIBELS = 5.0
"""How far the noise lies below the speech."""
MP3_BITS = 32_000
"""Bits per second of the MP3."""
LEVEL_DECIBELS = 20.0
"""How far the level is turned up or down."""
CONTAINERS = {"libmp3lame": "mp3", "libopencore_amrnb": "amr"}
"""Container of a codec; of the others it is WAV."""
TRIMMED = 0.5
"""Seconds of silence that are cut away at most, at either end."""
REVERBERATION = 0.6
"""Reverberation time T60 of the room, seconds: a large living room or a classroom."""


def conditions(noises: Sequence[Samples]) -> dict[str, Change]:
    """Each condition by its key; ``noise_5db`` only where there are noises."""
    out: dict[str, Change] = {
        "telephone": lambda samples, rng: telephone(samples),
        "mp3_32k": lambda samples, rng: coded(samples, "libmp3lame", SAMPLE_RATE, MP3_BITS),  # padded a little
        "reverberation": reverberant,
        "louder_20db": lambda samples, rng: samples * np.float32(10 ** (LEVEL_DECIBELS / 20)),
        "quieter_20db": lambda samples, rng: samples * np.float32(10 ** (-LEVEL_DECIBELS / 20)),
        "trimmed": lambda samples, rng: trimmed(samples),
        "padded": lambda samples, rng: np.pad(samples, round(0.5 * SAMPLE_RATE)),  # half a second of digital silence
    }
    return {"noise_5db": lambda samples, rng: noisy(samples, noises, rng), **out} if noises else out


def unmet_noises(clips: Iterable[Clip]) -> list[Samples]:
    """Recordings of ESC-10 of the kinds that no augmentation uses, in the order of their names."""
    names = (c for c in clips if c.corpus == "esc10" and not c.emotion.endswith(TRAINING_NOISES))
    return [sound.samples for _, sound in readable(sorted(names, key=lambda c: c.path.name))]


def noisy(
    samples: Samples, noises: Sequence[Samples], rng: np.random.Generator, decibels: float = NOISE_DECIBELS
) -> Samples:
    """A random noise, repeated, ``decibels`` below the mean power of the recording."""
    return mixed(samples, random_background(noises, len(samples), rng), decibels)


def reverberant(samples: Samples, rng: np.random.Generator, seconds: float = REVERBERATION) -> Samples:
    """A room of decaying noise (Polack 1988): the direct sound stays in place, the level too."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(t)) * np.exp(-np.log(1000.0) * t / seconds)
    response[: int(0.005 * SAMPLE_RATE)] = 0.0  # before the first reflection
    response *= 10 ** (-3.0 / 20) / np.sqrt(np.sum(response**2))  # 3 dB below the direct sound
    response[0] = 1.0
    made = fftconvolve(samples, response)[: len(samples)]
    return (made * np.sqrt(np.mean(samples**2) / (np.mean(made**2) + 1e-12))).astype(np.float32)


def coded(samples: Samples, codec: str, rate: int, bits: int) -> Samples:
    """Samples (N,) encoded by a codec of FFmpeg, at ``rate`` and ``bits`` a second, and decoded again."""
    import av
    from av.audio.stream import AudioStream

    file = io.BytesIO()
    with av.open(file, "w", format=CONTAINERS.get(codec, "wav")) as sink:
        stream = sink.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bits
        sound = samples if rate == SAMPLE_RATE else soxr.resample(samples, SAMPLE_RATE, rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.clip(-1.0, 1.0)[None]), "fltp", "mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            sink.mux(packet)
    file.seek(0)
    with av.open(file, "r") as source:
        packed = av.AudioResampler("flt", "mono", rate)
        frames = [made for frame in (*source.decode(audio=0), None) for made in packed.resample(frame)]
    return from_samples(np.concatenate([frame.to_ndarray()[0] for frame in frames]), rate).samples


def trimmed(samples: Samples) -> Samples:
    """Without the silence at both ends, as far as it goes but for ``TRIMMED`` seconds at most."""
    speech, most = np.flatnonzero(clip_activity(samples)) * FRAME_LENGTH, round(TRIMMED * SAMPLE_RATE)
    if not len(speech):
        return samples
    first, last = min(int(speech[0]), most), max(int(speech[-1]) + FRAME_LENGTH, len(samples) - most)
    return samples[first:last]


def seed_of(path: Path) -> int:
    """A number that only the name of a file decides."""
    return int.from_bytes(path.name.encode(), "big")
