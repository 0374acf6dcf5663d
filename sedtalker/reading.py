"""Text and plain data from elsewhere: bounded, decoded, and refused in one line where they cannot be read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError

if TYPE_CHECKING:
    from pydantic import ValidationError

MOST_BYTES = 16 * 2**20
"""Bytes of a text file, unless its reader says otherwise."""
DEEPEST = 100
"""Levels of lists and objects in JSON: what walks through them later may call itself once a level."""
MOST_CONTAINERS = 4_000_000
"""Lists and objects in JSON: each takes some seventy bytes, and two in the file."""
MOST_DIGITS = 300
"""Digits of a whole number in JSON; more would be no float."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string of JSON, or the rest where it has no end; possessive, so that no text takes long."""
_LONG_NUMBER = re.compile(rb"(?<![\d.])\d{%d}" % (MOST_DIGITS + 1))
"""The beginning of a number that is too long."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped lone surrogate."""


def read_bytes(path: Path, what: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Args:
        what: what it should be, for messages: ``a style``.
        most: refuse more bytes.

    Raises:
        InputError: it is missing, no file, too large, or cannot be read.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        if path.stat().st_size > most:
            raise InputError(f"{path}: over {most / 2**20:.0f} MiB, too large for {what}")
        return path.read_bytes()
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise InputError(f"{path}: cannot be read ({reason})") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file; a text that no file could be called, or that is not ours to see, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, likewise."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Whether there is such a file, folder or pipe, likewise."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def decoded(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8, with or without a mark at its beginning, or UTF-16 with one.

    Raises:
        InputError: they are neither; ``name`` is what the message calls them.
    """
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: not text (UTF-8)") from None


def read_text(path: Path, what: str, most: int = MOST_BYTES) -> str:
    """The text in a file, see ``read_bytes`` and ``decoded``."""
    return decoded(read_bytes(path, what, most), str(path))


def read_json(path: Path, what: str, most: int = MOST_BYTES) -> Any:
    """The plain data in a JSON file, see ``read_bytes`` and ``parse_json``."""
    return parse_json(read_bytes(path, what, most), str(path))


def read_own_table(module: str, name: str) -> dict[str, Any]:
    """A TOML file of this package, which lies beside the module with this ``__file__``."""
    return tomllib.loads(Path(module).with_name(name).read_text(encoding="utf-8"))


def parse_json(data: bytes | str, name: str, made: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Plain data from JSON that may be made to do harm.

    Whatever comes back is nested at most ``DEEPEST`` levels, and every number in it can be a float (which may be NaN or
    infinite: schemas refuse these).

    Args:
        name: what to call it in messages.
        made: makes what stands for an object of its values; default: a dictionary.

    Raises:
        InputError: not JSON, nested too deeply, or with numbers that nothing can hold.
    """
    text = decoded(data, name) if isinstance(data, bytes) else data
    try:
        encoded = text.encode()
        _check_size(encoded, name)
        held = json.loads(text, object_hook=made)
        if _SURROGATE.search(encoded):
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        return held
    except json.JSONDecodeError as error:
        raise InputError(f"{name}: not valid JSON (line {error.lineno})") from None
    except InputError:
        raise
    except UnicodeEncodeError:
        raise InputError(f"{name}: contains an unpaired surrogate") from None
    except (ValueError, RecursionError):
        raise InputError(f"{name}: not valid JSON") from None


def _check_size(data: bytes, name: str) -> None:
    """Raise ``InputError`` where parsing would take much memory for little text, or would call itself too often."""
    if _LONG_NUMBER.search(data) and _LONG_NUMBER.search(_STRING.sub(b"", data)):
        raise InputError(f"{name}: a number with more than {MOST_DIGITS} digits is in it")
    opened = data.count(b"[") + data.count(b"{")
    if opened <= DEEPEST:
        return
    if _depth(data) > DEEPEST and _depth(_STRING.sub(b"", data)) > DEEPEST:
        raise InputError(f"{name}: nested more than {DEEPEST} levels deep")
    if opened > MOST_CONTAINERS:
        raise InputError(f"{name}: more than {MOST_CONTAINERS} lists and objects are in it")


def _depth(data: bytes) -> int:
    """The most brackets that are open at once, those in strings counted too."""
    import numpy as np

    signs = np.zeros(256, np.int8)
    signs[list(b"[{")], signs[list(b"]}")] = 1, -1
    steps = signs[np.frombuffer(data, np.uint8)]
    return int(np.cumsum(steps[steps != 0], dtype=np.int32).max(initial=0))


def problem_of(error: ValidationError) -> tuple[str, str]:
    """Where the first problem of values is that pydantic refused, as ``name.part``, and what it is."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return where, "there is no such option"
    ours = first.get("ctx", {}).get("error")
    return where, str(ours) if isinstance(ours, InputError) else first["msg"]


# --- Praat's TextGrids: times and texts in tiers.

Interval = tuple[float, float, str]
"""Seconds of the beginning and the end, and text."""


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of NIST's tables (RTTM, CTM); ``;;`` begins a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if fields and not line.startswith(";;"):
            yield number, fields


def textgrid_tiers(text: str) -> list[tuple[str, list[Interval]]]:
    """The interval tiers of a TextGrid with their names, long and short form.

    Raises:
        InputError: not a TextGrid, or damaged.
    """
    _, found, body = text.partition('"TextGrid"')
    if not found:
        raise InputError("not a Praat TextGrid")
    # the short form is the long form without its names: numbers and quoted strings in the same order
    body = re.sub(r'("(?:[^"]|"")*")|\[\d*\]|[A-Za-z_?]+ *=?', lambda m: m.group(1) or " ", body)
    tokens = re.findall(r'"(?:[^"]|"")*"|[-+]?\d[\d.eE+-]*', body)
    tiers = []
    for at in (i for i, token in enumerate(tokens) if token == '"IntervalTier"'):
        try:
            name, count = tokens[at + 1].strip('"'), int(tokens[at + 4])
            spans = [tokens[at + 5 + 3 * i : at + 8 + 3 * i] for i in range(min(count, len(tokens)))]
            tiers.append((name, [(float(a), float(b), c[1:-1].strip()) for a, b, c in spans]))
        except (IndexError, ValueError):
            raise InputError("a tier cannot be read, or has fewer intervals than it claims") from None
    return tiers


def textgrid(tiers: Mapping[str, Sequence[Interval]], end: float, digits: int) -> str:
    """A TextGrid, long form, of tiers by name that end at ``end`` seconds; times have so many decimals."""
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.{digits}f}"]
    lines = [*head, "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end:.{digits}f}", f"        intervals: size = {len(spans)}"]
        for count, (start, stop, text) in enumerate(spans, 1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{count}]:", f"            xmin = {start:.{digits}f}"]
            lines += [f"            xmax = {stop:.{digits}f}", f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"
