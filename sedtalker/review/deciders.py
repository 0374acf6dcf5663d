"""Who decides a doubtful segment: one interface for rules, a person and a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sedtalker.review.description import Description


class Answer(NamedTuple):
    """What somebody decided: one of the candidates, or None to leave it as it is; and why."""

    label: str | None
    reason: str


class Decider(Protocol):
    """Decides.

    Attributes:
        who: what is kept beside the decision.
    """

    @property
    def who(self) -> str:
        """See above."""

    def decide(self, description: Description, candidates: Sequence[str]) -> Answer:
        """A label for a segment.

        Args:
            description: of the segment.
            candidates: the labels that may be answered, the machine's first.

        Raises:
            InputError: nobody answers, or nothing that can be understood.
        """


@dataclass(frozen=True)
class Person:
    """A person who is asked.

    Attributes:
        name: whose decisions these are.
        ask: shows the description and the candidates, and returns the answer.
    """

    name: str
    ask: Callable[[Description, Sequence[str]], Answer]

    @property
    def who(self) -> str:
        """See ``Decider``."""
        return f"person:{self.name}"

    def decide(self, description: Description, candidates: Sequence[str]) -> Answer:
        """See ``Decider``."""
        return self.ask(description, candidates)
