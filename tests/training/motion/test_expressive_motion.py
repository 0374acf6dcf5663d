from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.conditioning import Style
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, INDEX, speech_only, symmetrise
from sedtalker.training.motion.expressive_motion import PROTOTYPES, compose, even_voice, poses, random_emotion
from sedtalker.training.motion.spoken_motion import LipMeasure, SpokenMotion, pause


def _lip_measure() -> LipMeasure:
    gain = np.zeros(52, np.float32)
    for name, value in {
        "jawOpen": 0.43,
        "mouthClose": -0.44,
        "mouthUpperUpLeft": 0.035,
        "mouthUpperUpRight": 0.035,
    }.items():
        gain[INDEX[name]] = value
    return LipMeasure(0.001, gain, np.zeros(52, np.float32))


def _one_hot(emotion: str, frames: int) -> np.ndarray:
    posterior = np.zeros((frames, 7), np.float32)
    posterior[:, CATEGORIES.index(emotion)] = 1
    return posterior


def _closed(frames: int) -> SpokenMotion:
    one, zero = np.ones(frames, np.float32), np.zeros(frames, np.float32)
    return SpokenMotion(np.zeros((frames, 52), np.float32), zero, one, zero, zero, one, zero)


def test_closed_lips_stay_closed_under_every_emotion():
    table, lip_measure = poses(), _lip_measure()
    for emotion in CATEGORIES:
        out = compose(
            _closed(4), _one_hot(emotion, 4), np.ones(4, np.float32), Style(), lip_measure, table, even_voice(4)
        )
        assert lip_measure.gap(out).max() < 0.01, emotion


@settings(max_examples=20)
@given(st.sampled_from(CATEGORIES[1:]), st.floats(0.0, 0.9))
def test_expression_grows_with_intensity(emotion, intensity):
    voice = even_voice(3)
    weak, strong = (
        compose(pause(3), _one_hot(emotion, 3), np.full(3, i, np.float32), Style(), _lip_measure(), poses(), voice)
        for i in (intensity, intensity + 0.1)
    )
    assert strong.sum() > weak.sum()


def test_neutral_does_nothing():
    voice = even_voice(3)
    out = compose(pause(3), _one_hot("neutral", 3), np.ones(3, np.float32), Style(), _lip_measure(), poses(), voice)
    assert not out.any()


def test_poses_tell_the_emotions_apart():
    table = poses()
    assert list(PROTOTYPES) == list(CATEGORIES)
    unit = table[1:] / np.linalg.norm(table[1:], axis=1, keepdims=True)
    similarity = unit @ unit.T - np.eye(6)
    assert similarity.max() < 0.85
    assert table[CATEGORIES.index("happy"), INDEX["mouthSmileLeft"]] > 0.6
    assert table[CATEGORIES.index("angry"), INDEX["browDownLeft"]] > 0.8
    assert np.allclose(symmetrise(table), table)


def test_measured_differences_are_added():
    measured = {f"{e}_2": {"AU12": 0.5} for e in ("happy", "sad", "angry", "fearful", "disgust", "surprised")}
    assert (poses(measured) >= poses() - 1e-6).all()
    assert poses(measured)[CATEGORIES.index("sad"), INDEX["mouthSmileLeft"]] > 0.1


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_random_tracks_are_valid_and_eased(seed):
    times = np.arange(300) / 50
    posterior, intensity = random_emotion(np.random.default_rng(seed), times)
    assert np.allclose(posterior.sum(1), 1, atol=1e-4)
    assert posterior.min() >= -1e-6
    assert intensity.min() >= -1e-6
    assert intensity.max() <= 1 + 1e-6
    assert np.abs(np.diff(intensity)).max() < 0.15


def test_speech_moves_no_eyes_or_brows():
    moved = {ARKIT_52[i] for i in np.flatnonzero(speech_only(np.ones((1, 52)))[0])}
    assert not any(name.startswith(("eye", "brow", "tongue")) for name in moved)
    assert "jawOpen" in moved
