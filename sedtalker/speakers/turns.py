"""Turns: who speaks when, and files that say it (RTTM, the format of NIST's Rich Transcription evaluations)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sedtalker.arrays import Mask, Reals, stretches
from sedtalker.errors import InputError, said_of
from sedtalker.reading import read_text, rows_of
from sedtalker.storage import write_text

log = logging.getLogger(__name__)

MOST_TURNS = 50_000
"""In one file; an hour of lively talk has a fiftieth of that."""
MOST_SPEAKERS = 16
"""Speakers of a recording that is worked on; each costs a track and a face."""
LATEST_SECONDS = 12 * 3600.0
"""Turns end before; longer times in a file are a mistake."""
LONGEST_NAME = 60
"""Letters of a speaker's name, which names files too."""
NO_FILE = frozenset('<>:"/\\|?*')
"""Characters that the name of a file cannot have on every system."""
NAME = "speaker"
"""Before the numbers of speakers whose names are not known."""
FIELDS = 8
"""Words of a line of RTTM at least: SPEAKER file channel start duration <NA> <NA> name."""
NOT_GIVEN = ("<NA>", "<NA>")
"""The seventh and the ninth field of a line of RTTM that says no more than who speaks."""
OF_EMOTION = "intensity="
"""Begins the seventh field of RTTM whose names are emotions, see ``sedtalker.emotion.formats.labels``."""


class Turn(NamedTuple):
    """A stretch in which somebody speaks: seconds, and the name of the speaker."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True)
class Turns:
    """Who speaks when in a recording. Turns of different speakers may overlap.

    Attributes:
        turns: in order of their beginnings.
        duration: seconds of the recording.
        speakers: the names, in the order in which they first speak; those that never do stay where they are given.

    Raises:
        InputError: a name is none, see ``check_names``, or a turn ends before it begins.
    """

    turns: tuple[Turn, ...]
    duration: float
    speakers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.turns))
        for start, end, name in ordered:
            if not start <= end:
                raise InputError(f"a turn of '{name}' begins at {start:g} s and ends at {end:g} s")
        known = tuple(dict.fromkeys([*self.speakers, *(turn.speaker for turn in ordered)]))
        check_names(known)
        object.__setattr__(self, "turns", ordered)
        object.__setattr__(self, "speakers", known)

    def of(self, speaker: str) -> list[tuple[float, float]]:
        """Beginnings and ends, seconds, of the stretches in which a speaker talks; those that touch are one."""
        spans = list[tuple[float, float]]()
        for start, end, name in self.turns:
            if name != speaker:
                continue
            if spans and start <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((start, end))
        return spans

    def active(self, speaker: str, times: Reals) -> Mask:
        """(T,) whether a speaker talks at these times (seconds)."""
        spoken = np.zeros(len(times), bool)
        for start, end in self.of(speaker):
            spoken[slice(*np.searchsorted(times, (start, end)))] = True
        return spoken

    def seconds(self, speaker: str) -> float:
        """How long a speaker talks in all."""
        return sum(end - start for start, end in self.of(speaker))

    def renamed(self, names: Mapping[str, str]) -> Turns:
        """With other names; two speakers that get one name are merged."""
        turns = tuple(turn._replace(speaker=names.get(turn.speaker, turn.speaker)) for turn in self.turns)
        known = tuple(dict.fromkeys(names.get(name, name) for name in self.speakers))
        return Turns(turns, self.duration, known)

    def save(self, path: str | Path, name: str = "audio") -> None:
        """Write RTTM, see ``turns_to_rttm``."""
        write_text(Path(path), turns_to_rttm(self, name))

    @staticmethod
    def load(path: str | Path, duration: float | None = None) -> Turns:
        """The turns of an RTTM file.

        Args:
            duration: seconds of the recording; default: the last turn's end.

        Raises:
            InputError: no such file, or it is no RTTM.
        """
        return turns_from_rttm(read_text(Path(path), "turns of speakers"), duration, str(path))


def turns_of(active: Mask, times: Reals, speakers: Iterable[str], duration: float) -> Turns:
    """Turns of a table (S, T) of who speaks in which frame; a frame reaches half-way to its neighbours.

    Beginnings and ends are whole milliseconds, as in RTTM.

    Args:
        active: see above.
        times: (T,) seconds of the frames, regular.
        speakers: S names.
        duration: seconds of the recording.
    """
    half = 0.5 * float(times[1] - times[0]) if len(times) > 1 else duration
    turns, names = list[Turn](), tuple(speakers)
    for name, row in zip(names, active, strict=True):
        for first, last in stretches(row):
            start, end = max(0.0, float(times[first]) - half), min(duration, float(times[last - 1]) + half)
            turns.append(Turn(min(round(start, 3), duration), min(round(end, 3), duration), name))
    return Turns(tuple(turns), duration, names)


def turns_to_rttm(turns: Turns, name: str = "audio") -> str:
    """RTTM: ``SPEAKER file 1 start duration <NA> <NA> name <NA> <NA>``, a line a turn.

    Args:
        name: of the recording; white space in it, and in names of speakers, becomes ``_``.
    """
    names = one_word_each(turns.speakers)
    rows = [(start, end, names[speaker], NOT_GIVEN) for start, end, speaker in turns.turns]
    return rttm_lines(rows, name)


def rttm_lines(rows: Iterable[tuple[float, float, str, tuple[str, str]]], name: str) -> str:
    """Lines of RTTM from beginnings and ends (seconds), names, and the seventh and ninth field of each.

    Both ends are rounded to milliseconds, so that turns which touch do so in the file; what is shorter is left out.
    """
    file, lines = "_".join(name.split()) or "audio", list[str]()
    for start, end, who, (kind, sure) in rows:
        length = round(end, 3) - round(start, 3)
        if length > 5e-4:
            lines.append(f"SPEAKER {file} 1 {start:.3f} {length:.3f} <NA> {kind} {who} {sure} <NA>\n")
    return "".join(lines)


def one_word_each(speakers: Iterable[str]) -> dict[str, str]:
    """The speakers' names without white space, as RTTM and names of files have them.

    Raises:
        InputError: two speakers would have the same.
    """
    names = {speaker: "_".join(speaker.split()) for speaker in speakers}
    if len({name.casefold() for name in names.values()}) < len(names):
        raise InputError(f"two of {', '.join(names)} have one name in RTTM and files, where blanks are _: rename one")
    return names


def check_names(names: Iterable[str]) -> None:
    """Raise ``InputError`` for names of speakers that cannot name files, or two of which would name the same one."""
    known = dict[str, str]()
    for name in names:
        wrong = [letter for letter in name if letter in NO_FILE or not letter.isprintable()]
        if wrong:
            shown = name.encode("unicode_escape").decode()[:LONGEST_NAME]
            raise InputError(f"speaker '{shown}': a name cannot hold {wrong[0]!r}, since it names files; rename them")
        if not name.strip() or name != name.strip(" .") or len(name) > LONGEST_NAME:
            raise InputError(
                f"speaker '{name[:LONGEST_NAME]}': a name has 1 to {LONGEST_NAME} letters, "
                "and no blank or full stop at its ends"
            )
        other = known.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(f"speakers '{other}' and '{name}' differ in capitals alone; they name files: rename one")


def turns_from_rttm(text: str, duration: float | None = None, name: str = "turns") -> Turns:
    """The turns of RTTM; lines of other types than SPEAKER, empty turns and comments (``;;``) are skipped.

    Args:
        duration: seconds of the recording; None: the last turn's end. Turns beyond it are cut.
        name: what to call the input in messages.

    Raises:
        InputError: a line is no turn or of another recording, there is none, there are too many, or too many speakers.
    """
    turns, of = list[Turn](), ""
    for number, words in rows_of(text):
        if words[0] != "SPEAKER":
            continue
        turn = _turn(words, f"{name}: line {number}")
        turns += [turn] if turn.end > turn.start else []
        of = of or words[1]
        if words[1] != of:
            raise InputError(f"{name}: line {number}: of {words[1]}, after lines of {of}: give those of one recording")
        if len(turns) > MOST_TURNS:
            raise InputError(f"{name}: more than {MOST_TURNS} turns")
    if not turns:
        raise InputError(f"{name}: no line 'SPEAKER file 1 start duration <NA> <NA> name <NA> <NA>'")
    last = max(turn.end for turn in turns)
    end = last if duration is None else duration
    inside = tuple(turn._replace(end=min(turn.end, end)) for turn in turns if turn.start < end)
    if not inside:
        raise InputError(f"{name}: every turn begins after the end of the recording ({end:.2f} s)")
    if last > end + 0.5:  # seconds
        log.warning(f"{name} goes on to {last:.2f} s, but the recording ends at {end:.2f} s: is it of another one?")
    with said_of(name):
        made = Turns(inside, end)
    if len(made.speakers) > MOST_SPEAKERS:
        raise InputError(f"{name}: {len(made.speakers)} speakers; at most {MOST_SPEAKERS} are animated")
    return made


def _turn(words: list[str], where: str) -> Turn:
    if len(words) < FIELDS:
        raise InputError(f"{where} has {len(words)} words; RTTM's SPEAKER lines have ten")
    try:
        start, length = float(words[3]), float(words[4])
    except ValueError:
        raise InputError(f"{where}: '{words[3]} {words[4]}' are no seconds") from None
    if not (math.isfinite(start) and math.isfinite(length)) or start < 0 or length < 0:
        raise InputError(f"{where}: a turn from {start:g} s that lasts {length:g} s")
    if start + length > LATEST_SECONDS:
        raise InputError(f"{where}: {start + length:g} s; are the times in seconds?")
    if words[6].startswith(OF_EMOTION):
        raise InputError(f"{where}: '{words[7]}' is an emotion, not a speaker; give RTTM that says who speaks")
    return Turn(start, start + length, words[7])
