"""Statistics of a folder of tracks, and the tables that hold them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sedtalker.batch.statistics import statistics, write_tables
from sedtalker.batch.tracks import NOT_GIVEN, printable, read_tracks
from sedtalker.errors import InputError
from tests.support.talk import talk

Span = tuple[float, float, str, float]


def write(path: Path, *spans: Span) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = ("start", "end", "label", "intensity")
    path.write_text(json.dumps([dict(zip(keys, span, strict=True)) for span in spans]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "anna/a/a.emotion.json", (0, 2, "happy", 0.8), (2, 4, "sad", 0.4), (4, 6, "happy", 0.6))
    write(tmp_path / "anna/b/b.emotion.json", (0, 3, "sad", 0.2))
    write(tmp_path / "ben/c/c.emotion.json", (0, 4, "happy", 1.0), (4, 8, "angry", 0.5))
    return tmp_path


def test_statistics_by_folder(folder: Path) -> None:
    everything, anna, ben = statistics(read_tracks(folder, "folder"))
    assert (everything.group, anna.group, ben.group) == ("all", "anna", "ben")
    assert everything.labels == ("happy", "sad", "angry")
    assert (everything.recordings, everything.duration, everything.speech) == (3, 17.0, None)
    np.testing.assert_allclose(everything.seconds, [8, 5, 4], atol=0.05)
    np.testing.assert_allclose(anna.shares, [4 / 9, 5 / 9, 0], atol=0.01)
    assert everything.segments.tolist() == [3, 2, 1]
    np.testing.assert_allclose(everything.intensity, [(1.6 + 1.2 + 4) / 8, (0.8 + 0.6) / 5, 0.5], atol=0.03)
    assert np.isnan(anna.intensity[2])
    assert everything.changes.tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert everything.probabilities().tolist() == [[0, 0.5, 0.5], [1, 0, 0], [0, 0, 0]]
    assert anna.changes_a_minute == pytest.approx(2 / 9 * 60)
    assert (anna.changes + ben.changes == everything.changes).all()
    durations = anna.duration, ben.duration
    assert everything.mean_intensity == pytest.approx(
        np.average([anna.mean_intensity, ben.mean_intensity], weights=durations)
    )


def test_groups_by_a_column(folder: Path) -> None:
    table = folder / "clips.csv"
    table.write_text("audio,mood\nanna/a.wav,good\nc.flac,good\n")
    found = read_tracks(folder, "mood", table)
    assert {s.name: s.group for s in found.summaries} == {"anna/a": "good", "anna/b": NOT_GIVEN, "ben/c": "good"}
    with pytest.raises(InputError, match=r"--by mood: there is no such column \(the batch kept none\)"):
        read_tracks(folder, "mood")
    log = [{"name": "anna/a", "state": "done", "columns": {"mood": "bad"}}, {"name": "anna/x", "state": "failed"}]
    (folder / "batch.jsonl").write_text("".join(json.dumps(record) + "\n" for record in log))
    kept = read_tracks(folder, "mood")
    assert {s.group for s in kept.summaries} == {"bad", NOT_GIVEN}
    assert kept.failed == ["anna/x"]


def test_a_folder_of_diarize(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0.000 2.000 <NA> <NA> happy <NA> <NA>\n")
    write(tmp_path / "a.json", (0, 2, "sad", 0.5))
    (tmp_path / "b.rttm").write_text("SPEAKER b 1 0.000 1.000 <NA> <NA> angry <NA> <NA>\n")
    (tmp_path / "notes.txt").write_text("no track")
    found = read_tracks(tmp_path, "folder")
    assert [(s.name, s.segments[0].label, s.group) for s in found.summaries] == [("a", "sad", "."), ("b", "angry", ".")]
    assert set(found.left_out) == {"notes.txt"}
    write_tables(found, tmp_path / "report", False)
    assert set(read_tracks(tmp_path).left_out) == {"notes.txt"}  # and not the tables of the report


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_tracks(tmp_path / "nowhere")
    with pytest.raises(InputError, match="there is no emotion track in it"):
        read_tracks(tmp_path)
    (tmp_path / "a.emotion.json").write_text("{")
    with pytest.raises(InputError, match=r"there is no emotion track in it \(not valid JSON"):
        read_tracks(tmp_path)


def test_tables_hold_what_was_counted(folder: Path) -> None:
    tracks = read_tracks(folder, "folder")
    groups = write_tables(tracks, folder / "report", False)
    tables = {p.stem: list(csv.DictReader(p.open(newline=""))) for p in (folder / "report").glob("*.csv")}
    assert {name: len(rows) for name, rows in tables.items()} == {
        **{"recordings": 3, "groups": 3, "emotions": 9, "transitions": 18, "segments": 6},
    }
    assert [row["recording"] for row in tables["recordings"]] == ["anna/a", "anna/b", "ben/c"]
    shares = [float(row["share"]) for row in tables["emotions"] if row["group"] == "ben"]
    np.testing.assert_allclose(shares, groups[2].shares, atol=1e-4)
    assert sum(int(row["count"]) for row in tables["transitions"] if row["group"] == "all") == 3
    with pytest.raises(InputError, match="exists; use --force"):
        write_tables(tracks, folder / "report", False)
    before = (folder / "report/groups.csv").read_bytes()
    write_tables(tracks, folder / "report", True)
    assert (folder / "report/groups.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["=1+1", " =1+1", "\N{FULLWIDTH EQUALS SIGN}1+1", "-1+1"])
def test_cells_are_no_formulas(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.emotion.json", (0, 2, "happy", 0.8))
    write_tables(read_tracks(tmp_path), tmp_path / "report", False)
    (row,) = csv.DictReader((tmp_path / "report/recordings.csv").open(newline=""))
    assert row["recording"] == f"'{printable(name)}"


def test_a_conversation_has_a_row_for_each_speaker(folder: Path) -> None:
    (folder / "talks").mkdir()
    talk().save(folder / "talks/talk.conversation.json")
    write(folder / "talks/talk.ann.emotion.json", (0, 8, "fear", 1.0))  # in the conversation already
    (folder / "talks/talk.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nenough\n\n2\n00:00:04,000 --> 00:00:05,000\nsorry\n"
    )
    found = read_tracks(folder, "speaker")
    assert not found.left_out
    assert found.groups == [NOT_GIVEN, "ann", "bob"]
    everything, others, ann, bob = statistics(found)
    assert (everything.recordings, everything.duration) == (4, 25.0)
    assert (others.recordings, ann.recordings, ann.duration) == (3, 1, 8.0)
    assert dict(zip(ann.labels, ann.seconds, strict=True))["happy"] == pytest.approx(2.0, abs=0.1)
    assert dict(zip(bob.labels, bob.seconds, strict=True))["happy"] == 0
    write_tables(found, folder / "report", False)
    with (folder / "report/recordings.csv").open(encoding="utf-8") as stream:
        rows = [(row["recording"], row["speaker"]) for row in csv.DictReader(stream)]
    assert rows == [("anna/a", ""), ("anna/b", ""), ("ben/c", ""), ("talks/talk", "ann"), ("talks/talk", "bob")]
    with (folder / "report/segments.csv").open(encoding="utf-8") as stream:
        said = {(row["speaker"], row["emotion"]): row["words"] for row in csv.DictReader(stream)}
    assert (said["ann", "angry"], said["bob", "sad"]) == ("enough", "sorry")
    assert "sorry" not in {words for (who, _), words in said.items() if who == "ann"}


def test_conversations_of_any_name_are_told_from_tracks(tmp_path: Path) -> None:
    talk().save(tmp_path / "talk.json")
    assert [(s.name, s.speaker) for s in read_tracks(tmp_path).summaries] == [("talk", "ann"), ("talk", "bob")]
    (tmp_path / "talk.json").write_text('{"format": "sedtalker-conversation", "version": 7}')
    with pytest.raises(InputError, match="there is no emotion track in it"):
        read_tracks(tmp_path)


def test_speakers_need_a_conversation_or_a_column(folder: Path) -> None:
    with pytest.raises(InputError, match="--by speaker: there is no such column"):
        read_tracks(folder, "speaker")
