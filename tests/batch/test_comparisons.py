"""Groups against each other, trends over a column, the course of recordings, and words beside segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.batch.comparisons import comparison_rows, course_rows, measures_of, positions, trend_rows
from sedtalker.batch.search import add_words
from sedtalker.batch.statistics import segment_rows
from sedtalker.batch.tracks import Tracks, TrackSummary, read_tracks
from sedtalker.errors import InputError
from tests.batch.test_report import write


def recording(name: str, group: str, angry: float, intensity: float = 0.5) -> TrackSummary:
    """Ten seconds, angry first and then sad."""
    segments = (("angry", 0.0, 10 * angry, 0.9), ("sad", 10 * angry, 10.0, 0.4))
    return TrackSummary(name, group, 10.0, None, segments, intensity, 0.0, 0.0)


def test_a_group_that_differs_comes_first() -> None:
    rng = np.random.default_rng(0)
    summaries = [recording(f"a{k}", "a", 0.6 + 0.1 * rng.random()) for k in range(20)]
    summaries += [recording(f"b{k}", "b", 0.2 + 0.1 * rng.random()) for k in range(30)]
    rows = comparison_rows(Tracks(Path(), "folder", summaries))
    first = rows[0]
    assert first["measure"] in ("share_angry", "share_sad")
    assert first["p_holm"] < 1e-4
    own = next(row for row in rows if (row["group"], row["measure"]) == ("a", "share_angry"))
    assert (own["recordings"], own["mean"]) == (20, pytest.approx(0.65, abs=0.03))
    assert own["difference"] == pytest.approx(own["mean"] - own["mean_of_others"])
    assert own["low"] < own["difference"] < own["high"]
    assert own["high"] - own["low"] < 0.05
    valence = next(row for row in rows if row["measure"] == "mean_valence")
    assert (valence["difference"], valence["p"], valence["p_holm"]) == (0.0, 1.0, 1.0)
    assert all(row["p_holm"] >= row["p"] for row in rows)


def test_too_few_are_not_compared() -> None:
    summaries = [recording("a", "a", 0.5), *(recording(f"b{k}", "b", 0.5) for k in range(5))]
    assert comparison_rows(Tracks(Path(), "folder", summaries)) == []
    assert comparison_rows(Tracks(Path(), None, summaries)) == []


def test_a_trend() -> None:
    summaries = [recording(f"r{k}", "all", 0.1 + 0.02 * k) for k in range(30)]
    over = positions({s.name: {"day": f"2026-01-{k + 1:02d}"} for k, s in enumerate(summaries)}, "day")
    rows = trend_rows(Tracks(Path(), None, summaries, over=over))
    angry = next(row for row in rows if row["measure"] == "share_angry")
    assert (angry["recordings"], angry["spearman"]) == (30, pytest.approx(1.0))
    assert angry["slope"] == pytest.approx(0.02)
    assert angry["p_holm"] < 1e-6
    flat = next(row for row in rows if row["measure"] == "mean_intensity")
    assert (flat["spearman"], flat["p"]) == (0.0, 1.0)
    assert trend_rows(Tracks(Path(), None, summaries)) == []


def test_numbers_and_dates() -> None:
    cells = {"a": {"x": "3"}, "b": {"x": "2026-01-02"}, "c": {"x": "soon"}, "d": {}, "e": {"x": "nan"}}
    found = positions(cells, "x")
    assert set(found) == {"a", "b"}
    assert found["a"] == 3.0
    later = positions({"b": {"x": "2026-01-03"}}, "x")
    assert later["b"] - found["b"] == 1.0


def test_the_course() -> None:
    rows = course_rows(Tracks(Path(), None, [recording("a", "all", 0.25), recording("b", "all", 0.55)]))
    angry = [row["share"] for row in rows if row["emotion"] == "angry"]
    assert angry == pytest.approx([1, 1, 0.75, 0.5, 0.5, 0.25, 0, 0, 0, 0])
    sad = [row["share"] for row in rows if row["emotion"] == "sad"]
    np.testing.assert_allclose(np.add(angry, sad), 1.0)


def test_measures() -> None:
    found = measures_of([recording("a", "all", 0.25)])
    assert {name: value[0] for name, value in found.items()} == pytest.approx(
        {"share_sad": 0.75, "share_angry": 0.25, "mean_intensity": 0.5, "mean_valence": 0.0, "mean_arousal": 0.0,
         "changes_a_minute": 6.0}
    )  # fmt: skip


def test_words_beside_segments(tmp_path: Path) -> None:
    write(tmp_path / "t/a.emotion.json", (0, 2, "angry", 0.9), (2, 4, "sad", 0.4))
    write(tmp_path / "t/b.emotion.json", (0, 2, "angry", 0.9))
    (tmp_path / "t/a.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,500\nEnough\n\n2\n00:00:02,500 --> 00:00:03,000\nSorry\n"
    )
    tracks = read_tracks(tmp_path / "t")
    assert "words" not in segment_rows(tracks)[0]
    add_words(tracks)
    assert [(row["recording"], row["emotion"], row["words"]) for row in segment_rows(tracks)] == [
        ("a", "angry", "Enough"), ("a", "sad", "Sorry"), ("b", "angry", "")
    ]  # fmt: skip
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no words of any recording"):
        add_words(read_tracks(tmp_path / "t"), tmp_path / "none")
