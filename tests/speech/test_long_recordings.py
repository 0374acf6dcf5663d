"""Long recordings are worked on a part at a time; the parts must not show."""

import numpy as np

from sedtalker.speech import features
from sedtalker.speech.features import level_gain


def test_parts_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(48_000) * np.linspace(0, 1, 48_000)).astype(np.float32)
    whole = level_gain(samples)
    monkeypatch.setattr(features, "MINUTE", 37)
    assert level_gain(samples) == whole


def test_some_frames_are_those_of_all():
    samples = np.random.default_rng(0).standard_normal(16_123).astype(np.float32)
    for length in (features.WINDOW_LENGTH, features.PITCH_WINDOW):
        whole = features._frames(samples, length)
        assert len(whole) == features.frame_count(len(samples))
        for first, last in ((0, 1), (0, 50), (37, 74), (90, 102), (101, 500)):
            assert np.array_equal(features._frames(samples, length, first, last), whole[first:last])
