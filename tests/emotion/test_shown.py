"""What a face shows of what a diarizer predicts: the laws of one function, and that streams show what files show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sedtalker.emotion.inference import FrameEmotions, TrackRule, shape_track
from sedtalker.emotion.shown import FAMILIAR, NOTICED, UNNOTICED, attenuation, decided, own_scale, visible

SCALE = (0.2, 0.5)
ROWS = arrays.arrays(np.float64, (5, 7), elements=st.floats(0.01, 1.0)).map(lambda x: x / x.sum(1, keepdims=True))


def test_the_scale_of_faces_begins_and_ends_where_the_diarizer_says() -> None:
    assert visible(np.array([0.0, 0.2, 0.35, 0.5, 0.9]), SCALE) == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    assert visible(np.array([0.3]), None) == pytest.approx([0.3]), "a diarizer that knows no scale"


def test_a_recording_fills_the_scale() -> None:
    reserved, loud = np.linspace(0.0, 0.2, 101), np.linspace(0.4, 0.9, 101)
    assert visible(reserved, SCALE).max() == 0.0, "by the scale of everybody it shows nothing"
    assert visible(reserved, own_scale(SCALE, reserved))[[20, 60, -1]] == pytest.approx([0.0, 4 / 15, 16 / 30])
    assert visible(loud, SCALE)[[20, 95]] == pytest.approx([1.0, 1.0]), "and everything is in full"
    assert visible(loud, own_scale(SCALE, loud))[[0, 20, 95]] == pytest.approx([8 / 27, 12 / 27, 1.0])
    assert own_scale(SCALE, np.full(9, 0.45)) == pytest.approx((0.2, 0.5)), "one mood is shown as strong as it is"


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
    """A steady voice: what a stream makes of a frame is what ``shape_track`` makes of the recording."""
    count = 120
    frames = FrameEmotions(
        np.tile(row, (count, 1)).astype(np.float32),
        np.full(count, level, np.float32),
        np.ones(count, bool),
        distance=np.full(count, distance, np.float32),
    )
    whole = shape_track(frames, 50.0, TrackRule(visible=SCALE))
    strength = visible(frames.intensity, SCALE) * attenuation(frames.distance)
    np.testing.assert_allclose(whole.intensity, strength, atol=1e-5)
    np.testing.assert_allclose(whole.posterior, decided(frames.posterior, strength, SCALE), atol=2e-4)
