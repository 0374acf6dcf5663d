"""Tracks that do not fit their recording, or themselves, are read and said, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.formats.json import track_to_json
from sedtalker.errors import InputError

RTTM = "SPEAKER {} 1 {} 0.5 <NA> <NA> {} <NA> <NA>\n"
HEAD = "start,end,label\n"
NAMED = '[{{"start": 0, "end": {}, "label": "happy"}}, {{"start": {}, "end": 1.5, "label": "sad"}}]'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", HEAD + "0,100,happy\n", "goes on to 100 s, but the recording ends at 1.50 s"),
        ("a.csv", HEAD + "0,1.9,happy\n", None),
        ("a.csv", HEAD + "0,0.8,happy\n0.5,1.5,sad\n", "1 of its segments overlap an earlier one"),
        ("a.csv", HEAD + "0,0.8,happy\n0.8,1.5,sad\n", None),
        ("a.txt", "0\t900\thappy\n", "not in seconds"),
        ("a.json", NAMED.format(0.8, 0.5), "overlap"),
        ("a.json", NAMED.format(0.8, 0.8), None),
        ("a.rttm", RTTM.format("x", 0, "happy") + RTTM.format("x", 0.2, "sad"), "overlap"),
        ("a.rttm", RTTM.format("x", 0, "happy") + RTTM.format("x", 0.5, "sad"), None),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, text: str, said: str | None
) -> None:
    (tmp_path / name).write_text(text)
    assert read_track(tmp_path / name, 1.5).duration == 1.5
    assert said in caplog.text if said else not caplog.text


def test_a_whole_track_of_another_recording_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "0,3,happy\n")
    (tmp_path / "a.json").write_text(track_to_json(read_track(tmp_path / "a.csv")))
    read_track(tmp_path / "a.json", 3.0)
    assert not caplog.text
    read_track(tmp_path / "a.json", 1.5)
    assert "is of 3.00 s, the recording of 1.50 s" in caplog.text


def test_an_rttm_of_two_recordings_is_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text(RTTM.format("x", 0, "happy") + RTTM.format("y", 0.5, "sad"))
    with pytest.raises(InputError, match="line 2: of y, after lines of x"):
        read_track(tmp_path / "a.rttm", 1.5)
