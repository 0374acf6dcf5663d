"""Any audio or video file in, 16 kHz mono float32 out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

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
PART_SECONDS = 10
"""How much of a recording is mixed and resampled at a time."""
SUPPORTED = "wav, flac, ogg, opus, mp3, m4a, mp4 or webm"


Channels = NDArray[np.float32]
"""Samples (n, channels)."""


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
    step = PART_SECONDS * rate
    return _from_parts(lambda: (channels[i : i + step] for i in range(0, len(channels), step)), rate)


def load_audio(path: Path | str, longest: float = LONGEST_SECONDS) -> Audio:
    """Read the first audio stream of a file through PyAV (FFmpeg).

    Decoded, mixed and resampled part by part: beside the result only seconds of the file are in memory.

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
    decoder = _Decoder(path, longest)
    rate = decoder.rate()
    try:
        audio = _from_parts(decoder.parts, rate)
    except _TooShort as error:
        damaged = decoder.truncated and not error.seconds
        raise InputError(f"{path}: damaged, no sound decoded" if damaged else f"{path}: {error}") from None
    if decoder.truncated:
        note = f"decoding stopped after {audio.duration:.1f} s (the file is damaged or cut short)"
        audio = Audio(audio.samples, audio.rate, (*audio.notes, note))
    return audio


class _TooShort(InputError):
    """Not enough samples to be heard."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        text = f"the audio is {1000 * seconds:.0f} ms long: at least 100 ms are needed"
        super().__init__(text if seconds else "the audio has no samples")


def _from_parts(parts: Callable[[], Iterable[Channels]], rate: int) -> Audio:
    """Audio from parts (n, channels) of a recording, see ``from_samples``; ``parts`` may be asked for them twice."""
    mixed = _mix(parts(), rate)
    if mixed.mean_power < CANCELLED * mixed.power.max():
        mixed = _mix(parts(), rate, int(mixed.power.argmax()))
    mono, notes = mixed.mono, []
    if mixed.broken:
        notes.append(f"{mixed.broken} samples were not numbers and were set to zero")
    if mixed.peak > FAR_BEYOND_FULL_SCALE:
        notes.append(f"the audio peaks at {mixed.peak:.3g} times full scale and was brought down")
        mono /= np.float32(mixed.peak)
    clipped = np.count_nonzero(np.abs(mono) >= 0.999) / len(mono)
    if clipped > 0.001:
        notes.append(f"{100 * clipped:.1f} % of the samples are clipped: expect a weaker result")
    if float(np.abs(mono).max()) < 1e-4:
        notes.append("the audio is silent")
    return Audio(np.clip(mono, -1.0, 1.0, out=mono), SAMPLE_RATE, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Mixed:
    """Mono sound at 16 kHz and what was seen of its channels: samples that were not numbers, the greatest magnitude,
    the power of each channel (C,) and of their mean."""

    mono: NDArray[np.float32]
    broken: int
    peak: float
    power: NDArray[np.float64]
    mean_power: float


def _mix(parts: Iterable[Channels], rate: int, channel: int | None = None) -> _Mixed:
    """The mean of the channels, or one of them, resampled as it comes; soxr's result does not depend on the parts."""
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    out: list[NDArray[np.float32]] = []
    broken, peak, mean_power, count = 0, 0.0, 0.0, 0
    power = np.zeros(1)
    for part in parts:
        wrong = ~np.isfinite(part)
        if wrong.any():
            broken += int(wrong.any(axis=1).sum())
            part = np.where(wrong, np.float32(0.0), part)
        mean = part.mean(axis=1)
        count += len(part)
        peak = max(peak, float(np.abs(part).max(initial=0.0)))
        power = power + np.square(part, dtype=np.float64).sum(axis=0)
        mean_power += float(np.square(mean, dtype=np.float64).sum())
        mono = mean if channel is None else np.ascontiguousarray(part[:, channel])
        out.append(mono if rate == SAMPLE_RATE else resampler.resample_chunk(mono))
    if count / rate < SHORTEST_SECONDS:
        raise _TooShort(count / rate)
    if rate != SAMPLE_RATE:
        out.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return _Mixed(np.concatenate(out), broken, peak, power, mean_power)


class _Decoder:
    """Reads a file through FFmpeg part by part, as often as asked.

    Attributes:
        truncated: whether the last reading broke off before the end of the file.
    """

    def __init__(self, path: Path, longest: float):
        self.path, self.longest, self.truncated = path, longest, False

    def rate(self) -> int:
        """Samples per second of the first audio stream."""
        with self._open() as (_, stream):
            return int(stream.rate)

    def parts(self) -> Iterator[Channels]:
        """Parts (n, channels) of about ``PART_SECONDS`` at the file's own rate."""
        pieces, count = list[Channels](), 0
        with self._open() as (container, stream):
            for piece in _within(self._pieces(container, stream), _declared_samples(stream), int(0.1 * stream.rate)):
                pieces.append(piece)
                count += len(piece)
                if count >= PART_SECONDS * stream.rate:
                    yield np.concatenate(pieces)
                    pieces, count = [], 0
        if pieces:
            yield np.concatenate(pieces)

    def _pieces(self, container: Any, stream: Any) -> Iterator[Channels]:
        """What the decoder gives, packet by packet."""
        import av

        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        total, self.truncated = 0, False
        frames = iter(container.decode(stream))
        while not self.truncated:
            try:
                frame = next(frames, None)
                made = [piece.to_ndarray().T.astype(np.float32) for piece in resampler.resample(frame)]
            except av.error.FFmpegError:
                self.truncated = True
                frame, made = None, [piece.to_ndarray().T.astype(np.float32) for piece in resampler.resample(None)]
            total += sum(map(len, made))
            if total > self.longest * stream.rate:
                raise InputError(f"{self.path}: longer than {self.longest:.0f} s; cut it or raise --max-seconds")
            yield from made
            if frame is None:
                return

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        import av

        try:
            with av.open(str(self.path), metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise InputError(f"{self.path}: no audio in this file; give {SUPPORTED}")
                yield container, container.streams.audio[0]
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path}: not a readable audio file; give {SUPPORTED}") from None


def _within(pieces: Iterable[Channels], limit: int | None, slack: int) -> Iterator[Channels]:
    """Pieces up to ``limit`` samples in all: what exceeds it by less than ``slack`` is the padding of AAC's and MP3's
    last packet; a longer excess means that the limit was wrong, and all is kept.
    """
    total, beyond = 0, []
    for piece in pieces:
        room = len(piece) if limit is None else max(0, limit - total)
        total += len(piece)
        if room:
            yield piece[:room]
        if len(piece) > room:
            beyond.append(piece[room:])
        if limit is not None and total - limit >= slack:
            yield from beyond
            limit, beyond = None, []


def _declared_samples(stream: Any) -> int | None:
    """Length that the stream promises, samples, or None."""
    if not stream.duration or not stream.time_base:
        return None
    return round(float(stream.duration * stream.time_base) * stream.rate)
