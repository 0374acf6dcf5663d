"""Putting the decoder's motion on the video clock, with stand-ins for what was heard."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.animation.conditioning import Style
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, _loudness, assemble, drawn_of, move
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from tests.animation.test_animation import small_track
from tests.support.cube import cube_face

SECONDS = 4.0
FRAMES = int(SECONDS * 50)
STILL = {"blinks": False, "gaze": False, "head": False, "liveliness": 0.0}


def features() -> SpeechFeatures:
    rng = np.random.default_rng(0)
    return SpeechFeatures(
        clock=FRAME_CLOCK,
        hidden=np.zeros((FRAMES, 4), np.float32),
        mel=np.zeros((FRAMES, 80), np.float32),
        prosody=rng.normal(-8, 2, (FRAMES, 4)).astype(np.float32),
        speech=np.arange(FRAMES) % 100 < 70,
    )


def full_face() -> Face:
    """A face with all ARKit shapes, none of which moves anything."""
    cube = cube_face()
    return Face("full", cube.mesh, ARKIT_52, np.zeros((52, 8, 3), np.float32), pivot=cube.pivot)


def animated(spoken: np.ndarray, face: Face | None = None, **options: object) -> Animation:
    track, target = small_track(120), face or full_face()
    moved, motion = Moved(spoken, ARKIT_52, features(), track), Motion(**options)  # type: ignore[arg-type]
    return assemble(moved, drawn_of(moved.features, motion, SECONDS), motion, target)


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 60.0])
def test_motion_is_read_at_the_time_of_the_video_frame(fps: float) -> None:
    spoken = np.zeros((FRAMES, 52), np.float32)
    spoken[:, ARKIT_52.index("jawOpen")] = FRAME_CLOCK.times(FRAMES) / SECONDS  # a ramp: value = time
    animation = animated(spoken, fps=fps, **STILL)
    assert len(animation) == SECONDS * fps
    jaw = animation.coefficients[:, animation.face.shape_index["jawOpen"]]
    inside = slice(1, -1)
    np.testing.assert_allclose(jaw[inside], animation.clock.times(len(animation))[inside] / SECONDS, atol=1e-5)


def test_coefficients_follow_the_shapes_of_the_face() -> None:
    spoken = np.zeros((FRAMES, 52), np.float32)
    spoken[:, ARKIT_52.index("mouthClose")] = 0.25
    animation = animated(spoken, cube_face(), **STILL)
    np.testing.assert_allclose(animation.coefficients, np.tile([0.0, 0.25], (120, 1)), atol=1e-6)


def test_switching_one_idle_motion_off_leaves_the_others_as_they_were() -> None:
    spoken = np.zeros((FRAMES, 52), np.float32)
    whole = animated(spoken, seed=3)
    no_gaze = animated(spoken, seed=3, gaze=False)
    blink, look = whole.face.shape_index["eyeBlinkLeft"], whole.face.shape_index["eyeLookOutLeft"]
    assert whole.coefficients[:, blink].max() > 0.8
    assert whole.coefficients[:, look].any()
    assert not no_gaze.coefficients[:, look].any()
    np.testing.assert_array_equal(no_gaze.coefficients[:, blink], whole.coefficients[:, blink])
    np.testing.assert_array_equal(no_gaze.head_rotation, whole.head_rotation)


def test_a_blink_closes_lids_that_emotion_holds_wide_or_narrow() -> None:
    spoken = np.zeros((FRAMES, 52), np.float32)
    for name in ("eyeWideLeft", "eyeSquintLeft", "eyeBlinkLeft"):
        spoken[:, ARKIT_52.index(name)] = 0.4
    animation = animated(spoken)
    blink, wide, squint = (
        animation.coefficients[:, animation.face.shape_index[f"eye{k}Left"]] for k in ("Blink", "Wide", "Squint")
    )
    assert blink.min() == pytest.approx(0.4)
    assert wide[np.argmax(blink)] < 0.05
    assert squint[np.argmax(blink)] < 0.05


def test_by_default_there_are_thirty_frames_a_second_with_all_idle_motions_of_seed_0() -> None:
    spoken = np.zeros((FRAMES, 52), np.float32)
    made = animated(spoken)
    assert (made.fps, len(made)) == (30.0, 120)
    asked = animated(spoken, fps=30.0, seed=0, blinks=True, gaze=True, head=True)
    np.testing.assert_array_equal(made.coefficients, asked.coefficients)
    np.testing.assert_array_equal(made.head_rotation, asked.head_rotation)


def test_loudness_is_of_the_loud_frames_and_nothing_twenty_decibels_below() -> None:
    heard = features()
    heard.prosody[:, 0] = np.linspace(0.0, -10.0, FRAMES)
    loud = np.percentile(heard.prosody[:, 0], 95)
    expected = np.clip(1.0 - (loud - heard.prosody[:, 0]) / np.log(100.0), 0.0, 1.0) * heard.speech
    np.testing.assert_allclose(_loudness(heard), expected, atol=2e-3)
    assert _loudness(heard).max() == 1.0


def test_posture_is_as_strong_as_the_expressivity() -> None:
    spoken, only = np.zeros((FRAMES, 52), np.float32), {"blinks": False, "gaze": False}
    still, usual, strong = (animated(spoken, **only, expressivity=x) for x in (0.0, 1.0, 2.0))
    drawn = drawn_of(features(), Motion(), 4.0)
    neutral, doubled = (
        assemble(Moved(spoken, ARKIT_52, features(), small_track(120).scaled(x)), drawn, Motion(**only), full_face())
        for x in (0.0, 2.0)
    )
    np.testing.assert_array_equal(still.head_rotation, neutral.head_rotation)
    np.testing.assert_array_equal(usual.head_rotation, animated(spoken, **only).head_rotation)
    np.testing.assert_array_equal(strong.head_rotation, doubled.head_rotation)
    assert still.track is not None
    np.testing.assert_allclose(still.track.intensity, 0.5, atol=1e-6)


def test_gains_are_for_the_arkit_shapes() -> None:
    made, face = np.zeros((FRAMES, 1), np.float32), full_face()

    def decode(track: EmotionTrack, style: Style) -> np.ndarray:
        return made

    heard, track = features(), small_track(120)
    assert move(decode, ("mean",), heard, track, Motion(), face).weights is made
    for asked in (Motion(expressivity=1.2), Motion(gain={"jawOpen": 0.5})):
        with pytest.raises(InputError, match="a vertex decoder has none"):
            move(decode, ("mean",), heard, track, asked, face)


def test_gains_of_the_lips_ask_for_landmarks() -> None:
    made = np.zeros((FRAMES, 52), np.float32)
    with pytest.raises(InputError, match="no landmarks"):
        move(lambda *_: made, ARKIT_52, features(), small_track(120), Motion(expressivity=1.2), full_face())
