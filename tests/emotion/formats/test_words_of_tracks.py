"""Words in tracks: kept by JSON, read as text behind the emotion in subtitles, one cue a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sedtalker.emotion.formats import dense_from, labels
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.formats.labels import subtitles
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError
from sedtalker.phonetics.words import read_words

WORDS = ((0.1, 0.5, "Stop"), (0.5, 0.9, "it."), (1.2, 1.6, "Give"), (1.6, 1.9, "me"), (2.2, 2.6, "Oh."))


@pytest.fixture
def track() -> EmotionTrack:
    segments = [Segment(0.0, 2.0, "happy", 0.8, 1.0), Segment(2.0, 3.0, "sad", 0.5, 1.0)]
    return replace(dense_from(segments, 3.0, "track"), words=WORDS, language="en")


def test_json_keeps_words_and_their_language(track: EmotionTrack) -> None:
    again = track_from_json(track_to_json(track))
    assert (again.words, again.language) == (WORDS, "en")
    assert '"words"' not in track_to_json(replace(track, words=()))
    with pytest.raises(InputError, match="words"):
        track_from_json(track_to_json(track).replace('[0.1, 0.5, "Stop"]', '[-1, 0.5, "Stop"]'))


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_subtitles_have_a_cue_a_sentence(track: EmotionTrack, suffix: str, tmp_path: Path) -> None:
    cues = subtitles(track)
    assert [said.partition(" ")[2] for *_, said in cues] == ["Stop it.", "Give me", "Oh."]
    assert [(start, end) for start, end, _ in cues] == [(0.0, 1.2), (1.2, 2.0), (2.0, 3.0)]
    assert [said.partition(":")[0] for *_, said in cues] == ["happy", "happy", "sad"]
    path = tmp_path / f"track{suffix}"
    track.save(path)
    read = EmotionTrack.load(path, 3.0).segments()
    assert [s.label for s in read] == ["happy", "sad"]
    assert "Stop it." in path.read_text(encoding="utf-8")


def test_scripts_without_spaces_get_none(track: EmotionTrack) -> None:
    said = tuple((0.1 * k, 0.1 * k + 0.1, text) for k, text in enumerate(("你", "好，", "A", "我", "カ", "한국", "말")))
    assert subtitles(replace(track, words=said))[0][2].partition(" ")[2] == "你好， A 我カ 한국 말"


def test_titles_and_letters_end_no_sentence(track: EmotionTrack) -> None:
    texts = ["“Dr.", "A.", "Smith?”", "So", "do", "I.", "No,", "e.g.", "Mr.", "Jones", "did."]
    said = tuple((0.1 * k, 0.1 * k + 0.1, text) for k, text in enumerate(texts))
    found = [text.partition(" ")[2] for *_, text in subtitles(replace(track, words=said))]
    assert found == ["“Dr. A. Smith?”", "So do I.", "No, e.g. Mr. Jones did.", ""]


def test_the_words_of_a_cue_are_joined_once(track: EmotionTrack, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()
    monkeypatch.setattr(labels, "joined", lambda texts: calls.append(len(texts)) or " ".join(texts))
    subtitles(replace(track, words=tuple((0.1, 0.1, "so") for _ in range(100))))
    assert calls == [101, 1]


@pytest.mark.parametrize("end", ["네.", "U.S.?", "e.g.!", "J.R.R.Tolkien.", "Hello. –", "“So.” –"])
def test_whole_words_end_a_sentence(track: EmotionTrack, end: str) -> None:
    said = ((0.1, 0.4, end), (0.5, 0.8, "So"))
    found = [text.partition(" ")[2] for *_, text in subtitles(replace(track, words=said))]
    assert found == [end, "So", ""]


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_words_with_signs_of_markup_come_back(track: EmotionTrack, suffix: str, tmp_path: Path) -> None:
    said = ((0.1, 0.5, "“R&D?”"), (0.5, 0.9, "<no>!"))
    replace(track, words=said).save(tmp_path / f"track{suffix}")
    found = read_words((tmp_path / f"track{suffix}").read_bytes(), f"track{suffix}")
    assert [word.text for word in found] == (["“R&D?”", "<no>!"] if suffix == ".vtt" else ["“R&D?”", "!"])
