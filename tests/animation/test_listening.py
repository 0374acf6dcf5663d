"""A face in company: where it looks, when it nods, what it answers; all of it from the seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.idle_motion import EYES_MOST, in_head
from sedtalker.animation.listening import (
    ANSWERS,
    MOUTH_BESIDE,
    MOUTH_SECONDS,
    NOD_SIZE,
    Attention,
    Company,
    Other,
)
from sedtalker.animation.visual_prosody import Rhythm
from sedtalker.arrays import Floats
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.json import track_from_json
from sedtalker.face.arkit import ARKIT_52

TIMES = np.arange(1200) / 30
"""Forty seconds."""
THEIRS = [(start, start + 3.0) for start in np.arange(0.0, 30.0, 4.0)]
"""Turns of the other, each a phrase; the last ends before the face's own."""
OWN = [(33.0, 38.0)]
"""The turn of the face."""
ZEROS = {name: np.zeros(len(TIMES), np.float32) for name in ARKIT_52}
"""A face at rest."""


def other(yaw: float = 50.0, emotion: str = "happy", spans: list[tuple[float, float]] = THEIRS) -> Other:
    none = np.zeros(0)
    phrases = np.array(spans, np.float64).reshape(-1, 2)
    rhythm = Rhythm(none, none.astype(np.float32), phrases, np.zeros(len(phrases), np.bool_))
    return Other((yaw, 0.0), spans, rhythm, constant_track(emotion, 40.0))


def company(amount: float = 1.0, seed: int = 3, **others: Other) -> Company:
    return Company(OWN, others or {"ann": other()}, amount, (seed,))


def gaze(one: Company, eye_contact: float = 0.7) -> Floats:
    """(T,) degrees to the subject's left."""
    return np.asarray(one.looks(TIMES, eye_contact).gaze[:, 0])


def eyes(looks: Attention) -> Floats:
    """(T, 2) degrees from the middle of the head."""
    return in_head(looks.gaze, np.radians(looks.head))


@given(st.integers(0, 2**40), st.floats(0, 1), st.sampled_from([-60.0, -20.0, 0.0, 35.0]))
def test_the_same_seed_gives_the_same_motion(seed: int, amount: float, yaw: float) -> None:
    made = [company(amount, seed, ann=other(yaw)) for _ in range(2)]
    for first, second in zip(
        *([c.looks(TIMES, 0.7).gaze, c.looks(TIMES, 0.7).head, c.nods(TIMES)] for c in made), strict=True
    ):
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(first).all()
    assert np.abs(eyes(made[0].looks(TIMES, 0.7))).max(0).tolist() <= list(EYES_MOST)
    still = np.zeros(len(TIMES), np.float32)
    for name, curve in made[0].answered(ZEROS, TIMES, still).items():
        assert 0.0 <= curve.min() <= curve.max() <= 1.0, name


@pytest.mark.parametrize("frames", [0, 1, 3, 20])
def test_a_conversation_may_be_shorter_than_a_look(frames: int) -> None:
    for seed in range(5):
        one = Company([], {"ann": other(20.0)}, 1.0, (seed,))
        looks = one.looks(TIMES[:frames], 0.7)
        assert looks.gaze.shape == (frames, 2)
        assert np.isfinite(looks.gaze).all()


def test_another_seed_gives_another_take() -> None:
    assert not np.array_equal(company(seed=1).nods(TIMES), company(seed=2).nods(TIMES))
    assert not np.array_equal(gaze(company(seed=1)), gaze(company(seed=2)))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_it_looks_to_the_side_of_the_speaker_with_eyes_and_head(side: float) -> None:
    looks = company(ann=other(50.0 * side)).looks(TIMES, 0.7)
    assert (side * np.median(eyes(looks)[:, 0])) > 5
    assert (side * looks.head[:, 1]).min() > 10
    assert np.abs(eyes(looks)).max(0).tolist() <= list(EYES_MOST)


def test_lips_and_jaw_rest_while_others_speak_and_all_else_stays() -> None:
    moving = {name: np.full(len(TIMES), 0.3, np.float32) for name in ARKIT_52}
    shown = company().rested(moving, TIMES)
    start, end = OWN[0]
    apart = np.abs(TIMES - 0.5 * (start + end)) - 0.5 * (end - start)  # seconds from the turn, negative within it
    away, speaks = apart > MOUTH_BESIDE + MOUTH_SECONDS, apart < 0.0
    for name in ("jawOpen", "mouthLowerDownLeft", "mouthClose"):
        assert not shown[name][away].any(), name
        np.testing.assert_array_equal(shown[name][speaks], moving[name][speaks])
        assert np.abs(np.diff(shown[name])).max() < 0.3, "it comes to rest, and does not jump there"
    for name in ("mouthSmileLeft", "cheekSquintLeft", "browInnerUp", "eyeBlinkLeft"):
        np.testing.assert_array_equal(shown[name], moving[name])


def test_eyes_reach_a_new_speaker_before_the_head_within_a_third_of_a_second() -> None:
    left, right = other(40.0, spans=[(0.0, 10.0)]), other(-40.0, spans=[(10.0, 20.0)])
    looks = company(ann=left, bob=right).looks(TIMES, 1.0)
    before, soon = (np.searchsorted(TIMES, t) for t in (10.15, 10.42))
    assert looks.head[before, 1] > 10
    assert looks.gaze[soon, 0] < looks.head[soon, 1] - 10, "the eyes are there"
    assert looks.head[soon, 1] > looks.head[np.searchsorted(TIMES, 11.0), 1] + 3, "the head still turns"
    np.testing.assert_array_less(looks.head[TIMES > 11.5, 1][:100], -10)


def test_speakers_look_away_more_often_than_listeners() -> None:
    talks = Company([(0.0, 40.0)], {"ann": other(spans=[])}, 1.0, (0,))
    attends = Company([], {"ann": other(spans=[(0.0, 40.0)])}, 1.0, (0,))
    away = [float(np.mean(gaze(one) < 32.0)) for one in (talks, attends)]
    assert away[0] > away[1] + 0.15
    assert np.mean(gaze(talks, 1.0) < 32.0) == 0.0, "with all eye contact nobody looks away"


def test_nods_come_after_some_phrases_of_others_and_not_while_it_speaks() -> None:
    dips = company().nods(TIMES)
    ends = [end for _, end in THEIRS]
    nodded = [dips[(end - 0.2 < TIMES) & (end + 2.0 > TIMES)].max() > 1.0 for end in ends]
    assert 0 < sum(nodded) < len(ends)
    assert NOD_SIZE[0] - 0.5 < dips.max() <= NOD_SIZE[1]
    assert dips[(TIMES > 33.0) & (TIMES < 38.0)].max() == 0.0
    middle = np.any([(start + 1.7 < TIMES) & (end - 0.2 > TIMES) for start, end in THEIRS], axis=0)
    assert dips[middle].max() < 0.5, "not in the middle of a phrase"


def test_without_listening_there_are_no_nods_no_answers_and_a_still_head() -> None:
    still = company(0.0)
    assert not still.nods(TIMES).any()
    for name, curve in still.answered(ZEROS, TIMES, np.zeros(len(TIMES), np.float32)).items():
        assert not curve.any(), name
    assert still.calm(TIMES)[TIMES < 30].max() < 1e-3
    assert still.calm(TIMES)[(TIMES > 34) & (TIMES < 37)].min() > 0.99
    assert gaze(still)[TIMES < 30].min() > 30, "it looks at the speaker all the time"


@pytest.mark.parametrize(
    ("emotion", "shape"), [("happy", "mouthSmileLeft"), ("sad", "browInnerUp"), ("angry", "browDownRight")]
)
def test_expressions_are_answered_late_and_weakly_and_not_while_it_speaks(emotion: str, shape: str) -> None:
    begins = replace(other(emotion=emotion), track=constant_track(emotion, 40.0))
    shown = company(ann=begins).answered(ZEROS, TIMES, np.zeros(len(TIMES), np.float32))[shape]
    most = ANSWERS[emotion][shape.removesuffix("Left").removesuffix("Right")]
    assert 0.7 * most < shown.max() < 1.3 * most < 0.6
    assert shown[(TIMES > 34) & (TIMES < 37)].max() < 0.01
    own = np.ones(len(TIMES), np.float32)
    assert company(ann=begins).answered(ZEROS, TIMES, own)[shape].max() < 0.3 * most, "an own emotion goes first"


def test_a_change_of_the_speaker_s_face_is_answered_more_than_half_a_second_later() -> None:
    segments = (
        '[{"start": 0, "end": 10, "label": "neutral"}, {"start": 10, "end": 40, "label": "happy", "intensity": 1}]'
    )
    ann = replace(other(), track=track_from_json(segments, 40.0, "track"))
    smile = company(ann=ann).answered(ZEROS, TIMES, np.zeros(len(TIMES), np.float32))["mouthSmileLeft"]
    half = TIMES[np.argmax(smile > 0.5 * smile.max())]
    assert 10.4 < half < 11.3
