"""Words with their times, from the files that recognisers and aligners write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word, or a phrase where the file has no words: seconds and text."""

    start: float
    end: float
    text: str
