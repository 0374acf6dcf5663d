"""One reported measure: its key, what it is, its unit, which way is better, what is asked of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "neither"]
"""Which way is better; ``neither`` for controls and counts."""

ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓", "neither": ""}
"""How tables show which way is better."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        key: its name in JSON; ``<…>`` in it stands for any word or none, so that one line describes a family.
        what: one sentence fragment that says what is measured, understandable alone.
        better: which way is better.
        unit: of the value; empty for shares, correlations and other plain numbers.
        asked: the value that the project asks of its shipped weights, if any.
        source: paper or function that defines it.
        listed: whether ``docs/results.md`` shows it; the others stand in ``docs/results.json`` alone.
    """

    key: str
    what: str
    better: Better = "higher"
    unit: str = ""
    asked: float | None = None
    source: str = ""
    listed: bool = True

    @property
    def asked_for(self) -> str:
        """``≥ 0.9`` or ``≤ 0.05``; empty where nothing is asked."""
        if self.asked is None:
            return ""
        return f"{'≥' if self.better == 'higher' else '≤'} {self.asked:g}"

    @property
    def text(self) -> str:
        """What it is, with its unit."""
        return f"{self.what}, {self.unit}" if self.unit else self.what

    def describes(self, key: str) -> bool:
        """Whether this line is about ``key``."""
        pattern = re.sub(r"<[^>]*>", ".*", re.escape(self.key).replace(r"\<", "<").replace(r"\>", ">"))
        return re.fullmatch(pattern, key) is not None


def hidden(key: str, what: str, better: Better = "higher", unit: str = "", source: str = "") -> Measure:
    """A measure that only ``docs/results.json`` has."""
    return Measure(key, what, better, unit, None, source, listed=False)
