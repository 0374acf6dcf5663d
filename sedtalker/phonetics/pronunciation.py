"""Text to words with their phones: the one place that decides how a word is pronounced.

English words are those of the CMU Pronouncing Dictionary, where pocketsphinx (extra ``align``) is installed. Words that
it lacks, and all other languages, are pronounced by espeak-ng through phonemizer (extra ``g2p``), and mapped to the
encoder's classes.

IPA is mapped to the 40 phone classes of the speech encoder by the nearest articulation. What the lips do decides: a
sound goes to a class with the same lips (together, at the teeth, rounded, spread, open) even where another one sounds
more alike. So the ø of French is an OW, a rolled r is no R, which would round the lips, and a Mandarin x is an S, not
an SH. Where the lips are free (velars, uvulars), the place of the tongue decides. Glottal stops have no class. The
chart is that of the International Phonetic Association (2020).
"""

from __future__ import annotations

import importlib.util
import logging
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.reading import read_own_table
from sedtalker.speech.features import PHONE_INDEX

ENGLISH = "en"
"""The language of the dictionary, and what a transcript is in unless somebody says otherwise."""
SHORT_NAMES = {"en": "en-us", "zh": "cmn", "fr": "fr-fr", "no": "nb", "zh-hk": "yue"}
"""Usual names of languages that espeak-ng calls otherwise."""
ISO_639_2: dict[str, str] = read_own_table(__file__, "languages.toml")
"""Codes of three letters, and those of two that espeak-ng takes."""
MOST_CHARACTERS = 200_000
"""Longest transcript; an hour of fast speech has a third of that."""
INSIDE_WORDS = "'’ʼ"
"""Apostrophes, which are parts of words."""
SIGNS = {"&": "and", "＆": "and", "%": "percent", "％": "percent"}
"""Signs that are spoken, and their entries in the dictionary."""
NUMBER = re.compile(r"(?<![\d$€£¥][.,:/-])(?<![\d$€£¥])\d+(?:[.,]\d{3})*(?:[.,]\d+)?(?![.,:/-]?\d)")
"""Digits with points and commas that are a number; no price, date, time, version or list."""
WIDE = {place: place - 0xFEE0 for first, last in ("０９", "ＡＺ", "ａｚ") for place in range(ord(first), ord(last) + 1)}
"""Full-width digits and letters, and the plain ones, which dictionary and espeak-ng know."""
IN_FULL = {
    **{"Dr": "Doctor", "St": "Saint", "Mt": "Mount", "Mr": "Mister", "Mrs": "Mrs", "Ms": "Ms", "Prof": "Professor"},
    **{"Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "vs": "versus"},
}
"""English abbreviations with a point, and how they are spoken."""
BEFORE_NAMES = ("Dr", "St", "Mt")
"""Those that are titles only right before a name; ``Main St.`` is left to the dictionary."""
ABBREVIATION = re.compile(rf"(\W*)({'|'.join(IN_FULL)})\.(\W*)")
"""A text that is one of them."""
CURRENCIES = {"$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("pound", "pounds"), "¥": ("yen", "yen")}
"""Signs of money, and their names: of one and of more."""
_AMOUNT = r"(\d+(?:,\d{3})*)(?:\.(\d+))?"
"""A number: whole units, and what is behind the point."""
PRICE = re.compile(rf"([$€£¥]){_AMOUNT}(?![.,:/–-]?\w)|(?<![\d.,:/–-]){_AMOUNT}\s?([$€£¥])")
"""An amount of money: its sign and its number, or the other way round."""
MAGNITUDES = ("hundred", "thousand", "million", "billion", "trillion")
"""What stands between an amount and the name of the money when it is spoken: ``$5 million``."""
UNSPACED = re.compile(r"(?<=[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60]) (?=[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60])")
"""A space between signs of scripts without any."""
GAP = "|"
"""Between words in what phonemizer gives."""


@dataclass(frozen=True)
class SpokenWord:
    """A word as it is pronounced.

    Attributes:
        text: as it is written, with punctuation; empty where the word before is written in one with it, as a number.
        phones: classes of ``sedtalker.speech.features.PHONES``, at least one.
        within: seconds between which it is spoken, about; None: not known.
    """

    text: str
    phones: tuple[str, ...]
    within: tuple[float, float] | None = None


def pronounce(text: str, language: str = ENGLISH, beside: tuple[str, str] = ("", "")) -> list[SpokenWord]:
    """The words of a text, each with its phones; their texts are together the text.

    Args:
        text: in the language's usual script.
        language: as espeak-ng names it (``de``, ``fr-fr``, ``cmn``, ``ko``), or ``en``; regions may be added.
        beside: the texts before and after it, by which abbreviations are understood.

    Raises:
        InputError: no words, too long, an unknown language, or an extra that it needs is not installed.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"the transcript has more than {MOST_CHARACTERS} characters: cut the recording into parts")
    texts = written_texts(text)
    tokens = list(zip(texts, map(written_words, in_full(texts, language, beside)), strict=True))
    if not tokens:
        raise InputError("the transcript has no words in it: give what is said in the recording")
    dictionary = english_dictionary() if plain_name(language) == ENGLISH else {}
    unknown = [word for _, words in tokens for word in words if _entry(word) not in dictionary]
    if unknown and dictionary and not has_espeak():
        raise InputError(
            f"'{unknown[0][:40]}' is not in the English dictionary: pip install 'sedtalker[g2p]', or write it as others"
        )
    by_rule = dict(zip(unknown, _espeak_words(unknown, language), strict=True)) if unknown else {}
    spoken = list[tuple[list[str], tuple[str, ...]]]()
    last = list[str]()
    for token, words in tokens:
        found = [by_rule[word] if word in by_rule else [dictionary[_entry(word)]] for word in words]
        pieces = [phones for word in found for phones in word if phones]
        if not pieces:  # it has no sound, and stays with the text before it, or with the first
            last.append(token)
        for part, phones in zip(_parted(token, len(pieces)), pieces, strict=True):
            if part:
                last = [*last, part] if not spoken else [part]
            spoken.append((last if part else [], phones))
    if not spoken:
        raise InputError(f"nothing in the transcript can be pronounced in '{language}': is it in another language?")
    return [SpokenWord(" ".join(parts), phones) for parts, phones in spoken]


def written_texts(text: str) -> list[str]:
    """A text at its spaces, and behind the wide signs of scripts that have none; each part has a word in it.

    All signs are kept but control codes and those before the first word; those alone are with the word before them.
    """
    kinds = [(c, unicodedata.category(c)) for c in text]
    spaced = "".join(" " if k == "Cc" else f"{c} " if k[0] == "P" and _is_wide(c) else c for c, k in kinds)
    found = list[str]()
    for token in spaced.split():
        if written_words(token):
            found.append(token)
        elif found:
            found[-1] += f" {token}"
    return found


def in_full(texts: Sequence[str], language: str = ENGLISH, beside: tuple[str, str] = ("", "")) -> list[str]:
    """Texts as they are spoken: full-width digits and letters as plain ones; in English, titles and prices in full.

    Args:
        texts: in order, each of a word or so.
        language: see ``pronounce``; so is ``beside``.
    """
    said = [text.translate(WIDE) for text in texts]
    if plain_name(language).partition("-")[0] != ENGLISH:
        return said
    around = zip([beside[0], *said], said, [*said[1:], beside[1]], strict=False)
    return [_english(text, before, after) for before, text, after in around]


def _english(text: str, before: str, after: str) -> str:
    """A text in full between two others."""
    names_follow = next(filter(str.isalpha, after), "").isupper()
    if found := ABBREVIATION.fullmatch(text):
        opening, short, closing = found.groups()
        if short not in BEFORE_NAMES or (names_follow and not closing):
            return f"{opening}{IN_FULL[short]}{closing}"
    if _is_magnitude(text) and (price := PRICE.search(before)) and before.endswith(price[0]):
        return re.sub(r"(\W*)$", rf" {CURRENCIES[price[1] or price[6]][1]}\1", text, count=1)
    is_counted = _is_magnitude(after)
    return PRICE.sub(
        lambda m: f" {_amount(m[2] or m[4], m[3] or m[5], m[1] or m[6], is_counted and text.endswith(m[0]))} ", text
    )


def _is_magnitude(text: str) -> bool:
    return "".join(filter(str.isalpha, text)).lower() in MAGNITUDES


def _amount(whole: str, behind: str | None, sign: str, is_counted: bool) -> str:
    """An amount of money in words, or without its name where a magnitude follows."""
    number = whole if behind is None else f"{whole}.{behind}"
    if is_counted:
        return number
    one, more = CURRENCIES[sign]
    if behind is None or len(behind) != 2:
        return f"{number} {one if number == '1' else more}"
    return f"{whole} {one if whole == '1' else more} {behind.lstrip('0')}"


def joined(texts: Iterable[str]) -> str:
    """Written words as a text: with spaces, but none between the signs of Chinese and Japanese."""
    return UNSPACED.sub("", " ".join(texts))


def _is_wide(sign: str) -> bool:
    return unicodedata.east_asian_width(sign) in "WF"


def written_words(text: str) -> list[str]:
    """The words of a text without punctuation, in order; scripts without spaces come as one word a phrase."""
    numbers = {place for number in NUMBER.finditer(text) for place in range(*number.span())}
    inside = (c in INSIDE_WORDS or k in numbers or unicodedata.category(c)[0] not in "PSC" for k, c in enumerate(text))
    plain = "".join(c if kept else f" {c} " if c in SIGNS else " " for c, kept in zip(text, inside, strict=True))
    words = (word.strip(INSIDE_WORDS) for word in plain.split())
    return [word for word in words if word in SIGNS or any(c.isalnum() for c in word)]


def check_language(language: str) -> None:
    """Raise ``InputError`` where nothing here pronounces a language."""
    if plain_name(language) == ENGLISH and english_dictionary():
        return
    espeak_name(language)


def plain_name(language: str) -> str:
    """A language in lower case with hyphens, by two letters where it has them; that of the dictionary is ``ENGLISH``
    also by its longer name.
    """
    first, hyphen, region = language.strip().lower().replace("_", "-").partition("-")
    name = ISO_639_2.get(first, first) + hyphen + region
    return ENGLISH if name == SHORT_NAMES[ENGLISH] else name


# --- English: the dictionary that pocketsphinx brings.


def _entry(word: str) -> str:
    return SIGNS.get(word, word).lower().replace("’", "'").replace("ʼ", "'")


@lru_cache(maxsize=1)
def english_dictionary() -> dict[str, tuple[str, ...]]:
    """Words in lower case to their first pronunciation; empty where pocketsphinx is not installed."""
    package = importlib.util.find_spec("pocketsphinx")
    if package is None or package.origin is None:
        return {}
    path = Path(package.origin).parent / "model/en-us/cmudict-en-us.dict"
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        if phones and "(" not in word:
            found[word] = tuple(phone for phone in phones if phone in PHONE_INDEX)
    return found


# --- Any language: espeak-ng.


def has_espeak() -> bool:
    """Whether phonemizer is installed."""
    return importlib.util.find_spec("phonemizer") is not None


@lru_cache(maxsize=1)
def _languages() -> frozenset[str]:
    """What espeak-ng speaks; opens its library.

    Raises:
        InputError: phonemizer or espeak-ng is not there.
    """
    if not has_espeak():
        raise InputError("pronouncing this transcript needs espeak-ng: pip install 'sedtalker[g2p]'")
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    if importlib.util.find_spec("espeakng_loader") is not None:
        import espeakng_loader

        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    try:
        return frozenset(EspeakBackend.supported_languages())
    except RuntimeError:
        raise InputError("espeak-ng is not installed: apt install espeak-ng, or pip install espeakng-loader") from None


def espeak_name(language: str) -> str:
    """How espeak-ng calls a language, or where it lacks the region (``de-DE``) or script (``zh-Hans``), that alone.

    Raises:
        InputError: it does not know it, or is not there.
    """
    name = plain_name(language)
    for known in (name, name.partition("-")[0]):
        if (known := SHORT_NAMES.get(known, known)) in _languages():
            return known
    raise InputError(
        f"'{language}' is no language that espeak-ng knows: use one of its names, such as en, de, fr, es, zh, ko, hi"
    )


@lru_cache(maxsize=4)
def _backend(name: str) -> Any:
    from phonemizer.backend import EspeakBackend

    quiet = logging.getLogger("sedtalker.phonetics.espeak")
    quiet.setLevel(logging.ERROR)
    return EspeakBackend(name, with_stress=False, language_switch="remove-flags", logger=quiet)


_ESPEAK = threading.Lock()
"""Held by whoever calls espeak-ng's library: two threads at once get phones of each other's words."""


def _espeak_words(written: list[str], language: str) -> list[list[tuple[str, ...]]]:
    """The phones of the words that espeak-ng makes of each: several of numbers, and of phrases without spaces."""
    with _ESPEAK:
        backend = _backend(espeak_name(language))  # says which extra is missing
        from phonemizer.separator import Separator

        lines = backend.phonemize(written, separator=Separator(phone=" ", word=f" {GAP} "), strip=True)
    groups = [[group.split() for group in line.split(GAP)] for line in lines]
    return [[tuple(p for sound in group for p in nearest_phones(sound)) for group in line] for line in groups]


def _parted(token: str, count: int) -> list[str]:
    """The texts of so many spoken words: the signs of a script without spaces where there are as many, else the whole
    and then none."""
    signs = re.findall(r"^\W*\w\W*|\w\W*", token)
    if len(signs) == count and all(_is_wide(sign) for sign in re.findall(r"\w", token)):
        return signs
    return [token, *[""] * (count - 1)][:count]


NEAREST: dict[str, tuple[str, ...]] = {
    unicodedata.normalize("NFD", sound): tuple(classes.split())
    for sound, classes in read_own_table(__file__, "ipa.toml").items()
}
"""Classes (ARPAbet, see ``sedtalker.speech.features.PHONES``) of each sound."""
LONGEST = max(map(len, NEAREST))
"""Signs of the longest sound."""
STOPS = "pbtdʈɖckɡgqsʃɕ.ʂ"
"""After these an h in the same sound is aspiration."""
TONE = "ɜ"
"""At the end of a longer sound espeak-ng means a tone by it."""


def nearest_phones(sound: str) -> list[str]:
    """The classes of one sound as espeak-ng writes it; empty for one that has none.

    Length, tone, stress, nasality and other marks change nothing; signs outside the chart are passed over.
    """
    text = unicodedata.normalize("NFD", sound)
    if len(text) > 1 and text.endswith(TONE):
        text = text[: -len(TONE)]
    found: list[str] = []
    for _, _, classes in sounds_of(text):
        found += [phone for phone in classes if not found or found[-1] != phone]
    return found


def sounds_of(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """The sounds of a text in IPA (NFD): the places of their first sign and behind their last, and their classes.

    Marks, and signs outside the chart, have no class.
    """
    at = 0
    while at < len(text):
        size = next((n for n in range(LONGEST, 0, -1) if text[at : at + n] in NEAREST and len(text) >= at + n), 1)
        piece = text[at : at + size]
        aspiration = piece == "h" and at > 0 and text[at - 1] in STOPS
        yield at, at + size, () if aspiration else NEAREST.get(piece, ())
        at += size
