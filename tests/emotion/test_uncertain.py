"""Segments that are not confident enough."""

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Segment


def stepped(confidences: list[float], speech: np.ndarray | None = None) -> EmotionTrack:
    """Two seconds of each confidence, happy and sad in turn."""
    rows = []
    for i, confidence in enumerate(confidences):
        row = np.full(7, (1 - confidence) / 6)
        row[1 + i % 2] = confidence
        rows.append(np.tile(row, (100, 1)))
    posterior = np.concatenate(rows).astype(np.float32)
    count = len(posterior)
    intensity = np.full(count, 0.5, np.float32)
    times = (np.arange(count) + 0.5) / 50
    return EmotionTrack(
        times, posterior, intensity, *valence_arousal(posterior, intensity), duration=count / 50, speech=speech
    )


def test_off_by_default():
    assert [s.label for s in stepped([0.9, 0.3, 0.35]).segments()] == ["happy", "sad", "happy"]


def test_segments_below_the_threshold_are_uncertain_and_merged():
    track = replace(stepped([0.9, 0.3, 0.5]), min_confidence=0.6)
    segments = track.segments()
    assert [s.label for s in segments] == ["happy", UNCERTAIN]
    assert segments[1].end == 6.0
    assert segments[1].confidence == pytest.approx(0.4, abs=0.01)
    assert track.posterior[150].argmax() == CATEGORIES.index("sad"), "the dense track keeps what it knows"


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.6, 0.95])
def test_a_higher_threshold_never_makes_more_certain(threshold):
    track = stepped([0.9, 0.3, 0.5, 0.7])

    def certain(value: float) -> float:
        return sum(s.end - s.start for s in replace(track, min_confidence=value).segments() if s.label != UNCERTAIN)

    assert certain(threshold) <= certain(threshold - 0.1)
    assert sum(s.end - s.start for s in replace(track, min_confidence=threshold).segments()) == pytest.approx(8.0)


def test_confidence_counts_speech_only():
    speech = np.zeros(100, bool)
    speech[:50] = True
    track = stepped([0.9], speech)
    track.posterior[50:] = np.eye(7)[1] * 0.4 + 0.6 / 7
    assert track.segments()[0].confidence == pytest.approx(0.9, abs=1e-4)


@pytest.mark.parametrize("suffix", [".rttm", ".csv", ".txt", ".TextGrid"])
def test_written_and_read_back_as_neutral(tmp_path, suffix):
    track = replace(stepped([0.9, 0.3, 0.9]), min_confidence=0.5)
    path = tmp_path / f"track{suffix}"
    write_track(path, track)
    assert UNCERTAIN in path.read_text()
    back = read_track(path, track.duration)
    assert back.posterior[50].argmax() == CATEGORIES.index("happy")
    assert back.posterior[150].argmax() == 0


def test_json_keeps_frames_and_threshold():
    track = replace(stepped([0.9, 0.3]), min_confidence=0.5)
    back = track_from_json(track_to_json(track))
    assert back.min_confidence == 0.5
    assert np.array_equal(back.posterior, track.posterior)
    assert [s.label for s in back.segments()] == ["happy", UNCERTAIN]


def test_only_uncertain_segments_are_neutral():
    track = densify([Segment(0.0, 1.0, UNCERTAIN, 0.5, 0.2)], 1.0)
    assert (track.posterior[:, 0] == 1.0).all()
