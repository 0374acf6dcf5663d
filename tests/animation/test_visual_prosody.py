"""Accents, phrases and what brows, head and breath do with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation import visual_prosody as vp
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

FRAMES = 400
TIMES = np.arange(240) / 30.0
ACCENTS = (1.0, 2.2, 5.0)


def talk(accents: tuple[float, ...] = ACCENTS, rise: float = 0.0) -> SpeechFeatures:
    """Eight seconds: speech from 0.5 to 3 and from 4 to 7, at 150 Hz with bumps of pitch and loudness."""
    times = FRAME_CLOCK.times(FRAMES)
    speech = ((times > 0.5) & (times < 3.0)) | ((times > 4.0) & (times < 7.0))
    bumps = sum(np.exp(-0.5 * ((times - at) / 0.08) ** 2) for at in accents)
    log_f0 = 0.25 * bumps + rise * np.clip((times - 6.6) / 0.4, 0.0, 1.0) + 1e-6
    prosody = np.stack([-6.0 + 1.5 * bumps, log_f0, np.where(speech, 0.9, 0.1), np.zeros(FRAMES)], 1)
    prosody[~speech, 1] = 0.0
    hidden = np.zeros((FRAMES, 2), np.float32)
    return SpeechFeatures(FRAME_CLOCK, hidden, np.zeros((FRAMES, 80), np.float32), prosody.astype(np.float32), speech)


def faces() -> dict[str, np.ndarray]:
    return {name: np.full(len(TIMES), 0.2, np.float32) for name in ARKIT_52}


def test_accents_are_where_pitch_and_loudness_stand_out() -> None:
    rhythm = vp.find_rhythm(talk())
    assert rhythm.accents == pytest.approx(ACCENTS, abs=0.04)
    assert (rhythm.strength > 0.3).all()
    assert rhythm.phrases == pytest.approx(np.array([[0.5, 3.0], [4.0, 7.0]]), abs=0.021)
    assert not rhythm.questions.any()


def test_pitch_that_rises_at_the_end_is_a_question() -> None:
    assert vp.find_rhythm(talk(rise=0.3)).questions.tolist() == [False, True]


def test_silence_has_neither() -> None:
    quiet = talk()
    quiet.speech[:] = False
    rhythm = vp.find_rhythm(quiet)
    assert len(rhythm.accents) == 0
    assert len(rhythm.phrases) == 0
    rng = np.random.default_rng(0)
    assert not vp.brow_raises(TIMES, rhythm, rng).any()
    assert not vp.breaths(TIMES, rhythm).any()


def test_brows_rise_before_an_accent_and_are_down_between() -> None:
    rhythm = vp.find_rhythm(talk())
    raised = np.mean([vp.brow_raises(TIMES, rhythm, np.random.default_rng(seed)) for seed in range(60)], 0)
    at = lambda second: raised[round(second * 30)]  # noqa: E731
    assert at(0.9) > 0.25
    assert at(0.9) > at(1.3)
    assert at(3.8) == 0.0
    assert 0.3 < np.mean(raised[[27, 64, 148]]) < 0.9, "on some accents, not on all"


def test_the_head_dips_on_accents() -> None:
    rhythm = vp.find_rhythm(talk())
    pitch = np.mean([vp.nods(TIMES, rhythm, np.random.default_rng(seed))[:, 0] for seed in range(200)], 0)
    assert pitch[31] > 0.8
    assert pitch[31] > pitch[22] + 1.0, "it lifts a little before"
    assert pitch[round(3.9 * 30)] < -0.4, "and with the breath before a phrase"


def test_a_breath_comes_before_a_phrase_after_a_long_pause_only() -> None:
    drawn = vp.breaths(TIMES, vp.find_rhythm(talk()))
    assert drawn[round(3.88 * 30)] > 0.8
    assert not drawn[round(4.02 * 30) : 200].any()
    assert not drawn[round(0.55 * 30) : 100].any()


def signs(seed: int) -> vp.Signs:
    return vp.lively_signs(TIMES, vp.find_rhythm(talk()), np.random.default_rng(seed))


def test_one_side_is_stronger_and_lips_stay_even() -> None:
    made = vp.enliven(faces(), signs(1), 1.0)
    left, right = made["mouthSmileLeft"], made["mouthSmileRight"]
    assert 0.01 < np.abs(left - right).mean() / 0.2 < 0.4
    assert left + right == pytest.approx(np.full(len(TIMES), 0.4), abs=1e-5), "what one side gains the other loses"
    for name in ("mouthUpperUp", "mouthLowerDown", "mouthPress"):
        np.testing.assert_array_equal(made[f"{name}Left"], made[f"{name}Right"])


@settings(max_examples=25)
@given(st.integers(0, 999), st.floats(0.0, 2.0))
def test_weights_stay_weights_and_nothing_moves_without_liveliness(seed: int, liveliness: float) -> None:
    made = vp.enliven(faces(), signs(seed), liveliness)
    assert all(((curve >= 0) & (curve <= 1)).all() for curve in made.values())
    still = vp.enliven(faces(), signs(seed), 0.0)
    assert all(np.array_equal(still[name], curve) for name, curve in faces().items())
    again = vp.enliven(faces(), signs(seed), liveliness)
    assert all(np.array_equal(again[name], curve) for name, curve in made.items())


def test_frowning_brows_rise_less() -> None:
    frown = faces() | {f"browDown{side}": np.full(len(TIMES), 0.8, np.float32) for side in ("Left", "Right")}
    calm, angry = (vp.enliven(f, signs(3), 1.0)["browInnerUp"] for f in (faces(), frown))
    assert (angry - 0.2).max() < 0.4 * (calm - 0.2).max()
