"""Ratings against tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sedtalker.batch.valence import evaluate_valence
from sedtalker.emotion.agreement import Rating, agreement, ratings_of, read_ratings, segment_means
from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.files import write_track
from sedtalker.emotion.taxonomy import DIETRICH, project
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError

LABELS = ("happy", "sad", "angry", "neutral", "happy", "fear", "surprise", "disgust", "happy", "sad")


def track() -> EmotionTrack:
    spans = [Segment(2 * k, 2 * k + 2, label, 0.1 + 0.08 * k, 1.0) for k, label in enumerate(LABELS)]
    return densify(spans, 2.0 * len(LABELS), ease=0.02)


def table(path: Path, rows: list[str], head: str = "start,end,valence") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_ratings_that_the_track_was_made_of() -> None:
    own = [Rating(2.0 * k, 2.0 * k + 2, {}) for k in range(len(LABELS))]
    means = segment_means(track(), own, "valence")
    found = agreement("valence", means, means)
    for name in ("spearman", "pearson", "ccc", "spearman_high"):
        assert found.figures[name] == pytest.approx(1.0)
    assert found.figures["mae"] == 0.0
    assert max(found.figures[f"{name}_p"] for name in ("spearman", "pearson", "ccc")) < 0.001
    assert (found.n, found.trusted) == (10, True)
    assert found.verdict.startswith("valence goes with the ratings")
    assert not agreement("valence", means, -means).trusted


def test_what_goes_with_nothing_is_not_trusted() -> None:
    rng = np.random.default_rng(0)
    found = agreement("valence", rng.normal(size=41), rng.normal(size=41))
    assert not found.trusted
    assert found.verdict.startswith("do not trust valence here")
    assert found.figures["spearman_low"] < found.figures["spearman"] < found.figures["spearman_high"]
    flat = agreement("arousal", np.zeros(9), rng.normal(size=9))
    assert (flat.figures["spearman"], flat.figures["spearman_p"], flat.trusted) == (0.0, 1.0, False)
    with pytest.raises(InputError, match="2 segments with valence in both are too few"):
        agreement("valence", np.array([0.1, 0.2, np.nan]), np.array([0.1, 0.2, 0.3]))


def test_a_table_of_ratings(tmp_path: Path) -> None:
    path = table(tmp_path / "r.csv", ["0,2,-2,0.5", "2,4,,1"], "start,end,valence,intensity")
    first, second = read_ratings(path, (-2.0, 2.0))
    assert first == Rating(0.0, 2.0, {"valence": -1.0, "intensity": 0.5})
    assert second.values == {"intensity": 1.0}


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["0,2"], "start,end", "need the columns"),
        (["0,2,x"], "start,end,valence", "line 2: a cell is no number"),
        (["2,2,0"], "start,end,valence", "line 2: the end must come after"),
        (["0,nan,0"], "start,end,valence", "line 2: the end must come after"),
        (["0,2,0", "0,2,3"], "start,end,valence", "line 3: a rating lies outside -1 to 1: give --scale"),
        (["0,2,nan"], "start,end,valence", "line 2: a rating lies outside"),
        ([], "start,end,valence", "no rating"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, rows: list[str], head: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_ratings(table(tmp_path / "r.csv", rows, head))


def test_a_scale() -> None:
    with pytest.raises(InputError, match="a scale from 2 to -2 is none"):
        read_ratings(Path("none.csv"), (2.0, -2.0))


def test_a_track_a_folder_and_two_tracks(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    for name in "ab":
        write_track(tmp_path / f"tracks/{name}.emotion.json", track())
    rows = [f"{2 * k},{2 * k + 2},{0.9 if label == 'happy' else -0.8 if label != 'neutral' else 0}"
            for k, label in enumerate(LABELS)]  # fmt: skip
    one = evaluate_valence(tmp_path / "tracks/a.emotion.json", table(tmp_path / "one.csv", rows))
    assert [(a.axis, a.n, a.trusted) for a in one] == [("valence", 10, True)]
    both = [f"{row},{name}" for row in rows for name in "ab"]
    folder = evaluate_valence(tmp_path / "tracks", table(tmp_path / "both.csv", both, "start,end,valence,recording"))
    assert folder[0].n == 20
    assert folder[0].figures["pearson"] == pytest.approx(one[0].figures["pearson"])
    with pytest.raises(InputError, match="there is no track of 'c'"):
        evaluate_valence(
            tmp_path / "tracks", table(tmp_path / "c.csv", [f"{rows[0]},c"], "start,end,valence,recording")
        )
    write_track(tmp_path / "other.emotion.json", project(track(), DIETRICH))
    pair = evaluate_valence(tmp_path / "tracks/a.emotion.json", tmp_path / "other.emotion.json")
    assert [a.axis for a in pair] == ["valence", "arousal", "intensity"]
    assert 0.8 < pair[0].figures["spearman"] <= 1.0
    assert pair[2].figures["ccc"] == pytest.approx(1.0)
    same = evaluate_valence(tmp_path / "tracks/a.emotion.json", tmp_path / "other.emotion.json", coordinates=DIETRICH)
    assert same[0].figures["mae"] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="a folder of tracks is compared with a CSV"):
        evaluate_valence(tmp_path / "tracks", tmp_path / "other.emotion.json")


def test_another_track_as_ratings() -> None:
    (rating,) = ratings_of(track(), [(2.0, 4.0)])
    assert set(rating.values) == {"valence", "arousal", "intensity"}
    assert rating.values["valence"] < -0.2
    assert ratings_of(track(), [(90.0, 91.0)])[0].values == {}
