"""Words that are recognised: what is kept of what Whisper says, and the real model where it is there."""

from __future__ import annotations

import importlib.util
import os
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, from_samples, load_audio
from sedtalker.errors import InputError
from sedtalker.phonetics import recognition
from sedtalker.phonetics.recognition import MODEL_VARIABLE, checked_words, pieces, recognise_words, whisper_folder
from sedtalker.speech.features import PHONE_INDEX, PHONES
from tests.support.clips import SAMPLE

RATE = 50.0
SAID = ["SIL"] * 10 + [p for p in ("B", "AA", "B", "M", "EY") for _ in range(5)] + ["SIL"] * 15
"""Phones of the frames of a second in which somebody says "Bob may"."""
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra align")


class StandIn:
    """A Whisper that finds the same words in every piece, at given seconds of it, and remembers what it was asked."""

    def __init__(self, *words: tuple[float, float, str], language: str = "en"):
        self.words, self.language, self.asked = words, language, list[tuple[float, Any]]()
        self.hf_tokenizer = SimpleNamespace(get_vocab=lambda: {"a": 0, "Ġ7": 1, "<|0.02|>": 2})

    def transcribe(self, samples: np.ndarray, language: str | None = None, **options: Any) -> tuple[list[Any], Any]:
        if language == "eo":
            raise ValueError("no such language")
        assert options["temperature"] == 0.0
        assert options["suppress_tokens"] == [-1, 1]
        self.asked.append((len(samples) / SAMPLE_RATE, language))
        words = [SimpleNamespace(start=a, end=b, word=f" {text}") for a, b, text in self.words]
        return [SimpleNamespace(words=words), SimpleNamespace(words=None)], SimpleNamespace(language=self.language)


def listening(monkeypatch: pytest.MonkeyPatch, model: StandIn, speech: list[bool] | None = None, times: int = 1) -> Any:
    """What ``recognise_words`` gives of the second ``SAID``, so many times, with that model in place of Whisper."""
    classes = [PHONE_INDEX[p] for p in SAID * times]
    posteriors = np.full((len(classes), len(PHONES)), 0.001, np.float32)
    posteriors[np.arange(len(classes)), classes] = 0.96
    mask = np.array(speech if speech is not None else [p != "SIL" for p in SAID * times])
    features = SimpleNamespace(speech=mask, clock=FrameClock(RATE, 0.01))
    monkeypatch.setattr(recognition, "open_recogniser", lambda folder: model)
    monkeypatch.setattr(recognition, "whisper_folder", lambda: Path())
    monkeypatch.setattr(recognition, "phone_posteriors", lambda *_: posteriors)
    sound = from_samples(np.zeros(round(len(classes) / RATE * SAMPLE_RATE), np.float32), SAMPLE_RATE)
    return recognise_words(sound, features)  # type: ignore[arg-type]


def test_phones_of_heard_words_lie_where_they_are_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = listening(monkeypatch, StandIn((0.3, 0.5, "Bob"), (0.4, 0.9, "may.")))
    assert [text for *_, text in found.word_times()] == ["Bob", "may."]
    assert found.of(("B", "M")) == [(0.2, 0.3), (0.4, 0.5), (0.5, 0.6)]
    assert (found.language, found.duration) == ("en", 1.0)
    assert min(found.fits) > -0.1


def test_words_that_the_sound_does_not_have_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = listening(monkeypatch, StandIn((0.2, 0.5, "Bob"), (0.5, 0.6, "may"), (0.6, 0.7, "see")))
    assert found.words == ("Bob", "may")
    nothing = listening(monkeypatch, StandIn((0.2, 0.5, "thanks"), (0.5, 0.7, "watching")))
    assert nothing.words == ()
    assert nothing.of(("B", "M")) == []
    assert {p.phone for p in nothing.phones} == {"SIL", "B", "AA", "M", "EY"}


@pytest.mark.parametrize("text", ["♪", "...", "", "a" * 400, "Bob " * 60])
def test_what_is_no_word_or_does_not_fit_is_passed_over(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert listening(monkeypatch, StandIn((0.1, 0.9, text))).words == ()


def test_nobody_speaks_and_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    model = StandIn((0.2, 0.5, "Bob"))
    assert listening(monkeypatch, model, [False] * 50).words == ()
    assert model.asked == []


def test_a_language_that_nothing_pronounces_moves_no_lips(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listening(monkeypatch, StandIn((0.2, 0.5, "see"), language="xx")).words == ()
    with pytest.raises(InputError, match="--language eo: Whisper does not recognise it"):
        recognition.transcribed(StandIn(), from_samples(np.zeros(16000, np.float32), SAMPLE_RATE), 0.0, 1.0, "eo")


def test_whisper_is_asked_for_languages_by_its_own_names() -> None:
    sound, model = from_samples(np.zeros(16000, np.float32), SAMPLE_RATE), StandIn()
    for code in ("EN", "zh_Hans", "cmn", "de-DE"):
        assert recognition.transcribed(model, sound, 0.0, 1.0, code)[1] == code
    assert [language for _, language in model.asked] == ["en", "zh", "zh", "de"]


def test_english_is_tried_where_another_language_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = StandIn((0.2, 0.5, "Bob"), (0.5, 0.7, "may"), language="xx")
    found = listening(monkeypatch, model)
    assert (found.words, found.language) == (("Bob", "may"), "en")
    assert [language for _, language in model.asked] == [None, "en"]


def test_the_longest_piece_says_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    model = StandIn((0.0, 0.5, "Bob"))
    speech = [True] * 25 + [False] * 125 + [True] * 150
    listening(monkeypatch, model, speech, times=6)
    assert [language for _, language in model.asked] == [None, "en"]
    assert model.asked[0][0] == pytest.approx(3.2)


def test_pieces_are_short_and_cut_in_pauses() -> None:
    rng = np.random.default_rng(0)
    speech = np.repeat(rng.random(4000) < 0.6, 45)  # an hour
    found = pieces(speech, RATE)
    assert max(b - a for a, b in found) <= 28 * RATE
    recognised = np.zeros(len(speech), bool)
    for a, b in found:
        recognised[a:b] = True
    assert recognised[speech].all()
    assert all(b[0] >= a[1] for a, b in pairwise(found))
    assert pieces(np.ones(3000, bool), RATE) == [(0, 1000), (1000, 2000), (2000, 3000)]
    assert pieces(np.zeros(100, bool), RATE) == []


def test_one_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'sedtalker\[asr\]'"):
        checked_words("auto")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(InputError, match="sedtalker models pull asr"):
        checked_words("auto")
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"SEDTALKER_ASR_MODEL: no model\.bin in"):
        whisper_folder()
    for name in ("model.bin", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"{}")
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path))
    assert whisper_folder() == tmp_path


# --- The real library.


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="the extra asr is not installed")
    (tmp_path / "model.bin").write_bytes(b"model")
    with pytest.raises(InputError, match="not a Whisper that CTranslate2 opens"):
        recognition.open_recogniser(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 3.0])
def test_silence_and_music_have_no_words(seconds: float) -> None:
    pytest.importorskip("faster_whisper", reason="the extra asr is not installed")
    if not os.environ.get(MODEL_VARIABLE):
        pytest.skip(f"{MODEL_VARIABLE} names no model")
    from sedtalker.speech.encoder import open_encoder

    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    chord = sum(0.1 * np.sin(2 * np.pi * f * times) for f in (220, 277, 330)) * (1 + np.sin(2 * np.pi * 2 * times))
    encoder = open_encoder()
    for samples in (np.zeros(len(times)), chord):
        sound: Audio = from_samples(np.asarray(samples, np.float32), SAMPLE_RATE)
        assert recognise_words(sound, encoder(sound)).words == ()


@pytest.mark.slow
def test_whisper_recognises_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faster_whisper", reason="the extra asr is not installed")
    if not os.environ.get(MODEL_VARIABLE):
        pytest.skip(f"{MODEL_VARIABLE} names no model")
    from sedtalker.speech.encoder import open_encoder

    encoder, sound = open_encoder(), load_audio(SAMPLE)
    found = recognise_words(sound, encoder(sound))
    assert found.language == "en"
    said = " ".join(word.lower().strip(".,!?") for word in found.words)
    for sentence in ("my name is amber", "give me back my purple umbrella", "is that a bear behind you"):
        assert sentence in said
