"""A segment described in words: a fixed vocabulary for how it differs from the speaker's usual voice.

The description is all that a decider gets. It holds no sound, no word and no name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sedtalker.review.acoustics import NAMES, Acoustics


class Term(NamedTuple):
    """How a number is said.

    Attributes:
        what: what it is of.
        unit: of the number.
        some: difference from the usual that is worth a word.
        much: and a strong one.
        less: the word for less.
        more: the word for more.
    """

    what: str
    unit: str
    some: float
    much: float
    less: str
    more: str

    def say(self, value: float) -> str:
        """``pitch much higher (+5.2 semitones)``."""
        if abs(value) < self.some:
            word = "as usual"
        else:
            word = ("much " if abs(value) >= self.much else "") + (self.more if value > 0 else self.less)
        return f"{self.what} {word} ({value:+.1f} {self.unit})"


TERMS: dict[str, Term] = {
    "pitch": Term("pitch", "semitones", 1.5, 4.0, "lower", "higher"),
    "pitch_range": Term("pitch range", "semitones", 2.0, 5.0, "narrower", "wider"),
    "pitch_slope": Term("pitch course", "semitones/s", 2.0, 6.0, "falling", "rising"),
    "level": Term("voice", "dB", 2.0, 6.0, "quieter", "louder"),
    "level_range": Term("loudness", "dB", 2.0, 5.0, "more even", "more uneven"),
    "level_slope": Term("loudness course", "dB/s", 3.0, 9.0, "fading", "growing"),
    "rate": Term("speech", "syllables/s", 0.7, 1.8, "slower", "faster"),
    "brightness": Term("timbre", "dB", 2.0, 5.0, "duller", "sharper"),
    "pauses": Term("pauses", "of the time", 0.1, 0.3, "fewer", "more"),
}
"""By the name of the number; the steps are about half and one and a half deviations of the unseen corpora's clips."""


@dataclass(frozen=True)
class Description:
    """What a decider gets of a segment.

    Attributes:
        acoustics: of the segment less the speaker's usual ones.
        confidence: the machine's probability of each candidate, best first.
        seconds: how long it lasts.
    """

    acoustics: Acoustics
    confidence: tuple[tuple[str, float], ...]
    seconds: float

    @property
    def first(self) -> str:
        """The machine's own answer."""
        return self.confidence[0][0]

    def number(self, name: str) -> float:
        """A number of ``NUMBERS``."""
        if name == "seconds":
            return self.seconds
        if name == "margin":
            values = [p for _, p in self.confidence]
            return values[0] - values[1] if len(values) > 1 else values[0]
        return float(getattr(self.acoustics, name))

    def text(self) -> str:
        """One sentence in the fixed vocabulary, against this speaker's usual voice."""
        return ", ".join(TERMS[name].say(self.number(name)) for name in NAMES) + "."


NUMBERS = (*NAMES, "margin", "seconds")
"""What rules can compare."""
