"""Changes of the emotional state."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.emotion.emotion_stream import StreamFrames
from sedtalker.emotion.events import SETTLE, STEP, StateChange, StateChanges, stream_changes, track_changes
from sedtalker.emotion.formats import densify
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, Segment

RATE = 50


def track_of(*spans: tuple[float, float, str, float]):
    return densify([Segment(*span, 1.0) for span in spans], spans[-1][1], ease=0.02)


def test_a_line_a_change_of_emotion() -> None:
    found = track_changes(track_of((0, 2.1, "neutral", 0.0), (2.1, 5, "angry", 0.8), (5, 7, "sad", 0.5)))
    assert [(c.emotion, c.before) for c in found] == [("neutral", None), ("angry", "neutral"), ("sad", "angry")]
    assert [c.time for c in found] == pytest.approx([0, 2.1, 5.0], abs=0.03)
    assert found[1].intensity == pytest.approx(0.8, abs=0.03)
    assert found[1].before_seconds == pytest.approx(2.1, abs=0.03)
    assert found[2].before_intensity == found[1].intensity
    assert found[1].valence < -0.3 < 0.3 < found[1].arousal


def test_strength_makes_another_state_of_the_same_emotion() -> None:
    found = track_changes(track_of((0, 3, "happy", 0.2), (3, 6, "happy", 0.9)))
    assert {c.emotion for c in found} == {"happy"}
    assert found[0].intensity == pytest.approx(0.2, abs=0.02)
    assert all(abs(b.intensity - a.intensity) >= STEP for a, b in pairwise(found))
    assert track_changes(track_of((0, 3, "happy", 0.4), (3, 6, "happy", 0.4 + 0.8 * STEP)))[1:] == []


def test_uncertain_segments_are_said() -> None:
    track = densify([Segment(0, 2, "happy", 0.6, 0.9), Segment(2, 4, "sad", 0.6, 0.55)], 4.0).confident(0.8)
    assert [c.emotion for c in track_changes(track)] == ["happy", UNCERTAIN]


def test_lines_and_plain_data() -> None:
    change = StateChange(12.44, "angry", 0.81, -0.5, 0.62, 0.618, "neutral", 0.02, 2.1)
    assert change.line() == "12.4 angry 0.8 valence -0.5 arousal 0.6 confidence 0.62 after neutral 0.0 for 2.1 s"
    assert StateChange(0.0, "neutral", 0.0, -0.01, 0.0, 0.7).line() == (
        "0.0 neutral 0.0 valence 0.0 arousal 0.0 confidence 0.70"
    )
    assert change.as_dict()["before_seconds"] == 2.1
    assert "before" not in StateChange(0.0, "neutral", 0.0, 0.0, 0.0, 0.7).as_dict()


def frames(labels: list[int], seed: int) -> StreamFrames:
    """A second of each label."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.array(labels, np.int64), RATE)
    count = len(label)
    posterior = rng.dirichlet(np.ones(7), count).astype(np.float32)
    intensity = rng.random(count).astype(np.float32)
    times, speech = (np.arange(count) + 0.5) / RATE, rng.random(count) < 0.8
    return StreamFrames(times, posterior, intensity, speech, label, posterior)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 99), st.lists(st.integers(1, 240)))
def test_how_a_stream_is_cut_changes_nothing(labels: list[int], seed: int, cuts: list[int]) -> None:
    whole = frames(labels, seed)
    edges = sorted({0, len(whole.times), *(cut for cut in cuts if cut < len(whole.times))})
    parts = [whole.part(slice(a, b)) for a, b in pairwise(edges)]
    found = list(stream_changes(parts, CATEGORIES))
    assert found == list(stream_changes([whole], CATEGORIES))
    assert all(a.time < b.time for a, b in pairwise(found))
    runs = [k for k, same in zip(labels, [False, *(a == b for a, b in pairwise(labels))], strict=True) if not same]
    changed = [b for a, b in pairwise([None, *found]) if a is None or a.emotion != b.emotion]
    assert [c.emotion for c in changed] == [CATEGORIES[k] for k in runs]


def test_a_change_is_announced_when_it_is_settled() -> None:
    changes = StateChanges(CATEGORIES, RATE)
    values, label, speech = np.full((RATE, 4), 0.5), np.full(RATE, 3), np.ones(RATE, bool)
    times = (np.arange(RATE) + 0.5) / RATE
    settled = round(SETTLE * RATE)
    assert changes.push(times[: settled - 1], label[: settled - 1], values[: settled - 1], speech[: settled - 1]) == []
    part = slice(settled - 1, settled)
    assert [c.time for c in changes.push(times[part], label[part], values[part], speech[part])] == [0.0]
    assert changes.end() == []


def test_a_short_state_is_not_lost() -> None:
    found = list(stream_changes([frames([1, 2], 0).part(slice(40, 60))], CATEGORIES))
    assert [c.emotion for c in found] == ["happy", "sad"]


def test_speech_counts_and_silence_does_not() -> None:
    track = track_of((0, 2, "happy", 0.5))
    quiet = track.intensity.copy()
    quiet[::2] = 0.0
    speech = np.ones(len(track), bool)
    speech[::2] = False
    assert track_changes(replace(track, intensity=quiet, speech=speech))[0].intensity == pytest.approx(0.5)
    assert track_changes(replace(track, intensity=quiet))[0].intensity == pytest.approx(0.25, abs=0.01)


def test_no_frames_no_changes() -> None:
    assert track_changes(replace(track_of((0, 2, "happy", 0.5)), times=np.zeros(0))) == []
