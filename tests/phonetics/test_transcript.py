"""What users give as words: texts, files with and without times, and what is wrong with them."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest

from sedtalker.audio import SAMPLE_RATE, Audio, from_samples
from sedtalker.errors import InputError
from sedtalker.phonetics.pronunciation import SpokenWord
from sedtalker.phonetics.words import Word, align_recording, spoken_words, timed_words
from sedtalker.speech.encoder import MelEncoder, open_encoder

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra align")

WHISPER = '{"segments": [{"start": 0, "end": 1, "text": " Bob may", "words": [%s]}]}'
FILES = {
    "words.ctm": "a 1 0.10 0.20 Bob\na 1 0.40 0.20 may\n",
    "words.vtt": "WEBVTT\n\n00:00.100 --> 00:00.600\nBob <00:00:00.400>may\n",
    "words.json": WHISPER % '{"start": 0.1, "end": 0.3, "word": " Bob"}, {"start": 0.4, "end": 0.6, "word": " may"}',
}
PHRASES = {
    "phrase.vtt": "WEBVTT\n\n00:00.100 --> 00:00.600\nBob may\n",
    "phrase.srt": "1\n00:00:00,100 --> 00:00:00,600\nBob may\n",
    "phrase.json": WHISPER % "",
    "phrase.TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n'
    '"text"\n0\n1\n1\n0.1\n0.6\n"Bob may"\n',
}


@pytest.fixture(scope="module")
def encoder() -> MelEncoder:
    found = open_encoder()
    assert isinstance(found, MelEncoder)
    return found


@pytest.fixture(scope="module")
def noise() -> Audio:
    return from_samples(np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32), SAMPLE_RATE)


def test_a_text_and_its_file(tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("Bob may.\n", encoding="utf-8")
    for given in ("Bob may.", str(tmp_path / "said.txt"), tmp_path / "said.txt"):
        assert [(w.text, w.within) for w in spoken_words(given)] == [("Bob", None), ("may.", None)]
    words = spoken_words("Bob may.")
    assert spoken_words(words) == words


def test_speakers_of_a_script_are_not_spoken(tmp_path: Path) -> None:
    text = "ANN: Bob may.\nBOB (angry): May Bob?\n\nNo: map.\n"
    (tmp_path / "script.txt").write_text(text, encoding="utf-8")
    for given in (text, tmp_path / "script.txt"):
        assert [w.text for w in spoken_words(given)] == ["Bob", "may.", "May", "Bob?", "No:", "map."]
    assert [w.text for w in spoken_words("BOB:")] == ["BOB:"]


@pytest.mark.skipif(importlib.util.find_spec("phonemizer") is None, reason="needs the extra g2p")
def test_words_of_a_file_know_their_neighbours() -> None:
    words = timed_words([Word(k, k + 1, text) for k, text in enumerate(["St.", "Bob", "$5", "million"])])
    assert [w.phones[:2] for w in words] == [("S", "EY"), ("B", "AA"), ("F", "AY"), ("M", "IH"), ("D", "AA")]
    assert [w.text for w in words] == ["St.", "Bob", "$5", "million", ""]


@pytest.mark.parametrize("name", FILES)
def test_words_with_times(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    words = spoken_words(tmp_path / name)
    assert [w.text for w in words] == ["Bob", "may"]
    assert words[0].within == pytest.approx((0.1, 0.4 if name.endswith("vtt") else 0.3))
    assert words[1].within == pytest.approx((0.4, 0.6))


@pytest.mark.parametrize("name", PHRASES)
def test_phrases_with_times(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PHRASES[name], encoding="utf-8")
    words = spoken_words(str(tmp_path / name))
    assert [w.text for w in words] == ["Bob", "may"]
    assert words[0].within == words[1].within


def test_what_is_no_word_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "music.vtt"
    path.write_text("WEBVTT\n\n00:00.100 --> 00:00.600\n♪\n\n00:01.000 --> 00:02.000\n- May?\n", encoding="utf-8")
    assert [w.text for w in spoken_words(path)] == ["May?"]
    path.write_text("WEBVTT\n\n00:00.100 --> 00:00.600\n…\n", encoding="utf-8")
    with pytest.raises(InputError, match="has times, but no words"):
        spoken_words(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.txt", "  \n", r"empty\.txt: no words in it"),
        ("cut.json", '{"segments": [', "not valid JSON"),
        ("wrong.ctm", "a b\n", r"wrong\.ctm: line 1 is not 'recording channel start duration word'"),
        ("none.TextGrid", "hello", "not a Praat TextGrid"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        spoken_words(tmp_path / name)


def test_files_that_are_not_there() -> None:
    for given in ("nowhere.txt", "nowhere.vtt", Path("nowhere.json")):
        with pytest.raises(InputError, match="no such file"):
            spoken_words(given)
    with pytest.raises(InputError, match="has no words in it"):
        spoken_words("...")


def test_words_of_another_recording(noise: Audio, encoder: MelEncoder, caplog: pytest.LogCaptureFixture) -> None:
    features = encoder(noise)
    late = [SpokenWord("bee", ("B", "IY"), (7.0, 7.2))]
    with pytest.raises(InputError, match=r"'bee' is spoken at 7\.0 s, but the recording ends at 1\.0 s"):
        align_recording(late, noise, features)
    with pytest.raises(InputError, match=r"can be spoken in 1\.0 s: it is of a longer recording"):
        align_recording([SpokenWord("bee", ("B", "IY"))] * 40, noise, features)
    with caplog.at_level(logging.WARNING, logger="sedtalker"):
        found = align_recording([SpokenWord("yaya", ("Y", "AA", "Y", "AA"))] * 8, noise, features)
    assert found.duration == pytest.approx(1.0)
    assert "hardly fit the recording" in caplog.text
