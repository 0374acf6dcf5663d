"""Real files in every container the command line promises, written by FFmpeg through PyAV."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from sedtalker.audio import find_recording, from_samples, load_audio
from sedtalker.audio.audio import OFFSET_POLE, SAMPLE_RATE, OffsetFilter, _mix, in_full_scale, without_offset
from sedtalker.audio.decoders import _within
from sedtalker.errors import InputError

RATE = 44_100


def tone(seconds: float = 1.3, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)


def encode(path: Path, codec: str, rate: int, channels: int, video: bool = False) -> None:
    samples = tone(rate=rate)
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if video:
            picture = container.add_stream("libx264" if path.suffix == ".mp4" else "libvpx", rate=10)
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
            for _ in range(13):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                container.mux(picture.encode(frame))
            container.mux(picture.encode())
        frame = av.AudioFrame.from_ndarray(np.tile(samples, (channels, 1)), format="fltp", layout=layout)
        frame.rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.codec_context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels", "video"),
    [
        ("a.flac", "flac", 44_100, 1, False),
        ("a.opus", "libopus", 48_000, 1, False),
        ("a.mp3", "libmp3lame", 44_100, 2, False),
        ("a.m4a", "aac", 44_100, 2, False),
        ("a.mp4", "aac", 48_000, 1, True),
        ("a.webm", "libopus", 48_000, 2, True),
    ],
)
def test_every_container_is_read_at_its_true_length(
    tmp_path: Path, name: str, codec: str, rate: int, channels: int, video: bool
) -> None:
    path = tmp_path / name
    encode(path, codec, rate, channels, video)
    audio = load_audio(path)
    assert audio.rate == 16_000
    assert audio.samples.dtype == np.float32
    assert abs(audio.duration - 1.3) < 0.03
    spectrum = np.abs(np.fft.rfft(audio.samples[4000:20000]))
    assert abs(np.argmax(spectrum) / 16000 * 16000 - 220) < 2


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 8000, 1, "PCM_U8"),
        ("a.wav", 96_000, 6, "PCM_24"),
        ("a.wav", 16_000, 2, "FLOAT"),
        ("a.ogg", 44_100, 2, "VORBIS"),
    ],
)
def test_any_rate_and_channel_count(tmp_path: Path, name: str, rate: int, channels: int, subtype: str) -> None:
    path = tmp_path / name
    soundfile.write(path, np.tile(tone(rate=rate)[:, None], (1, channels)), rate, subtype=subtype)
    audio = load_audio(path)
    assert abs(audio.duration - 1.3) < 0.005
    assert 0.35 < np.abs(audio.samples).max() < 0.45


def test_truncated_mp3_gives_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    encode(path, "libmp3lame", 44_100, 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0.3 < load_audio(path).duration < 1.0


def test_samples_that_are_not_numbers_are_zeroed_and_reported() -> None:
    samples = tone(rate=16_000)
    samples[100:200] = np.nan
    audio = from_samples(samples, 16_000)
    assert np.isfinite(audio.samples).all()
    assert "100 samples were not numbers" in audio.notes[0]


def test_clipping_and_silence_are_reported() -> None:
    assert "clipped" in from_samples(np.sign(tone(rate=16_000)), 16_000).notes[0]
    assert from_samples(np.zeros(16_000), 16_000).notes == ("the audio is silent",)


@pytest.mark.parametrize(("samples", "message"), [(0, "no samples"), (800, "50 ms")])
def test_too_short_is_refused(tmp_path: Path, samples: int, message: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(samples, np.float32), 16_000)
    with pytest.raises(InputError, match=message):
        load_audio(path)


def test_what_is_not_audio_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "a.wav"
    text.write_text("this is a text file, whatever its name says\n" * 40)
    empty = tmp_path / "b.wav"
    empty.touch()
    silent_film = tmp_path / "c.mp4"
    with av.open(str(silent_film), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    cases = [(text, "not a readable"), (empty, "empty"), (silent_film, "no audio"), (tmp_path / "no", "no such file")]
    for path, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            load_audio(path)
        assert "\n" not in str(caught.value)


def test_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE)
    with pytest.raises(InputError, match="--max-seconds"):
        load_audio(path, longest=1.0)


def test_channels_of_opposite_polarity_do_not_cancel() -> None:
    voice = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    assert np.abs(from_samples(np.stack([voice, -voice], axis=1), 16_000).samples - voice).max() < 1e-6


def test_a_scale_far_beyond_full_is_brought_down_and_reported() -> None:
    voice = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    audio = from_samples(300.0 * voice, 16_000)
    assert np.corrcoef(audio.samples, voice)[0, 1] > 0.9999
    assert any("full scale" in note for note in audio.notes)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_long_file_read_in_parts_equals_one_resampling_of_all_of_it(tmp_path: Path, rate: int) -> None:
    sound = (0.1 * np.random.default_rng(0).standard_normal((33 * rate + 77, 2))).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
    audio = load_audio(tmp_path / "a.wav")
    once = soxr.resample(sound.mean(axis=1), rate, 16_000, quality="HQ")
    assert len(audio.samples) == len(once)
    assert np.abs(audio.samples - once).max() < 1e-6
    assert np.array_equal(audio.samples, from_samples(sound, rate).samples)


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=8), st.sampled_from([11_025, 16_000, 48_000]))
@settings(max_examples=20)
def test_the_parts_do_not_matter(lengths: list[int], rate: int) -> None:
    sound = np.random.default_rng(1).standard_normal((sum(lengths) + rate, 2)).astype(np.float32)
    parts = np.split(sound, np.cumsum(lengths))
    assert np.array_equal(_mix(parts, rate).mono, _mix([sound], rate).mono)
    assert np.array_equal(_mix(parts, rate, 1).mono, _mix([sound], rate, 1).mono)


@example([10, 10, 10], 10, 50)
@example([10, 15, 3, 2], 20, 20)
@example([10, 15, 3, 2], 20, 5)
@example([10, 20], 20, 10)
@given(st.lists(st.integers(0, 60), max_size=10), st.none() | st.integers(1, 300), st.integers(1, 50))
def test_a_little_more_than_declared_is_padding_and_much_more_is_sound(
    lengths: list[int], limit: int | None, slack: int
) -> None:
    total = sum(lengths)
    kept = sum(len(p) for p in _within((np.zeros((n, 1), np.float32) for n in lengths), limit, slack))
    assert kept == (limit if limit is not None and 0 < total - limit < slack else total)


def test_channels_that_cancel_in_a_file_are_read_again(tmp_path: Path) -> None:
    voice = tone(2.0, 48_000)
    soundfile.write(tmp_path / "a.flac", np.stack([voice, -voice], axis=1), 48_000)
    audio = load_audio(tmp_path / "a.flac")
    assert audio.duration == 2.0
    assert np.abs(audio.samples).max() > 0.39


@pytest.mark.parametrize("channels", [7, 8, 9, 16, 64])
def test_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, channels))
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav").samples, samples.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("name", ["Interview: Anna.wav", "12:30.wav", "http:127.0.0.1:9", "tcp:a", "rtp:b.wav"])
def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("plain.wav", np.full(4000, 0.1), 16_000)
    Path("plain.wav").rename(name)
    assert load_audio(name).duration == 0.25


def test_rates_that_no_recording_has_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 1)
    with pytest.raises(InputError, match=r"a\.wav: sound of 1 Hz cannot be read: give 1000 to 768000 Hz"):
        load_audio(tmp_path / "a.wav")
    with pytest.raises(InputError, match="sound of 0 Hz"):
        from_samples(np.zeros(100), 0)


def test_the_recording_of_a_result_is_found_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    soundfile.write(tmp_path / "speech" / "speech.wav", np.full(4000, 0.2), 16_000)
    soundfile.write(tmp_path / "speech.flac", np.full(4000, 0.1), 16_000)
    (tmp_path / "speech.ogg").write_bytes(b"no sound")
    digest, result = load_audio(tmp_path / "speech.flac").sha256, tmp_path / "speech" / "speech.npz"
    assert find_recording(result, digest) == tmp_path / "speech.flac"
    assert find_recording(result, None) is None
    assert find_recording(tmp_path / "other.npz", digest) is None


def test_samples_too_large_for_their_sum_are_damage() -> None:
    samples = np.full((16_000, 2), 3e38, np.float32)
    samples[8000:] = 0.25
    audio = from_samples(samples, 16_000)
    assert np.isfinite(audio.samples).all()
    assert audio.samples[12_000] == pytest.approx(0.25)
    assert "8000 samples were not numbers" in audio.notes[0]


# --- A constant offset.


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.floats(-0.5, 0.5))
def test_an_offset_is_taken_out_however_the_sound_comes(lengths: list[int], offset: float) -> None:
    """Scipy's filter is the witness: a mean with a pole, which begins as the mean of the first 10 ms."""
    rng = np.random.default_rng(0)
    sound = (rng.normal(0.0, 0.1, 160 + sum(lengths)) + offset).astype(np.float32)
    first = sound[:160].mean(dtype=np.float64)
    mean = lfilter([1.0 - OFFSET_POLE], [1.0, -OFFSET_POLE], sound, zi=[OFFSET_POLE * first])[0]
    pieces, stream = np.split(sound, 160 + np.cumsum([0, *lengths])[:-1]), OffsetFilter()
    np.testing.assert_allclose(without_offset(sound), sound - mean, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([stream.push(piece) for piece in pieces]), sound - mean, atol=1e-6)
    assert len(without_offset(sound[:0])) == 0


def test_a_voice_keeps_its_sound_without_an_offset() -> None:
    voice = tone()
    assert np.corrcoef(voice, without_offset(voice))[0, 1] > 0.999


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8])
def test_integers_are_taken_in_their_full_scale(kind: type) -> None:
    sound = tone(rate=SAMPLE_RATE)
    info = np.iinfo(kind)
    middle = (float(info.min) + float(info.max) + 1.0) / 2
    whole = (sound * (float(info.max) - middle) + middle).round().astype(kind)
    np.testing.assert_allclose(in_full_scale(whole), sound, atol=0.01)
    np.testing.assert_allclose(from_samples(whole, SAMPLE_RATE).samples, sound, atol=0.01)


def test_an_array_of_channels_first_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 16000\) cannot be read: give \(N,\) or \(N, channels\)"):
        from_samples(np.zeros((2, 16_000)), SAMPLE_RATE)
    with pytest.raises(InputError, match=r"shape \(16000, 0\) cannot be read"):
        from_samples(np.zeros((16_000, 0)), SAMPLE_RATE)


def test_a_wav_that_was_cut_off_is_read_as_far_as_it_goes_and_that_is_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.wav", tone(rate=SAMPLE_RATE), SAMPLE_RATE)
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    (tmp_path / "piped.wav").write_bytes(data[:4] + b"\xff\xff\xff\xff" + data[8:])
    notes = {name: load_audio(tmp_path / f"{name}.wav").notes for name in ("whole", "cut", "piped")}
    assert [len(said) for said in notes.values()] == [0, 1, 0]
    assert "the file is damaged or cut short" in notes["cut"][0]
