"""Conversations as JSON, RTTM, tables and subtitles."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.conversation import (
    conversation_from_json,
    conversation_to_csv,
    conversation_to_json,
    conversation_to_rttm,
    conversation_to_srt,
    conversation_to_vtt,
)
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.formats.json import track_to_json
from sedtalker.emotion.track import EmotionTrack, Prediction, Segment
from sedtalker.errors import InputError
from sedtalker.reading import subtitle_cues
from sedtalker.speakers.turns import Turn, turns_from_rttm
from tests.support.talk import TURNS, talk


def test_json_loses_nothing() -> None:
    made = talk()
    text = conversation_to_json(made)
    back = conversation_from_json(text)
    assert conversation_to_json(back) == text
    assert back.turns == made.turns
    for name, track in made.tracks.items():
        assert json.loads(text)["tracks"][name] == json.loads(track_to_json(track))
        for column in ("times", "posterior", "intensity", "valence", "arousal"):
            np.testing.assert_array_equal(getattr(back.tracks[name], column), getattr(track, column))


def test_a_duration_between_samples_is_read_back() -> None:
    held = json.loads(conversation_to_json(talk()))
    for one in (held, *held["tracks"].values()):
        one["duration"] = 8.00002
    again = conversation_from_json(conversation_to_json(conversation_from_json(json.dumps(held))))
    assert again.duration == 8.0


def test_json_says_who_expresses_what_in_order_of_time() -> None:
    held = json.loads(conversation_to_json(talk()))
    assert (held["format"], held["version"], held["duration"]) == ("sedtalker-conversation", 1, 8.0)
    assert held["turns"][0] == {"start": 0.5, "end": 3.0, "speaker": "ann"}
    told = [(row["speaker"], row["label"]) for row in held["segments"] if row["label"] != "neutral"]
    assert told == [("ann", "angry"), ("bob", "sad"), ("ann", "happy")]


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(conversation_to_json(talk())), **values})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "no conversation; sedtalker diarize --speakers writes them"),
        (track_to_json(talk().tracks["ann"]), "no conversation"),
        (changed(version=2), "reads sedtalker-conversation version 1, not 2"),
        (changed(duration=1e9), "is no length of a track"),
        (changed(duration=0, turns=[]), "duration: Input should be greater than 0"),
        (changed(duration=9.0), "a track is not as long as the recording"),
        (changed(speakers=["ann"]), "every speaker needs a track"),
        (changed(speakers=["ann", "bob", "eve"]), "every speaker needs a track"),
        (changed(turns=[{"start": 2, "end": 1, "speaker": "ann"}]), "a turn begins after its end"),
        (changed(turns=[{"start": 0, "end": 1}]), "turns.0.speaker: Field required"),
        (changed(mood="good"), "mood: there is no such option"),
        (changed(tracks={"ann": {}, "bob": {}}), "talk.json: ann: format: Field required"),
        (conversation_to_json(talk()).replace('"bob"', '"../bob"'), "a name cannot hold '/'"),
    ],
)
def test_what_is_no_conversation_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        conversation_from_json(text, "talk.json")
    assert str(caught.value).startswith("talk.json")
    assert "\n" not in str(caught.value)


def test_a_reader_of_one_track_says_what_it_is(tmp_path: Path) -> None:
    talk().save(tmp_path / "talk.conversation.json")
    with pytest.raises(InputError, match="holds the tracks of several speakers"):
        read_track(tmp_path / "talk.conversation.json")


def test_rttm_is_that_of_a_diarizer_with_the_emotion_aside() -> None:
    text = conversation_to_rttm(talk(), "my talk")
    assert "SPEAKER my_talk 1 0.500 2.500 <NA> angry:" in text
    turns = turns_from_rttm(text, 8.0)
    assert [turns.of(name) for name in ("ann", "bob")] == [talk().turns.of(name) for name in ("ann", "bob")]
    fields = [line.split() for line in text.splitlines()]
    assert {len(row) for row in fields} == {10}
    assert all(0.0 < float(row[8]) <= 1.0 for row in fields)


def with_track(segments: list[Segment], speech: bool = True) -> Conversation:
    """The conversation with another track of Ann."""
    made = talk()
    track = densify(segments, 8.0)
    track = track if speech else replace(track, speech=np.zeros(len(track), bool))
    return Conversation(made.speakers, {**made.tracks, "ann": track})


def test_a_turn_has_a_line_for_each_emotion_and_none_where_nothing_was_found() -> None:
    made = with_track([Segment(0.0, 1.5, "angry", 0.9, 1.0), Segment(1.5, 8.0, "happy", 0.9, 1.0)])
    rows = [line.split() for line in conversation_to_rttm(made, "a").splitlines()]
    first = [(row[3], row[4], row[6].partition(":")[0]) for row in rows if row[7] == "ann"][:2]
    assert first == [("0.500", "1.000", "angry"), ("1.500", "1.500", "happy")]
    nothing = conversation_to_rttm(with_track([Segment(0.0, 8.0, "sad", 0.9, 1.0)], speech=False), "a")
    assert "SPEAKER a 1 0.500 2.500 <NA> <NA> ann <NA> <NA>" in nothing


def test_the_table_has_a_column_for_the_speaker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = talk().renamed({"ann": "=cmd()", "bob": "Bob, Jr"})
    rows = list(csv.DictReader(conversation_to_csv(made).splitlines()))
    assert list(rows[0]) == ["start", "end", "speaker", "label", "intensity", "confidence"]
    assert {row["speaker"] for row in rows} == {"'=cmd()", "Bob, Jr"}
    assert [float(row["start"]) for row in rows] == sorted(float(row["start"]) for row in rows)
    talk().save(tmp_path / "talk.csv")
    EmotionTrack.load(tmp_path / "talk.csv")
    assert "is of several speakers, read as one track" in caplog.text


def test_subtitles_have_names_and_emotions() -> None:
    made = talk().renamed({"ann": "Ann & Co"})
    srt, vtt = conversation_to_srt(made), conversation_to_vtt(made)
    assert "ANN & CO (angry)\n" in srt
    assert "BOB (sad)\n" in srt
    assert "neutral" not in srt
    assert "<v Ann &amp; Co>ANN &amp; CO (angry)\n" in vtt
    times = [f"{a.start:.2f}-{a.end:.2f}" for _, a in made.segments()]
    for text in (srt, vtt):
        cues = list(subtitle_cues(text))
        assert {f"{start:.2f}" for start, *_ in cues} <= {time.split("-")[0] for time in times}
        assert any("(angry)" in said for *_, said in cues)


def test_an_unsure_emotion_is_not_put_into_a_subtitle() -> None:
    made = with_track([Segment(0.0, 8.0, "angry", 0.9, 1.0)])
    assert "ANN (angry)\n" in conversation_to_srt(made)
    ann = made.tracks["ann"]
    guess = Prediction(np.full_like(ann.posterior, 1 / 7), ann.intensity)
    doubtful = Conversation(made.speakers, {**made.tracks, "ann": replace(ann, predicted=guess)})
    assert [segment.label for who, segment in doubtful.segments() if who == "ann"] == ["angry"]
    assert "ANN\n" in conversation_to_srt(doubtful)
    assert "(angry)" not in conversation_to_srt(doubtful)


@pytest.mark.parametrize("suffix", [".json", ".rttm", ".csv", ".srt", ".vtt", ".VTT"])
def test_the_suffix_chooses_the_format(suffix: str, tmp_path: Path) -> None:
    talk().save(tmp_path / f"talk{suffix}")
    assert (tmp_path / f"talk{suffix}").stat().st_size > 100
    talk().save(tmp_path / f"again{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_text() for name in ("talk", "again"))
    assert first == second.replace("SPEAKER again", "SPEAKER talk")


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"conversations are written as \.json, \.rttm, \.csv, \.srt, \.vtt"):
        talk().save(tmp_path / "talk.txt")
    assert list(tmp_path.iterdir()) == []
    talk().save(tmp_path / "new" / "folder" / "a.json")
    assert (tmp_path / "new" / "folder" / "a.json").is_file()


def test_turns_and_tracks_of_one_name_may_have_no_speech_at_all() -> None:
    made = talk()
    silent = Conversation(made.speakers, {name: densify([Segment(0, 8, "neutral", 0, 1)], 8.0) for name in made.names})
    back = conversation_from_json(conversation_to_json(silent))
    assert back.turns.turns == TURNS
    assert Turn(0.5, 3.0, "ann") in back.turns.turns
