"""Queries over a folder of tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.batch import search as module
from sedtalker.batch.search import search
from sedtalker.emotion.query import parse_query
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from tests.batch.test_report import write


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "anna/a/a.emotion.json", (0, 2, "angry", 0.9), (2, 4, "sad", 0.4))
    write(tmp_path / "ben/b/b.emotion.json", (0, 3, "sad", 0.2), (3, 5, "angry", 0.8))
    (tmp_path / "anna/a/a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nI want a refund\n")
    return tmp_path


def test_which_recording_when_and_what_was_said(folder: Path) -> None:
    found = search(folder, parse_query("angry > .7 then sad within 10 s"))
    (hit,) = found.hits
    assert (hit.recording, hit.words, found.searched, found.recordings) == ("anna/a", "I want a refund", 2, 1)
    assert (hit.match.start, hit.match.end) == (0.0, 4.0)
    assert [h.recording for h in search(folder, parse_query("angry")).hits] == ["anna/a", "ben/b"]
    assert search(folder, parse_query("happy")).hits == []


def test_words_are_asked_for(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert [hit.recording for hit in search(folder, parse_query('"a refund"')).hits] == ["anna/a"]
    words = tmp_path_factory.mktemp("words")
    with pytest.raises(InputError, match="no words of any recording"):
        search(folder, parse_query('"refund"'), words)
    (words / "ben").mkdir()
    (words / "ben/b.vtt").write_text("WEBVTT\n\n00:03.000 --> 00:05.000\nNo refund\n")
    assert [hit.recording for hit in search(folder, parse_query('"refund" and angry'), words).hits] == ["ben/b"]


def test_the_second_search_reads_no_file_that_has_not_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = parse_query("sad then angry")
    first = search(folder, query)
    read: list[Path] = []

    def counting(path: Path) -> EmotionTrack:
        read.append(path)
        return EmotionTrack.load(path)

    monkeypatch.setattr(module, "read_track", counting)
    assert search(folder, query).hits == first.hits
    assert read == []
    write(folder / "ben/b/b.emotion.json", (0, 3, "happy", 0.2), (3, 5, "angry", 0.8))
    assert search(folder, query).hits == []
    assert [path.name for path in read] == ["b.emotion.json"]


def test_the_index_holds_the_track(folder: Path, cache: Path) -> None:
    files = [folder / "anna/a/a.emotion.json", folder / "ben/b/b.emotion.json"]
    before = dict(module.read_indexed(folder, files, {}))
    assert len(list(cache.rglob("*.npz"))) == 1
    after = dict(module.read_indexed(folder, files, {}))
    for path in files:
        for name in ("times", "posterior", "intensity", "valence", "arousal"):
            np.testing.assert_array_equal(getattr(before[path].track, name), getattr(after[path].track, name))
        assert (before[path].label == after[path].label).all()
        assert before[path].track.duration == after[path].track.duration
    for index in cache.rglob("*.npz"):
        index.write_bytes(b"damaged")
    assert len(dict(module.read_indexed(folder, files, {}))) == 2


def test_what_cannot_be_read_is_left_out(folder: Path) -> None:
    (folder / "c.emotion.json").write_text("{")
    (folder / "ben/b/b.srt").write_text("nothing")
    found = search(folder, parse_query("angry"))
    assert set(found.left_out) == {"c.emotion.json", "b.srt"}
    with pytest.raises(InputError, match="no such folder"):
        search(folder / "nowhere", parse_query("angry"))
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="there is no emotion track in it"):
        search(folder / "empty", parse_query("angry"))
