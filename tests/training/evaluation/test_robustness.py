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
    conditions,
    noisy,
    reverberant,
    seed_of,
    trimmed,
    unmet_noises,
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
    coded = conditions([])["mp3_32k"](speech, np.random.default_rng(0))
    assert len(speech) <= len(coded) < len(speech) + RATE // 5
    similarity = max(
        float(np.corrcoef(coded[lag : lag + 8000], speech[:8000])[0, 1]) for lag in range(len(coded) - 8000)
    )
    assert 0.9 < similarity < 0.99999
    assert MP3_BITS == 32_000


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
    ends = {"trimmed", "padded"}
    assert set(changes) == {"telephone", "mp3_32k", "reverberation", "louder_20db", "quieter_20db", *ends}
    assert len(changes["padded"](speech, rng)) == len(speech) + RATE
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
