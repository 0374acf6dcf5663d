"""Files of visemes: the TSV and the JSON of Rhubarb Lip Sync, for every set, and Praat's TextGrid with phones.

The TSV has a line a viseme, its start and its name, and one more with the resting mouth at the end; Synfig and other
importers of Rhubarb's files read it. The JSON has ``metadata`` and ``mouthCues``. Times have two decimals, as
Rhubarb writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sedtalker.errors import InputError
from sedtalker.phonetics.alignment import Alignment
from sedtalker.phonetics.visemes import check_set, resting, visemes
from sedtalker.storage import whole_file

Interval = tuple[float, float, str]
"""Start, end and text."""


def check_viseme_file(path: Path, of: str) -> None:
    """Raise ``InputError`` where no writer has this suffix, or there is no such set."""
    check_set(of)
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: visemes are written as {', '.join(WRITERS)}")


def write_visemes(path: Path, phones: Alignment, of: str = "oculus", sound: str = "", duration: float = 0.0) -> None:
    """Write the visemes of a recording; the suffix says how.

    Args:
        path: .tsv, .json or .TextGrid.
        phones: of the recording.
        of: the set.
        sound: name of the recording.
        duration: its seconds.

    Raises:
        InputError: another suffix or set, or it cannot be written there.
    """
    check_viseme_file(path, of)
    text = WRITERS[path.suffix.lower()](phones, of, sound, duration or phones.duration)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def shown(phones: Alignment, of: str, duration: float) -> list[Interval]:
    """The visemes from 0 to ``duration``: those of frames beyond it are cut, and the last one lasts to the end."""
    cues = [(c.start, c.end, c.viseme) for c in visemes(phones, of)]
    return until(cues, duration) or [(0.0, duration, resting(of))]


def until(intervals: Sequence[Interval], duration: float) -> list[Interval]:
    """Intervals without gaps, to hundredths, cut or drawn out to end at ``duration``."""
    rounded = [(round(start, 2), round(end, 2), text) for start, end, text in intervals]
    kept = [each for each in rounded if each[0] < round(duration, 2)]
    return [*kept[:-1], (kept[-1][0], round(duration, 2), kept[-1][2])] if kept else []


def to_tsv(phones: Alignment, of: str, sound: str, duration: float) -> str:
    """Rhubarb's TSV."""
    lines = [f"{start:.2f}\t{text}" for start, _, text in shown(phones, of, duration)]
    return "\n".join([*lines, f"{duration:.2f}\t{resting(of)}"]) + "\n"


def to_json(phones: Alignment, of: str, sound: str, duration: float) -> str:
    """Rhubarb's JSON."""
    cues = [{"start": start, "end": end, "value": text} for start, end, text in shown(phones, of, duration)]
    held = {"metadata": {"soundFile": sound, "duration": round(duration, 2)}, "mouthCues": cues}
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"


def to_textgrid(phones: Alignment, of: str, sound: str, duration: float) -> str:
    """Praat's TextGrid, long form: the tiers ``words`` (where they are known), ``phones`` and ``visemes``."""
    spoken = [(p.start, p.end, "" if p.phone == "SIL" else p.phone) for p in phones.phones]
    tiers = {"phones": until(spoken, duration), "visemes": shown(phones, of, duration)}
    if phones.words:
        tiers = {"words": without_gaps(phones.word_times(), duration), **tiers}
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {duration:.2f}"]
    lines = [*head, "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {duration:.2f}", f"        intervals: size = {len(spans)}"]
        for count, (start, end, text) in enumerate(spans, 1):
            quoted = text.replace('"', '""')
            lines += [
                f"        intervals [{count}]:",
                f"            xmin = {start:.2f}",
                f"            xmax = {end:.2f}",
            ]
            lines.append(f'            text = "{quoted}"')
    return "\n".join(lines) + "\n"


def without_gaps(intervals: Sequence[Interval], duration: float) -> list[Interval]:
    """Intervals with empty ones between them, from 0 to ``duration``."""
    filled: list[Interval] = []
    end = 0.0
    for start, stop, text in intervals:
        if start > end:
            filled.append((end, start, ""))
        filled.append((start, stop, text))
        end = stop
    if end < duration:
        filled.append((end, duration, ""))
    return until(filled, duration)


WRITERS: dict[str, Callable[[Alignment, str, str, float], str]] = {
    ".tsv": to_tsv,
    ".json": to_json,
    ".textgrid": to_textgrid,
}
"""By suffix in lower case."""
