"""What a face shows of what a diarizer predicts: the laws of one function, and that streams show what files show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track
from sedtalker.emotion.shown import (
    CLEAR,
    FAMILIAR,
    NOTICED,
    UNNOTICED,
    attenuation,
    decided,
    neutral_by_intensity,
    own_scale,
    visible,
)
from sedtalker.speech.features import FRAME_CLOCK

SCALE = (0.2, 0.41, 0.8)
ROWS = arrays.arrays(np.float64, (5, 7), elements=st.floats(0.01, 1.0)).map(lambda x: x / x.sum(1, keepdims=True))


def test_the_scale_of_faces_begins_and_ends_where_the_diarizer_says() -> None:
    values = visible(np.array([0.0, 0.2, 0.35, 0.41, 0.605, 0.8, 0.9]), SCALE)
    assert values == pytest.approx([0.0, 0.0, 0.5, CLEAR, 0.85, 1.0, 1.0])
    assert visible(np.array([0.3]), None) == pytest.approx([0.3]), "a diarizer that knows no scale"


def test_a_recording_fills_the_scale() -> None:
    reserved, loud = np.linspace(0.0, 0.2, 101), np.linspace(0.4, 0.9, 101)
    assert visible(reserved, SCALE).max() == 0.0, "by the scale of everybody it shows nothing"
    assert visible(reserved, own_scale(SCALE, reserved))[[20, 60, -1]] == pytest.approx([0.0, 4 / 15, 16 / 30])
    assert visible(loud, SCALE)[[2, 80]] == pytest.approx([CLEAR, 1.0]), "and everything is at least clear"
    assert visible(loud, own_scale(SCALE, loud))[[0, 20, 95]] == pytest.approx([8 / 27, 12 / 27, 1.0])
    low, _, high = own_scale(SCALE, np.full(9, 0.45)) or SCALE
    assert (low, high) == pytest.approx((0.2, 0.5)), "one mood is shown as strong as it is, and never weaker than clear"


def test_degrees_above_what_is_clear_are_kept() -> None:
    """The counterpart of calm speech that shows nothing: a strong voice shows more than a moderate one."""
    moderate, strong = visible(np.array([0.45, 0.75]), SCALE)
    assert CLEAR < moderate < 0.8 < 0.95 < strong < 1.0


@given(ROWS, arrays.arrays(np.float64, 5, elements=st.floats(0, 1)))
def test_the_likeliest_emotion_stays_the_likeliest_and_gains(posterior: np.ndarray, strength: np.ndarray) -> None:
    shown = decided(posterior, strength, SCALE)
    assert shown.sum(1) == pytest.approx(np.ones(5), abs=1e-5)
    emotions = posterior[:, 1:] / posterior[:, 1:].sum(1, keepdims=True)
    top = emotions.argmax(1)
    noticed = strength > UNNOTICED + 1e-3
    rows = np.arange(5)
    share = shown[rows, 1 + top] / np.maximum(shown[:, 1:].sum(1), 1e-9)
    assert (share[noticed] >= emotions[rows, top][noticed] - 1e-5).all()


def test_a_flat_posterior_is_decided_and_a_tie_stays_a_blend() -> None:
    flat = np.array([[0.15, 0.20, 0.13, 0.13, 0.13, 0.13, 0.13], [0.1, 0.3, 0.3, 0.1, 0.1, 0.05, 0.05]])
    shown = decided(flat, np.ones(2), SCALE)
    assert shown[0, 1] > 0.99
    assert shown[1, 1:3] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_calm_speech_is_neutral_and_what_is_noticed_is_not() -> None:
    posterior = np.tile([0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1], (3, 1))
    shown = decided(posterior, np.array([UNNOTICED, (UNNOTICED + NOTICED) / 2, NOTICED]), SCALE)
    assert shown[:, 0] == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)
    unknown = decided(posterior, np.zeros(3), None)
    assert unknown[:, 1] == pytest.approx(np.ones(3), abs=1e-3), "without a scale the posterior alone decides"


def test_recordings_unlike_those_of_training_show_less_as_far_as_that_is_trusted() -> None:
    begin, end = FAMILIAR
    distance = np.float32([0.0, begin, (begin + end) / 2, end, 3.0])
    assert attenuation(distance) == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    assert attenuation(distance, 0.5) == pytest.approx([1.0, 1.0, 0.75, 0.5, 0.5])
    assert attenuation(distance, 0.0) == pytest.approx(np.ones(5))
    assert attenuation(None) == 1.0


@given(ROWS.map(lambda rows: rows[0]), st.floats(0.0, 1.0), st.floats(0.3, 1.6))
def test_streams_show_what_files_show(row: np.ndarray, level: float, distance: float) -> None:
    """A steady voice: what a stream makes of a frame is what ``emotion_track`` makes of the recording."""
    count = 120
    frames = FrameEmotions(
        np.tile(row, (count, 1)).astype(np.float32),
        np.full(count, level, np.float32),
        np.ones(count, bool),
        distance=np.full(count, distance, np.float32),
    )
    whole = emotion_track(frames, FRAME_CLOCK, 0.0, rule=TrackRule(visible=SCALE))
    strength = visible(frames.intensity, SCALE) * attenuation(frames.distance)
    np.testing.assert_allclose(whole.intensity, strength, atol=1e-5)
    np.testing.assert_allclose(whole.posterior, decided(frames.posterior, strength, SCALE), atol=2e-4)


ODDS = (-4.0, -2.5)


@given(ROWS, st.floats(0.0, 1.0))
def test_neutral_is_as_likely_as_its_intensity_says_and_the_emotions_keep_their_ratios(
    rows: np.ndarray, level: float
) -> None:
    rows = np.atleast_2d(rows)
    made = neutral_by_intensity(rows, np.full(len(rows), level), ODDS)
    assert made.sum(-1) == pytest.approx(np.ones(len(rows)))
    assert np.ptp(made[:, 0]) < 1e-12
    own, found = rows[:, 1:].astype(np.float64), made[:, 1:]
    np.testing.assert_allclose(found * own.sum(-1, keepdims=True), own * found.sum(-1, keepdims=True), atol=1e-6)


def test_calm_speech_is_confidently_neutral_and_loud_speech_is_not() -> None:
    even = np.full((4, 7), 1 / 7)
    likely = neutral_by_intensity(even, np.array([0.0, 0.05, 0.2, 0.6]), ODDS)[:, 0]
    assert likely == pytest.approx([0.9999, 0.9665, 0.3696, 0.0066], abs=1e-3)


def test_the_odds_of_neutral_change_the_prediction_and_nothing_that_is_shown() -> None:
    rng = np.random.default_rng(0)
    likeliest = np.repeat(np.eye(7)[[2, 3]], 100, axis=0)
    frames = FrameEmotions(
        (0.5 * likeliest + 0.5 * rng.dirichlet(np.ones(7), 200)).astype(np.float32),
        np.repeat(np.float32([0.1, 0.6]), 100),
        np.ones(200, bool),
        distance=np.zeros(200, np.float32),
    )
    plain, made = (
        emotion_track(frames, FRAME_CLOCK, 0.0, rule=TrackRule(visible=SCALE, neutral_odds=odds))
        for odds in (None, ODDS)
    )
    assert np.array_equal(plain.posterior, made.posterior)
    assert np.array_equal(plain.intensity, made.intensity)
    assert np.array_equal(plain.predicted.intensity, made.predicted.intensity)
    wanted = neutral_by_intensity(plain.predicted.posterior, plain.predicted.intensity, ODDS)
    np.testing.assert_allclose(made.predicted.posterior, wanted, atol=1e-6)
    assert made.predicted.posterior[50, 0] > 0.6 > 0.05 > made.predicted.posterior[150, 0]
