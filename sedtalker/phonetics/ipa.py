"""IPA to the 40 phone classes of the speech encoder, by the nearest articulation.

What the lips do decides: a sound goes to a class with the same lips (together, at the teeth, rounded, spread, open)
even where another one sounds more alike. So the ø of French is an OW, a rolled r is no R, which would round the lips,
and a Mandarin x is an S, not an SH. Where the lips are free (velars, uvulars), the place of the tongue decides. Glottal
stops have no class. The chart is that of the International Phonetic Association (2020).
"""

from __future__ import annotations

import unicodedata

_TABLE = """
    p P|b B|m M|ɓ B|ʙ B|ʘ P|ɸ F|β V|ɱ V|f F|v V|ʋ V|ⱱ V|w W|ʍ W|ɥ W|
    t T|d D|ʈ T|ɖ D|ɗ D|n N|ɳ N|ɲ N|ŋ NG|ɴ NG|c K|ɟ G|k K|ɡ G|g G|q K|ɢ G|ɠ G|ʄ G|ʛ G|ʔ|
    θ TH|ð DH|s S|z Z|ʃ SH|ʒ ZH|ʂ SH|ʐ ZH|s. SH|z. ZH|ɕ S|ʑ Z|ç HH|ʝ Y|x HH|ɣ G|χ HH|ʁ G|
    ħ HH|ʕ HH|h HH|ɦ HH|ɧ HH|ʜ HH|ʢ HH|
    ts T S|dz D Z|tʃ CH|dʒ JH|tɕ T S|dʑ D Z|ts. CH|dz. JH|tʂ CH|dʐ JH|pf P F|
    ɹ R|ɻ R|r L|r̝ ZH|ʀ G|ɾ D|ɽ D|r. D|ɺ L|l L|ɫ L|ɭ L|ʎ L|ɬ L|ɮ L|ʟ L|j Y|ɰ G|
    ǀ T|ǃ T|ǂ T|ǁ L|
    i IY|ɪ IH|e EY|ɛ EH|æ AE|a AA|ɐ AH|ɑ AA|ɒ AO|ɔ AO|o OW|u UW|ʊ UH|ʉ UW|ɯ IH|ɨ IH|ɘ AH|ə AH|ɜ AH|ɜː ER|ʌ AH|ɤ AH|ᵻ IH|
    y UW|ʏ UH|ø OW|œ AO|ɶ AO|ɵ UH|ɞ ER|ɚ ER|ɝ ER|ər ER|
    aɪ AY|ai AY|ɑɪ AY|aʊ AW|au AW|ɑu AW|ɔɪ OY|ɔø OY|ɔʏ OY|oi OY|eɪ EY|ei EY|oʊ OW|ou OW|əʊ OW|
    iɛ Y EH|ia Y AA|iɑ Y AA|io Y OW|iu Y UW|ua W AA|uɑ W AA|uo W OW|uɛ W EH|uə W AH|yɛ W EH|ya W AA|yə W AH|
"""
"""Sound and classes, ``|`` between them; a dot marks a retroflex, as espeak-ng writes it. A sound of several signs
goes before its parts; i, u and y before a vowel of the same syllable are glides."""

NEAREST: dict[str, tuple[str, ...]] = {
    sound: tuple(classes)
    for sound, *classes in (entry.split() for entry in unicodedata.normalize("NFD", _TABLE).split("|") if entry.strip())
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
    at = 0
    while at < len(text):
        size = next((n for n in range(LONGEST, 0, -1) if text[at : at + n] in NEAREST and len(text) >= at + n), 1)
        piece = text[at : at + size]
        aspiration = piece == "h" and at > 0 and text[at - 1] in STOPS
        if not aspiration:
            found += [phone for phone in NEAREST.get(piece, ()) if not found or found[-1] != phone]
        at += size
    return found


def known(sound: str) -> bool:
    """Whether every letter of a sound is in the table; marks, digits and tones are no letters."""
    letters = [c for c in unicodedata.normalize("NFD", sound) if unicodedata.category(c) in ("Ll", "Lo")]
    return all(letter in NEAREST for letter in letters)
