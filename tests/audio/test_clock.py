import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.audio import FrameClock, resample_frames


@given(st.floats(1, 200), st.floats(0, 1), st.integers(0, 10_000))
def test_index_inverts_times(rate: float, offset: float, frame: int) -> None:
    clock = FrameClock(rate, offset)
    assert clock.index(offset + frame / rate) == frame


@given(st.floats(0.1, 600), st.sampled_from([24.0, 25.0, 29.97, 30.0, 60.0]))
def test_frames_cover_the_duration_to_one_frame(duration: float, fps: float) -> None:
    frames = FrameClock(fps).frames(duration)
    assert -1e-6 <= frames / fps - duration <= 1 / fps


def test_resampling_is_exact_at_the_given_times_and_held_outside() -> None:
    times = np.array([0.01, 0.03, 0.05])
    values = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0]])
    np.testing.assert_allclose(resample_frames(values, times, times), values, rtol=1e-6)
    np.testing.assert_allclose(resample_frames(values, times, np.array([-1.0, 0.02, 9.0])), [[0, 1], [1, 2], [4, 9]])


def test_one_frame_is_held() -> None:
    np.testing.assert_array_equal(resample_frames(np.ones((1, 2)), np.zeros(1), np.arange(3.0)), np.ones((3, 2)))


def test_two_frames_are_joined_by_a_line() -> None:
    held = resample_frames(np.array([[2.0], [4.0]]), np.array([1.0, 2.0]), np.array([0.0, 1.0, 1.25, 2.0, 3.0]))
    np.testing.assert_allclose(held[:, 0], [2.0, 2.0, 2.5, 4.0, 4.0])
    flat = resample_frames(np.array([2.0, 4.0, 3.0]), np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.5, 2.0]))
    np.testing.assert_allclose(flat, [3.0, 3.5, 3.0])
    assert flat.dtype == np.float32
