"""What an option is: a field of a dataclass with its help, range and flags, and how texts become its value.

Nothing heavy is imported here, because every ``--help`` reads it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from sedtalker.errors import InputError, meant

Part = Literal["Face", "Speakers", "Emotion", "Motion", "Words", "Video", "Files", "Time"]
"""What an option belongs to; the headings of ``--help``."""
Targets = Literal["few", "arkit", "all"]
"""How a caller asks for blend shapes, see ``sedtalker.export.targets.choose_targets``."""
Backend = Literal["auto", "numba", "pyrender"]
"""``numba`` needs no graphics library; ``pyrender`` needs EGL; ``auto`` is pyrender on a real GPU, else numba."""
ShotKind = Literal["two-shot", "cut", "split"]
"""All heads in one picture; a portrait of whoever speaks; a portrait of each, side by side."""
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


def read_factors(value: Any, example: str = "brows=1.3") -> Any:
    """``["brows=1.3", "jawOpen=.7"]`` as numbers by name, the last of a name counts; a mapping stays what it is.

    Args:
        example: what the option takes, for messages.

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
            raise InputError(f"'{word}' is not NAME=NUMBER, for example {example}") from None
    return factors


@cache
def factors_like(example: str) -> Callable[[Any], Any]:
    """``read_factors`` with another example; the same object for the same one, so that options can be compared."""
    return partial(read_factors, example=example)


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


def check_ranges(options: Any) -> None:
    """Raise ``InputError`` for a number outside the range of its option, or one that is no number."""
    for name, about in declared(type(options)).items():
        value, least, most = getattr(options, name), about.option.least, about.option.most
        if not isinstance(value, int | float) or least is None or most is None:
            continue
        if not least <= value <= most:
            raise InputError(f"{name}: {value:g} does not lie between {least:g} and {most:g}")


Options = TypeVar("Options")
"""A class of options."""


def with_options(options: Options, given: Mapping[str, Any], taker: Callable[..., Any]) -> Options:
    """Options with other values, as keyword arguments give them.

    Args:
        options: of a dataclass.
        given: fields of it by name.
        taker: what was called with them and parameters of its own.

    Raises:
        InputError: there is no such option; the line says which come nearest.
    """
    own = [field.name for field in fields(options)]  # type: ignore[arg-type]
    for name in given:
        if name not in own:
            named = [p.name for p in inspect.signature(taker).parameters.values() if p.kind is not p.VAR_KEYWORD]
            known = meant(name, [*named, *own])
            raise InputError(f"there is no option '{name}'" + (f": {known}" if known else ""))
    return replace(options, **given)  # type: ignore[type-var]


# --- Which options a command, the server or the studio does not offer, and why.


HEAD = "mesh mesh_head landmarks rig open_mouth mouth eyes strength rig_names"
"""Options of a head from a file."""
NETWORKS = "model encoder enroll trust decoder"
"""Options of what is opened before a recording is read."""
CONVERSATION = "speakers others listening shot"
"""Options of a recording of several speakers."""
NOT_OFFERED: dict[str, dict[str, str]] = {
    "batch": {"words": "one recording's words: a column of a manifest, or --words-beside"},
    "say": {
        "transcript words": "the text says them",
        "enroll max_seconds": "of recordings",
        CONVERSATION: "one voice speaks",
    },
    "stream": {
        "min_confidence": "a segment's confidence is known at its end",
        "smooth": "a mean of frames to come would delay the lips",
        "liveliness": "the rhythm of a phrase is known at its end",
    },
    "server": {
        HEAD: "names files of the server, which gets its faces when it starts",
        NETWORKS: "the server opens its networks when it starts",
        "coordinates words background camera": "may name a file of the server",
        "renderer video video_format": "the server draws mp4 where it is among the results",
        CONVERSATION: "an answer of the server is about one face; its limits are those of one speaker",
        "max_seconds": "a limit of the server",
    },
    "studio": {
        HEAD + " face": "a head is opened in the page",
        NETWORKS + " emotion coordinates fill_scale max_seconds": "of the opened recording, or edited in the track",
        CONVERSATION: "speakers are found when a recording is opened",
        "transcript words language": "words are shown beside the track; lips do not follow them yet",
        "size camera background renderer video video_format to targets": "asked for at each export",
    },
}
"""Options that somebody does not offer, and why; a test compares it with what they take."""


def not_offered(where: str) -> frozenset[str]:
    """The options that the command, server or studio of this name does not offer."""
    return frozenset(name for names in NOT_OFFERED[where] for name in names.split())
