"""The phone inventory: 39 ARPABET phones and silence."""

from __future__ import annotations

SILENCE = "SIL"
PHONES: tuple[str, ...] = (
    SILENCE,
    *("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH"),
    *("V", "W", "Y", "Z", "ZH"),
)
PHONE_INDEX: dict[str, int] = {name: i for i, name in enumerate(PHONES)}

BILABIAL = ("P", "B", "M")
"""The lips must close."""
LABIODENTAL = ("F", "V")
"""The lower lip meets the upper teeth."""
ROUNDED = ("W", "UW", "UH", "OW", "OY", "AO", "SH", "CH", "JH", "ZH", "R", "ER")
"""The lips round or protrude."""
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
