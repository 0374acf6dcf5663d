import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.face.builtin import load_face
from tests.animation.test_animation import small_track

TIMES = np.arange(0, 120, 1 / 30)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaze(generator: np.random.Generator) -> NDArray[np.float32]:
    return idle_motion.fixations(float(TIMES[-1]), generator).path(TIMES)


def test_blinks_close_fully_open_again_and_come_at_a_human_rate() -> None:
    closure = idle_motion.blinks(np.arange(0, 120, 1 / 120), rng())
    assert closure.min() == 0.0
    assert closure.max() == 1.0
    starts = np.count_nonzero((closure[1:] > 0.5) & (closure[:-1] <= 0.5))
    assert 8 <= starts / 2 <= 30  # a minute
    assert np.mean(closure > 0.1) < 0.15


def test_blinks_wait_for_a_pause() -> None:
    speech = (TIMES % 4.0) < 3.0
    closure = idle_motion.blinks(TIMES, rng(3), speech)
    onsets = TIMES[1:][(closure[1:] > 0) & (closure[:-1] == 0)] % 4.0
    assert np.mean(np.abs(onsets - 3.0) < 0.15) > 0.1  # chance alone gives 0.05


@pytest.mark.parametrize("fps", [24, 30, 60])
def test_eyes_are_open_at_the_end(fps: int) -> None:
    """One of eight recordings ended with closed eyes, at which players and engines stay: speech ends in a pause."""
    for seed in range(40):
        times = np.arange(0, 2.0 + seed / 20, 1 / fps)
        closure = idle_motion.blinks(times, rng(seed), times < times[-1] - 0.1)
        assert closure[0] == 0.0
        assert closure[-1] < 0.01
        assert closure.max() > 0.98, "a blink closes the eye wholly, whichever frames show it"


def test_gaze_fixates_and_stays_near_the_viewer() -> None:
    looks = gaze(rng())
    speed = np.abs(np.diff(looks, axis=0)).max(axis=1)
    assert np.mean(speed == 0) > 0.8
    assert np.percentile(np.abs(looks), 95) < 15
    assert np.abs(looks.mean(axis=0)).max() < 2


@pytest.mark.parametrize("turn", [(0, 9, 0), (0, -9, 0), (8, 0, 0), (-7, 0, 0), (5, -6, 3)])
def test_eyes_hold_their_direction_while_the_head_turns(turn: tuple[float, float, float]) -> None:
    """They were fixed in the head, and looked past the viewer with every turn of it."""
    face, head = load_face(), np.radians([turn]).astype(np.float32)
    looks = idle_motion.eye_look(idle_motion.in_head(np.zeros((1, 2), np.float32), head))
    weights = np.array([[looks.get(name, np.zeros(1))[0] for name in face.shapes]], np.float32)
    seen = Animation(weights, 30.0, face, head).vertices()[0]
    for side in (-1, 1):
        ball = face.regions["eyes"] & (face.mesh.vertices[:, 0] * side > 0)
        before, after = (points[ball] - points[ball].mean(axis=0) for points in (face.mesh.vertices, seen))
        forward = Rotation.align_vectors(after, before)[0].apply([0.0, 0.0, 1.0])
        assert np.degrees(np.arccos(forward[2])) < 2.0


def test_eyes_move_together() -> None:
    weights = idle_motion.eye_look(np.array([[15.0, -6.0], [-30.0, 3.0]], np.float32))
    np.testing.assert_allclose(weights["eyeLookOutLeft"], weights["eyeLookInRight"])
    np.testing.assert_allclose(weights["eyeLookOutLeft"], [0.5, 0.0])
    np.testing.assert_allclose(weights["eyeLookDownLeft"], [0.2, 0.0], atol=1e-6)
    assert all(value.min() >= 0 and value.max() <= 1 for value in weights.values())


def test_the_head_moves_smoothly_and_a_little() -> None:
    track = small_track(len(TIMES))
    energy = (np.sin(TIMES * 8) > 0).astype(np.float32)
    turns = np.degrees(idle_motion.head_rotation(idle_motion.head_drift(len(TIMES), 30.0, rng()), 30.0, energy, track))
    assert turns.shape == (len(TIMES), 3)
    assert 0.5 < turns.std() < 4
    assert np.abs(turns).max() < 12
    assert np.abs(np.diff(turns, axis=0)).max() < 1.0


def test_the_same_seed_is_the_same_motion_and_another_is_not() -> None:
    assert np.array_equal(gaze(rng(5)), gaze(rng(5)))
    assert not np.array_equal(gaze(rng(5)), gaze(rng(6)))


def test_one_frame_is_enough() -> None:
    assert idle_motion.blinks(np.zeros(1), rng()).shape == (1,)
    assert idle_motion.fixations(0.0, rng()).path(np.zeros(1)).shape == (1, 2)
    assert idle_motion.head_rotation(
        idle_motion.head_drift(1, 30.0, rng()), 30.0, np.zeros(1), small_track(1)
    ).shape == (1, 3)
