"""What is done to recordings before they are analysed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.robustness import (
    MP3_BITS,
    TELEPHONES,
    babble,
    clipped,
    conditions,
    grades,
    noisy,
    reverberant,
    seed_of,
    through_codec,
    through_mp3,
    trimmed,
    unmet_noises,
    within,
)

RATE = 16_000


def voice(seconds: float, level: float = 0.2) -> np.ndarray:
    """A buzz of 140 Hz with a syllable's envelope."""
    t = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
    return (level * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


@settings(max_examples=20)
@given(level=st.floats(0.01, 0.9), seed=st.integers(0, 99), decibels=st.sampled_from([20.0, 5.0, 0.0]))
def test_noise_is_so_far_below_whatever_the_levels(level: float, seed: int, decibels: float) -> None:
    speech, rng = voice(0.5, level), np.random.default_rng(seed)
    noise = rng.standard_normal(3000).astype(np.float32)
    added = noisy(speech, [noise], rng, decibels) - speech
    assert 10 * np.log10(power(speech) / power(added)) == pytest.approx(decibels, abs=0.05)
    default = noisy(speech, [noise], np.random.default_rng(seed)) - speech
    assert 10 * np.log10(power(speech) / power(default)) == pytest.approx(5.0, abs=0.05)


def test_a_room_keeps_place_and_level() -> None:
    speech = np.concatenate([np.zeros(RATE // 2, np.float32), voice(0.5), np.zeros(RATE, np.float32)])
    made = reverberant(speech, np.random.default_rng(1))
    assert len(made) == len(speech)
    assert power(made) == pytest.approx(power(speech), rel=0.01)
    assert power(made[: RATE // 2 - 10]) < 1e-9, "nothing before the direct sound"
    assert power(made[RATE : RATE + RATE // 10]) > 20 * power(made[-RATE // 10 :]) > 0, "it decays"


def test_mp3_is_narrower_and_still_the_same_sound() -> None:
    speech = voice(1.0, 0.1)
    coded = through_mp3(speech)
    assert len(speech) <= len(coded) < len(speech) + RATE // 5
    similarity = max(
        float(np.corrcoef(coded[lag : lag + 8000], speech[:8000])[0, 1]) for lag in range(len(coded) - 8000)
    )
    assert 0.9 < similarity < 0.99999
    assert MP3_BITS == 32_000


@settings(max_examples=20)
@given(share=st.sampled_from([0.01, 0.05, 0.2]), level=st.floats(0.01, 0.9))
def test_clipping_cuts_that_share_of_the_samples_and_nothing_else(share: float, level: float) -> None:
    speech = voice(1.0, level)
    made = clipped(speech, share)
    assert np.mean(made != speech) == pytest.approx(share, abs=0.002)
    assert np.abs(speech[made != speech]).min() >= np.abs(made).max()


@pytest.mark.parametrize("name", TELEPHONES)
def test_a_telephone_leaves_speech_in_its_place_and_takes_the_rest_of_the_spectrum(name: str) -> None:
    codec, rate, bits, band = TELEPHONES[name]
    rng = np.random.default_rng(3)
    click = np.concatenate([np.zeros(RATE // 2), rng.standard_normal(RATE // 20), np.zeros(RATE // 2)])
    speech = (0.1 * click).astype(np.float32)
    made = through_codec(within(speech, band), codec, rate, bits)
    assert made.shape == speech.shape
    centre = [float(np.sum(np.arange(len(x)) * np.square(x)) / np.sum(np.square(x))) for x in (speech, made)]
    assert centre[1] == pytest.approx(centre[0], abs=0.01 * RATE)
    hertz, spectrum = np.fft.rfftfreq(len(made), 1 / RATE), np.abs(np.fft.rfft(made)) ** 2
    assert spectrum[hertz > band[1] + 600].sum() < 0.05 * spectrum.sum()


def test_babble_is_as_long_as_asked_and_of_several_voices() -> None:
    voices = [np.full(n, value, np.float32) for n, value in ((100, 1.0), (4000, 10.0))]
    made = babble(voices, 1000, np.random.default_rng(0))
    assert made.shape == (1000,)
    assert 5.0 <= made.min() <= made.max() <= 50.0


def test_every_kind_of_damage_is_graded_and_the_same_every_time() -> None:
    speech = voice(1.0)
    changes = grades([voice(0.3)[::-1].copy()], [voice(0.7)])
    assert {kind for kind, _ in changes} == {"noise", "babble", "telephone", "MP3", "reverberation", "clipping"}
    assert all(sum(kind == other for other, _ in changes) == 3 for kind, _ in changes)
    for (kind, strength), change in changes.items():
        made, again = (change(speech, np.random.default_rng(5)) for _ in range(2))
        assert made.shape == speech.shape, (kind, strength)
        assert made.dtype == np.float32, (kind, strength)
        assert np.array_equal(made, again), (kind, strength)
        assert not np.array_equal(made, speech), (kind, strength)


def test_silence_is_cut_at_both_ends_and_no_more_than_half_a_second() -> None:
    rng = np.random.default_rng(0)
    quiet = (1e-4 * rng.standard_normal(RATE)).astype(np.float32)
    speech = voice(1.0)
    assert RATE <= len(trimmed(np.concatenate([quiet[:4000], speech, quiet[:4000]]))) < RATE + 4000
    assert len(trimmed(np.concatenate([quiet, speech, quiet]))) == 2 * RATE
    assert np.array_equal(trimmed(quiet), quiet), "nobody speaks: nothing is cut"


def test_levels_and_the_list_of_conditions() -> None:
    speech, rng = voice(0.2), np.random.default_rng(0)
    changes = conditions([])
    assert set(changes) == {"telephone", "mp3_32k", "reverberation", "louder_20db", "quieter_20db", "trimmed"}
    assert changes["louder_20db"](speech, rng) == pytest.approx(10 * speech)
    assert changes["quieter_20db"](speech, rng) == pytest.approx(speech / 10)
    assert "noise_5db" in conditions([speech])


def test_only_noises_that_training_never_met(tmp_path: Path) -> None:
    def clip(kind: str) -> Clip:
        path = tmp_path / f"{kind}.wav"
        soundfile.write(path, np.full(RATE, len(kind) / 20), RATE)
        return Clip("esc10", path, "none", "", "", f"other:noise-{kind}", "", "", 1.0, "train")

    met, unmet, lost = clip("rain"), clip("helicopter"), clip("rooster")
    lost.path.unlink()
    found = unmet_noises([met, unmet, lost])
    assert [float(samples[0]) for samples in found] == pytest.approx([0.5], abs=1e-3)


def test_the_seed_is_the_files_name() -> None:
    assert seed_of(Path("a/x.wav")) == seed_of(Path("b/x.wav")) != seed_of(Path("a/y.wav"))
