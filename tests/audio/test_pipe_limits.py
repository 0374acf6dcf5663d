"""Headers in a pipe, byte by byte: what each number in them does."""

import io
import struct

import numpy as np
import pytest
import soundfile
import soxr

from sedtalker.audio import pipe
from sedtalker.audio.pipe import pipe_samples
from sedtalker.errors import InputError

VALUES = np.array([-32768, -16384, 0, 1, 16384, 32767] * 300, "<i2")


def header(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, extra: bytes = b"") -> bytes:
    width = channels * bits // 8
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits) + extra
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(body)) + body


def sound(data: bytes, size: int | None = None) -> bytes:
    return b"data" + struct.pack("<I", len(data) if size is None else size) + data


def piped(data: bytes) -> np.ndarray:
    return np.concatenate(list(pipe_samples(io.BytesIO(data))))


@pytest.mark.parametrize(
    ("tag", "bits", "dtype", "full"),
    [(1, 16, "<i2", 2.0**15), (1, 32, "<i4", 2.0**31), (3, 32, "<f4", 1.0), (3, 64, "<f8", 1.0)],
)
def test_full_scale_is_one(tag: int, bits: int, dtype: str, full: float) -> None:
    values = np.array([-1.0, -0.5, 0.0, 0.25, 0.5] * 500)
    data = header(tag, bits=bits) + sound((values * full).astype(dtype).tobytes())
    np.testing.assert_array_equal(piped(data), values.astype(np.float32))


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_24", "DOUBLE"])
@pytest.mark.parametrize("most", [5, 8192])
def test_samples_of_other_widths_are_those_of_the_file(
    kind: str, form: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "AT_MOST", most)  # pieces end within samples
    file = io.BytesIO()
    values = np.random.default_rng(3).uniform(-1.0, 1.0, (500, 2))
    soundfile.write(file, values, 16_000, format=form, subtype=kind)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0].mean(1)
    np.testing.assert_allclose(piped(file.getvalue()), expected, atol=1e-6)


def test_raw_samples_without_a_header_and_a_half_one_at_the_end() -> None:
    np.testing.assert_allclose(piped(VALUES.tobytes() + b"\x01"), VALUES / 32768, atol=1e-7)


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_are_averaged(channels: int) -> None:
    data = header(channels=channels) + sound(VALUES.tobytes())
    np.testing.assert_allclose(piped(data), (VALUES / 32768).reshape(-1, channels).mean(1), atol=1e-7)


def test_another_rate_is_resampled_to_the_last_sample() -> None:
    voice = (8000 * np.sin(np.arange(20_000) / 5)).astype("<i2")
    expected = soxr.resample((voice / 32768).astype(np.float32), 8000, 16_000)
    np.testing.assert_allclose(piped(header(rate=8000) + sound(voice.tobytes())), expected, atol=1e-4)


@pytest.mark.parametrize("size", [0, 0x7FFF0000, 0xFFFFFFFF])
def test_sizes_that_nobody_knew_last_to_the_end(size: int) -> None:
    assert len(piped(header() + sound(VALUES.tobytes(), size))) == len(VALUES)


def test_a_size_is_one_the_writer_knew_up_to_just_under_two_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "ENDLESS", 1000)
    for size, samples in ((998, 499), (1000, len(VALUES)), (1002, len(VALUES))):
        assert len(piped(header() + sound(VALUES.tobytes(), size))) == samples
    with pytest.raises(InputError, match="no sound came"):
        piped(header() + sound(VALUES.tobytes(), 1))


def test_a_pipe_is_read_in_pieces_of_eight_kibibytes() -> None:
    asked = list[int]()

    class Counted(io.BytesIO):
        def read1(self, count: int | None = -1) -> bytes:
            asked.append(-1 if count is None else count)
            return super().read1(count)

    for data in (VALUES.tobytes(), header() + sound(VALUES.tobytes(), 3000)):
        assert len(np.concatenate(list(pipe_samples(Counted(data)))))
    assert max(asked) == 8192
    assert min(asked) <= 3000, "never beyond the sound"


@pytest.mark.parametrize("samples", [1, 4096, 5000, 9000])
def test_a_known_size_ends_the_sound(samples: int) -> None:
    data = np.tile(VALUES, 6)[:samples].tobytes()
    assert len(piped(header() + sound(data + b"after" * 9, len(data)))) == samples


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_other_parts_of_a_header_are_passed_over(size: int) -> None:
    other = b"LIST" + struct.pack("<I", size) + b"x" * (size + size % 2)
    assert len(piped(header() + other + sound(VALUES.tobytes()))) == len(VALUES)


def test_a_part_of_over_a_mebibyte_is_damage() -> None:
    size = (1 << 20) + 1
    with pytest.raises(InputError, match="damaged or too long"):
        piped(header() + b"LIST" + struct.pack("<I", size) + b"x" * (size + 1) + sound(VALUES.tobytes()))


@pytest.mark.parametrize(("tag", "works"), [(1, True), (3, False), (0x55, False)])
def test_an_extended_header_names_its_format_behind(tag: int, works: bool) -> None:
    extra = struct.pack("<HHIH", 22, 16, 0, tag) + b"\0" * 14
    data = header(0xFFFE, extra=extra) + sound(VALUES.tobytes())
    if works:
        assert len(piped(data)) == len(VALUES)
    else:
        with pytest.raises(InputError, match="is not supported"):
            piped(data)


@pytest.mark.parametrize(("kept", "works"), [(10, True), (8, False)])
def test_an_extended_header_may_end_behind_its_format(kept: int, works: bool) -> None:
    data = header(0xFFFE, extra=struct.pack("<HHIH", 22, 16, 0, 1)[:kept])
    data += sound(VALUES.tobytes())
    if works:
        assert len(piped(data)) == len(VALUES)
    else:
        with pytest.raises(InputError, match="is not supported"):
            piped(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no sound came"),
        (b"fLaC" + b"\0" * 9, "carries FLAC"),
        (b"OggS" + b"\0" * 9, "carries Ogg"),
        (b"ID3\x04" + b"\0" * 9, "carries MP3"),
        (b"\x1aE\xdf\xa3" + b"\0" * 9, "carries WebM"),
        (b"FORM" + b"\0" * 9, "carries AIFF"),
        (b"RIFF\0\0\0\0AVI ", "a RIFF file that is not WAV"),
        (header(), "cut short"),
        (header() + b"data\0\0", "cut short"),
        (b"RIFF\0\0\0\0WAVE" + sound(VALUES.tobytes()), "does not describe its samples"),
        (header(tag=7, bits=8) + sound(VALUES.tobytes()), "is not supported"),
        (header(channels=0) + sound(VALUES.tobytes()), "is not supported"),
        (header(rate=0) + sound(VALUES.tobytes()), "is not supported"),
        (header(rate=999) + sound(VALUES.tobytes()), "sound of 999 Hz"),
        (header() + sound(b""), "no sound came"),
    ],
)
def test_each_refusal_says_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        piped(data)


@pytest.mark.parametrize(
    ("form", "endian", "name"),
    [
        ("WAV", "BIG", "big-endian WAV"),
        ("RF64", None, "RF64"),
        ("W64", None, "Wave64"),
        ("AU", None, "AU"),
        ("NIST", None, "NIST SPHERE"),
        ("VOC", None, "VOC"),
        ("CAF", None, "CAF"),
    ],
)
def test_other_forms_of_samples_are_not_taken_for_raw_ones(form: str, endian: str | None, name: str) -> None:
    held = io.BytesIO()
    soundfile.write(held, np.zeros(16_000), 16_000, "PCM_16", format=form, endian=endian)
    with pytest.raises(InputError, match=f"carries {name}: give WAV"):
        piped(held.getvalue())


@pytest.mark.parametrize("most", [1, 3, 5, 7])
def test_a_pipe_may_give_its_header_in_bits(most: int) -> None:
    """No more is read than the header: what a bit is short of is asked for, and nothing beyond it."""

    class Slow(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            return super().read(most if count is None or count < 0 else min(most, count))

    data = header() + b"data" + struct.pack("<I", 2 * len(VALUES)) + VALUES.tobytes()
    found = np.concatenate(list(pipe_samples(Slow(data))))
    assert (found * 32768).tolist() == VALUES.tolist()


def test_a_long_header_of_a_plain_format_says_it_in_front() -> None:
    data = header(1, extra=b"\x08\0" + b"\x03\0" * 4) + sound(VALUES.tobytes())
    np.testing.assert_allclose(piped(data), VALUES / 32768, atol=1e-7)


def test_no_sample_exceeds_full_scale_after_resampling() -> None:
    square = np.where(np.random.default_rng(0).random(48_000) < 0.5, -32768, 32767).astype("<i2").tobytes()
    samples = piped(header(rate=48_000) + sound(square))
    assert np.abs(samples).max() == 1.0  # 1.75 without the bound
