"""The shipped weights do what they are shipped for."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.animation.conditioning import Style
from sedtalker.audio import from_samples, load_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import correlation, lip_aperture
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.decoder_measures import EXPECTED, height
from sedtalker.training.evaluation.lips import steady_track


@pytest.fixture(scope="module")
def pair():
    return open_encoder(), open_model("decoder")


@pytest.fixture(scope="module")
def face():
    return load_face()


@pytest.fixture(scope="module")
def babble(pair):
    """Three seconds of a synthetic voice between silences: syllables of a buzz through two formants."""
    t = np.arange(16000 * 3) / 16000
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) * np.exp(-(((120 * k - 700) / 400) ** 2)) for k in range(1, 30))
    spoken = 0.2 * buzz * (np.sin(2 * np.pi * 3 * t) > 0) * (t > 0.8) * (t < 2.2)
    return pair[0](from_samples(spoken.astype(np.float32), 16000))


def test_weights_belong_together():
    assert read_config(builtin_checkpoint("decoder")).encoder_sha256 == weights_sha256(
        builtin_checkpoint("speech_encoder")
    )


def test_size():
    assert sum(p.numel() for p in open_model("decoder", in_torch=True).parameters()) < 4e6


def test_silence_rests(pair, face):
    features = pair[0](from_samples(np.zeros(32000, np.float32), 16000))
    coefficients = pair[1].predict(features, steady_track("neutral", 0.0))
    assert coefficients.max() < 0.15
    rest = lip_aperture(face, np.zeros((1, 52), np.float32))[0]
    assert (lip_aperture(face, coefficients) - rest).max() < 0.03


def test_the_mouth_opens_on_syllables(pair, face, babble):
    gap = lip_aperture(face, pair[1].predict(babble, steady_track("neutral", 0.0)))
    times = babble.clock.times(len(babble))
    talking, quiet = (times > 0.9) & (times < 2.1), times < 0.3
    assert gap[talking].mean() > gap[quiet].mean() + 0.02


@pytest.mark.parametrize("emotion", CATEGORIES[1:])
def test_emotions_read_and_grow(pair, face, babble, emotion):
    points, direction = EXPECTED[emotion]
    shown = [
        direction * height(face, pair[1].predict(babble, steady_track(emotion, i)), points)
        for i in (0.0, 0.33, 0.66, 1.0)
    ]
    assert (np.diff(shown) > 0).all()
    assert shown[-1] - shown[0] > 0.015


def test_blends_lie_between(pair, babble):
    happy, sad = (steady_track(e, 0.8) for e in ("happy", "sad"))
    blend = steady_track("happy", 0.8)
    blend.posterior[:] = 0.5 * (happy.posterior + sad.posterior)
    smile = [pair[1].predict(babble, t)[:, INDEX["mouthSmileLeft"]].mean() for t in (sad, blend, happy)]
    assert smile[0] < smile[1] < smile[2]


def test_articulation_style_opens_the_mouth(pair, face, babble):
    neutral = steady_track("neutral", 0.0)
    low, high = (lip_aperture(face, pair[1].predict(babble, neutral, Style(a))).max() for a in (-1.0, 1.0))
    assert high > 1.15 * low


@pytest.mark.data
def test_lips_follow_the_tracked_talker(pair, face, data_dir):
    scores, shuffled, previous = [], [], None
    for clip in [c for c in read_grid(data_dir) if c.split == "test"][:12]:
        features = pair[0](load_audio(clip.audio))
        gap = lip_aperture(face, pair[1].predict(features, steady_track("neutral", 0.0)))
        height = np.interp(features.clock.times(len(gap)), clip.times, clip.feature("inner_lip_height"))
        scores.append(correlation(gap[features.speech], height[features.speech]))
        if previous is not None:
            n = min(len(previous), len(height))
            shuffled.append(correlation(previous[:n], height[:n]))
        previous = gap
    assert np.mean(scores) > 0.84
    assert np.mean(scores) > np.mean(shuffled) + 0.2
