"""Parts of a stream by hand: summaries, segments as they end, numbers of frames, an emotion that is taken on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.arrays import runs
from sedtalker.emotion.emotion_stream import (
    HOP_SECONDS,
    LOOK_AHEAD_SECONDS,
    EndedSegments,
    StreamFrames,
    frame_count,
    summaries,
)
from sedtalker.emotion.segmentation import LiveSegmentation, SegmentRule
from sedtalker.emotion.track import CATEGORIES, EmotionTrack, Prediction, Segment
from sedtalker.errors import InputError


def stretch(count: int, label: int, posterior: float, intensity: float, spoken: int) -> StreamFrames:
    rows = np.full((count, 7), (1 - posterior) / 6, np.float32)
    rows[:, label] = posterior
    speech = np.arange(count) < spoken
    times = (np.arange(count) + 0.5) / 50
    return StreamFrames(times, rows, np.full(count, intensity, np.float32), speech, np.full(count, label), rows)


def test_a_summary_every_eight_twenty_fifths_of_a_second() -> None:
    found = list(summaries([stretch(40, 1, 0.7, 0.49, 40)], CATEGORIES))
    assert [(s["start"], s["end"]) for s in found] == [(0.0, 0.32), (0.32, 0.64), (0.64, 0.8)]
    first = found[0]
    assert (first["emotion"], first["intensity"], first["speech"]) == ("happy", 0.49, True)
    assert first["posterior"] == {name: 0.7 if name == "happy" else 0.05 for name in CATEGORIES}
    points = np.array([(0, 0), (0.81, 0.51), (-0.63, -0.27), (-0.51, 0.59), (-0.64, 0.6), (-0.6, 0.35), (0.4, 0.67)])
    valence, arousal = 0.7 * (0.7 * points[1] + 0.05 * np.delete(points, 1, 0).sum(0))
    assert (first["valence"], first["arousal"]) == (pytest.approx(valence, abs=6e-4), pytest.approx(arousal, abs=6e-4))


@pytest.mark.parametrize(("spoken", "speech", "intensity"), [(16, True, 0.5), (8, True, 1.0), (7, False, 1.0)])
def test_a_summary_is_of_the_speech_in_it(spoken: int, speech: bool, intensity: float) -> None:
    frames = stretch(16, 2, 0.7, 0.0, spoken)
    frames.intensity[:8] = 1.0
    (found,) = summaries([frames], CATEGORIES)
    assert (found["speech"], found["intensity"]) == (speech, intensity)
    (silent,) = summaries([frames._replace(speech=np.zeros(16, bool))], CATEGORIES)
    assert (silent["speech"], silent["intensity"]) == (False, 0.5)


def test_segments_end_when_the_label_changes_and_are_means_of_their_frames() -> None:
    ended = EndedSegments(CATEGORIES, 50.0)
    lengths = [5, 30, 20, 10, 5, 5]  # silence, speech, a pause in which the label changes, speech, silence
    confidence = np.repeat([0.1, 0.8, 0.4, 0.6, 0.9, 0.1], lengths).astype(np.float32)
    label = np.repeat([0, 1, 1, 2, 1, 0], lengths)
    intensity = np.repeat([0.0, 0.2, 0.7, 0.5, 0.3, 0.0], lengths).astype(np.float32)
    speech = np.repeat([False, True, False, False, True, False], lengths)
    found = []
    for first in range(0, 75, 7):
        part = slice(first, first + 7)
        found += ended.push(label[part], confidence[part], intensity[part], speech[part])
    assert found == [
        Segment(pytest.approx(0.1), 1.1, "happy", pytest.approx(0.4), pytest.approx(0.8)),  # confidence is of speech
        Segment(1.1, 1.3, "sad", pytest.approx(0.5), pytest.approx(0.6)),  # or of all, if there is none
        Segment(1.3, 1.4, "happy", pytest.approx(0.3), pytest.approx(0.9)),
    ]
    assert ended.end() == []


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 90)), min_size=1, max_size=8),
    st.integers(1, 70),
)
def test_segments_of_a_stream_leave_out_long_pauses_as_those_of_a_track(parts, step) -> None:
    """Where the label changes in a long pause, the stream's segment may last up to a second into it."""
    label = np.concatenate([np.full(count, name) for name, _, count in parts])
    speech = np.concatenate([np.full(count, speaks) for _, speaks, count in parts])
    posterior = np.eye(7, dtype=np.float32)[label]
    strength = np.linspace(0, 1, len(label), dtype=np.float32)
    ended, found = EndedSegments(CATEGORIES, 50.0), []
    for first in range(0, len(label), step):
        part = slice(first, first + step)
        found += ended.push(label[part], posterior[part].max(1), strength[part], speech[part])
    found += ended.end()
    still = np.zeros(len(label), np.float32)
    times = np.arange(len(label)) / 50.0 + 0.01
    track = EmotionTrack(times, posterior, strength, still, still, duration=len(label) / 50.0, speech=speech)
    track = replace(track, predicted=Prediction(posterior, strength))
    assert speech.any() or found == track.segments() == []
    for whole in track.segments(shortest=0.02):
        assert any(
            s.label == whole.label and s.start <= whole.start + 1e-6 and s.end >= whole.end - 1e-6 for s in found
        )
    pauses = [(first, last) for first, last, code in runs(speech.astype(int)) if not code and last - first >= 50]
    for segment in found:
        for first, last in pauses:
            assert min(segment.end, last / 50.0) - max(segment.start, first / 50.0) < 1.0


def test_the_same_label_after_an_end_is_another_segment() -> None:
    ended, sure = EndedSegments(CATEGORIES, 50.0), np.full(5, 1 / 7)
    given = np.ones(5, int), sure, np.ones(5), np.ones(5, bool)
    assert ended.push(*given) == []
    first = ended.end()[0]
    ended.push(*given)
    second = ended.end()[0]
    assert (first.start, first.end, second.start, second.end) == (0.0, 0.1, 0.1, 0.2)
    assert first.confidence == second.confidence == pytest.approx(1 / 7)
    assert first.intensity == second.intensity == 1.0


def test_times_are_multiples_of_a_frame() -> None:
    assert frame_count(60.0, "hop", 1) == 3000
    assert frame_count(LOOK_AHEAD_SECONDS, "look-ahead", 0) == 25
    assert frame_count(HOP_SECONDS, "hop", 1) == 16
    with pytest.raises(InputError, match=r"of 0\.02 s from 0\.02 to 60$"):
        frame_count(60.02, "hop", 1)
    assert [frame_count(seconds, "hop", 1) for seconds in (0.02, 0.3, 1.0)] == [1, 15, 50]
    assert frame_count(0.0, "look-ahead", 0) == 0
    for seconds, fewest in ((0.03, 0), (0.0, 1), (-0.02, 0), (0.020001, 0)):
        with pytest.raises(InputError, match=f"a hop of {seconds:g} s does not work: .* from {0.02 * fewest:g} to 60$"):
            frame_count(seconds, "hop", fewest)


def live(posterior: np.ndarray, hop: int, lag: int, rule: SegmentRule, speech: np.ndarray | None = None) -> list[int]:
    decided: list[int] = []
    decoder, count = LiveSegmentation(posterior.shape[1], 50.0, rule), len(posterior)
    spoken = np.ones(count, bool) if speech is None else speech
    for first in range(0, count, hop):
        end = min(first + hop, count)
        known = slice(first, min(end + lag, count))
        decided += decoder.decide(posterior[known], spoken[known], end - first, last=end == count).tolist()
    return decided


def test_a_change_is_decided_at_its_frame_as_soon_as_it_is_known() -> None:
    posterior = np.repeat([[0.95, 0.05], [0.05, 0.95]], 50, axis=0)
    assert live(posterior, 10, 40, SegmentRule(0.2, 0.1)) == [0] * 50 + [1] * 50
    late = live(posterior, 10, 0, SegmentRule(0.2, 0.1))
    change = late.index(1)
    assert 50 <= change <= 62
    assert late == [0] * change + [1] * (100 - change)


def test_nothing_to_decide_is_nothing() -> None:
    decoder = LiveSegmentation(2, 50.0)
    assert len(decoder.decide(np.full((5, 2), 0.5), np.ones(5, bool), 0)) == 0
    assert decoder.shortest == 30
    assert LiveSegmentation(2, 50.0, SegmentRule(shortest=0.0)).shortest == 2


def test_frames_without_speech_say_nothing() -> None:
    posterior = np.repeat([[0.9, 0.1], [0.1, 0.9]], 60, axis=0)
    assert live(posterior, 12, 50, SegmentRule(), np.arange(120) < 60) == [0] * 120
