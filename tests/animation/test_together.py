"""Streams that are decoded together give what each gives alone, whatever is ready when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import load_audio
from sedtalker.nn.calls import together
from tests.server.conftest import SAMPLE

SETTINGS = (
    StreamSettings(emotion="happy:0.8", fps=25, hop=0.32),
    StreamSettings(emotion="sad:0.5", fps=25, hop=0.32, seed=2),
    StreamSettings(emotion="angry", fps=30, hop=0.16, intensity=0.5),
    StreamSettings(emotion="fear:0.9", fps=25, hop=0.32, expressivity=1.4),
    StreamSettings(fps=25, hop=0.32),
    StreamSettings(fps=25, hop=0.32, seed=5),
)
"""Given emotions, gains, another hop, and two that a diarizer reads."""
TOLERANCE = 1e-5
"""Between a stream alone and in a batch, of weights in [0, 1]: the order of sums. The documentation says 1e-4."""


@pytest.fixture(scope="module")
def animator():
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def sound():
    return load_audio(SAMPLE).samples[8000:32_000]


@pytest.fixture(scope="module")
def expected(animator, sound):
    made = []
    for k, chosen in enumerate(SETTINGS):
        frames = list(animator.stream([sound[500 * k :]], chosen))
        made.append((np.array([f.weights for f in frames]), np.array([f.head for f in frames])))
    return made


@settings(max_examples=2)
@given(st.randoms(use_true_random=False))
def test_together_equals_alone(animator, sound, expected, random):
    streams = [animator.open_stream(chosen) for chosen in SETTINGS]
    rests = [sound[500 * k :] for k in range(len(SETTINGS))]
    found: list[list] = [[] for _ in SETTINGS]
    while any(rest is not None for rest in rests):
        ready = [k for k, rest in enumerate(rests) if rest is not None and random.random() < 0.8]
        works = []
        for k in ready:
            size = streams[k].face.emotions.hop * 320
            works.append(streams[k].steps(rests[k][:size]) if len(rests[k]) else streams[k].last_steps())
            rests[k] = rests[k][size:] if len(rests[k]) else None
        for k, frames in zip(ready, together(works), strict=True):
            assert isinstance(frames, list), frames
            found[k] += frames
    for frames, (weights, head) in zip(found, expected, strict=True):
        assert len(frames) == len(weights)
        assert np.abs(np.array([f.weights for f in frames]) - weights).max() < TOLERANCE
        assert np.abs(np.array([f.head for f in frames]) - head).max() < TOLERANCE
