"""Every sound has a class with the same lips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.phonetics.pronunciation import NEAREST, nearest_phones
from sedtalker.speech.features import BILABIAL, LABIODENTAL, PHONE_INDEX, PHONES
from tests.support.sounds import ROUNDED, known


def test_the_table_is_of_the_encoders_classes_and_reaches_all() -> None:
    assert {phone for phones in NEAREST.values() for phone in phones} == set(PHONES) - {"SIL"}


@pytest.mark.parametrize(
    ("sounds", "classes"),
    [("p b m ɓ", BILABIAL), ("f v ɱ ʋ ɸ β", LABIODENTAL), ("u y ø w ɥ ʏ ɹ ʃ o ɔ", ROUNDED)],
)
def test_lips_decide(sounds: str, classes: tuple[str, ...]) -> None:
    for sound in sounds.split():
        assert set(nearest_phones(sound)) <= set(classes), sound


@pytest.mark.parametrize("sound", ["r", "ʁ", "ɯ", "ɨ", "ɕ", "x", "ɾ", "i", "e", "tɕ"])
def test_unrounded_sounds_do_not_round_the_lips(sound: str) -> None:
    assert not set(nearest_phones(sound)) & set(ROUNDED)


@pytest.mark.parametrize(
    ("sound", "phones"),
    [
        ("tʰ", "T"), ("th", "T"), ("tɕh", "T S"), ("ts.h", "CH"), ("ɑu2", "AW"), ("iɛ5", "Y EH"), ("əɜ", "AH"),
        ("ɜ", "AH"), ("ɜː", "ER"), ("bʰ", "B"), ("ɛ̃", "EH"), ("aɪɚ", "AY ER"), ("pf", "P F"), ("r̝", "ZH"), ("ç", "HH"),
        ("ʔ", ""), ("aa6", "AA"), ("h", "HH"), ("tsː", "T S"),
    ],
)  # fmt: skip
def test_sounds_as_espeak_writes_them(sound: str, phones: str) -> None:
    assert nearest_phones(sound) == phones.split()


@given(st.text(max_size=20))
def test_any_text_gives_classes(text: str) -> None:
    assert all(phone in PHONE_INDEX for phone in nearest_phones(text))


def test_what_is_known() -> None:
    assert known("tʰː5")
    assert known("ɯᵝ")
    assert not known("ж")
