"""How far the mouth opens by the voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.conditioning import Style
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.opening import OpeningMeasure, mouth_pose, opening_of
from sedtalker.animation.style import parse_style
from sedtalker.face.arkit import TALKING_SHAPES
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

FRAMES = 1000


def voice(tilt: float, frames: int = FRAMES) -> SpeechFeatures:
    """A voiced recording of one spectral tilt; every other second is soft and of another tilt."""
    soft = np.arange(frames) % 100 >= 50
    prosody = np.stack(
        [np.where(soft, -9.0, -5.0), np.full(frames, 0.1), np.ones(frames), np.where(soft, -9.0, tilt)], 1
    )
    hidden, mel = np.zeros((frames, 2), np.float32), np.zeros((frames, 80), np.float32)
    mouth = np.zeros((frames, len(TALKING_SHAPES)), np.float32)
    mouth[:, TALKING_SHAPES.index("jawOpen")] = 0.3
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody.astype(np.float32), np.ones(frames, bool), (), None, mouth)


def effort(features: SpeechFeatures) -> float:
    measured = OpeningMeasure()
    measured.add(features.mouth, features.voice)
    return measured.effort


def factor(features: SpeechFeatures) -> float:
    return opening_of(features.recording.mouth, features.recording.voice)


def test_louder_voices_open_the_mouth_further() -> None:
    factors = [factor(voice(tilt)) for tilt in (-5.0, -4.0, -3.2, -2.0)]
    assert factors == sorted(factors)
    assert factors[3] > 1.1 * factors[0]
    assert effort(voice(RULES.usual_tilt)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("tilt", "limit"), [(20.0, RULES.most_effort), (-30.0, -RULES.most_effort)])
def test_effort_keeps_to_its_limits(tilt: float, limit: float) -> None:
    assert effort(voice(tilt)) == pytest.approx(limit, rel=0.1)


def test_little_is_made_of_a_short_voice_and_nothing_of_silence() -> None:
    assert 0.0 < effort(voice(0.0, 50)) < 0.6 * effort(voice(0.0))
    quiet = voice(0.0)
    quiet.speech[:] = False
    assert effort(quiet) == 0.0


def test_a_part_opens_as_far_as_its_recording() -> None:
    loud, soft = voice(-1.0), voice(-5.0)
    both = SpeechFeatures(
        FRAME_CLOCK,
        *(
            np.concatenate([getattr(loud, name), getattr(soft, name)])
            for name in ("hidden", "mel", "prosody", "speech")
        ),
        (),
        None,
        np.concatenate([loud.mouth, soft.mouth]),
    )
    factors = {factor(part) for part in (both, both.part(0, FRAMES), both.part(FRAMES, FRAMES).part(5, 100))}
    assert len(factors) == 1


@given(st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_frames_may_come_in_any_pieces(lengths: list[int]) -> None:
    whole, pieces, features, start = OpeningMeasure(), OpeningMeasure(), voice(-2.0, sum(lengths)), 0
    whole.add(features.mouth, features.voice)
    for length in lengths:
        pieces.add(features.mouth[start : start + length], features.voice[start : start + length])
        start += length
    assert pieces.factor == whole.factor


def test_each_frame_has_the_factor_of_all_until_then() -> None:
    features, one_by_one, expected = voice(-2.0, 60), OpeningMeasure(), []
    for frame in range(60):
        one_by_one.add(features.mouth[frame : frame + 1], features.voice[frame : frame + 1])
        expected.append(one_by_one.factor)
    np.testing.assert_allclose(OpeningMeasure().factors(features.mouth, features.voice)[:, 0], expected, rtol=1e-6)


def test_the_style_of_that_name_is_now_every_one() -> None:
    assert parse_style("auto") == Style()


def test_the_pose_of_a_mouth_is_of_the_recordings_own_opening() -> None:
    mouth = np.zeros((40, len(TALKING_SHAPES)), np.float32)
    mouth[:, TALKING_SHAPES.index("jawOpen")] = np.linspace(0.0, 0.4, 40)
    mouth[20:, TALKING_SHAPES.index("mouthPucker")] = 0.5
    pose, smaller = mouth_pose(mouth), mouth_pose(0.8 * mouth)
    assert pose[:, 0].max() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(smaller[:20, 0], pose[:20, 0], atol=0.05)
    assert pose[:20, 1].max() == 0.0
    assert pose[20:, 1] == pytest.approx(0.5)
    assert not mouth_pose(0.0 * mouth).any()
