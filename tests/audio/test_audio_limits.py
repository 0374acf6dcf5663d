"""Where the limits of a recording lie: what just passes, what just does not, and what is said of it."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.audio import Audio, FrameClock, as_audio, from_samples, load_audio
from sedtalker.audio.audio import bounded, check_rate, sound_file
from sedtalker.errors import InputError

VOICE = np.sin(np.arange(16_000) * 0.2).astype(np.float32)


def test_sound_far_beyond_full_scale_is_divided_by_its_peak() -> None:
    voice = VOICE / np.abs(VOICE).max()
    audio = from_samples(300.0 * voice, 16_000)
    np.testing.assert_allclose(audio.samples, voice, atol=1e-6)
    assert "peaks at 300 times full scale" in audio.notes[0]


def test_just_beyond_twice_full_scale_it_is_the_scale_that_is_off() -> None:
    voice = VOICE / np.abs(VOICE).max()
    audio = from_samples(np.float32(2.01) * voice, 16_000)
    np.testing.assert_allclose(audio.samples, voice, atol=1e-6)
    assert "peaks at 2.01 times full scale" in audio.notes[0]


@pytest.mark.parametrize("peak", [1.01, 1.5, 2.0])
def test_overshoot_is_clipped_and_the_rest_left_as_it_is(peak: float) -> None:
    voice = VOICE / np.abs(VOICE).max() * np.float32(peak)
    audio = from_samples(voice, 16_000)
    np.testing.assert_array_equal(audio.samples, np.clip(voice, -1, 1))
    assert not any("full scale" in note for note in audio.notes)


@pytest.mark.parametrize("level", [1.0, -1.0, 0.9992])
def test_more_than_a_thousandth_at_full_scale_is_clipped(level: float) -> None:
    samples = 0.5 * VOICE
    samples[:32] = level
    assert from_samples(samples, 16_000).notes == ("0.2 % of the samples are clipped: expect a weaker result",)


def test_the_share_of_clipped_samples_is_said() -> None:
    samples = 0.5 * VOICE
    samples[:8000] = 1.0
    assert from_samples(samples, 16_000).notes == ("50.0 % of the samples are clipped: expect a weaker result",)


@pytest.mark.parametrize(("level", "count"), [(1.0, 16), (-1.0, 16), (0.998, 4000), (-0.998, 4000)])
def test_few_samples_at_full_scale_or_many_just_below_are_not_clipped(level: float, count: int) -> None:
    samples = 0.5 * VOICE
    samples[:count] = level
    assert from_samples(samples, 16_000).notes == ()


def test_silence_is_below_a_ten_thousandth() -> None:
    for sign in (1.0, -1.0):
        samples = np.zeros(16_000, np.float32)
        samples[500] = sign * 0.9e-4
        assert from_samples(samples, 16_000).notes == ("the audio is silent",)
        samples[500] = sign * 1.1e-4
        assert from_samples(samples, 16_000).notes == ()


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_tenth_of_a_second_is_just_long_enough(rate: int) -> None:
    enough = rate // 10
    assert from_samples(0.1 * VOICE[:enough], rate).duration == pytest.approx(0.1)
    with pytest.raises(InputError, match="at least 100 ms"):
        from_samples(0.1 * VOICE[: enough - 1], rate)
    with pytest.raises(InputError, match="the audio is 95 ms long: at least 100 ms are needed"):
        from_samples(0.1 * VOICE[: enough * 95 // 100], rate)


@pytest.mark.parametrize(("rest", "averaged"), [(0.064, True), (0.0626, False)])
def test_channels_cancel_where_a_thousandth_of_the_power_is_left(rest: float, averaged: bool) -> None:
    """Of the voice in one channel and its opposite with some rest in the other, the mean is half of that rest."""
    audio = from_samples(np.stack([VOICE, (rest - 1) * VOICE], axis=1), 16_000)
    np.testing.assert_allclose(audio.samples, (0.5 * rest if averaged else 1.0) * VOICE, atol=1e-6)


@pytest.mark.parametrize("level", [0.9, 1e-3])
@pytest.mark.parametrize("loudest", [0, 1, 2])
def test_where_channels_cancel_the_loudest_is_taken(loudest: int, level: float) -> None:
    levels = np.full(3, -0.5 * level)
    levels[loudest] = level
    audio = from_samples(VOICE[:, None] * levels.astype(np.float32), 16_000)
    np.testing.assert_allclose(audio.samples, level * VOICE, atol=1e-6 * level)


def test_channels_that_cancel_only_in_part_are_averaged() -> None:
    audio = from_samples(np.stack([VOICE, -0.9 * VOICE], axis=1), 16_000)
    np.testing.assert_allclose(audio.samples, 0.05 * VOICE, atol=1e-6)


def test_moments_that_are_not_numbers_are_counted_once_for_all_channels() -> None:
    samples = np.tile((0.5 * VOICE)[:, None], (1, 2))
    samples[100:150] = np.nan
    samples[200, 1] = np.inf
    audio = from_samples(samples, 16_000)
    assert audio.notes == ("51 samples were not numbers and were set to zero",)
    assert not audio.samples[100:150].any()
    assert audio.samples[200] == pytest.approx(0.25 * VOICE[200], abs=1e-6)


def test_rates_from_one_to_768_kilohertz() -> None:
    check_rate(1000)
    check_rate(768_000)
    for rate in (999, 768_001):
        with pytest.raises(InputError, match=f"sound of {rate} Hz"):
            check_rate(rate)


def test_files_over_two_gibibytes_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.touch()
    os.truncate(path, 2 * 1024**3 + 1)
    with pytest.raises(InputError, match="larger than 2 GiB"):
        load_audio(path)
    os.truncate(path, 2 * 1024**3)
    with pytest.raises(InputError, match="not a readable audio file"):
        load_audio(path)


def test_the_longest_recording_is_just_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * VOICE, 16_000)
    assert load_audio(path, longest=1.0).duration == 1.0
    with pytest.raises(InputError, match="longer than 1 s"):
        load_audio(path, longest=0.9999)


def test_half_a_sample_more_than_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * VOICE, 16_000)
    with pytest.raises(InputError, match="longer than 1 s"):
        load_audio(path, longest=15_999.5 / 16_000)


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "allowed"), [(3600.0, True), (3600.01, False)])
def test_an_hour_is_read_unless_more_is_asked_for(tmp_path: Path, seconds: float, allowed: bool) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(round(1000 * seconds), np.int16), 1000, subtype="PCM_U8")
    decoder, rate = sound_file(path)
    if allowed:
        assert sum(map(len, decoder.parts())) == 3600 * rate
    else:
        with pytest.raises(InputError, match="longer than 3600 s"):
            list(decoder.parts())


@pytest.mark.parametrize(("excess", "kept"), [(800, 15_200), (3200, 16_000), (12_000, 16_000)])
def test_a_tenth_of_a_second_more_than_a_file_declares_is_padding(tmp_path: Path, excess: int, kept: int) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * VOICE, 16_000)
    data = bytearray(path.read_bytes())
    assert int.from_bytes(data[22:26]) == 16_000, "the samples that the stream declares, 36 bits from 21.5 on"
    data[22:26] = (16_000 - excess).to_bytes(4)
    path.write_bytes(data)
    assert len(load_audio(path).samples) == kept


@pytest.mark.parametrize(("samples", "said"), [(1591, "99 ms"), (1593, "100 ms")])
def test_a_length_is_said_to_the_nearest_millisecond(samples: int, said: str) -> None:
    with pytest.raises(InputError, match=f"the audio is {said} long"):
        from_samples(0.1 * VOICE[:samples], 16_000)


@pytest.mark.parametrize(("level", "sound"), [(1e6, True), (1e6 + 0.5, False), (-1e6, True), (-1e6 - 0.5, False)])
def test_a_million_times_full_scale_is_the_loudest_sound(level: float, sound: bool) -> None:
    samples = 0.5 * VOICE
    samples[100] = level
    notes = " ".join(from_samples(samples, 16_000).notes)
    assert ("peaks at 1e+06 times" in notes) == sound
    assert ("1 samples were not numbers" in notes) != sound


def test_a_file_that_breaks_off_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(48_000), 16_000)
    assert load_audio(path).notes == ()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    half = load_audio(path)
    assert 1.2 < half.duration < 1.6
    assert half.notes == (f"decoding stopped after {half.duration:.1f} s (the file is damaged or cut short)",)
    path.write_bytes(data[:3000])
    with pytest.raises(InputError, match="damaged, no sound decoded"):
        load_audio(path)


def test_the_sound_of_a_file_comes_in_parts_of_ten_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sound = (0.1 * np.random.default_rng(0).standard_normal((25 * 8000, 2))).astype(np.float32)
    soundfile.write(path, sound, 8000, subtype="FLOAT")
    decoder, rate = sound_file(path)
    found = list(decoder.parts())
    assert rate == 8000
    assert [round(len(part) / rate) for part in found] == [10, 10, 5]
    np.testing.assert_array_equal(np.concatenate(found), sound)


def test_a_recording_may_be_given_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * VOICE, 16_000)
    audio = load_audio(path)
    assert as_audio(audio) is audio
    assert as_audio(path).sha256 == as_audio(str(path)).sha256 == audio.sha256
    assert as_audio(VOICE, rate=8000).duration == as_audio(Audio(VOICE, 8000)).duration == 2.0
    assert as_audio(Audio(VOICE, 8000)).rate == 16_000
    with pytest.raises(InputError, match="the audio has no samples"):
        as_audio(Audio(VOICE[:0]))
    with pytest.raises(InputError, match="samples need their rate"):
        as_audio(VOICE)
    with pytest.raises(InputError, match="longer than"):
        as_audio(path, longest=0.5)


def test_samples_of_a_stream_are_bounded_one_by_one() -> None:
    given = np.array([np.nan, np.inf, -np.inf, 1e30, -1.5, 1.0, -1.0, 0.25, 0.0], np.float32)
    assert bounded(given).tolist() == [0.0, 0.0, 0.0, 1.0, -1.0, 1.0, -1.0, 0.25, 0.0]


def test_the_duration_is_that_of_the_rate() -> None:
    assert Audio(np.zeros(4000, np.float32), 8000).duration == 0.5
    assert Audio(np.zeros(4000, np.float32)).duration == 0.25


@pytest.mark.parametrize(
    ("duration", "frames"), [(0.0, 1), (0.001, 1), (0.02, 1), (0.0201, 2), (1.0, 50), (1.0 + 1e-9, 50), (1.001, 51)]
)
def test_a_clock_rounds_up_to_whole_frames(duration: float, frames: int) -> None:
    assert FrameClock(50.0).frames(duration) == frames


def test_a_clock_rounds_a_time_to_the_nearest_frame() -> None:
    clock = FrameClock(50.0, 0.01)
    assert [clock.index(t) for t in (0.01, 0.019, 0.021, 0.03, 0.989, 0.991, -0.029)] == [0, 0, 1, 1, 49, 49, -2]
    assert [clock.index(t) for t in (0.979, 0.981, 0.999, 1.001)] == [48, 49, 49, 50]


def test_frames_are_a_period_apart_from_the_offset_on() -> None:
    np.testing.assert_allclose(FrameClock(50.0, 0.01).times(3), [0.01, 0.03, 0.05])
    np.testing.assert_allclose(FrameClock(4.0).times(2), [0.0, 0.25])
