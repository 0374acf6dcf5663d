"""What is done to recordings at several strengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measures.damage import TELEPHONES, babble, clipped, grades, through_codec, within

from tests.training.evaluation.test_robustness import RATE, voice


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
