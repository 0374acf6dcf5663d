"""Any audio or video file in, 16 kHz mono float32 out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from sedtalker.errors import InputError

SAMPLE_RATE = 16_000
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 3600.0
LARGEST_BYTES = 2 * 1024**3
FAR_BEYOND_FULL_SCALE = 2.0
"""Peaks up to this are the overshoot of lossy codecs and are clipped; beyond it the scale itself is off."""
CANCELLED = 1e-3
"""Power of the mean of all channels below this share of the loudest one's: they cancel each other."""
SUPPORTED = "wav, flac, ogg, opus, mp3, m4a, mp4 or webm"


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound.

    Attributes:
        samples: (N,) float32 in [-1, 1].
        rate: samples per second; 16,000 everywhere inside the package.
        notes: what a user should know about the recording (clipped, silent, repaired).
    """

    samples: NDArray[np.float32]
    rate: int = SAMPLE_RATE
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate

    @cached_property
    def sha256(self) -> str:
        """Hash of the samples, for provenance and caches."""
        return hashlib.sha256(self.samples.tobytes()).hexdigest()


def from_samples(samples: NDArray[np.floating], rate: int) -> Audio:
    """Audio from samples (N,) or (N, channels) at any rate.

    Channels are averaged, except where they cancel out: then the loudest is taken. Samples that are not numbers become
    zero, and sound far beyond full scale is brought down; both are reported in ``notes``.

    Raises:
        InputError: no samples, or shorter than 0.1 s.
    """
    channels = np.asarray(samples, dtype=np.float32)
    channels = channels if channels.ndim == 2 else channels[:, None]
    if channels.size == 0:
        raise InputError("the audio has no samples")
    if len(channels) / rate < SHORTEST_SECONDS:
        raise InputError(f"the audio is {1000 * len(channels) / rate:.0f} ms long: at least 100 ms are needed")
    notes = []
    broken = ~np.isfinite(channels)
    if broken.any():
        notes.append(f"{int(broken.any(axis=1).sum())} samples were not numbers and were set to zero")
        channels = np.where(broken, np.float32(0.0), channels)
    peak = float(np.abs(channels).max())
    if peak > FAR_BEYOND_FULL_SCALE:
        notes.append(f"the audio peaks at {peak:.3g} times full scale and was brought down")
        channels = channels / np.float32(peak)
    mono = _mix(channels)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ").astype(np.float32)
    clipped = float(np.mean(np.abs(mono) >= 0.999))
    if clipped > 0.001:
        notes.append(f"{100 * clipped:.1f} % of the samples are clipped: expect a weaker result")
    if float(np.abs(mono).max()) < 1e-4:
        notes.append("the audio is silent")
    return Audio(np.clip(mono, -1.0, 1.0), SAMPLE_RATE, tuple(notes))


def _mix(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean (N,) of channels (N, C); the loudest channel where the mean all but cancels (opposite polarity)."""
    mean = channels.mean(axis=1)
    power = np.mean(np.square(channels, dtype=np.float64), axis=0)
    if np.mean(np.square(mean, dtype=np.float64)) < CANCELLED * power.max():
        return np.ascontiguousarray(channels[:, int(power.argmax())])
    return np.ascontiguousarray(mean)


def load_audio(path: Path | str, longest: float = LONGEST_SECONDS) -> Audio:
    """Read the first audio stream of a file through PyAV (FFmpeg).

    Args:
        path: wav, flac, ogg, opus, mp3, m4a, or a video with sound; any rate and channel count.
        longest: refuse longer recordings, seconds.

    Raises:
        InputError: the file is missing, not audio, too long, too short or without sound.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path}: larger than 2 GiB; cut it into parts")
    samples, rate, truncated = _decode(path, longest)
    try:
        audio = from_samples(samples, rate)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if truncated:
        note = f"decoding stopped after {audio.duration:.1f} s (the file is damaged or cut short)"
        audio = Audio(audio.samples, audio.rate, (*audio.notes, note))
    return audio


def _decode(path: Path, longest: float) -> tuple[NDArray[np.float32], int, bool]:
    """Samples (N, channels) at the file's own rate, and whether decoding broke off before the end."""
    import av

    chunks: list[NDArray[np.float32]] = []
    truncated = False
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise InputError(f"{path}: no audio in this file; give {SUPPORTED}")
            stream = container.streams.audio[0]
            rate = stream.rate
            limit = _declared_samples(container, stream)
            resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
            total = 0
            try:
                for frame in container.decode(stream):
                    for piece in resampler.resample(frame):
                        chunks.append(piece.to_ndarray().T.astype(np.float32))
                        total += len(chunks[-1])
                    if total > longest * rate:
                        raise InputError(f"{path}: longer than {longest:.0f} s; cut it or raise --max-seconds")
            except av.error.FFmpegError:
                truncated = True
            for piece in resampler.resample(None):
                chunks.append(piece.to_ndarray().T.astype(np.float32))
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable audio file; give {SUPPORTED}") from None
    if not chunks:
        raise InputError(f"{path}: the audio has no samples" if not truncated else f"{path}: damaged, no sound decoded")
    samples = np.concatenate(chunks)
    if limit is not None and 0 < len(samples) - limit < 0.1 * rate:
        samples = samples[:limit]  # AAC and MP3 pad the last packet
    return samples, rate, truncated


def _declared_samples(container: object, stream: object) -> int | None:
    """Length the container promises, samples, or None."""
    duration, base = getattr(stream, "duration", None), getattr(stream, "time_base", None)
    if not duration or not base:
        return None
    return round(float(duration * base) * stream.rate)  # type: ignore[attr-defined]
