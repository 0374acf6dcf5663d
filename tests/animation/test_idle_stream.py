from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation import idle_motion
from sedtalker.animation.idle_motion import BlinkStream, GazeStream, IdleStream
from sedtalker.animation.performance import LiveMotion
from sedtalker.face.arkit import INDEX

TIMES = np.arange(0, 40, 1 / 60)
AHEAD = np.zeros((1, 3), np.float32)
"""The head of a frame, straight ahead."""
EYES = [i for name, i in INDEX.items() if name.startswith("eye")]


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(10.0, 120.0))
def test_the_stream_equals_the_whole(seed, fps):
    times = np.arange(0, 30, 1 / fps)
    blinks, gaze = BlinkStream(np.random.default_rng(seed)), GazeStream(np.random.default_rng(seed + 1))
    closure = np.concatenate([blinks.at(float(t)) for t in times])
    looks = np.concatenate([gaze.at(float(t)) for t in times])
    known = times < 29.5  # a stream does not know when the last blink must be over
    assert np.allclose(closure[known], idle_motion.blinks(times, np.random.default_rng(seed))[known], atol=1e-6)
    assert np.allclose(looks, idle_motion.fixations(30.0, np.random.default_rng(seed + 1)).path(times), atol=1e-5)


def test_lids_close_whatever_the_face_does_and_nothing_else_moves():
    still = np.full((1, 52), 0.4, np.float32)
    idle = IdleStream(LiveMotion(seed=3))
    frames = np.concatenate([idle.added(np.array([t]), still, AHEAD) for t in TIMES])
    assert frames[:, INDEX["eyeBlinkLeft"]].max() > 0.9
    assert frames[:, INDEX["eyeWideRight"]].min() < 0.05
    assert frames[:, INDEX["eyeBlinkLeft"]].min() == np.float32(0.4)
    assert np.ptp(frames[:, INDEX["eyeLookInLeft"]]) > 0.02
    assert (np.delete(frames, EYES, axis=1) == np.float32(0.4)).all()


def test_idle_motion_is_left_out_where_it_is_not_wanted():
    still = np.linspace(0, 1, 52, dtype=np.float32)[None]
    idle = IdleStream(LiveMotion(blinks=False, gaze=False))
    assert all(np.array_equal(idle.added(np.array([t]), still, AHEAD), still) for t in TIMES[:300])


def test_switching_gaze_off_leaves_the_blinks():
    still = np.zeros((1, 52), np.float32)
    both, alone = IdleStream(LiveMotion(seed=5)), IdleStream(LiveMotion(seed=5, gaze=False))
    lids = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
    for at in TIMES[:, None]:
        assert np.array_equal(both.added(at, still, AHEAD)[:, lids], alone.added(at, still, AHEAD)[:, lids])
