"""Words in the studio: they are a part of the track, the lips follow them, and text is corrected in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.phonetics.aligner import AlignedPhone, Alignment
from sedtalker.phonetics.words import Word
from sedtalker.studio import recognition as studio_words
from sedtalker.studio.recognition import WORDS, corrected
from tests.studio.conftest import ROOT, SOCKETS, finished

pytest.importorskip("pocketsphinx", reason="needs the extra align")
SAID = [Word(0.0, 0.5, "Bob"), Word(0.5, 1.0, "may"), Word(1.0, 1.5, "see")]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Bob may see", SAID),
        ("Bob can see", [SAID[0], Word(0.5, 1.0, "can"), SAID[2]]),
        ("Bob may not see", [*SAID[:2], Word(1.0, 1.0, "not"), SAID[2]]),
        ("Bob see", [SAID[0], SAID[2]]),
        ("maybe Bob may see it now", [Word(0.0, 0.0, "maybe"), *SAID, Word(1.5, 1.5, "it now")]),
        ("all of it", [Word(0.0, 1.5, "all of it")]),
    ],
)
def test_corrected_text_keeps_the_times_of_what_stays(text: str, made: list[Word]) -> None:
    assert corrected(SAID, text) == made


CUES = [Word(0.3, 2.0, "hello my dear friend"), Word(2.2, 4.0, "how are you today")]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("hello my dear friend how are you today", [CUES[0].text, CUES[1].text]),
        ("hello my old friend how are they today", ["hello my old friend", "how are they today"]),
        ("hello my dear pal where are you today", ["hello my dear pal", "where are you today"]),
        ("hello my very dear friend how are you", ["hello my very dear friend", "how are you"]),
        ("well hello my dear friend how are you today then", ["well hello my dear friend", "how are you today then"]),
        ("a b c d e f g h", ["a b c d", "e f g h"]),
        ("goodbye all", ["goodbye", "all"]),
        ("how are you today", [None, CUES[1].text]),
        ("hello my dear friend", [CUES[0].text, None]),
    ],
)
def test_subtitles_keep_the_times_of_their_cues(text: str, made: list[str | None]) -> None:
    assert corrected(CUES, text) == [
        replace(cue, text=said) for cue, said in zip(CUES, made, strict=True) if said is not None
    ]


def test_phrases_and_single_words_are_corrected_together() -> None:
    mixed = [CUES[0], Word(2.2, 2.5, "how"), Word(2.5, 2.8, "are")]
    assert corrected(mixed, "hello my dear friend so how are you") == [
        replace(CUES[0], text="hello my dear friend so"),
        *mixed[1:],
        Word(2.8, 2.8, "you"),
    ]


def test_no_words_cannot_be_corrected_and_an_empty_text_removes_them() -> None:
    with pytest.raises(InputError, match="no words to correct"):
        corrected([], "Bob")
    with pytest.raises(InputError, match="more than 100000 words"):
        corrected(SAID, "a " * 100_001)
    assert corrected(SAID, " ") == []


def test_an_empty_text_removes_the_words_until_it_is_undone(client, session, caplog) -> None:
    before = session.animation().coefficients.copy()
    finished(client, lambda: client.post(f"{ROOT}api/words?name=w.ctm", content=b"a 1 0.5 0.3 Bob\n"), WORDS)
    base = client.get(f"{ROOT}api/state").json()["base"]
    finished(client, lambda: client.post(f"{ROOT}api/words/text", json={"text": ""}), WORDS)
    assert session.words == []
    assert np.array_equal(session.animation().coefficients, before)
    assert "do not follow" not in caplog.text
    undone = client.post(f"{ROOT}api/undo").json()
    assert [word.text for word in session.words] == ["Bob"]
    assert undone["base"] == base  # by which the page sees that there are other words


def test_the_lips_follow_and_one_step_back_undoes_it(client, session) -> None:
    before = session.animation().coefficients.copy()
    loaded = lambda: client.post(f"{ROOT}api/words?name=w.ctm", content=b"a 1 0.5 0.3 Bob\na 1 0.9 0.4 may\n")  # noqa: E731
    assert finished(client, loaded, WORDS)["result"]["words"] == 2
    after = session.animation()
    assert [word["text"] for word in client.get(f"{ROOT}api/state").json()["words"]] == ["Bob", "may"]
    assert after.phones is not None
    assert after.phones.words == ("Bob", "may")
    assert not np.array_equal(after.coefficients, before)
    assert session.snapshot().project.track.words == ((0.5, 0.8, "Bob"), (0.9, 1.3, "may"))
    client.post(f"{ROOT}api/undo")
    assert session.words == []
    assert np.array_equal(session.animation().coefficients, before)
    client.post(f"{ROOT}api/redo")
    assert np.array_equal(session.animation().coefficients, after.coefficients)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a 1 3540 1 Bob\n", "Lips do not follow the words: 'Bob' is spoken at 3540.0 s, but the recording ends at"),
        ("a 1 0.5 0.3 Constantinople\n" * 300, "Lips do not follow the words: "),
        ("a 1 0.5 0.3 Bob\n", "The words hardly fit the recording: are they"),
    ],
)
def test_what_lips_make_of_the_words_is_said_on_the_page(client, lines: str, said: str) -> None:
    assert client.get(f"{ROOT}api/state").json()["words_note"] is None
    made = finished(client, lambda: client.post(f"{ROOT}api/words?name=w.ctm", content=lines.encode()), WORDS)
    note = made["result"]["note"]
    assert note.startswith(said)
    assert note[-1] in ".?"
    assert client.get(f"{ROOT}api/state").json()["words_note"] == note
    client.post(f"{ROOT}api/undo")
    assert client.get(f"{ROOT}api/state").json()["words_note"] is None


def test_lips_follow_the_words_of_a_track_that_is_loaded(client, session, tmp_path) -> None:
    path = tmp_path / "take.emotion.json"
    replace(session.track, words=((0.5, 0.8, "Bob"), (0.9, 1.3, "may")), language="en").save(path)
    with client.websocket_connect(f"{SOCKETS}{ROOT}api/events") as events:
        client.post(f"{ROOT}api/track?name={path.name}", content=path.read_bytes())
        while (message := events.receive_json())["type"] != "done":
            assert message["type"] != "failed", message
    assert message["result"]["words"] == 2
    assert session.animation().phones.words == ("Bob", "may")


def test_words_are_recognised_and_corrected(client, session, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = tuple(AlignedPhone(0.5 + 0.1 * k, 0.6 + 0.1 * k, p, 0) for k, p in enumerate(("B", "AA", "B")))
    found = Alignment(phones, ("Bob",), fits=(0.0,), language="en")
    monkeypatch.setattr(studio_words, "checked_words", lambda *_: "auto")
    monkeypatch.setattr(studio_words, "recognise_words", lambda *_: found)
    recognised = finished(client, lambda: client.post(f"{ROOT}api/words/recognised", json={}), WORDS)
    assert recognised["result"]["words"] == 1
    assert (session.track.language, [word.text for word in session.words]) == ("en", ["Bob"])
    finished(client, lambda: client.post(f"{ROOT}api/words/text", json={"text": "Pop"}), WORDS)
    assert [word.text for word in session.words] == ["Pop"]
    assert session.animation().phones.words == ("Pop",)
    monkeypatch.setattr(studio_words, "recognise_words", lambda *_: replace(found, phones=phones[:0], words=()))
    nothing = finished(client, lambda: client.post(f"{ROOT}api/words/recognised", json={}), WORDS)
    assert "no words" in nothing["error"]


def test_nothing_to_recognise_with_is_one_line(client, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("SEDTALKER_ASR_MODEL", str(tmp_path))
    answer = client.post(f"{ROOT}api/words/recognised", json={})
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]
