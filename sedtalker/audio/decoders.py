"""Files of sound as samples: through FFmpeg where PyAV is installed (extra ``video``), else through libsndfile.

Both give the same samples of WAV, AIFF and FLAC, to the bit. Of MP3 and Ogg Vorbis they differ by less than 1e-5, of
Opus by 1e-3, but for the last hundredth of a second. libsndfile reads neither M4A nor the sound of videos.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.errors import InputError, said_of
from sedtalker.progress import part_done

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Hz that are read: below, there is no speech, and resampling asks for much memory; above, nothing records."""
PART_SECONDS = 10
"""How much of a recording is read at a time."""
PART_VALUES = 8_000_000
"""The most values of all channels that are read at a time, whatever a file says of rates and channels: 32 MB."""
MOST_VALUES = 8 * 192_000
"""Values a second of the longest recording that is read: its channels times its rate, on average."""
ENDLESS = 0x7FFF0000
"""Sizes from here on stand in headers of WAV files whose writer did not know where they end."""
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,matroska,webm,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,"
    "mxf,nistsphere,nut,ogg,rm,sox,tak,tta,voc,w64,wav,wv"
)
"""What FFmpeg may take a file for: one recording, whole in one file. Playlists name other files, or never end."""
SUPPORTED = "wav, flac, ogg, opus, mp3, m4a, mp4 or webm"
"""What error messages ask for."""
WITHOUT_FFMPEG = "wav, flac, ogg, opus or mp3 (m4a and videos: pip install 'sedtalker[video]')"
"""What they ask for where libsndfile reads."""

Channels = Floats
"""Samples (n, channels)."""


class SoundDecoder:
    """Reads a file part by part, as often as asked.

    Attributes:
        truncated: whether the last reading broke off before the end of the file.
    """

    def __init__(self, path: Path, longest: float):
        self.path, self.longest, self.truncated = path, longest, False

    def rate(self) -> int:
        """Samples per second of the first audio stream, if they can be read."""
        rate = self._rate()
        with said_of(str(self.path)):
            check_rate(rate)
        return rate

    def parts(self) -> Iterator[Channels]:
        """Parts (n, channels) of at most about ``PART_SECONDS`` at the file's own rate."""
        raise NotImplementedError

    def _rate(self) -> int:
        raise NotImplementedError

    def _check_length(self, count: int, rate: int, channels: int) -> None:
        """Raise ``InputError`` where ``count`` samples of each channel are over ``longest`` seconds, or too much."""
        if count > self.longest * rate:
            raise InputError(f"{self.path}: longer than {self.longest:.0f} s{CUT_OR_RAISE}")
        if count * channels > self.longest * MOST_VALUES:
            much = f"{channels} channels of {rate} Hz are too much sound"
            raise InputError(f"{self.path}: {much}; mix it down, or cut it")


def decoder_of(path: Path, longest: float) -> SoundDecoder:
    """What reads a file here; it raises ``InputError`` where there is no sound, or more than so many seconds."""
    return (SndfileDecoder if find_spec("av") is None else FFmpegDecoder)(path, longest)


def check_rate(rate: int) -> None:
    """Raise ``InputError`` for samples per second that no recording of speech has."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InputError(f"sound of {rate} Hz cannot be read: give {LOWEST_RATE} to {HIGHEST_RATE} Hz")


CUT_OR_RAISE = "; cut it or raise --max-seconds"
"""End of the message about a recording that is too long; interfaces without that option say something else."""


def part_length(rate: int, channels: int, seconds: float = PART_SECONDS) -> int:
    """Samples of each channel that are read at a time."""
    return max(1, min(int(seconds * rate), PART_VALUES // max(channels, 1)))


class SndfileDecoder(SoundDecoder):
    """Reads a file through libsndfile."""

    def _rate(self) -> int:
        with self._open() as file:
            return int(file.samplerate)

    def parts(self) -> Iterator[Channels]:
        import soundfile

        total, self.truncated = 0, False
        with self._open() as file:
            while True:
                try:  # by seconds: what is damaged takes all that is asked for with it
                    asked = part_length(file.samplerate, file.channels, 1.0)
                    part: Channels = file.read(asked, dtype="float32", always_2d=True)
                except soundfile.SoundFileError:
                    self.truncated = True
                    return
                if not len(part):
                    return
                total += len(part)
                self._check_length(total, file.samplerate, file.channels)
                yield part
                part_done(total, file.frames)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import soundfile

        try:
            file = soundfile.SoundFile(str(self.path) if os.name == "nt" else os.fsencode(self.path))
        except (soundfile.SoundFileError, TypeError):  # TypeError: a name that ends in .raw
            raise InputError(f"{self.path}: not a readable audio file; give {WITHOUT_FFMPEG}") from None
        with file:
            yield file


class FFmpegDecoder(SoundDecoder):
    """Reads a file through FFmpeg."""

    def _rate(self) -> int:
        with self._open() as (_, stream):
            return int(stream.rate)

    def parts(self) -> Iterator[Channels]:
        pieces, count, total = list[Channels](), 0, 0
        with self._open() as (container, stream):
            declared = _declared_samples(stream)
            for piece in _within(self._pieces(container, stream), declared, int(0.1 * stream.rate)):
                pieces.append(piece)
                count += len(piece)
                if count >= part_length(stream.rate, piece.shape[1]):
                    yield np.concatenate(pieces)
                    total += count
                    part_done(total, declared or 0)
                    pieces, count = [], 0
        if pieces:
            yield np.concatenate(pieces)

    def _pieces(self, container: Any, stream: Any) -> Iterator[Channels]:
        """What the decoder gives, packet by packet."""
        import av

        # Packed samples: planes of eight and more channels crash PyAV's to_ndarray.
        resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=stream.rate)
        total, self.truncated = 0, False
        frames = iter(container.decode(stream))
        while not self.truncated:
            try:
                frame = next(frames, None)
                made = [_channels(piece) for piece in resampler.resample(frame)]
            except av.error.FFmpegError:
                self.truncated = True
                frame, made = None, [_channels(piece) for piece in resampler.resample(None)]
            total += sum(map(len, made))
            self._check_length(total, stream.rate, stream.layout.nb_channels)
            yield from made
            if frame is None:
                return

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        import av

        try:
            # "file:", or FFmpeg takes what stands before a colon in the name for a protocol, and may connect to it.
            options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
            with av.open(f"file:{self.path}", options=options, metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise InputError(f"{self.path}: no audio in this file; give {SUPPORTED}")
                stream = container.streams.audio[0]
                if stream.codec_context is None:
                    raise InputError(f"{self.path}: its audio codec is not supported; give {SUPPORTED}")
                yield container, stream
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path}: not a readable audio file; give {SUPPORTED}") from None


def _channels(piece: Any) -> Channels:
    """Samples (n, channels) of a packed frame."""
    return np.asarray(piece.to_ndarray().reshape(-1, piece.layout.nb_channels), dtype=np.float32)


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
