"""Text and plain data from elsewhere: bounded, decoded, and refused in one line where they cannot be read."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
            raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
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


def is_utf8(path: Path) -> bool:
    """Whether the name of a file is UTF-8; systems take other bytes, too, which Python holds as lone surrogates."""
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def relative_name(path: Path, folder: Path) -> str:
    """A path as seen from a folder, with ``/``; as it is where that lies on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.as_posix()


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


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


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
    where = ".".join(str(part) for part in first["loc"] if part != "constrained-str")  # one of several types
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return where, "there is no such option"
    if first["type"] == "string_pattern_mismatch":
        return where, f"{str(first['input'])[:40]!r} has the wrong form"
    ours = first.get("ctx", {}).get("error")
    said = first["msg"].replace("tuple", "list").replace("Tuple", "List").replace("dictionary", "object")
    return where, str(ours) if isinstance(ours, ValueError) else said.replace(" after validation", "")


def checked(schema: Any, values: object, name: str = "", whole: str = "") -> Any:
    """Plain data as a schema of pydantic has it.

    Args:
        name: what to call the data in messages.
        whole: what to call them where no part of them is wrong.

    Raises:
        InputError: they do not fit it.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        where, problem = problem_of(error)
        raise InputError(": ".join(filter(None, (name, where or whole, problem)))) from None


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of NIST's tables (RTTM, CTM); ``;;`` begins a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if fields and not line.startswith(";;"):
            yield number, fields


# --- Praat's TextGrids: times and texts in tiers.

Interval = tuple[float, float, str]
"""Seconds of the beginning and the end, and text."""


def textgrid_tiers(text: str) -> list[tuple[str, list[Interval]]]:
    """The interval tiers of a TextGrid with their names, long and short form.

    Raises:
        InputError: not a TextGrid, or damaged.
    """
    _, found, body = text.partition('"TextGrid"')
    if not found:
        raise InputError("not a Praat TextGrid")
    # the short form is the long form without its names and [counts]: numbers and quoted strings in the same order
    tokens = [token for token in re.findall(r'\[\d*\]|("(?:[^"]|"")*"|[-+]?\d[\d.eE+-]*)', body) if token]
    tiers = []
    for at in (i for i, token in enumerate(tokens) if token == '"IntervalTier"'):
        try:
            name, count = tokens[at + 1].strip('"'), int(tokens[at + 4])
            spans = [tokens[at + 5 + 3 * i : at + 8 + 3 * i] for i in range(min(count, len(tokens)))]
            tiers.append((name, [(float(a), float(b), c[1:-1].replace('""', '"').strip()) for a, b, c in spans]))
        except (IndexError, ValueError):
            raise InputError("a tier cannot be read, or has fewer intervals than it claims") from None
    return tiers


def without_gaps(intervals: Iterable[Interval], duration: float) -> list[Interval]:
    """Intervals with empty ones between them, from 0 to ``duration``."""
    filled: list[Interval] = []
    end = 0.0
    for start, stop, text in intervals:
        filled += [(end, start, "")] if start > end else []
        filled.append((start, stop, text))
        end = stop
    return [*filled, (end, duration, "")] if end < duration else filled


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


# --- ELAN's annotation files (EAF 3.0), XML: times are milliseconds, tiers refer to a table of them.

_EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER>
{slots}</TIME_ORDER>
{tiers}<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""
"""The document around times and tiers; its date is fixed, so that the same track gives the same bytes."""


def eaf_tiers(text: str) -> list[tuple[str, list[Interval]]]:
    """The tiers of an EAF with annotations that have times of their own; an annotation with an unknown time is skipped.

    Raises:
        InputError: not an EAF, or one with a document type, whose entities could make it any size.
    """
    from xml.etree import ElementTree

    try:
        if "<!DOCTYPE" in text:
            raise ElementTree.ParseError
        root = ElementTree.fromstring(text)  # a text, whatever encoding it says of itself
        if root.tag != "ANNOTATION_DOCUMENT":
            raise ElementTree.ParseError
        times = {slot.attrib["TIME_SLOT_ID"]: slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
        tiers = []
        for tier in root.iter("TIER"):
            spans = [
                (
                    times[one.attrib["TIME_SLOT_REF1"]],
                    times[one.attrib["TIME_SLOT_REF2"]],
                    one.findtext("ANNOTATION_VALUE", ""),
                )
                for one in tier.iter("ALIGNABLE_ANNOTATION")
            ]
            held = [(float(a) / 1000.0, float(b) / 1000.0, c.strip()) for a, b, c in spans if a and b]
            tiers.append((tier.attrib["TIER_ID"], held))
    except (ElementTree.ParseError, KeyError, ValueError):
        raise InputError("not an EAF of ELAN, or damaged") from None
    return tiers


def eaf(tiers: Mapping[str, Sequence[Interval]], speakers: bool = False) -> str:
    """An EAF of tiers by name, times to the millisecond.

    Args:
        tiers: see ``eaf_tiers``.
        speakers: whether the names are those of speakers, which ELAN shows as participants.
    """
    from xml.sax.saxutils import escape, quoteattr

    slots, written = list[str](), list[str]()
    for name, spans in tiers.items():
        who = f" PARTICIPANT={quoteattr(name)}" if speakers else ""
        written.append(f'<TIER{who} LINGUISTIC_TYPE_REF="default-lt" TIER_ID={quoteattr(name)}>\n')
        for start, end, said in spans:
            first = len(slots) + 1
            for time in (start, end):
                slots.append(f'<TIME_SLOT TIME_SLOT_ID="ts{len(slots) + 1}" TIME_VALUE="{round(1000 * time)}"/>\n')
            written.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{(first + 1) // 2}" TIME_SLOT_REF1="ts{first}" '
                f'TIME_SLOT_REF2="ts{first + 1}"><ANNOTATION_VALUE>{escape(said)}</ANNOTATION_VALUE>'
                "</ALIGNABLE_ANNOTATION></ANNOTATION>\n"
            )
        written.append("</TIER>\n")
    return _EAF.format(slots="".join(slots), tiers="".join(written))


# --- Subtitles, WebVTT and SRT.

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,9})"
"""A time of a subtitle: hours, minutes, seconds, and behind the point parts of a second."""
_CUE = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")
"""The line that begins a cue."""
_BROKEN = re.compile(r"^\s*[\d:.,]+\s*-->")
"""A line that should, but whose times cannot be read: it is passed over with what follows it."""
_INSIDE = re.compile(rf"<{_CLOCK}>")
"""A time inside a cue."""
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
"""Tags of WebVTT and SRT, and the overrides of SubStation Alpha that programs leave in SRT."""
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)\b")
"""What begins a block of WebVTT that is no cue."""
_REPEATED = 0.05
"""Seconds that a cue lasts at most in which captions that roll up only repeat the line before, and between two."""


def subtitle_cues(text: str) -> Iterator[Interval]:
    """The cues of WebVTT or SRT without their tags; one with times inside is a piece from each to the next.

    Lines that a cue repeats from the one that ends where it begins, as captions do that roll up, are left out.
    """
    lines, shown, ended = text.splitlines(), list[str](), 0.0
    starts = [number for number, line in enumerate(lines) if _CUE.match(line) or _BROKEN.match(line)]
    for at, following in zip(starts, [*starts[1:], None], strict=False):
        if (found := _CUE.match(lines[at])) is None:
            continue
        start, end = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
        said = _text_of(lines[at + 1 : following], following is None)
        before, shown = shown[-1:], [_plain(line) for line in said] or shown
        if shown[:1] == before and abs(start - ended) < _REPEATED and (len(said) > 1 or end - start < _REPEATED):
            said = said[1:]
        ended = end
        pieces = _INSIDE.split(" ".join(said))
        times = [start, *(_seconds(*pieces[i : i + 4]) for i in range(1, len(pieces), 5)), end]
        for k, piece in enumerate(pieces[::5]):
            yield times[k], max(times[k], times[k + 1]), _plain(piece)


def _text_of(lines: list[str], last: bool) -> list[str]:
    """The lines of a cue of those up to the next one, without its number or name, and without blocks that are none."""
    after_blank = [False, *(not line.strip() for line in lines)]
    if lines and not last and (after_blank[-2] or lines[-1].strip().isdigit()):
        lines = lines[:-1]
    aside = (k for k, line in enumerate(lines) if after_blank[k] and _ASIDE.match(line))
    return [line for line in lines[: next(aside, None)] if line.strip()]


def _plain(text: str) -> str:
    """A text without markup."""
    return html.unescape(_MARKUP.sub("", text)).strip()


def _seconds(hours: str | None, minutes: str, seconds: str, milliseconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(f"{seconds}.{milliseconds}")


NAMED_EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""The emotions that subtitles of ours name: the categories of ``sedtalker.emotion.track``."""
_LABEL = re.compile(r"[a-z]+:[01]\.[0-9]{3}(?!\S)")
"""What ``labelled`` writes."""


def labelled(label: str, intensity: float) -> str:
    """An emotion as the one text of a span: ``happy:0.800``."""
    return f"{label}:{intensity:.3f}"


def without_label(text: str) -> str:
    """The text of a span without what ``labelled`` wrote before it."""
    return text[m.end() :] if (m := _LABEL.match(text)) else text


def srt(cues: Iterable[Interval]) -> str:
    """Subtitles as SRT."""
    return "".join(
        f"{k}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{said}\n\n" for k, (start, end, said) in enumerate(cues, 1)
    )


def vtt(cues: Iterable[Interval]) -> str:
    """Subtitles as WebVTT; the texts may hold its tags."""
    return "WEBVTT\n\n" + "".join(f"{_clock(a, '.')} --> {_clock(b, '.')}\n{said}\n\n" for a, b, said in cues)


def _clock(seconds: float, mark: str) -> str:
    """A time of a subtitle: hours, minutes, seconds, and milliseconds after ``mark``."""
    ms = round(1000 * seconds)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{mark}{ms % 1000:03d}"
