"""Words with their times, from the files that recognisers and aligners write.

WebVTT and SRT subtitles (with times inside a cue where there are any), Praat TextGrids (as the Montreal Forced Aligner
writes them), CTM (as Kaldi and NeMo do) and the JSON of Whisper, whisper.cpp, WhisperX and Transformers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.reading import decoded, parse_json

WORD_SUFFIXES = (".vtt", ".srt", ".TextGrid", ".ctm", ".words.json", ".whisper.json")
"""How the name of a file of words with times ends, after the name of its recording."""
TEXT_SUFFIXES = (".txt", ".lab")
"""Suffixes of files that hold a plain transcript."""
MOST_WORDS = 100_000
"""An hour of fast speech has a tenth of that."""
LONGEST_WORD = 500
"""Characters that are kept of a word or phrase."""
CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
"""A time of a subtitle: hours, minutes, seconds, milliseconds."""
CUE = re.compile(rf"^\s*{CLOCK}\s*-->\s*{CLOCK}")
"""The line that begins a cue."""
INSIDE = re.compile(rf"<{CLOCK}>")
"""A time inside a cue."""
SILENT = {"", "sil", "sp", "spn", "<eps>", "<sil>", "[noise]", "[silence]"}
"""Texts of intervals that are no words."""


@dataclass(frozen=True)
class Word:
    """A word, or a phrase where the file has no words: seconds and text."""

    start: float
    end: float
    text: str


def read_words(data: bytes, name: str) -> tuple[Word, ...]:
    """The words of a file, in order of time.

    Args:
        data: its contents.
        name: its name, whose suffix says what it is.

    Raises:
        InputError: another kind of file, damaged, or without words.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{name}: words are read from {', '.join(sorted(READERS))}")
    text = decoded(data, name).replace("\r\n", "\n")
    try:
        found = [_checked(*word) for word in islice(READERS[suffix](text), MOST_WORDS + 1)]
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        raise InputError(f"{name}: damaged, or not what its name says") from None
    words = sorted((word for word in found if word.text.lower() not in SILENT), key=lambda word: word.start)
    if not words:
        raise InputError(f"{name}: no words with times in it")
    if len(words) > MOST_WORDS:
        raise InputError(f"{name}: more than {MOST_WORDS} words")
    return tuple(words)


def _checked(start: float, end: float, text: str) -> Word:
    if not (math.isfinite(start) and math.isfinite(end) and 0.0 <= start <= end):
        raise InputError(f"'{text[:40]}' ends before it begins, or has no times")
    return Word(float(start), float(end), " ".join(text.split())[:LONGEST_WORD])


Found = Iterable[tuple[float, float, str]]
"""Start, end and text of each word."""


def _seconds(hours: str | None, minutes: str, seconds: str, milliseconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + int(milliseconds.ljust(3, "0")) / 1000


def _subtitles(text: str) -> Found:
    """WebVTT and SRT: a phrase a cue, or the words of cues with times inside."""
    for block in re.split(r"\n[ \t]*\n", text):
        lines = block.split("\n")
        at = next((i for i, line in enumerate(lines) if CUE.match(line)), None)
        if at is None:
            continue
        found = CUE.match(lines[at])
        assert found is not None
        start, end = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
        spoken = " ".join(lines[at + 1 :])
        pieces = INSIDE.split(spoken)
        times = [start, *(_seconds(*pieces[i : i + 4]) for i in range(1, len(pieces), 5)), end]
        for k, piece in enumerate(pieces[::5]):
            yield times[k], max(times[k], times[k + 1]), re.sub(r"<[^<>]*>", "", piece).strip()


def _textgrid(text: str) -> Found:
    """The interval tier whose name has ``word`` in it, or the first; long and short form."""
    if "TextGrid" not in text[:200]:
        raise InputError("not a Praat TextGrid")
    body = text[text.index("TextGrid") + len("TextGrid") + 1 :]
    body = re.sub(r'("(?:[^"]|"")*")|\[\d*\]|[A-Za-z_?]+ *=?', lambda m: m.group(1) or " ", body)
    tokens = re.findall(r'"(?:[^"]|"")*"|[-+]?\d[\d.eE+-]*', body)
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for at in (i for i, token in enumerate(tokens) if token == '"IntervalTier"'):
        count = int(tokens[at + 4])
        if count > (len(tokens) - at) // 3:
            raise InputError("a tier has fewer intervals than it claims")
        spans = [tokens[at + 5 + 3 * i : at + 8 + 3 * i] for i in range(count)]
        tiers.setdefault(tokens[at + 1].strip('"'), [(float(a), float(b), c[1:-1].strip()) for a, b, c in spans])
    if not tiers:
        raise InputError("no interval tier in it")
    return tiers[next((name for name in tiers if "word" in name.lower()), next(iter(tiers)))]


def _ctm(text: str) -> Found:
    """Lines of recording, channel, start, duration, word and perhaps confidence."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) < 5:
            raise InputError(f"line {number} is not 'recording channel start duration word'")
        start = float(fields[2])
        yield start, start + float(fields[3]), fields[4]


def _whisper(text: str) -> Found:
    """JSON of Whisper (segments, with words where they were asked for) and of programs that run it."""
    data: Any = parse_json(text, "the text")
    if isinstance(data, list):
        data = {"segments": data}
    if "word_segments" in data:  # WhisperX
        return [(w["start"], w["end"], w.get("word", "")) for w in data["word_segments"] if "start" in w]
    if "transcription" in data:  # whisper.cpp
        return [(s["offsets"]["from"] / 1000, s["offsets"]["to"] / 1000, s["text"]) for s in data["transcription"]]
    if "chunks" in data:  # Transformers; the last end may be missing
        spans = [(c["timestamp"][0], c["timestamp"][1], c["text"]) for c in data["chunks"]]
        return [(a, a if b is None else b, said) for a, b, said in spans]
    found: list[tuple[float, float, str]] = []
    for segment in data.get("segments") or [{"words": data["words"]}]:
        words = segment.get("words")
        if words:
            found += [(w["start"], w["end"], w.get("word", w.get("text", ""))) for w in words if "start" in w]
        else:
            found.append((segment["start"], segment["end"], segment["text"]))
    return found


READERS: dict[str, Callable[[str], Found]] = {
    ".vtt": _subtitles,
    ".srt": _subtitles,
    ".textgrid": _textgrid,
    ".ctm": _ctm,
    ".json": _whisper,
}
"""By suffix."""
