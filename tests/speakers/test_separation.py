"""Each speaker's own sound: from channels, and by turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.audio import SAMPLE_RATE, Audio, decoders
from sedtalker.audio.audio import load_channels
from sedtalker.errors import InputError
from sedtalker.speakers import separation
from sedtalker.speakers.separation import Speakers, by_channels, check_speakers, cut_apart, separate, sound_of
from sedtalker.speakers.turns import Turn, Turns
from tests.support.memory import memory_watched
from tests.support.talk import TURNS, speakers_of, voiced, wrote_rttm

SECONDS = 6.0
"""Length of the recordings with channels."""


def channel(*spans: tuple[float, float], pitch: float = 120.0, noise: float = 1e-4, gain: float = 1.0) -> Audio:
    """A channel with a voice in some spans, seconds."""
    samples = noise * np.random.default_rng(round(pitch)).standard_normal(round(SECONDS * SAMPLE_RATE))
    for start, end in spans:
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        samples[first:last] += gain * voiced(end - start, pitch)[: last - first]
    return Audio(samples.astype(np.float32))


def spoken(found: Speakers, name: str) -> list[tuple[float, float]]:
    return [(round(a, 1), round(b, 1)) for a, b in found.turns.of(name)]


def near(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    return len(found) == len(expected) and bool(np.abs(np.subtract(found, expected)).max() <= 0.2)


def test_a_channel_each_and_both_at_once() -> None:
    found = by_channels([channel((0.5, 2.5)), channel((2.0, 4.0), pitch=210.0)], "a.wav")
    assert found.names == ("speaker1", "speaker2")
    assert near(spoken(found, "speaker1"), [(0.5, 2.5)])
    assert near(spoken(found, "speaker2"), [(2.0, 4.0)])
    assert set(found.channels) == set(found.names)
    silent = found.sounds["speaker1"].samples[round(3.0 * SAMPLE_RATE) :]
    assert np.abs(silent).max() == 0.0


def test_what_a_microphone_hears_of_the_other_is_not_its_speech() -> None:
    first, second = channel((0.5, 2.0)), channel((3.0, 4.5), pitch=210.0)
    leaky = [
        Audio(first.samples + 0.2 * second.samples),  # 14 dB below
        Audio(second.samples + 0.2 * first.samples),
    ]
    found = by_channels(leaky, "a.wav")
    assert near(spoken(found, "speaker1"), [(0.5, 2.0)])
    assert near(spoken(found, "speaker2"), [(3.0, 4.5)])


def test_eight_channels_of_which_most_are_silent_or_noise(tmp_path: Path) -> None:
    silence = np.zeros(round(SECONDS * SAMPLE_RATE), np.float32)
    hiss = 3e-4 * np.random.default_rng(0).standard_normal(len(silence)).astype(np.float32)
    voices = [channel((0.5, 2.0)).samples, channel((3.0, 4.5), pitch=210.0).samples]
    rows = [silence, voices[0], silence, hiss, silence, voices[1], silence, silence]
    soundfile.write(tmp_path / "eight.wav", np.stack(rows, 1), SAMPLE_RATE)
    found = separate(tmp_path / "eight.wav", "channels")
    assert found.names == ("speaker2", "speaker6")
    assert near(spoken(found, "speaker2"), [(0.5, 2.0)])


def test_channels_at_another_rate_have_one_length(tmp_path: Path) -> None:
    rows = np.stack([channel((0.5, 2.0)).samples, channel((3.0, 4.5), pitch=210.0).samples], 1)
    soundfile.write(tmp_path / "telephone.wav", rows, 8_000)  # twice as slow, which is no matter here
    found = separate(tmp_path / "telephone.wav", "channels")
    assert {len(sound.samples) for sound in found.sounds.values()} == {len(found.mixed.samples)}
    assert found.mixed.duration == pytest.approx(2 * SECONDS, abs=0.01)


@pytest.mark.parametrize(
    ("channels", "problem"),
    [
        ([channel((0.5, 2.0))], "has one channel: use --speakers auto"),
        ([channel((0.5, 2.0)), Audio(np.zeros(96_000, np.float32))], "only one of its channels has sound"),
        ([channel((0.5, 2.0)), channel((3.0, 4.0), pitch=200.0), channel((0.5, 2.0))], "hold the same sound"),
        ([channel(noise=3e-4, pitch=1.0), channel(noise=3e-4, pitch=2.0)], "nobody speaks in any of its channels"),
        ([channel((0.5, 2.0))] * 17, "has 17 channels; at most 16"),
    ],
)
def test_channels_that_are_no_speakers_are_refused(channels: list[Audio], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        by_channels(channels, "a.wav")


def test_a_stereo_microphone_that_hears_everybody_is_said(caplog: pytest.LogCaptureFixture) -> None:
    voice, other = channel((0.5, 2.0), (3.0, 4.5)).samples, channel(noise=1e-2, pitch=2.0).samples
    by_channels([Audio(voice + other), Audio(voice - other)], "a.wav")
    assert "a.wav: its channels speak at the same time" in caplog.text


def test_turns_of_a_file_cut_the_recording(tmp_path: Path) -> None:
    whole = speakers_of()
    found = separate(whole.mixed, str(wrote_rttm(tmp_path / "who.rttm")))
    assert found.turns.turns == TURNS
    assert found.names == ("ann", "bob")
    ann, bob = (found.sounds[name].samples for name in found.names)
    inside = slice(round(1.0 * SAMPLE_RATE), round(2.5 * SAMPLE_RATE))
    np.testing.assert_array_equal(ann[inside], found.mixed.samples[inside])
    assert np.abs(bob[inside]).max() == 0.0
    both = slice(round(5.6 * SAMPLE_RATE), round(5.9 * SAMPLE_RATE))
    np.testing.assert_array_equal(ann[both], bob[both])  # who speaks over whom cannot be taken apart


@pytest.mark.parametrize("speakers", ["", "²", "0", "17", "-1", "nobody.txt", "a\0b", "x" * 5000, "Channels"])
def test_what_names_no_speakers_is_refused(speakers: str) -> None:
    with pytest.raises(InputError, match=r"give channels, auto, a number from 1 to 16, or an \.rttm file"):
        check_speakers(speakers)
    with pytest.raises(InputError):
        separate(speakers_of().mixed, speakers)


def test_turns_that_are_not_there_are_no_such_file() -> None:
    with pytest.raises(InputError, match=r"^gone\.wav: no such file$"):
        separate("gone.wav", "channels")
    with pytest.raises(InputError, match=r"^nobody\.rttm: no such file$"):
        check_speakers("nobody.rttm")


def test_channels_need_a_file() -> None:
    with pytest.raises(InputError, match="needs a file"):
        separate(speakers_of().mixed, "channels")


def test_renaming_keeps_sounds_and_merging_does_not_make_them_louder() -> None:
    found = speakers_of()
    renamed = found.renamed({"ann": "Ann Lee"})
    assert renamed.names == ("Ann Lee", "bob")
    assert renamed.sounds["Ann Lee"] is found.sounds["ann"]
    one = found.renamed({"bob": "ann"})
    assert one.names == ("ann",)
    assert one.turns.of("ann") == [(0.5, 3.0), (3.5, 7.5)]
    np.testing.assert_array_equal(one.sounds["ann"].samples, sound_of(found.mixed, one.turns, "ann").samples)
    with pytest.raises(InputError, match="there is no speaker 'eve': use one of ann, bob"):
        found.renamed({"eve": "x"})


def test_what_is_no_speech_is_a_turn_on_a_channel_of_ones_own() -> None:
    one, two = (channel(span, pitch=pitch).samples for span, pitch in (((0.5, 2.0), 120.0), ((3.0, 4.5), 210.0)))
    inside = slice(round(3.6 * SAMPLE_RATE), round(3.9 * SAMPLE_RATE))
    laugh = np.zeros_like(one)  # without a voice
    laugh[inside] = 0.05 * np.random.default_rng(0).standard_normal(len(laugh[inside]))
    picked_up = 0.15 * two * (np.arange(len(two)) > 4.0 * SAMPLE_RATE)  # 16 dB lower
    found = by_channels([Audio(one + laugh + picked_up), Audio(two)], "a.wav")
    assert near(spoken(found, "speaker1"), [(0.5, 2.0)])
    more = found.also({"speaker1": [(3.6, 3.9)], "speaker2": []})
    assert near(more.turns.of("speaker1"), [*spoken(found, "speaker1"), (3.6, 3.9)])
    assert more.turns.of("speaker2") == found.turns.of("speaker2")
    assert more.sounds["speaker2"] is found.sounds["speaker2"]
    np.testing.assert_array_equal(more.sounds["speaker1"].samples[inside], (one + laugh + picked_up)[inside])
    assert not found.sounds["speaker1"].samples[inside].any()
    alone = slice(round(4.3 * SAMPLE_RATE), round(4.4 * SAMPLE_RATE))
    assert not found.channels["speaker1"].samples[alone].any()
    np.testing.assert_array_equal(found.channels["speaker2"].samples[alone], two[alone])
    renamed = more.renamed({"speaker1": "Ann"})
    assert renamed.channels["Ann"] is more.channels["speaker1"]


def test_merged_channels_are_added() -> None:
    found = by_channels([channel((0.5, 2.5)), channel((2.0, 4.0), pitch=210.0)], "a.wav")
    one = found.renamed({"speaker2": "speaker1"})
    first, second = (sound.samples for sound in found.sounds.values())
    np.testing.assert_allclose(one.sounds["speaker1"].samples, np.clip(first + second, -1, 1))


def test_other_turns_cut_other_sounds() -> None:
    found = speakers_of()
    edited = cut_apart(found.mixed, Turns((Turn(1.0, 2.0, "bob"),), found.mixed.duration))
    assert edited.names == ("bob",)
    assert np.abs(edited.sounds["bob"].samples[round(2.2 * SAMPLE_RATE) :]).max() == 0.0
    assert replace(edited, channels=edited.sounds).renamed({"bob": "rob"}).names == ("rob",)


def test_channels_far_beyond_full_scale_are_brought_down_together(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    both = np.stack([channel((0.5, 2.5)).samples, 0.5 * channel((3.0, 5.0), pitch=210.0).samples], 1)
    both[100] = np.nan
    soundfile.write(path, 20_000 * both, SAMPLE_RATE, subtype="FLOAT")
    both[100] = 0.0
    made, peak = load_channels(path), np.abs(both).max()
    np.testing.assert_allclose(np.stack([one.samples for one in made], 1), both / peak, atol=1e-6)
    assert by_channels(made, "a.wav").mixed.notes == made[0].notes
    assert made[0].notes[0] == "1 samples were not numbers and were set to zero"
    assert "times full scale and was brought down" in made[0].notes[1]


def test_an_hour_is_cut_apart_without_copies_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In memory are the sounds, and a byte a sample; parts that are worked on do not show."""
    sound = Audio(np.random.default_rng(0).uniform(-1.0, 1.0, 100_000).astype(np.float32))
    turns = Turns((Turn(0.0, 2.0, "a"), Turn(2.05, 4.4, "a"), Turn(5.0, 6.2, "a")), sound.duration, ("a",))
    whole = sound_of(sound, turns, "a").samples
    monkeypatch.setattr(separation, "FADED_SAMPLES", 1001)
    np.testing.assert_array_equal(sound_of(sound, turns, "a").samples, whole)
    with memory_watched(6 * len(whole)):
        sound_of(sound, turns, "a")
    monkeypatch.setattr(decoders, "PART_VALUES", 2000)
    soundfile.write(tmp_path / "a.wav", np.stack([whole, whole], 1), SAMPLE_RATE, subtype="PCM_16")
    with memory_watched(20 * len(whole)):
        load_channels(tmp_path / "a.wav")
