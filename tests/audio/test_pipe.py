"""Sound that comes through a pipe in pieces of any length."""

import io
import struct
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio.pipe import pipe_samples
from sedtalker.errors import InputError

SOUND = (0.3 * np.sin(np.arange(8000) / 9)).astype(np.float32)


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]):
        self.data, self.sizes = data, sizes

    def read(self, count: int = -1) -> bytes:
        self.sizes.append(self.sizes.pop(0))
        size = min(self.sizes[0], count if count >= 0 else len(self.data))
        data, self.data = self.data[:size], self.data[size:]
        return data


def wav(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", **kind: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, subtype=subtype, format=kind.get("format", "WAV"))
    return stream.getvalue()


def piped(data: bytes, sizes: list[int] | None = None) -> np.ndarray:
    return np.concatenate(list(pipe_samples(Dribble(data, sizes or [4096]))))


@settings(max_examples=25)
@given(st.lists(st.integers(1, 997), min_size=1, max_size=5), st.sampled_from(["raw", "PCM_16", "PCM_32", "FLOAT"]))
def test_pieces_of_any_length_give_the_same_samples(sizes, kind):
    raw = (SOUND * 32768).astype("<i2").tobytes()
    assert np.abs(piped(raw if kind == "raw" else wav(SOUND, subtype=kind), sizes) - SOUND).max() < 1e-4


def test_channels_are_averaged_and_rates_changed():
    stereo = wav(np.column_stack([SOUND, 0.0 * SOUND]))
    assert np.abs(piped(stereo) - 0.5 * SOUND).max() < 1e-4
    assert len(piped(wav(SOUND, rate=8000))) == pytest.approx(16_000, abs=2)
    extensible = wav(SOUND, format="WAVEX")
    assert np.abs(piped(extensible) - SOUND).max() < 1e-4


def test_a_header_without_a_length_lasts_to_the_end():
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((SOUND * 32768).astype("<i2").tobytes())
    data = bytearray(stream.getvalue())
    data[40:44] = b"\xff\xff\xff\xff"
    assert len(piped(bytes(data))) == len(SOUND)


def test_what_follows_the_sound_is_left_out():
    assert len(piped(wav(SOUND) + b"LIST" + b"\x10\x00\x00\x00" + b"x" * 16)) == len(SOUND)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"fLaC" + b"\0" * 50,
        b"ID3\x04" + b"\0" * 50,
        b"\0\0\0\x1cftypM4A " + b"\0" * 5000,
        b"RIFF\x00\x00\x00\x00AVI " + b"\0" * 50,
        wav(SOUND)[:20],
        wav(SOUND)[:44],
        wav(SOUND, subtype="ULAW"),
        b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WAVELIST\xff\xff\xff\xff",
        wav(SOUND, rate=1),
    ],
)
def test_what_is_no_sound_is_one_line(data):
    with pytest.raises(InputError):
        piped(data)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_mp3_without_a_tag_is_refused_by_its_name(rate: int) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, np.tile(SOUND, 3), rate, format="MP3")
    data = stream.getvalue()
    data = data[data.index(b"\xff", 10 + data[9] if data.startswith(b"ID3") else 0) :]
    with pytest.raises(InputError, match="carries MP3"):
        piped(data, [7, 100])


def test_aac_is_refused_by_its_name() -> None:
    frame = bytes.fromhex("fff1504002bffc") + b"\x21" * 14  # 21 bytes, 44.1 kHz, mono
    with pytest.raises(InputError, match="carries AAC"):
        piped(frame * 500)


@pytest.mark.parametrize("first", ["ffff", "fffb90c4", "fffbe0c4", "fff150400380fc00", "ffe0ffff", "fffb90c400000000"])
def test_raw_samples_that_begin_as_a_frame_would_are_sound(first: str) -> None:
    raw = bytes.fromhex(first) + (SOUND * 32768).astype("<i2").tobytes()
    assert len(piped(raw)) == len(raw) // 2
    quiet = np.full(8000, -1, "<i2").tobytes()
    assert len(piped(quiet)) == 8000


def test_floats_that_are_no_sound_become_silence_or_full_scale() -> None:
    samples = np.tile(np.array([np.nan, np.inf, -np.inf, 1e38, -2.0, 0.5], "<f4"), 3000)
    head = b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 44_100, 176_400, 4, 32)
    made = np.concatenate(
        list(pipe_samples(io.BytesIO(head + b"data" + struct.pack("<I", samples.nbytes) + samples.tobytes())))
    )
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 2.0
