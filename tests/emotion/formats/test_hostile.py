"""Tracks that claim, overflow or repeat are refused in one line, and soon."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.formats import LONGEST_SECONDS, MOST_SEGMENTS, densify
from sedtalker.emotion.formats.files import parse_emotion, read_track
from sedtalker.emotion.track import Segment
from sedtalker.errors import InputError

ROW = {"start": 0, "end": 1, "label": "happy"}
TIER = '"IntervalTier"\n"emotion"\n0\n1\n{}\n0\n1\n"happy"\n'
TEXTGRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n1\n<exists>\n1\n' + TIER


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.TextGrid", TEXTGRID.format(10**9), "fewer intervals than it claims"),
        ("a.txt", "0\t1\thappy\n" * 300_000, "more than"),
        ("a.csv", "start,end,label\n" + "0,1,happy\n" * 300_000, "more than"),
        ("a.json", json.dumps([ROW] * (MOST_SEGMENTS + 1)), "more than"),
        ("a.rttm", "SPEAKER x 1 0 1 <NA> <NA> happy <NA> <NA>\n" * (MOST_SEGMENTS + 1), "more than"),
        ("a.csv", "start,end,label\n0,1e9,happy\n", "no length of a track"),
        ("a.csv", "start,end,label\n0,1e300,happy\n", "no length of a track"),
        ("a.csv", "start,end,label\n0,1," + "x" * 200_000 + "\n", "not a table"),
        ("a.csv", "start,end,label\r0,1,happy\r", "not a table|no column"),
        ("a.json", json.dumps({"duration": 1, "segments": [{**ROW, "end": 7}]}).replace("7", "9" * 5000), "digits"),
        ("a.json", "[" + "0," * 1_000_000 + "0]", "0: Input should be"),
        ("a.keys.json", "{}", "valid list"),
        ("a.keys.json", "[]", "at least 1"),
        ("a.keys.json", json.dumps([{"time_code": 1e12, "emotion": {"joy": 1}}]), "no length of a track"),
        ("a.txt", "x" * (9 * 2**20), "too large"),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_refused_in_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    began = time.process_time()
    with pytest.raises(InputError, match=said):
        read_track(tmp_path / name)
    assert time.process_time() - began < 8.0


def test_a_name_that_no_file_has_is_no_emotion() -> None:
    for text in ("h" * 300, "happy:" + "1" * 300 + "x", "a\0b"):
        with pytest.raises(InputError):
            parse_emotion(text)


def test_segments_that_cover_everything_many_times_are_refused() -> None:
    deep = [Segment(0.001 * k, 3600.0, "happy", 0.5, 1.0) for k in range(1000)]
    with pytest.raises(InputError, match="overlap"):
        densify(deep, 3600.0)
    with pytest.raises(InputError, match="no length"):
        densify([Segment(0.0, 1.0, "happy", 0.5, 1.0)], LONGEST_SECONDS + 1)


@pytest.mark.slow
def test_many_segments_of_a_long_recording_take_seconds_at_most() -> None:
    count = MOST_SEGMENTS
    many = [Segment(0.3 * k, 0.3 * k + 0.25, ("happy", "sad")[k % 2], 0.5, 1.0) for k in range(count)]
    began = time.process_time()
    track = densify(many, 0.3 * count)
    assert time.process_time() - began < 8.0
    assert np.allclose(track.posterior.sum(1), 1.0, atol=1e-5)
