"""Blinks, gaze and head motion by hand: with generators that draw nothing, or the mean of many draws."""

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.animation import idle_motion as idle
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import EmotionTrack


class Still:
    """A generator whose noise is zero, or one for a single draw."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at

    def standard_normal(self, shape: tuple[int, int]) -> np.ndarray:
        noise = np.zeros(shape)
        if self.at is not None:
            noise[self.at] = 1.0
        return noise


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_blink_closes_in_85_ms_stays_30_and_opens_in_170() -> None:
    t = np.array([-0.1, 0.0, 0.02125, 0.0425, 0.085, 0.1, 0.115, 0.1575, 0.2, 0.2425, 0.285, 0.5])
    quarter = 3 / 16 - 2 / 64
    expected = [0, 0, quarter, 0.5, 1, 1, 1, 1 - quarter, 0.5, quarter, 0, 0]
    np.testing.assert_allclose(idle.blink_closure(t), expected, atol=1e-6)
    assert pytest.approx(0.285) == idle.BLINK_SECONDS


def test_when_blinks_come() -> None:
    rng = generator()
    firsts = np.array([idle.first_blink(rng) for _ in range(2000)])
    assert 0.8 <= firsts.min() < 0.85
    assert 2.15 < firsts.max() <= 2.2
    gaps = np.array([idle.next_blink(10.0, rng) - 10.0 for _ in range(4000)])
    assert 0.6 < gaps.min() < 0.75
    assert gaps.mean() == pytest.approx(3.35, abs=0.1), "people who talk blink every three to four seconds"
    assert gaps.std() == pytest.approx(1.85, abs=0.12)


@pytest.mark.parametrize(("pause", "waits"), [(-0.15, False), (-0.05, True), (0.4, True), (0.75, True), (0.85, False)])
def test_a_blink_waits_up_to_eight_tenths_for_a_pause(pause: float, waits: bool) -> None:
    due = idle.first_blink(generator(4))
    times = np.arange(0, due + 0.35 + max(pause, 0), 0.001)
    closure = idle.blinks(times, generator(4), times < due + pause)
    begun = times[np.flatnonzero(closure > 0)[0]]
    assert begun == pytest.approx(due + pause if waits else due, abs=0.006)


def test_no_blink_without_time_or_speech() -> None:
    assert not idle.blinks(np.arange(0, 0.5, 0.01), generator()).any()
    assert idle.blinks(np.zeros(0), generator()).shape == (0,)
    times = np.arange(0, 9, 0.01)
    always = idle.blinks(times, generator(2), np.ones(len(times), bool))
    np.testing.assert_array_equal(always, idle.blinks(times, generator(2)))


def test_fixations_last_half_a_second_at_least_and_mostly_meet_the_viewer() -> None:
    rng = generator()
    draws = [idle.next_fixation(5.0, rng) for _ in range(6000)]
    lasts = np.array([begins - 5.0 for begins, _ in draws])
    assert 0.5 < lasts.min() < 0.52
    assert lasts.mean() == pytest.approx(1.7, abs=0.05)
    looks = np.array([target for _, target in draws])
    assert np.abs(looks.mean(0)).max() < 0.15
    np.testing.assert_allclose(looks.std(0), np.sqrt([0.3 * 16 + 0.7 * 1.44, 0.3 * 4 + 0.7 * 0.64]), rtol=0.06)
    assert np.mean(np.abs(looks[:, 0]) < 1.2) == pytest.approx(0.7 * 0.683 + 0.3 * 0.236, abs=0.03)


def test_eyes_begin_on_the_viewer_and_jump_in_40_ms() -> None:
    begins, target = idle.next_fixation(0.0, generator(1))
    times = begins + np.array([-1.0, -0.021, -0.01, 0.0, 0.01, 0.021, 0.1])
    path = idle.fixations(float(times[-1]), generator(1)).path(np.clip(times, 0, None))
    expected = np.array([0, 0, 0.25, 0.5, 0.75, 1, 1])[:, None] * target
    np.testing.assert_allclose(path, expected, atol=1e-4)
    stream = idle.GazeStream(generator(1))
    np.testing.assert_allclose(np.concatenate([stream.at(float(t)) for t in np.clip(times, 0, None)]), path, atol=1e-4)


def test_gaze_up_and_down_and_to_both_sides() -> None:
    looks = idle.eye_look(np.array([[-9.0, 12.0], [60.0, -60.0]], np.float32))
    expected = {
        "OutLeft": (0, 1),
        "InLeft": (0.3, 0),
        "OutRight": (0.3, 0),
        "InRight": (0, 1),
        "UpLeft": (0.4, 0),
        "UpRight": (0.4, 0),
        "DownLeft": (0, 1),
        "DownRight": (0, 1),
    }
    assert set(looks) == {f"eyeLook{name}" for name in expected}
    for name, values in expected.items():
        np.testing.assert_allclose(looks[f"eyeLook{name}"], values, atol=1e-6)


def test_lids_close_by_the_blink_or_by_what_they_already_do() -> None:
    names = [f"eye{kind}{side}" for kind in ("Blink", "Wide", "Squint") for side in ("Left", "Right")]
    weights = {name: np.array([0.4, 0.4, 0.4], np.float32) for name in names}
    lids = idle.close_lids(weights, np.array([0.0, 0.25, 1.0], np.float32))
    for side in ("Left", "Right"):
        np.testing.assert_allclose(lids[f"eyeBlink{side}"], [0.4, 0.4, 1.0])
        np.testing.assert_allclose(lids[f"eyeWide{side}"], [0.4, 0.3, 0.0], atol=1e-6)
        np.testing.assert_allclose(lids[f"eyeSquint{side}"], [0.4, 0.3, 0.0], atol=1e-6)
    assert lids.keys() == weights.keys()


def head(count: int, fps: float, rng: np.random.Generator, energy: np.ndarray, shown: EmotionTrack) -> np.ndarray:
    return idle.head_rotation(idle.head_drift(count, fps, rng), fps, energy, shown)


def track(label: str, intensity: float, frames: int, fps: float) -> EmotionTrack:
    return constant_track(f"{label}:{intensity}", frames / fps).at(np.arange(frames) / fps)


@pytest.mark.parametrize(("label", "pose"), sorted(idle.POSTURE.items()))
def test_a_still_head_takes_the_posture_of_the_emotion(label: str, pose: tuple[float, float, float]) -> None:
    times, none = np.arange(90) / 30, np.zeros(90)
    shown = track(label, 0.5, 90, 30.0)
    turns = np.degrees(head(len(times), 30.0, Still(), none, shown))
    np.testing.assert_allclose(turns, np.tile(0.5 * np.array(pose), (90, 1)), atol=1e-5)
    stream = idle.HeadStream(0, 30.0)
    stream.rng, stream.noise = Still(), np.zeros_like(stream.noise)
    np.testing.assert_allclose(np.degrees(stream.next(200, 0.0, label, 0.5))[-1], 0.5 * np.array(pose), atol=1e-3)


def test_an_emotion_of_no_known_posture_turns_no_head() -> None:
    shown = replace(track("happy", 1.0, 60, 30.0), labels=tuple("abcdefg"))
    assert not head(60, 30.0, Still(), np.zeros(60), shown).any()
    stream = idle.HeadStream(0, 30.0)
    stream.rng, stream.noise = Still(), np.zeros_like(stream.noise)
    assert not stream.next(60, 0.0, "unknown", 1.0).any()


def test_a_new_posture_is_taken_within_a_second_and_half_of_it_in_a_quarter() -> None:
    shown = track("sad", 1.0, 180, 60.0)
    shown.intensity[:90] = 0.0
    pitch = np.degrees(head(180, 60.0, Still(), np.zeros(180), shown))[:, 0]
    assert pitch[89:91].mean() == pytest.approx(3.0, abs=0.01)
    assert pitch[90 + 15] == pytest.approx(6 * 0.845, abs=0.1), "a Gaussian of a quarter of a second"
    assert pitch[90 - 15] == pytest.approx(6 * 0.155, abs=0.1)
    stream = idle.HeadStream(0, 60.0)
    stream.rng, stream.noise = Still(), np.zeros_like(stream.noise)
    follows = np.degrees(stream.next(60, 0.0, "sad", 1.0))[:, 0]
    np.testing.assert_allclose(follows, 6 * (1 - np.exp(-np.arange(1, 61) / 15)), atol=1e-4)


def test_the_head_nods_when_speech_grows_louder() -> None:
    times = np.arange(240) / 60
    louder = (times >= 2.0).astype(np.float64)
    for intensity, liveliness in ((0.0, 0.7), (1.0, 0.7 + 0.9 * 0.67)):
        shown = track("surprise", intensity, 240, 60.0)
        turns = np.degrees(head(len(times), 60.0, Still(), louder, shown))
        nod = turns[:, 0] - intensity * -3.5
        assert not turns[:, 1:].any()
        assert abs(nod[0]) < 0.08 * liveliness
        assert nod.max() == pytest.approx(4 * liveliness * 0.407, rel=0.03)
        assert 120 < nod.argmax() < 140, "just after the rise"
        stream = idle.HeadStream(0, 60.0)
        stream.rng, stream.noise = Still(), np.zeros_like(stream.noise)
        stream.next(600, 0.0, "surprise", intensity)
        made = np.degrees(stream.next(120, 1.0, "surprise", intensity))
        frames = np.arange(1, 121) / 60
        expected = 4 * liveliness * (np.exp(-frames / 0.8) - np.exp(-frames / 0.08))
        np.testing.assert_allclose(made[:, 0] - intensity * -3.5, expected, atol=1e-4)
        assert not made[:, 1:].any()


def test_heads_move_more_the_more_aroused_somebody_is() -> None:
    times, none = np.arange(1200) / 30, np.zeros(1200)
    speed = {}
    for label, intensity in (("sad", 1.0), ("neutral", 0.0), ("surprise", 0.1), ("surprise", 1.0)):
        shown = track(label, intensity, 1200, 30.0)
        whole = head(len(times), 30.0, generator(1), none, shown)
        stream = idle.HeadStream(1, 30.0).next(1200, 0.0, label, intensity)
        speed[label, intensity] = [np.abs(np.diff(turns[200:], axis=0)).mean() for turns in (whole, stream)]
    sad, neutral, mild, strong = np.array(list(speed.values()))
    assert (sad < 0.8 * neutral).all()
    assert (neutral < mild).all()
    assert (strong > 1.4 * mild).all()


@pytest.mark.parametrize("fps", [24.0, 60.0])
def test_the_drift_is_of_about_a_degree_whatever_the_frame_rate(fps: float) -> None:
    count = round(900 * fps)
    times = np.arange(count) / fps
    still = track("neutral", 0.0, 2, fps).at(times)
    whole = np.degrees(head(len(times), fps, generator(1), np.zeros(count), still))
    stream = idle.HeadStream(1, fps)
    live = np.degrees(np.concatenate([stream.next(count // 4, 0.0, "neutral", 0.0) for _ in range(4)]))
    for turns in (whole, live):
        np.testing.assert_allclose(turns.std(0), 0.7 * np.array([0.9, 1.3, 0.7]), rtol=0.12)
        apart = turns[round(fps) :] * turns[: -round(fps)]
        assert 0.45 < apart.mean() / turns.var() < 0.75, "still much the same after a second"
    assert len(stream.kernel) == 2 * (int(2.8 * fps) + 1) + 1


def test_a_stream_of_heads_does_not_depend_on_how_it_is_asked() -> None:
    whole, parts = idle.HeadStream(3, 30.0), idle.HeadStream(3, 30.0)
    first = whole.next(50, 0.6, "happy", 0.8)
    again = np.concatenate([parts.next(n, 0.6, "happy", 0.8) for n in (1, 0, 7, 42)])
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert whole.next(1, 0.0, "unknown", 1.0).shape == (1, 3)


def test_each_idle_motion_has_a_stream_of_its_own() -> None:
    one, two, three, four = (rng.random() for rng in idle.idle_generators(5))
    assert len({one, two, three}) == 3
    assert [rng.random() for rng in idle.idle_generators(5)] == [one, two, three, four]
    none = np.zeros(0), np.zeros((0, 52), np.float32), np.zeros((0, 3), np.float32)
    assert idle.IdleStream().added(*none).shape == (0, 52)
