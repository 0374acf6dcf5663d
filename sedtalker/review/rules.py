"""Rules in a TOML file: the decider that needs nobody and no network.

```toml
version = 1

[[rule]]
label = "angry"                      # what is decided
first = ["happy", "surprise"]        # only where the diarizer says one of these; may be left out
when = { level = "> 4", brightness = "> 2.5" }
reason = "loud and sharp"
```
"""

from __future__ import annotations

import hashlib
import json
import operator
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.reading import read_text
from sedtalker.review.deciders import Answer
from sedtalker.review.description import NUMBERS, Description

DEFAULT_RULES = Path(__file__).with_name("default_rules.toml")
"""The rules that are used where none are given."""
MOST_RULES = 500
"""In one file."""
CONDITION = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*")
"""A comparison with a number."""
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
"""How numbers compare."""


class Rule(BaseModel):
    """A rule: a label, the conditions that must all hold, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    first: Annotated[tuple[str, ...], Field(max_length=len(CATEGORIES))] = ()
    when: dict[str, str] = Field(default_factory=dict, max_length=len(NUMBERS))
    reason: Annotated[str, Field(max_length=200)] = ""

    @field_validator("label", "first")
    @classmethod
    def _known(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for label in [value] if isinstance(value, str) else value:
            if label not in CATEGORIES:
                raise ValueError(f"unknown emotion '{label}': use one of {', '.join(CATEGORIES)}")
        return value

    @field_validator("when")
    @classmethod
    def _understood(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name not in NUMBERS:
                raise ValueError(f"there is no number '{name}': use one of {', '.join(NUMBERS)}")
            if CONDITION.fullmatch(text) is None:
                raise ValueError(f"{name}: '{text}' is no comparison, as \"> 2.5\"")
        return value

    def applies(self, description: Description) -> bool:
        """Whether all conditions hold."""
        if self.first and description.first not in self.first:
            return False
        for name, text in self.when.items():
            found = CONDITION.fullmatch(text)
            assert found is not None
            if not COMPARISONS[found[1]](description.number(name), float(found[2])):
                return False
        return True


class RuleFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    rule: Annotated[tuple[Rule, ...], Field(max_length=MOST_RULES)] = ()


@dataclass(frozen=True)
class Rules:
    """The decider; the first rule that applies and whose label is a candidate wins."""

    rules: tuple[Rule, ...]

    @property
    def who(self) -> str:
        """``rules:`` and a short hash of them."""
        text = json.dumps([rule.model_dump() for rule in self.rules])
        return f"rules:{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def decide(self, description: Description, candidates: Sequence[str]) -> Answer:
        """See ``Decider``."""
        for rule in self.rules:
            if rule.label in candidates and rule.applies(description):
                return Answer(rule.label, rule.reason or "a rule")
        return Answer(None, "no rule applies")


def read_rules(path: Path = DEFAULT_RULES) -> Rules:
    """Rules from a file.

    Raises:
        InputError: no such file, no TOML, or a rule that cannot be.
    """
    try:
        held = RuleFile.model_validate(tomllib.loads(read_text(path, "rules")))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        raise InputError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    return Rules(held.rule)
