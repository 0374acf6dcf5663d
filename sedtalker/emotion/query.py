"""A language of queries over emotion tracks: ``angry > .7 then sad within 10 s``.

```
query      = step { "then" step [ "within" seconds ] }
step       = any [ "for" seconds ]
any        = both { "or" both }
both       = one { "and" one }
one        = "not" one | "(" any ")" | phrase | comparison
comparison = quantity [ ( ">" | ">=" | "<" | "<=" ) number ]
quantity   = EMOTION | "p(" EMOTION ")" | intensity | valence | arousal | confidence | time | speech | uncertain
phrase     = text in double quotes, of the words that were spoken
seconds    = number [ "s" | "min" ]
```

An emotion alone holds where the segment has that label; with a number, where its intensity compares so as well. A
condition gives stretches of time; ``then`` joins a stretch to a later one. Parsed by recursive descent.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import UNCERTAIN, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.phonetics.words import Word

Mask = NDArray[np.bool_]
Span = tuple[float, float]
"""Seconds from and to."""

SHORTEST = 0.1
"""Seconds that a condition holds at least, unless ``for`` says otherwise: shorter is flicker."""
DEEPEST = 50
"""Brackets and ``not`` inside one another."""
COMPARISONS: dict[str, Callable[[NDArray[np.floating], float], Mask]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
"""How numbers compare."""
NUMBERS = ("intensity", "valence", "arousal", "confidence", "time")
"""Quantities that need a comparison."""
KEYWORDS = ("then", "within", "for", "and", "or", "not", "p", "s", "min")
"""Words of the language."""
TOKEN = re.compile(r'\s*(?:("[^"]*")|(\d+\.?\d*|\.\d+|-\d+\.?\d*|-\.\d+)|([A-Za-z]+)|(>=|<=|[><()]))')
"""A phrase, a number, a word or a sign."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a query is asked of: a track, with a label for every frame, and the words spoken, if known."""

    track: EmotionTrack
    label: NDArray[np.str_]
    words: tuple[Word, ...] = ()

    @classmethod
    def of(cls, track: EmotionTrack, words: Sequence[Word] = ()) -> Recorded:
        """A track and its words."""
        label = np.full(len(track), track.labels[0], dtype="<U32")
        for segment in track.segments():
            label[(track.times >= segment.start) & (track.times < segment.end)] = segment.label
        return cls(track, label, tuple(words))


Condition = Callable[[Recorded], Mask]
"""Which frames (T,) of a recording fulfil it."""


@dataclass(frozen=True)
class Step:
    """A condition that holds for at least ``shortest`` seconds and begins at most ``within`` after the one before."""

    condition: Condition
    shortest: float = SHORTEST
    within: float = np.inf


@dataclass(frozen=True)
class Match:
    """Where a query holds: from the beginning of its first stretch to the end of its last; and each of them."""

    start: float
    end: float
    steps: tuple[Span, ...]


@dataclass(frozen=True)
class Query:
    """A query that has been understood."""

    steps: tuple[Step, ...]
    speaks: bool
    """Whether it asks for words."""

    def find(self, recorded: Recorded) -> list[Match]:
        """Every match, in order of time; of those that end together, the shortest."""
        if not len(recorded.track):
            return []
        found = [stretches(recorded.track, step.condition(recorded), step.shortest) for step in self.steps]
        follower = _followers(found, self.steps)
        best: dict[float, Match] = {}
        for first in range(len(found[0])):
            chain = _chain(found, follower, first)
            if chain is not None:
                best[chain[-1][1]] = Match(chain[0][0], chain[-1][1], chain)
        return sorted(best.values(), key=lambda match: match.start)


def stretches(track: EmotionTrack, holds: Mask, shortest: float) -> list[Span]:
    """Spans of at least ``shortest`` seconds in which frames (T,) hold; frames reach half way to their neighbours."""
    times = track.times
    middle = (times[1:] + times[:-1]) / 2
    edges = np.concatenate([[0.0], middle, [max(track.duration, float(times[-1]))]])
    turns = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]])))
    spans = ((float(edges[a]), float(edges[b])) for a, b in zip(turns[::2], turns[1::2], strict=True))
    return [(a, b) for a, b in spans if b - a >= shortest - 1e-9]


def _followers(found: Sequence[Sequence[Span]], steps: Sequence[Step]) -> list[list[int | None]]:
    """For each stretch of each step the first one of the next step that follows it and leads to the end; None: none."""
    follower: list[list[int | None]] = [[0] * len(found[-1])]
    for (spans, later), step in zip(reversed(list(pairwise(found))), reversed(steps[1:]), strict=True):
        starts = np.array([start for start, _ in later])
        row: list[int | None] = []
        for _, end in spans:
            first = int(np.searchsorted(starts, end - 1e-6))
            last = int(np.searchsorted(starts, end + step.within + 1e-6, side="right"))
            row.append(next((k for k in range(first, last) if follower[0][k] is not None), None))
        follower.insert(0, row)
    return follower


def _chain(found: Sequence[Sequence[Span]], follower: list[list[int | None]], first: int) -> tuple[Span, ...] | None:
    chain: list[Span] = []
    at: int | None = first
    for spans, row in zip(found, follower, strict=True):
        if at is None or row[at] is None:
            return None
        chain.append(spans[at])
        at = row[at]
    return tuple(chain)


# --- The parser.


@dataclass(frozen=True)
class Token:
    """A piece of the text and its column, from 1."""

    text: str
    column: int


def parse_query(text: str) -> Query:
    """Understand a query.

    Raises:
        InputError: it is none; the line says at which column.
    """
    return _Parser(text).query()


class _Parser:
    """One method a rule of the grammar."""

    def __init__(self, text: str):
        self.text, self.tokens, self.at, self.depth, self.speaks = text, list(_tokens(text)), 0, 0, False

    def query(self) -> Query:
        if not self.tokens:
            raise InputError("the query is empty: give a condition, as angry > .7")
        steps = [self.step()]
        while self.taken("then"):
            step = self.step()
            steps.append(Step(step.condition, step.shortest, self.seconds() if self.taken("within") else np.inf))
        if self.at < len(self.tokens):
            raise self.wrong("then, within, for, and, or, or the end")
        return Query(tuple(steps), self.speaks)

    def step(self) -> Step:
        condition = self.any()
        return Step(condition, self.seconds() if self.taken("for") else SHORTEST)

    def any(self) -> Condition:
        left = self.both()
        while self.taken("or"):
            left = _joined(np.logical_or, left, self.both())
        return left

    def both(self) -> Condition:
        left = self.one()
        while self.taken("and"):
            left = _joined(np.logical_and, left, self.one())
        return left

    def one(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InputError(f"column {self.column}: more than {DEEPEST} brackets and nots inside one another")
        try:
            if self.taken("not"):
                inner = self.one()
                return lambda recorded: ~inner(recorded)
            if self.taken("("):
                inner = self.any()
                self.need(")")
                return inner
            return self.phrase() or self.comparison()
        finally:
            self.depth -= 1

    def phrase(self) -> Condition | None:
        token = self.next
        if token is None or not token.text.startswith('"'):
            return None
        wanted = plain_words(token.text)
        if not wanted:
            raise InputError(f"column {token.column}: there is no word between the quotes")
        self.at += 1
        self.speaks = True
        return lambda recorded: _said(recorded, wanted)

    def comparison(self) -> Condition:
        token = self.next
        name = "" if token is None else token.text.lower()
        if token is None or not name.isalpha() or (name in KEYWORDS and name != "p"):
            raise self.wrong("an emotion, intensity, valence, arousal, confidence, time, speech, not, ( or a phrase")
        self.at += 1
        if name == "p":
            self.need("(")
            label = self.emotion()
            self.need(")")
            return self.compared(lambda r: r.track.posterior[:, _place(r, label)], f"p({label})")
        if name in NUMBERS:
            return self.compared(QUANTITIES[name], name)
        if name == "speech":
            return lambda r: np.ones(len(r.track), bool) if r.track.speech is None else r.track.speech
        if name == UNCERTAIN:
            return lambda r: r.label == UNCERTAIN
        self.at -= 1
        label = self.emotion()
        labelled: Condition = lambda r: r.label == label  # noqa: E731
        if self.next is None or self.next.text not in COMPARISONS:
            return labelled
        return _joined(np.logical_and, labelled, self.compared(QUANTITIES["intensity"], label))

    def emotion(self) -> str:
        token = self.next
        label = None if token is None else known_category(token.text)
        if label is None:
            raise self.wrong("an emotion, intensity, valence, arousal, confidence, time, speech, not, ( or a phrase")
        self.at += 1
        return label

    def compared(self, quantity: Callable[[Recorded], NDArray[np.floating]], name: str) -> Condition:
        token = self.next
        if token is None or token.text not in COMPARISONS:
            raise self.wrong(f"a comparison of {name}, as > .5")
        self.at += 1
        compare, number = COMPARISONS[token.text], self.number()
        return lambda recorded: np.asarray(compare(quantity(recorded), number))

    def number(self) -> float:
        token = self.next
        try:
            value = float("" if token is None else token.text)
        except ValueError:
            raise self.wrong("a number") from None
        self.at += 1
        return value

    def seconds(self) -> float:
        column, value = self.column, self.number()
        if value < 0:
            raise InputError(f"column {column}: a time of {value:g} s is none")
        if self.taken("min"):
            return 60.0 * value
        self.taken("s")
        return value

    # --- What the rules share.

    @property
    def next(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @property
    def column(self) -> int:
        return self.next.column if self.next is not None else len(self.text.rstrip()) + 1

    def taken(self, text: str) -> bool:
        found = self.next is not None and self.next.text.lower() == text
        self.at += found
        return found

    def need(self, text: str) -> None:
        if not self.taken(text):
            raise self.wrong(text)

    def wrong(self, expected: str) -> InputError:
        found = "the query ends" if self.next is None else f"'{self.next.text[:40]}' stands"
        return InputError(f"column {self.column}: {found} where {expected} should be")


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            why = "a quote that does not end" if text[at] == '"' else f"'{text[at]}' means nothing in a query"
            raise InputError(f"column {at + 1}: {why}")
        token = match[match.lastindex or 0]
        found.append(Token(token, match.end() - len(token) + 1))
        at = match.end()
    return found


def _joined(how: Callable[[Mask, Mask], Mask], first: Condition, second: Condition) -> Condition:
    return lambda recorded: np.asarray(how(first(recorded), second(recorded)))


def _place(recorded: Recorded, label: str) -> int:
    return recorded.track.labels.index(label)


QUANTITIES: dict[str, Callable[[Recorded], NDArray[np.floating]]] = {
    "intensity": lambda r: r.track.intensity,
    "valence": lambda r: r.track.valence,
    "arousal": lambda r: r.track.arousal,
    "confidence": lambda r: r.track.posterior.max(1),
    "time": lambda r: r.track.times,
}
"""Numbers of every frame."""


# --- Words.


def plain_words(text: str) -> list[str]:
    """Words without case and punctuation."""
    return re.findall(r"[\w'’]+", text.lower().replace("’", "'"))


def _said(recorded: Recorded, wanted: Sequence[str]) -> Mask:
    """Frames (T,) in which the words are spoken one after another."""
    spoken = [(word, entry) for entry in recorded.words for word in plain_words(entry.text)]
    times, mask = recorded.track.times, np.zeros(len(recorded.track), bool)
    for k in range(len(spoken) - len(wanted) + 1):
        part = spoken[k : k + len(wanted)]
        if [word for word, _ in part] == list(wanted):
            start, end = part[0][1].start, max(part[-1][1].end, part[0][1].start + 2 * SHORTEST)
            mask |= (times >= start) & (times < end)
    return mask
