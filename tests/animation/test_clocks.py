"""Times of video frames: of finished animations, at other rates, and of streams that go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.animation.animation_stream import GAIN_MARGIN, AnimationStream, MotionFrames, _interpolated
from sedtalker.animation.burst_motion import BurstStream
from sedtalker.animation.gains import Gains, apply_gains
from sedtalker.animation.performance import LiveMotion, Motion, StreamSettings
from sedtalker.animation.recipe import Moved, _loudness, assemble, drawn_of
from sedtalker.animation.visual_prosody import find_rhythm
from sedtalker.emotion.emotion_stream import StreamFrames
from sedtalker.emotion.formats import constant_track
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.speech.features import FRAME_CLOCK, FRAME_LENGTH, SpeechFeatures
from tests.support.cube import cube_face, cube_mesh
from tests.support.moving import moving_cube

STILL = {"blinks": False, "gaze": False, "head": False}


# --- Finished animations.


def ramp(frames: int, fps: float) -> Animation:
    """The jaw and the head move by 1 in a second."""
    time = (np.arange(frames) / fps).astype(np.float32)
    track = constant_track("happy:0.5", frames / fps).at(time)
    track.intensity[:] = time / 10
    return Animation(np.stack([time, 0 * time], 1), fps, cube_face(), np.stack([time, -time, 0 * time], 1), track)


@pytest.mark.parametrize(("fps", "frames"), [(60.0, 60), (24.0, 24), (29.97, 30), (1.0, 1), (0.3, 1)])
def test_another_rate_is_the_same_motion_in_the_same_time(fps: float, frames: int) -> None:
    animation = ramp(30, 30.0)
    other = animation.resampled(fps)
    assert (len(other), other.fps) == (frames, fps)
    expected = np.minimum(np.arange(frames) / fps, 29 / 30)
    np.testing.assert_allclose(other.coefficients[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(other.head_rotation, np.outer(expected, [1, -1, 0]), atol=1e-5)
    np.testing.assert_allclose(other.track.intensity, expected / 10, atol=1e-5)
    assert animation.resampled(30.0) is animation
    assert replace(animation, track=None).resampled(fps).track is None
    assert animation.duration == 1.0


@pytest.mark.parametrize(("fps", "fine"), [(0.1, True), (0.09, False), (10_000, True), (10_001, False), (30, True)])
def test_frame_rates_that_a_file_may_claim(tmp_path: Path, fps: float, fine: bool) -> None:
    replace(moving_cube(3), fps=fps).save(tmp_path / "a.npz")
    if fine:
        assert Animation.load(tmp_path / "a.npz").fps == fps
    else:
        with pytest.raises(InputError, match="not a SEDTalker animation"):
            Animation.load(tmp_path / "a.npz")


def test_a_file_without_a_track_and_one_with_speech(tmp_path: Path) -> None:
    animation = moving_cube(3)
    replace(animation, track=None).save(tmp_path / "a.npz")
    assert Animation.load(tmp_path / "a.npz").track is None
    spoken = replace(animation.track, speech=np.arange(len(animation.track)) < 2)
    replace(animation, track=spoken).save(tmp_path / "b.npz")
    again = Animation.load(tmp_path / "b.npz")
    np.testing.assert_array_equal(again.track.speech, spoken.speech)
    assert again.track.duration == spoken.duration
    with np.load(tmp_path / "b.npz") as stored:
        described = json.loads(str(stored["animation_json"]))
    assert (described["format"], described["version"]) == ("sedtalker-animation", 2)
    assert described["segments"][0]["label"] == "happy"


# --- What the decoder gives, on the video clock.


def features(energy: np.ndarray, speech: np.ndarray) -> SpeechFeatures:
    prosody = np.zeros((len(energy), 4), np.float32)
    prosody[:, 0] = energy
    hidden, mel = np.zeros((len(energy), 4), np.float32), np.zeros((len(energy), 80), np.float32)
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, speech)


def test_loudness_is_zero_twenty_decibels_below_the_loud_frames() -> None:
    energy = np.full(100, -5.0)
    energy[:4] = [-5 - 4.6, -5 - 2.3, -9e9, -4.0]
    speech = np.ones(100, bool)
    speech[10] = False
    assert _loudness(features(energy, speech))[[0, 1, 2, 3, 10, 11]].tolist() == pytest.approx([0, 0.5, 0, 1, 0, 1])


def full_face() -> Face:
    return Face("full", cube_mesh(), ARKIT_52, np.zeros((52, 8, 3), np.float32))


def assembled(**options) -> Animation:
    sound = features(np.random.default_rng(0).normal(-6, 2, 200), np.arange(200) % 100 < 70)
    motion = np.zeros((200, 52), np.float32)
    recording = options.pop("recording", "")
    moved = Moved(motion, ARKIT_52, sound, constant_track("sad:0.5", 4.0))
    asked = Motion(**options)
    return assemble(moved, drawn_of(sound, asked, 4.0, recording), asked, full_face())


def test_expressivity_is_of_the_heads_posture_too() -> None:
    drawn = range(8)  # the drift, which is drawn, grows with arousal
    pitch = [np.mean([assembled(expressivity=x, seed=k).head_rotation[:, 0] for k in drawn]) for x in (0.0, 1.0, 2.0)]
    assert np.degrees(pitch[2] - pitch[0]) == pytest.approx(6.0, rel=0.15)
    assert np.degrees(pitch[1] - pitch[0]) == pytest.approx(3.0, rel=0.15)


def test_idle_motion_is_that_of_its_seed_and_waits_for_pauses() -> None:
    animation = assembled(seed=4)
    blink_rng, gaze_rng, *_ = idle_motion.idle_generators(4)
    times = np.arange(120) / 30
    spoken = np.interp(times, FRAME_CLOCK.times(200), (np.arange(200) % 100 < 70).astype(float)) > 0.5
    sound = features(np.random.default_rng(0).normal(-6, 2, 200), np.arange(200) % 100 < 70)
    fixations = idle_motion.fixations(4.0, gaze_rng, 0.7, find_rhythm(sound).phrases)
    expected = idle_motion.blinks(times, blink_rng, spoken, fixations.shifts())
    np.testing.assert_allclose(animation.coefficients[:, INDEX["eyeBlinkLeft"]], expected, atol=1e-6)
    looks = idle_motion.eye_look(idle_motion.in_head(fixations.path(times), animation.head_rotation))
    np.testing.assert_allclose(animation.coefficients[:, INDEX["eyeLookInLeft"]], looks["eyeLookInLeft"], atol=1e-6)
    assert not assembled(**STILL, liveliness=0.0).coefficients.any()
    assert not assembled(**STILL, liveliness=0.0).head_rotation.any()


def test_a_decoder_of_other_shapes_gets_no_blinks() -> None:
    face = Face("v", cube_mesh(), ("mean", "eyeLookOutLeft"), np.zeros((2, 8, 3), np.float32))
    sound = features(np.full(100, -5.0), np.ones(100, bool))
    track = constant_track("sad:0.5", 2.0)
    moved = Moved(np.ones((100, 1), np.float32), ("mean",), sound, track)
    made = assemble(moved, drawn_of(sound, Motion(seed=1), 2.0), Motion(seed=1), face)
    assert (made.coefficients == [1, 0]).all()
    assert made.head_rotation.any()


# --- Streams.


def test_video_frames_lie_between_the_decoders() -> None:
    times, weights = np.array([0.01, 0.03, 0.05]), np.array([[0.0], [1.0], [3.0]], np.float32)
    at = np.array([0.0, 0.01, 0.02, 0.03, 0.045, 0.05])
    assert _interpolated(at, times, weights)[:, 0].tolist() == pytest.approx([0, 0, 0.5, 1, 2.5, 3])
    assert _interpolated(np.zeros(0), times, weights).shape == (0, 1)


def stream(**settings) -> AnimationStream:
    made = AnimationStream.__new__(AnimationStream)
    made.settings = s = StreamSettings(**STILL, **settings)
    made.mesh = load_face() if s.gains.split_motion else None
    made.idle, made.head, made.bursts = idle_motion.IdleStream(LiveMotion(**STILL)), None, BurstStream()
    empty, tongue = np.zeros((0, 52), np.float32), np.zeros((0, 3), np.float32)
    made.times, made.weights, made.tongue, made.given, made.number = np.zeros(0), empty, tongue, 0, 0
    made.held = np.zeros(0), empty, empty, tongue
    made.label, made.intensity, made.loudness = "neutral", 0.0, 0.0
    return made


def motion(first: int, last: int, neutral: bool = False) -> MotionFrames:
    """Frames of a jaw that opens by 1 in a second, half of it without emotion, as an angry voice."""
    times = FRAME_CLOCK.times(last)[first:]
    weights = np.zeros((len(times), 52), np.float32)
    weights[:, INDEX["browInnerUp"]] = times
    posterior = np.tile(np.eye(7, dtype=np.float32)[3], (len(times), 1))
    level, speech = np.full(len(times), 0.6, np.float32), np.arange(len(times)) % 2 == 0
    emotion = StreamFrames(times, posterior, level, speech, np.full(len(times), 3), posterior)
    return MotionFrames(times, weights, emotion, 0.5 * weights if neutral else None)


def tongue_of(first: int, last: int) -> np.ndarray:
    """(T, 3) a tip that rises in a second."""
    return FRAME_CLOCK.times(last)[first:, None].astype(np.float32) * (0, 1, 0)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 100.0])
@pytest.mark.parametrize("step", [1, 4, 7, 100])
def test_every_video_frame_comes_once_at_its_time(fps: float, step: int) -> None:
    made, frames = stream(fps=fps), []
    for first in range(0, 100, step):
        last = min(first + step, 100)
        made.samples = last * FRAME_LENGTH
        new = made._frames(motion(first, last), last == 100)
        newest = FRAME_CLOCK.times(last)[-1]
        assert all(frame.time <= newest + 1e-9 for frame in new)
        assert not new or new[-1].time > newest - 1 / fps - 1e-4
        frames += new
        assert len(made.times) <= step + 3, "nothing grows"
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(times, np.arange(int(1.99 * fps) + 1) / fps, atol=1e-4)
    shown = [frame.weights[INDEX["browInnerUp"]] for frame in frames]
    np.testing.assert_allclose(shown, np.clip(times, 0.01, 1.99), atol=2e-4)
    assert {(frame.emotion, round(frame.intensity, 3)) for frame in frames} == {("angry", 0.6)}


@pytest.mark.parametrize("step", [1, 5, 30])
def test_gains_wait_four_frames_and_give_what_they_would_on_the_whole(step: int) -> None:
    gains = Gains(expressivity=1.5)
    made, found = stream(expressivity=1.5), []
    for first in range(0, 30, step):
        last = min(first + step, 30)
        new, rising = motion(first, last, True), tongue_of(first, last)
        times, weights, tongue = made._with_gains(new.times, new.weights, new.neutral, rising, last == 30)
        assert len(times) == len(weights) == len(tongue)
        if len(times) and last < 30:
            assert times[-1] == pytest.approx(FRAME_CLOCK.times(last)[-1] - GAIN_MARGIN / 50)
        found.append((times, weights, tongue))
        assert len(made.held[0]) <= step + 2 * GAIN_MARGIN
    whole = motion(0, 30, True)
    np.testing.assert_allclose(np.concatenate([t for t, _, _ in found]), whole.times)
    np.testing.assert_allclose(np.concatenate([t for _, _, t in found]), tongue_of(0, 30))
    expected = apply_gains(whole.weights, whole.neutral, gains, load_face())
    np.testing.assert_allclose(np.concatenate([w for _, w, _ in found]), expected, atol=1e-6)
    assert expected[29, INDEX["browInnerUp"]] == pytest.approx(1.25 * 0.59, abs=1e-4)


def test_heads_of_a_stream_follow_its_emotion() -> None:
    made = stream(fps=50.0, gain={"browInnerUp": 0.5})
    asked = []
    made.head = SimpleNamespace(next=lambda *given: asked.append(given) or np.zeros((given[0], 3), np.float32))
    frames = made._frames(motion(0, 10), False)
    assert asked == [(10, 0.5, "angry", pytest.approx(0.6))]
    assert frames[9].weights[INDEX["browInnerUp"]] == pytest.approx(0.5 * 0.18, abs=1e-4)


def test_two_recordings_do_not_blink_at_the_same_second() -> None:
    one, other, again = (assembled(seed=4, recording=sha).coefficients for sha in ("a" * 64, "b" * 64, "a" * 64))
    np.testing.assert_array_equal(one, again)
    blink = INDEX["eyeBlinkLeft"]
    assert not np.allclose(one[:, blink], other[:, blink], atol=0.1)


def test_eyes_that_keep_contact_stay_near_the_viewer() -> None:
    times = np.arange(0.0, 300.0, 1 / 30)
    turned = {
        contact: np.linalg.norm(idle_motion.fixations(300.0, np.random.default_rng(1), contact).path(times), axis=1)
        for contact in (0.0, 0.7, 1.0)
    }
    assert turned[1.0].max() < 6.0
    assert turned[1.0].mean() < turned[0.7].mean() < turned[0.0].mean()


def test_lively_heads_move_more_and_zero_leaves_brows_alone() -> None:
    calm = assembled(seed=1, liveliness=0.0)
    lively = assembled(seed=1, liveliness=1.5)
    assert np.diff(lively.head_rotation, axis=0).std() > 1.5 * np.diff(calm.head_rotation, axis=0).std()
    assert not calm.coefficients[:, INDEX["browInnerUp"]].any()
