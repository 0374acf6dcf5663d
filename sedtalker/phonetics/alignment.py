"""The phones of a recording and their times, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AlignedPhone:
    """A phone and its time.

    Attributes:
        start: seconds.
        end: seconds.
        phone: one of ``sedtalker.speech.features.PHONES``.
        word: index of its word; None in silence.
    """

    start: float
    end: float
    phone: str
    word: int | None = None


@dataclass(frozen=True)
class Alignment:
    """The phones of a recording: one after the other, without gaps, from its beginning to its end.

    Attributes:
        phones: in order of time.
        words: their texts.
        fit: mean over the frames of words of the log ratio of the phone's posterior to the likeliest phone's: 0 where
            the encoder agrees throughout, far below where other words are spoken.
    """

    phones: tuple[AlignedPhone, ...]
    words: tuple[str, ...] = ()
    fit: float = 0.0

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.phones[-1].end if self.phones else 0.0

    def of(self, classes: Sequence[str]) -> list[tuple[float, float]]:
        """Start and end of each phone of the given classes, seconds."""
        return [(p.start, p.end) for p in self.phones if p.phone in classes]

    def word_times(self) -> list[tuple[float, float, str]]:
        """Start, end and text of each word."""
        times: dict[int, tuple[float, float]] = {}
        for phone in self.phones:
            if phone.word is not None:
                times[phone.word] = (times.get(phone.word, (phone.start,))[0], phone.end)
        return [(*times[index], self.words[index]) for index in sorted(times)]
