"""Sound from a pipe, as it comes: WAV, or raw 16-bit samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.audio.audio import SAMPLE_RATE, Resampler, bounded, in_full_scale
from sedtalker.audio.decoders import ENDLESS, check_rate
from sedtalker.errors import InputError

AT_MOST = 8192
"""Bytes read at once; a pipe gives what it has, which is less while somebody speaks."""
LONGEST_CHUNK = 1 << 20
"""Bytes of a part of a WAV header, before the sound."""
OTHER_FORMATS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\x1aE\xdf\xa3": "WebM",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"RIFX": "big-endian WAV",
    b"RF64": "RF64",
    b"riff": "Wave64",
    b".snd": "AU",
    b"NIST_1A": "NIST SPHERE",
    b"Creative": "VOC",
}
"""What is recognised by its first bytes and refused by name."""
MP3_RATES = (44_100, 48_000, 32_000)
"""Samples a second of MPEG-1, by the bits of a frame's header; of MPEG-2 half of it, of MPEG-2.5 a quarter."""
MP3_BITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""Kilobits a second of MPEG-1, Layer III, by the bits of a frame's header from 1 on (ISO/IEC 11172-3)."""
MP3_BITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""The same of MPEG-2 and 2.5 (ISO/IEC 13818-3)."""
SAMPLE_TYPES = {(1, 8): "u1", (1, 16): "<i2", (1, 24): "V3", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}
"""By format tag and bits; V3 are whole numbers of three bytes, which numpy has not."""


class SampleFormat(NamedTuple):
    """How samples lie in the stream: numpy type, channels, rate, and bytes of sound if the header says so."""

    dtype: str = "<i2"
    channels: int = 1
    rate: int = SAMPLE_RATE
    size: int | None = None


def pipe_samples(pipe: BinaryIO) -> Iterator[Floats]:
    """Samples (N,), mono at 16 kHz in [-1, 1], piece by piece as they arrive.

    A WAV header says how the samples lie (integers of 8 to 32 bits or floats, any rate and number of channels, which
    are averaged); without one they are taken as 16-bit little-endian mono at 16 kHz.

    Raises:
        InputError: another format, or a pipe without sound.
    """
    start, name = first_bytes(pipe)
    if name is not None:
        raise InputError(f"the pipe carries {name}: give WAV or raw 16-bit samples (ffmpeg -i … -f wav -)")
    if start.startswith(b"RIFF"):
        layout, held = _wav_header(start, pipe), b""
    else:
        layout, held = SampleFormat(), start
    sound = PcmStream(layout.dtype, layout.rate, layout.channels)
    for data in _arriving(pipe, layout.size, held):
        yield bounded(sound.push(data))
    if not sound.count:
        raise InputError("no sound came through the pipe")
    yield bounded(sound.flush())


def _arriving(pipe: BinaryIO, left: int | None, held: bytes) -> Iterator[bytes]:
    """The bytes of the sound as they come, after those that were read already; ``left``: how many, None: all."""
    read = getattr(pipe, "read1", pipe.read)
    while left is None or left > 0:
        data = read(AT_MOST if left is None else min(AT_MOST, left))
        left = None if left is None else left - len(data)
        if held or data:
            yield held + data
        if not data:
            return
        held = b""


def first_bytes(pipe: BinaryIO) -> tuple[bytes, str | None]:
    """The first bytes of a pipe, and the name of the format that they begin; None: it is WAV or raw samples.

    MP3 and AAC begin with a frame, whose header raw samples may equal by chance: there must be a second one where the
    first frame ends.
    """
    start = _exactly(pipe, 8)
    name = next((name for magic, name in OTHER_FORMATS.items() if start.startswith(magic)), None)
    if name is None and start[4:] == b"ftyp":
        name = "M4A or MP4"
    elif name is None and (frame := _compressed_frame(start)) is not None:
        kind, length = frame
        start += _exactly(pipe, length)
        following = _compressed_frame(start[length:])
        if following is not None and following[0] == kind:
            name = "MP3" if kind[1] & 0x06 else "AAC"
    return start, name


def _compressed_frame(header: bytes) -> tuple[bytes, int] | None:
    """What all headers of a stream of MP3 or AAC (ADTS) share, and the bytes of this frame; None: it is no header."""
    if len(header) < 8 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    if header[1] & 0xF6 == 0xF0:  # AAC
        length = (header[3] & 0x03) << 11 | header[4] << 3 | header[5] >> 5
        known = (header[2] >> 2 & 0x0F) < 13 and length >= 8
        return (bytes([header[0], header[1], header[2] & 0xFC]), length) if known else None
    version, bits, rate = header[1] >> 3 & 0x03, header[2] >> 4, header[2] >> 2 & 0x03
    if header[1] & 0x06 != 0x02 or version == 1 or bits in (0, 15) or rate == 3:  # only Layer III
        return None
    samples = MP3_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    table, share = (MP3_BITS, 144_000) if version == 3 else (MP3_BITS_2, 72_000)
    length = share * table[bits - 1] // samples + (header[2] >> 1 & 0x01)
    return bytes([header[0], header[1], header[2] & 0x0C]), length


def _wav_header(start: bytes, pipe: BinaryIO) -> SampleFormat:
    """Read up to the first sample, after the first eight bytes."""
    if start[8:] + _exactly(pipe, 12 - len(start)) != b"WAVE":
        raise InputError("the pipe carries a RIFF file that is not WAV")
    layout: SampleFormat | None = None
    while True:
        head = _exactly(pipe, 8)
        if len(head) < 8:
            raise InputError("the WAV header in the pipe is cut short")
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            if layout is None:
                raise InputError("the WAV header in the pipe does not describe its samples")
            return layout._replace(size=size if 0 < size < ENDLESS else None)
        if size > LONGEST_CHUNK:
            raise InputError("the WAV header in the pipe is damaged or too long")
        body = _exactly(pipe, size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            tag = struct.unpack("<H", body[24:26])[0] if tag == 0xFFFE and len(body) >= 26 else tag
            if (tag, bits) not in SAMPLE_TYPES or not channels or not rate:
                raise InputError("the format of the WAV in the pipe is not supported: give 16-bit samples")
            check_rate(rate)
            layout = SampleFormat(SAMPLE_TYPES[tag, bits], channels, rate)


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    """So many bytes, fewer at the end of the pipe."""
    data = b""
    while len(data) < count and (more := pipe.read(count - len(data))):
        data += more
    return data


class PcmStream:
    """PCM in pieces that are cut anywhere, to mono float32 at 16 kHz.

    Args:
        layout: ``s16le``, ``f32le`` or numpy's name for such a type.
        rate: samples a second.
        channels: that are averaged.
    """

    def __init__(self, layout: str, rate: int, channels: int = 1):
        self.dtype, self.channels = np.dtype({"s16le": "<i2", "f32le": "<f4"}.get(layout, layout)), channels
        self.resampler = Resampler(rate)
        self.rate, self.count, self._held = rate, 0, b""

    @property
    def seconds(self) -> float:
        """That have come."""
        return self.count / self.rate

    def push(self, data: bytes) -> Floats:
        """Samples (N,) of the next bytes."""
        data, width = self._held + data, self.dtype.itemsize * self.channels
        whole = len(data) // width * width
        self._held = data[whole:]
        raw = np.frombuffer(data[:whole], self.dtype)
        if self.dtype.kind == "V":  # behind a byte of zeros they are numbers of four
            raw = np.pad(raw.view(np.uint8).reshape(-1, 3), ((0, 0), (1, 0))).view("<i4")
        samples = raw.reshape(-1, self.channels)
        self.count += len(samples)
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is silenced
            return self.resampler.push(bounded(in_full_scale(samples)).mean(1))

    def flush(self) -> Floats:
        """What the resampler holds back."""
        return self.resampler.flush()
