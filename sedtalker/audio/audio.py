"""Any audio or video file in, 16 kHz mono float32 out."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio.decoders import ENDLESS, Channels, SoundDecoder, check_rate, decoder_of, part_length
from sedtalker.errors import InputError
from sedtalker.progress import Item
from sedtalker.reading import is_file, is_folder, is_there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrameClock:
    """Regular frame times.

    Attributes:
        rate: frames per second.
        offset: time of frame 0, seconds. For analysis frames this is the centre of the first receptive field.
    """

    rate: float
    offset: float = 0.0

    def times(self, frames: int) -> Doubles:
        """Times (frames,) in seconds."""
        return self.offset + np.arange(frames) / self.rate

    def index(self, time: float) -> int:
        """The frame nearest to a time in seconds (may lie outside the stream)."""
        return round((time - self.offset) * self.rate)

    def frames(self, duration: float) -> int:
        """Frames that cover ``duration`` seconds: the stream ends with it or less than a frame later; at least one."""
        return max(1, math.ceil(duration * self.rate - 1e-6))


RESAMPLED = 4096
"""Frames that are interpolated at once: more do not fit into the processor, and take twice as long."""


def resample_frames(values: Reals, times: Reals, target: Reals) -> Floats:
    """Linear interpolation of (T, …) values given at ``times`` (T,) to ``target`` times, held at both ends."""
    position = np.interp(target, times, np.arange(len(times)))
    low = np.minimum(position.astype(np.int64), len(times) - 2)  # -1 of a single frame is that frame
    weight = (position - low).reshape(-1, *([1] * (np.ndim(values) - 1)))
    made = np.empty((len(low), *np.shape(values)[1:]), np.float32)
    for start in range(0, len(low), RESAMPLED):
        now, share = low[start : start + RESAMPLED], weight[start : start + RESAMPLED]
        made[start : start + RESAMPLED] = (1 - share) * values[now] + share * values[now + 1]
    return made


# --- Any audio or video file in, 16 kHz mono float32 out.

SAMPLE_RATE = 16_000
"""Samples per second of all sound inside the package, Hz."""
SHORTEST_SECONDS = 0.1
"""Less has no syllable in it."""
LONGEST_SECONDS = 3600.0
"""What ``load_audio`` reads unless asked for more: an hour takes 2 GB to animate."""
LARGEST_BYTES = 2 * 1024**3
"""Larger files are not opened."""
FAR_BEYOND_FULL_SCALE = 2.0
"""Peaks up to this are the overshoot of lossy codecs and are clipped; beyond it the scale itself is off."""
LOUDEST = 1e6
"""Times full scale; more is no sound, but a damaged file."""
MOST_CHANNELS = 32
"""Largest number of channels of a recording that are kept apart."""
CANCELLED = 1e-3
"""Power of the mean of all channels below this share of the loudest one's: they cancel each other."""
SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".mp4", ".webm")
"""Suffixes among which ``find_recording`` looks, in this order."""


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound.

    Attributes:
        samples: (N,) float32 in [-1, 1].
        rate: samples per second; 16,000 everywhere inside the package.
        notes: what a user should know about the recording (clipped, silent, repaired).
    """

    samples: Floats
    rate: int = SAMPLE_RATE
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate

    @cached_property
    def sha256(self) -> str:
        """Hash of the samples, for provenance and caches."""
        return hashlib.sha256(np.ascontiguousarray(self.samples).data).hexdigest()

    @cached_property
    def made(self) -> dict[str, Any]:
        """What encoders made of it, by their hashes, and the ``analysis`` they share; what is removed is made anew."""
        return {}


def in_full_scale(samples: NDArray[Any]) -> Floats:
    """Samples as float32; integers, as sound cards give them, from their full scale to [-1, 1)."""
    values = np.asarray(samples)
    plain = values.astype(np.float32, copy=False)
    if values.dtype.kind not in "iu":
        return plain
    reach = np.float32(2.0 ** (8 * values.itemsize - 1))
    return plain / reach - np.float32(values.dtype.kind == "u")  # unsigned ones lie around the middle


def from_samples(samples: NDArray[Any], rate: int) -> Audio:
    """Audio from samples (N,) or (N, channels) at any rate, integers in their full scale.

    Channels are averaged, except where they cancel out: then the loudest is taken. Samples that are not numbers become
    zero, and sound far beyond full scale is brought down; both are reported in ``notes``.

    Raises:
        InputError: no samples, more channels than there are, shorter than 0.1 s, or a rate that no recording has.
    """
    check_rate(rate)
    channels = in_full_scale(samples)
    channels = channels if channels.ndim > 1 else channels.reshape(-1, 1)
    if channels.ndim > 2 or not 1 <= channels.shape[1] <= 256:  # else they are samples
        raise InputError(f"sound of the shape {channels.shape} cannot be read: give (N,) or (N, channels)")
    step = part_length(rate, channels.shape[1])
    return _from_parts(lambda: (channels[i : i + step] for i in range(0, len(channels), step)), rate)


def load_audio(path: Path | str, longest: float = LONGEST_SECONDS) -> Audio:
    """Read the first audio stream of a file (``sedtalker.audio.decoders``).

    Decoded, mixed and resampled part by part: beside the result only seconds of the file are in memory.

    Args:
        path: wav, flac, ogg, opus or mp3, with the extra ``video`` also m4a or a video; any rate and channel count.
        longest: refuse longer recordings, seconds.

    Raises:
        InputError: the file is missing, not audio, too long, too short or without sound.
    """
    path = Path(path)
    decoder, rate = sound_file(path, longest)
    try:
        audio = _from_parts(decoder.parts, rate)
    except TooShort as error:
        damaged = decoder.truncated and not error.seconds
        raise InputError(f"{path}: damaged, no sound decoded" if damaged else f"{path}: {error}") from None
    if decoder.truncated or _cut_off(path):
        note = f"decoding stopped after {audio.duration:.1f} s (the file is damaged or cut short)"
        audio = Audio(audio.samples, audio.rate, (*audio.notes, note))
    return audio


def sound_file(path: Path, longest: float = LONGEST_SECONDS) -> tuple[SoundDecoder, int]:
    """What reads a recording, and its samples per second; only the beginning of the file is looked at.

    Raises:
        InputError: the file is missing, empty, too large or not audio.
    """
    if not is_file(path):
        pipe = is_there(path) and not is_folder(path)
        raise InputError(f"{path}: {'is no file: sound of a pipe comes by -' if pipe else 'no such file'}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path}: larger than 2 GiB; cut it into parts")
    decoder = decoder_of(path, longest)
    return decoder, decoder.rate()


def readable(
    items: Iterable[Item], place: Callable[[Item], Path] = attrgetter("path"), longest: float = LONGEST_SECONDS
) -> Iterator[tuple[Item, Audio]]:
    """Items and the sounds of their files, without those that cannot be read."""
    for item in items:
        try:
            sound = load_audio(place(item), longest)
        except InputError as error:
            leave_out(str(error))
        else:
            yield item, sound


@cache
def leave_out(reason: str) -> None:
    """Name, once, a recording that cannot be read."""
    log.warning("%s (left out)", reason)


def _cut_off(path: Path) -> bool:
    """Whether a WAV file ends before its header says."""
    with path.open("rb") as file:
        head = file.read(8)
    declared = int.from_bytes(head[4:], "little") + len(head)
    return head[:4] == b"RIFF" and declared < ENDLESS and path.stat().st_size < declared


def load_channels(path: Path, longest: float = LONGEST_SECONDS) -> list[Audio]:
    """Each channel of a file as a recording of its own, at one length; brought down together where they are too loud.

    Raises:
        InputError: as ``load_audio``, or the file has more than ``MOST_CHANNELS``.
    """
    decoder, rate = sound_file(path, longest)
    resamplers, out, peak, broken = list[Resampler](), list[list[Floats]](), 0.0, 0
    for part in decoder.parts():
        part, wrong = _repaired(part)
        broken += wrong
        peak = max(peak, float(np.abs(part).max(initial=0.0)))
        if not resamplers:
            if part.shape[1] > MOST_CHANNELS:
                raise InputError(f"{path} has {part.shape[1]} channels; at most {MOST_CHANNELS} are read one by one")
            resamplers = [Resampler(rate) for _ in part.T]
            out = [[] for _ in resamplers]
        for resampler, channel, pieces in zip(resamplers, part.T, out, strict=True):
            pieces.append(resampler.push(np.ascontiguousarray(channel)))
    channels = list[Audio]()
    for resampler, pieces in zip(resamplers, out, strict=True):
        joined = np.concatenate([*pieces, resampler.flush()])
        pieces.clear()
        notes = said_of_broken(broken) + brought_down(joined, peak)
        channels.append(Audio(np.clip(joined, -1.0, 1.0, out=joined), SAMPLE_RATE, notes))
    if not channels or channels[0].duration < SHORTEST_SECONDS:
        raise InputError(f"{path}: {TooShort(channels[0].duration if channels else 0.0)}")
    return channels


def as_audio(source: Audio | Path | str | Reals, rate: int | None = None, longest: float = LONGEST_SECONDS) -> Audio:
    """Whatever somebody has of a recording: a file's path, an array of samples with its rate, or an ``Audio``.

    Args:
        source: the recording; arrays are (n,) or (n, channels).
        rate: samples per second of an array.
        longest: seconds; longer files are refused.

    Raises:
        InputError: an array without a rate, no samples, or sound that cannot be read.
    """
    if isinstance(source, Audio):
        fits = source.rate == SAMPLE_RATE and len(source.samples)
        return source if fits else from_samples(source.samples, source.rate)
    if isinstance(source, str | Path):
        return load_audio(source, longest)
    if rate is None:
        raise InputError("samples need their rate: give rate=16000, from_samples(SAMPLES, RATE), or the path of a file")
    return from_samples(np.asarray(source), rate)


def find_recording(result: Path, sha256: str | None) -> Path | None:
    """The recording that a result was made from: a sound of its name, beside it or a folder up, of the same hash.

    Args:
        result: a file such as ``speech/speech.npz``.
        sha256: ``Audio.sha256`` of the recording; None where it is not known, and nothing is found.
    """
    stem = result.name.removesuffix(result.suffix)
    beside = [folder / f"{stem}{suffix}" for folder in (result.parent, result.parent.parent) for suffix in SUFFIXES]
    return next((path for path in beside if sha256 and path.is_file() and _sha256(path) == sha256), None)


def _sha256(path: Path) -> str | None:
    """Hash of the decoded sound; None where it cannot be read."""
    try:
        return load_audio(path).sha256
    except InputError:
        return None


class TooShort(InputError):
    """Too few samples for a syllable."""

    def __init__(self, seconds: float, what: str = "the audio"):
        self.seconds = seconds
        text = f"{what} is {1000 * seconds:.{0 if seconds >= 0.001 else 1}f} ms long"
        super().__init__(f"{text}: at least 100 ms are needed" if seconds else f"{what} has no samples")


def _from_parts(parts: Callable[[], Iterable[Channels]], rate: int) -> Audio:
    """Audio from parts (n, channels) of a recording, see ``from_samples``; ``parts`` may be asked for them twice."""
    mixed = _mix(parts(), rate)
    if mixed.mean_power < CANCELLED * mixed.power.max():
        mixed = _mix(parts(), rate, int(mixed.power.argmax()))
    mono = mixed.mono
    notes = [*said_of_broken(mixed.broken), *brought_down(mono, mixed.peak)]
    clipped = (np.count_nonzero(mono >= 0.999) + np.count_nonzero(mono <= -0.999)) / len(mono)
    if clipped > 0.001:
        notes.append(f"{100 * clipped:.1f} % of the samples are clipped: expect a weaker result")
    if max(float(mono.max()), -float(mono.min())) < 1e-4:
        notes.append("the audio is silent")
    return Audio(np.clip(mono, -1.0, 1.0, out=mono), SAMPLE_RATE, tuple(notes))


def _repaired(part: Channels) -> tuple[Channels, int]:
    """A part (n, channels) with zeros for what is no number or far too loud, and in how many samples that was."""
    wrong = ~(np.abs(part) <= LOUDEST)
    return (np.where(wrong, np.float32(0.0), part), int(wrong.any(axis=1).sum())) if wrong.any() else (part, 0)


def said_of_broken(broken: int) -> tuple[str, ...]:
    """What to say of so many samples that ``_repaired`` set to zero."""
    return (f"{broken} samples were not numbers and were set to zero",) if broken else ()


def brought_down(samples: Floats, peak: float) -> tuple[str, ...]:
    """Divide samples by the recording's peak, in place, where the scale itself is off; and what to say of it."""
    if peak <= FAR_BEYOND_FULL_SCALE:
        return ()
    samples /= np.float32(peak)
    return (f"the audio peaks at {peak:.3g} times full scale and was brought down",)


class Resampler:
    """Mono sound that comes in pieces, to 16 kHz; what is at that rate already is passed on as it is."""

    def __init__(self, rate: int):
        self.stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", "HQ") if rate != SAMPLE_RATE else None

    def push(self, samples: Floats, last: bool = False) -> Floats:
        """The next samples (N,), as far as they are ready."""
        return samples if self.stream is None else self.stream.resample_chunk(samples, last)

    def flush(self) -> Floats:
        """What is held back, at the end."""
        return self.push(np.zeros(0, np.float32), last=True)


def bounded(samples: Floats) -> Floats:
    """Samples of a stream, which cannot be looked at as a whole: what is no number becomes silence, what is beyond full
    scale is clipped."""
    return np.clip(np.where(np.isfinite(samples), samples, np.float32(0.0)), -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class _Mixed:
    """Mono sound at 16 kHz and what was seen of its channels: samples that were not numbers, the greatest magnitude,
    the power of each channel (C,) and of their mean."""

    mono: Floats
    broken: int
    peak: float
    power: Doubles
    mean_power: float


def _mix(parts: Iterable[Channels], rate: int, channel: int | None = None) -> _Mixed:
    """The mean of the channels, or one of them, resampled as it comes; soxr's result does not depend on the parts."""
    resampler, out = Resampler(rate), list[Floats]()
    broken, peak, mean_power, count = 0, 0.0, 0.0, 0
    power = np.zeros(1)
    for part in parts:
        part, wrong = _repaired(part)
        broken += wrong
        mean = part.mean(axis=1)
        count += len(part)
        peak = max(peak, float(np.abs(part).max(initial=0.0)))
        power = power + np.square(part, dtype=np.float64).sum(axis=0)
        mean_power += float(np.square(mean, dtype=np.float64).sum())
        out.append(resampler.push(mean if channel is None else np.ascontiguousarray(part[:, channel])))
    if count / rate < SHORTEST_SECONDS:
        raise TooShort(count / rate)
    out.append(resampler.flush())
    return _Mixed(np.concatenate(out), broken, peak, power, mean_power)


# --- A constant offset of the samples.

OFFSET_POLE = 0.999
"""Share of the mean of earlier samples that remains with each sample: a high-pass at 2.5 Hz."""
OFFSET_BLOCK = 160
"""Samples that ``OffsetFilter`` works on at once: 10 ms."""
MOTIONLESS = 1e-7
"""A block whose samples differ by less (-140 dB) is digital silence: it stays silent, whatever was before it."""


class OffsetFilter:
    """Takes a constant offset out of sound that comes in pieces: a high-pass at 2.5 Hz (a "DC blocker").

    Cheap sound cards add one. It is inaudible, but in pauses the lowest bands and the level would be those of the
    offset. What is taken off a sample is the exponential mean of the samples until then, which begins as that of the
    first 10 ms.
    """

    def __init__(self) -> None:
        self.offset: float | None = None

    def push(self, samples: Floats) -> Floats:
        """The next samples (N,) without it."""
        if not len(samples):
            return samples
        grown, kept = _offset_weights()
        rest = np.zeros(-len(samples) % OFFSET_BLOCK, np.float32)
        blocks = np.concatenate([samples, rest]).reshape(-1, OFFSET_BLOCK)
        means = blocks @ grown
        starts = [float(samples[:OFFSET_BLOCK].mean()) if self.offset is None else self.offset]
        for end in means[:, -1].tolist():
            starts.append(OFFSET_POLE**OFFSET_BLOCK * starts[-1] + end)
        means += np.array(starts[:-1], np.float32)[:, None] * kept
        self.offset = float(means.ravel()[len(samples) - 1])
        made, whole = blocks - means, len(samples) // OFFSET_BLOCK
        made[:whole][blocks[:whole].max(1) - blocks[:whole].min(1) < MOTIONLESS] = 0.0
        return np.asarray(made.ravel()[: len(samples)])


@lru_cache(maxsize=1)
def _offset_weights() -> tuple[Floats, Floats]:
    """Weights of each sample of a block in the mean after each other one (160, 160), and of the mean before (160,)."""
    place = np.arange(OFFSET_BLOCK)
    grown = (1.0 - OFFSET_POLE) * OFFSET_POLE ** np.abs(np.subtract.outer(place, place))
    return np.triu(grown).astype(np.float32), (OFFSET_POLE ** (place + 1.0)).astype(np.float32)


def without_offset(samples: Floats) -> Floats:
    """A recording (N,) without a constant offset, see ``OffsetFilter``."""
    made, every, step = np.empty_like(samples), OffsetFilter(), 60 * SAMPLE_RATE
    for start in range(0, len(samples), step):
        made[start : start + step] = every.push(samples[start : start + step])
    return made
