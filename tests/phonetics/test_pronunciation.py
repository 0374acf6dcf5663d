"""Text to words with phones, by the dictionary and by espeak-ng."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.phonetics import pronunciation
from sedtalker.phonetics.pronunciation import SpokenWord, check_language, joined, pronounce, written_words
from sedtalker.speech.features import BILABIAL, PHONE_INDEX
from tests.support.sounds import known

dictionary = pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra align")
espeak = pytest.mark.skipif(importlib.util.find_spec("phonemizer") is None, reason="needs the extra g2p")

SENTENCES = {
    "de": "Über schöne Pfützen möchte ich auch zwei junge Häuser sehen.",
    "fr": "Bonjour, un bon vin blanc, l'œuf, peur, agneau, huit.",
    "es": "Buenos días, muchachos: el niño bebe agua.",
    "zh": "你好，我们明天见面吧。爸爸妈妈去北京吃饭。",
    "ko": "안녕하세요 반갑습니다 빨리 까치",
    "pl": "Dzień dobry, szczęście, żaba, chrząszcz brzmi w trzcinie.",
    "ar": "مرحبا كيف حالك الطقس جميل اليوم",
    "hi": "नमस्ते आप कैसे हैं मैं ठीक हूँ भारत झंडा",
    "ru": "Здравствуйте, щука, жизнь, хлеб.",
}


def test_words_without_punctuation() -> None:
    assert written_words("“Don’t,” she said: 'no' — 3 times!") == ["Don’t", "she", "said", "no", "3", "times"]
    assert written_words("你好，我们。") == ["你好", "我们"]
    assert written_words(" … ?! ' ") == []


def test_numbers_and_signs_that_are_spoken() -> None:
    assert written_words("1,000 of 3.14 (2.500.000,5), R&D: 20 % or 5%.") == (
        ["1,000", "of", "3.14", "2.500.000,5", "R", "&", "D", "20", "%", "or", "5", "%"]
    )
    assert written_words("$20.50 at 10:30, 31.12.2025, 1,2,3.") == (
        ["20", "50", "at", "10", "30", "31", "12", "2025", "1", "2", "3"]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Dr. Lee met (Mr. Day) on St. James St. today.", "Doctor Lee met (Mister Day) on Saint James St. today."),
        ("5 Main St., London, Maple Dr. vs. Gen Z", "5 Main St., London, Maple Dr. versus Gen Z"),
        ("It costs $20, €5 or 1£.", "It costs 20 dollars , 5 euros or 1 pound ."),
        ("$1.05, $1,000 and ￥5", "1 dollar 5 , 1,000 dollars and ￥5"),
        ("It cost $5 million. It did: $20. Million", "It cost 5 million dollars. It did: 20 dollars . Million"),
        ("$5.2 million of US$3", "5.2 million dollars of US 3 dollars"),
        ("$20-30, $2k and 3.50", "$20-30, $2k and 3.50"),
        ("１２ ａｐｐｌｅｓ", "12 apples"),
    ],
)
def test_abbreviations_and_prices_in_full(text: str, said: str) -> None:
    texts = pronunciation.written_texts(text)
    assert " ".join(" ".join(pronunciation.in_full(texts)).split()) == said
    assert pronunciation.in_full(["Dr.", "$3", "１"], "de") == ["Dr.", "$3", "1"]


@dictionary
def test_english_words_are_looked_up() -> None:
    assert pronounce("Bob’s map") == [
        SpokenWord("Bob’s", ("B", "AA", "B", "Z")),
        SpokenWord("map", ("M", "AE", "P")),
    ]


@espeak
def test_texts_without_a_sound_are_kept() -> None:
    assert written_words("１００％、Ｒ＆Ｄ") == ["１００", "％", "Ｒ", "＆", "Ｄ"]
    assert [word.text for word in pronounce("１００％です。", "ja")] == ["１００％", "です。"]
    assert "".join(word.text for word in pronounce("今日は５０％です。", "ja")) == "今日は５０％です。"
    assert joined(word.text for word in pronounce("100 ５０％", "ja")) == "100 ５０％"


@dictionary
@espeak
def test_words_that_the_dictionary_lacks() -> None:
    (word,) = pronounce("blorptangs")
    assert word.phones[:2] == ("B", "L")
    assert word.phones[-1] == "Z"
    assert [w.text for w in pronounce("42 men")] == ["42", "", "men"]


@dictionary
@espeak
def test_texts_are_as_they_are_written() -> None:
    text = "In 1999, “mother-in-law's” U.S.A. paid $20.50 — twice! 😀"
    assert " ".join(w.text for w in pronounce(text) if w.text) == text
    assert [w.text for w in pronounce("你好，我们 走吧。", "zh")] == ["你好，", "我", "们", "走", "吧。"]
    assert [w.text for w in pronounce("“一百100人”", "zh") if w.text] == ["“一百100人”"]
    assert [w.text for w in pronounce("- 1\x00a ", "en")] == ["1", "a"]


@dictionary
def test_signs_need_no_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciation, "has_espeak", lambda: False)
    assert [(w.text, w.phones[0]) for w in pronounce("Tom & R&D, two %")][1::2] == [
        ("&", "AH"),
        ("", "AH"),
        ("two", "T"),
    ]


@dictionary
def test_words_that_nothing_here_pronounces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciation, "has_espeak", lambda: False)
    with pytest.raises(InputError, match=r"'blorptangs' is not in the English dictionary: pip install"):
        pronounce("red blorptangs")


def test_without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("phonemizer", "phonemizer.separator"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(pronunciation, "english_dictionary", dict)
    pronunciation._languages.cache_clear()
    for language in ("en", "de"):
        with pytest.raises(InputError, match=r"needs espeak-ng: pip install 'sedtalker\[g2p\]'"):
            pronounce("hallo", language)
        with pytest.raises(InputError, match="needs espeak-ng"):
            check_language(language)


@espeak
@pytest.mark.parametrize("language", SENTENCES)
def test_other_languages(language: str) -> None:
    words = pronounce(SENTENCES[language], language)
    assert len(words) >= 4
    assert all(phone in PHONE_INDEX for word in words for phone in word.phones)


@espeak
@pytest.mark.parametrize("language", SENTENCES)
def test_every_sound_of_espeak_is_in_the_table(language: str) -> None:
    from phonemizer.separator import Separator

    backend = pronunciation._backend(pronunciation.espeak_name(language))
    (line,) = backend.phonemize([SENTENCES[language]], separator=Separator(phone=" ", word="  "), strip=True)
    assert [sound for sound in line.split() if not known(sound)] == []


@espeak
def test_bilabials_stay_bilabials() -> None:
    assert [w.phones[0] in BILABIAL for w in pronounce("爸爸 妈妈 怕", "zh")] == [True] * 3
    assert pronounce("Baum", "de")[0].phones == ("B", "AW", "M")


@espeak
def test_a_language_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="'xx' is no language that espeak-ng knows"):
        pronounce("hello", "xx")


@espeak
def test_languages_by_codes_of_other_programs() -> None:
    codes = {
        "de-DE": "de",
        "zh-Hans": "cmn",
        "zh_CN": "cmn",
        "pt_br": "pt-br",
        "KO-kr": "ko",
        "en-GB": "en-gb",
        "zh-HK": "yue",
        "deu": "de",
        "ger": "de",
        "spa": "es",
        "eng-US": "en-us",
    }
    assert {code: pronunciation.espeak_name(code) for code in codes} == codes
    assert all(map(pronunciation.espeak_name, pronunciation.ISO_639_2))


@dictionary
def test_english_by_any_name_needs_the_dictionary_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciation, "has_espeak", lambda: False)
    for code in ("EN", "en-US", "en_us", "eng"):
        check_language(code)
        assert pronounce("map", code)[0].phones == ("M", "AE", "P")


def test_nothing_to_say() -> None:
    with pytest.raises(InputError, match="has no words in it"):
        pronounce("  …! ")
    with pytest.raises(InputError, match="more than 200000 characters"):
        pronounce("a " * 100_001)


@dictionary
@espeak
@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_pronounced_or_refused(text: str) -> None:
    if not written_words(text):
        with pytest.raises(InputError):
            pronounce(text)
        return
    try:
        words = pronounce(text)
    except InputError:
        return
    assert words
    assert all(word.phones for word in words)


@espeak
def test_threads_do_not_get_phones_of_each_others_words() -> None:
    """espeak-ng's library has one state: requests of a server that pronounced at once got other phones."""
    texts = {"de": "Guten Morgen, wie geht es Ihnen heute?", "fr-fr": "Bonjour, comment allez-vous aujourd'hui ?"}
    alone = {language: pronounce(text, language) for language, text in texts.items()}
    languages = [*texts] * 12
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda language: pronounce(texts[language], language), languages))
    assert together == [alone[language] for language in languages]
