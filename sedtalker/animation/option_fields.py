"""What an option is: a field of a dataclass with its help, range and flags, and how texts become its value.

Nothing heavy is imported here, because every ``--help`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from sedtalker.errors import InputError

Part = Literal["Face", "Speakers", "Emotion", "Motion", "Words", "Video", "Files", "Time"]
"""What an option belongs to; the headings of ``--help``."""
SEPARATOR = ";"
"""Between several values in one text, such as a cell of a table."""


@dataclass(frozen=True)
class Option:
    """What stands in the annotation of a field that is an option; pydantic takes range and description from it, too.

    Attributes:
        part: what it belongs to.
        help: one line for ``--help`` and schemas.
        least, most: its range.
        flags: on the command line, where they are others than ``--its-name``.
        metavar: what stands for its value in ``--help``.
        read: makes its value of a text, or of another plain value.
        names: what a text may name: a file or a folder where there is one, or a file where it ends in ``.json``.
    """

    part: Part
    help: str
    least: float | None = None
    most: float | None = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    read: Callable[[Any], Any] | None = None
    names: Literal["file", "folder", "json"] | None = None

    def __get_pydantic_core_schema__(self, kind: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The schema of the type, with the range, and what reads a text before it."""
        schema = handler(kind)
        inner = schema["schema"] if schema["type"] == "nullable" else schema
        bounds = {"ge": self.least, "le": self.most}
        inner.update({name: bound for name, bound in bounds.items() if bound is not None})
        if self.read is None:
            return schema
        return {"type": "function-before", "function": {"type": "no-info", "function": self.read}, "schema": schema}

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The JSON schema of the type, with the help text."""
        return {**handler(schema), "description": self.help}


def listed(value: Any) -> Any:
    """Several values from one, or from a text with semicolons; None: none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(SEPARATOR) if part.strip())
    return (value,) if isinstance(value, Path) else tuple(value) if isinstance(value, list) else value


def read_factors(value: Any) -> Any:
    """``["brows=1.3", "jawOpen=.7"]`` as numbers by name, the last of a name counts; a mapping stays what it is.

    Raises:
        InputError: not NAME=NUMBER.
    """
    if isinstance(value, Mapping):
        return value
    words, factors = listed(value), dict[str, float]()
    if not isinstance(words, Sequence):
        return value
    for word in words:
        name, _, number = str(word).partition("=")
        try:
            factors[name.strip()] = float(number)
        except ValueError:
            raise InputError(f"'{word}' is not NAME=NUMBER, for example brows=1.3") from None
    return factors


def read_speakers(value: Any) -> Any:
    """How many speakers as text, where a number says it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Declared(NamedTuple):
    """A field that is an option.

    Attributes:
        kind: its type, without what is beside it.
        option: its help, range and flags.
        default: its value where nobody says another.
    """

    kind: Any
    option: Option
    default: Any


def declared(options: type) -> dict[str, Declared]:
    """The options that a class of this module, or one derived from it, holds, by name."""
    return _declared(options)


@cache
def _declared(options: type) -> dict[str, Declared]:
    hints = get_type_hints(options, include_extras=True)
    found = dict[str, Declared]()
    for held in fields(options):
        kind, *beside = get_args(hint) if get_origin(hint := hints[held.name]) is Annotated else [hint]
        default = held.default if held.default_factory is MISSING else held.default_factory()
        found.update((held.name, Declared(kind, about, default)) for about in beside if isinstance(about, Option))
    return found


def is_repeatable(kind: Any) -> bool:
    """Whether an option of this type takes several values."""
    return get_origin(kind) in (tuple, Mapping)
