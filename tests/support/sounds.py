"""Sounds of languages and the table of their classes, for tests."""

from __future__ import annotations

import unicodedata

from sedtalker.phonetics.pronunciation import NEAREST

ROUNDED = ("W", "UW", "UH", "OW", "OY", "AO", "SH", "CH", "JH", "ZH", "R", "ER")
"""Classes for which the lips round or protrude."""


def known(sound: str) -> bool:
    """Whether every letter of a sound is in the table; marks, digits and tones are no letters."""
    letters = [c for c in unicodedata.normalize("NFD", sound) if unicodedata.category(c) in ("Ll", "Lo")]
    return all(letter in NEAREST for letter in letters)
