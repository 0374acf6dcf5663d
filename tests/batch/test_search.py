"""Segments of a folder of tracks that meet conditions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.batch.search import Hit, Wanted, most_uncertain, search, uncertainty
from sedtalker.batch.statistics import segment_rows
from sedtalker.batch.tracks import read_tracks
from sedtalker.cli.report import as_plain, line
from sedtalker.errors import InputError
from tests.batch.test_report import write
from tests.support.talk import talk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "anna/a/a.emotion.json", (0, 2, "angry", 0.9), (2, 4, "sad", 0.4))
    write(tmp_path / "ben/b/b.emotion.json", (0, 3, "sad", 0.2), (3, 5, "angry", 0.8))
    (tmp_path / "anna/a/a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nI want a refund\n")
    return tmp_path


def searched(folder: Path, wanted: Wanted, words: Path | None = None) -> list[Hit]:
    return search(read_tracks(folder, words=words, words_needed=wanted.said is not None), wanted)


def where(folder: Path, wanted: Wanted, words: Path | None = None) -> list[tuple[str, float]]:
    return [(hit.recording, hit.segment.start) for hit in searched(folder, wanted, words)]


def test_by_emotion_strength_and_length(folder: Path) -> None:
    assert where(folder, Wanted()) == [("anna/a", 0.0), ("anna/a", 2.0), ("ben/b", 0.0), ("ben/b", 3.0)]
    assert where(folder, Wanted(("anger",))) == [("anna/a", 0.0), ("ben/b", 3.0)]
    assert where(folder, Wanted(("angry", "sad"), least_intensity=0.6)) == [("anna/a", 0.0), ("ben/b", 3.0)]
    assert where(folder, Wanted(least_seconds=2.5)) == [("ben/b", 0.0)]
    assert where(folder, Wanted(("happy",))) == []
    with pytest.raises(InputError, match="'cheese' is no emotion"):
        Wanted(("cheese",))


def test_by_words(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (hit,) = searched(folder, Wanted(said="a Refund"))
    assert (hit.recording, hit.words) == ("anna/a", "I want a refund")
    words = tmp_path_factory.mktemp("words")
    with pytest.raises(InputError, match="no words of any recording"):
        searched(folder, Wanted(said="refund"), words)
    (words / "ben").mkdir()
    (words / "ben/b.vtt").write_text("WEBVTT\n\n00:03.000 --> 00:05.000\nNo refund\n")
    assert where(folder, Wanted(("angry",), said="refund"), words) == [("ben/b", 3.0)]


def test_the_most_uncertain_segments(folder: Path) -> None:
    assert where(folder, Wanted(uncertain=0.0)) == []
    assert len(where(folder, Wanted(uncertain=0.5))) == 2
    assert len(where(folder, Wanted(uncertain=1.0))) == 4


def test_a_category_that_is_predicted_everywhere_counts_for_less() -> None:
    posterior = np.array([[0.6, 0.4]] * 40 + [[0.4, 0.6]])
    values = uncertainty(posterior)
    assert values[0] > values[-1]
    assert most_uncertain(values, 1 / 41).tolist() == [True] + [False] * 40
    even = posterior[0] / (posterior.sum(0) + 5)
    assert values[0] == pytest.approx(1 - even[0] / even.sum())


def test_words_that_cannot_be_read_are_left_out(folder: Path) -> None:
    (folder / "ben/b/b.words.json").write_text("{")
    tracks = read_tracks(folder)
    assert (len(tracks.summaries), tracks.with_words, set(tracks.left_out)) == (2, 1, {"b.words.json"})
    assert len(search(tracks, Wanted())) == 4


def test_words_beside_segments_of_a_report(folder: Path) -> None:
    assert [row["words"] for row in segment_rows(read_tracks(folder))] == ["I want a refund", "", "", ""]
    (folder / "anna/a/a.srt").unlink()
    assert "words" not in segment_rows(read_tracks(folder))[0]
    with pytest.raises(InputError, match="no words of any recording"):
        read_tracks(folder, words=folder / "ben", words_needed=True)


def test_who_says_it_in_a_conversation(tmp_path: Path) -> None:
    talk().save(tmp_path / "talk.conversation.json")
    hits = [hit for hit in searched(tmp_path, Wanted()) if hit.segment.label != "neutral"]
    assert [(hit.speaker, hit.segment.label) for hit in hits] == [("ann", "angry"), ("bob", "sad"), ("ann", "happy")]
    assert line(hits[0]).startswith("talk [ann]  ")
    assert as_plain(hits[0])["speaker"] == "ann"
