"""Decisions beside a track, and the track that they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.formats import densify
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError
from sedtalker.review.decisions import (
    USUAL,
    Decision,
    append_decision,
    decisions_file,
    edited,
    read_decisions,
    standing,
)

HAPPY = Decision("2026-01-01T00:00:00+00:00", "person:anna", 2.0, 4.0, "happy", "angry", "loud", (("happy", 0.4),))


@pytest.fixture
def track() -> EmotionTrack:
    spans = [Segment(0, 2, "sad", 0.7, 0.9), Segment(2, 4, "happy", 0.3, 0.5), Segment(4, 6, "neutral", 0.0, 0.9)]
    return densify(spans, 6.0, ease=0.02)


def test_kept_and_read_back(tmp_path: Path) -> None:
    path = decisions_file(tmp_path / "a.emotion.json")
    assert path.name == "a.decisions.jsonl"
    assert read_decisions(path) == []
    second = replace(HAPPY, label=None, who="rules:1234", doubt={"margin": 0.1, "distance": None})
    append_decision(path, HAPPY)
    append_decision(path, second)
    assert read_decisions(path) == [HAPPY, second]
    with path.open("a") as stream:
        stream.write('{"time": "2026')  # the disk was full
    assert read_decisions(path) == [HAPPY, second]
    append_decision(path, HAPPY)
    with pytest.raises(InputError, match="line 3 is no decision"):
        read_decisions(path)


@pytest.mark.parametrize("change", [{"label": "cross"}, {"was": "cross"}, {"end": 1.0}])
def test_lines_that_cannot_be(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "a.decisions.jsonl"
    append_decision(path, replace(HAPPY, **change))
    with pytest.raises(InputError, match="line 1"):
        read_decisions(path)


def test_the_last_counts_and_a_person_before_a_machine() -> None:
    rules = replace(HAPPY, who="rules:1", label="sad")
    later = replace(HAPPY, label="fear", start=2.01)
    other = replace(rules, start=4.0, end=6.0)
    assert standing([rules, HAPPY]) == [HAPPY]
    assert standing([HAPPY, rules]) == [HAPPY]
    assert standing([HAPPY, later, other]) == [later, other]
    assert standing([rules, replace(rules, label="fear")]) == [replace(rules, label="fear")]


def test_the_track_that_they_make(track: EmotionTrack) -> None:
    made = edited(track, [HAPPY])
    assert [s.label for s in made.segments()] == ["sad", "angry", "neutral"]
    inside = (made.times >= 2) & (made.times < 4)
    assert (made.posterior[inside, 3] == 1.0).all()
    assert (made.intensity[inside] == np.float32(USUAL)).all()
    assert (made.valence[inside] < 0).all()
    for name in ("posterior", "intensity", "valence", "arousal"):
        np.testing.assert_array_equal(getattr(made, name)[~inside], getattr(track, name)[~inside])
    neutral = edited(track, [replace(HAPPY, label="neutral")])
    assert (neutral.intensity[inside] == 0.0).all()
    agreed = edited(track, [replace(HAPPY, label="happy")])
    np.testing.assert_array_equal(agreed.intensity, track.intensity)
    assert edited(track, [replace(HAPPY, label=None)]) is track
    with pytest.raises(InputError, match="other categories"):
        edited(replace(track, labels=("a",) * 7), [HAPPY])
