"""Visemes: the mouth shapes of phones, in the sets that other programs animate with, and when each is shown.

Times are those of a transcript's phones where there is one. Else the phones are recognised from the encoder's
posteriors and from the mouth that is read out of the sound: the likeliest sequence in which each lasts 60 ms or more.
Not a transcript, but sufficient for lip sync.

Sets: the 15 of Oculus Lipsync (Meta's reference of visemes); A I U E O of VRM 0.x, whose consonants go to the nearest
vowel's mouth or to ``neutral``; Preston Blair's ten ("Cartoon Animation", with the names of Papagayo); and the nine of
Rhubarb Lip Sync after its documentation.

They are written as the TSV, XML or JSON of Rhubarb Lip Sync, for every set, as switch data of Moho, which OpenToonz
reads too, as a skeleton of Spine whose slot ``mouth`` changes its attachment, and as Praat's TextGrid with phones. The
TSV has a line a viseme, its start and its name, and one more with the resting mouth at the end; Synfig and other
importers of Rhubarb's files read it. XML and JSON have ``metadata`` and ``mouthCues``. Times have two decimals; Moho
counts frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from sedtalker.arrays import Reals, likeliest_labels, runs
from sedtalker.errors import InputError, one_of
from sedtalker.phonetics.aligner import LOG_PRIORS, AlignedPhone, Alignment
from sedtalker.reading import Interval, read_own_table, textgrid, without_gaps
from sedtalker.speech.features import PHONES
from sedtalker.storage import write_text

SETS: dict[str, dict[str, str]] = {
    name: {phone: viseme for viseme, phones in table.items() for phone in phones}
    for name, table in read_own_table(__file__, "visemes.toml").items()
}
"""Phone to viseme, by the name of the set."""
SHORTEST = 3
"""Frames of 20 ms that a recognised phone lasts at least."""
SWITCH = 2.0
"""Nats that a change of the recognised phone costs."""
SMOOTHED = (0.25, 0.5, 0.25)
"""Weights of a frame and of those beside it in what is recognised."""

# fmt: off
POSES = {
    "SIL": (0.22, 0.12), "AA": (0.67, 0.33), "AE": (0.83, 0.22), "AH": (0.61, 0.28), "AO": (0.48, 0.41),
    "AW": (0.72, 0.28), "AY": (0.82, 0.27), "EH": (0.75, 0.25), "ER": (0.44, 0.29), "EY": (0.74, 0.23),
    "IH": (0.66, 0.23), "IY": (0.65, 0.22), "OW": (0.55, 0.34), "OY": (0.48, 0.29), "UH": (0.47, 0.30),
    "UW": (0.39, 0.35), "B": (0.30, 0.24), "CH": (0.59, 0.23), "D": (0.54, 0.22), "DH": (0.52, 0.24),
    "F": (0.28, 0.23), "G": (0.52, 0.25), "HH": (0.65, 0.26), "JH": (0.61, 0.23), "K": (0.63, 0.24),
    "L": (0.52, 0.34), "M": (0.36, 0.22), "N": (0.62, 0.22), "NG": (0.65, 0.19), "P": (0.37, 0.23),
    "R": (0.44, 0.37), "S": (0.62, 0.20), "SH": (0.65, 0.25), "T": (0.62, 0.21), "TH": (0.55, 0.20),
    "V": (0.45, 0.25), "W": (0.28, 0.40), "Y": (0.55, 0.26), "Z": (0.57, 0.22), "ZH": (0.51, 0.23),
}
# fmt: on
"""How far the mouth opens in each phone, and how round it is, as ``sedtalker.animation.opening.mouth_pose`` says: means
over 90 recordings of LibriSpeech, speechocean762 and CREMA-D (validation speakers), weighed by the posteriors."""
POSE_SPREAD = 0.2
"""Standard deviation of both in a phone."""


class Cue(NamedTuple):
    """A viseme and its time: seconds and name."""

    start: float
    end: float
    viseme: str


def check_set(name: str) -> None:
    """Raise ``InputError`` where there is no such set."""
    if name not in SETS:
        raise InputError(f"'{name}' is no set of visemes: {one_of(name, SETS)}")


def visemes(phones: Alignment, of: str = "oculus") -> list[Cue]:
    """The visemes, one set of ``SETS``, of a recording without gaps; phones that look alike are one."""
    check_set(of)
    alike = ((shown, list(each)) for shown, each in groupby(phones.phones, lambda phone: SETS[of][phone.phone]))
    return [Cue(each[0].start, each[-1].end, shown) for shown, each in alike]


def resting(of: str) -> str:
    """The viseme of silence in a set."""
    return SETS[of]["SIL"]


def recognise(posteriors: Reals, rate: float = 50.0, pose: Reals | None = None) -> Alignment:
    """The phones of a recording whose words nobody knows.

    Args:
        posteriors: (T, 40) of ``PHONES``.
        rate: frames a second.
        pose: (T, 2) of the mouth, see ``POSES``, where phones should look as it does.
    """
    if not len(posteriors):
        return Alignment(())
    padded = np.pad(posteriors, ((1, 1), (0, 0)), mode="edge")
    smooth = sum(weight * padded[k : k + len(posteriors)] for k, weight in enumerate(SMOOTHED))
    scores = np.log(np.maximum(smooth, 1e-8)) - LOG_PRIORS
    if pose is not None:
        usual = np.array([POSES[phone] for phone in PHONES])
        scores = scores - 0.5 * np.square((pose[:, None] - usual) / POSE_SPREAD).sum(-1)
    ended = np.pad(scores, ((0, SHORTEST - 1), (0, 0)))  # the last may be shorter
    found = runs(likeliest_labels(ended, np.full(len(ended), SWITCH), SHORTEST)[: len(scores)])
    return Alignment(tuple(AlignedPhone(start / rate, end / rate, PHONES[phone]) for start, end, phone in found))


# --- Files.


@dataclass(frozen=True)
class VisemeSheet:
    """What a file of visemes says.

    Attributes:
        of: the set, a name in ``SETS``.
        sound: name of the recording.
        duration: its seconds; 0: those of the phones.
        fps: frames a second of files that count frames.
    """

    phones: Alignment
    of: str = "oculus"
    sound: str = ""
    duration: float = 0.0
    fps: float = 30.0

    @property
    def end(self) -> float:
        """Seconds that the file covers."""
        return self.duration or self.phones.duration

    @property
    def shown(self) -> list[Interval]:
        """Visemes from 0 to ``end``: those of frames beyond it are cut, and the last one lasts to it."""
        return until(visemes(self.phones, self.of), self.end) or [(0.0, self.end, resting(self.of))]

    @property
    def starts(self) -> list[tuple[float, str]]:
        """When each viseme begins, with the resting mouth at the end."""
        return [*((start, name) for start, _, name in self.shown), (round(self.end, 2), resting(self.of))]


def writer_of(path: Path, of: str) -> Callable[[VisemeSheet], str]:
    """The writer of a file.

    Raises:
        InputError: no writer has this suffix, or there is no such set.
    """
    check_set(of)
    for suffix in sorted(WRITERS, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return WRITERS[suffix]
    raise InputError(f"{path}: visemes are written as {', '.join(WRITERS)}")


def write_visemes(path: Path, sheet: VisemeSheet) -> None:
    """Write the visemes of a recording; the suffix, one of ``WRITERS``, says how.

    Raises:
        InputError: another suffix or set, or it cannot be written there.
    """
    write_text(path, writer_of(path, sheet.of)(sheet))


def until(intervals: Sequence[Interval], duration: float) -> list[Interval]:
    """Intervals without gaps, to hundredths, cut or drawn out to end at ``duration``."""
    rounded = [(round(start, 2), round(end, 2), text) for start, end, text in intervals]
    kept = [each for each in rounded if each[0] < round(duration, 2)]
    return [*kept[:-1], (kept[-1][0], round(duration, 2), kept[-1][2])] if kept else []


def to_tsv(sheet: VisemeSheet) -> str:
    """Rhubarb's TSV."""
    return "".join(f"{start:.2f}\t{name}\n" for start, name in sheet.starts)


def to_json(sheet: VisemeSheet) -> str:
    """Rhubarb's JSON."""
    cues = [{"start": start, "end": end, "value": name} for start, end, name in sheet.shown]
    held = {"metadata": {"soundFile": sheet.sound, "duration": round(sheet.end, 2)}, "mouthCues": cues}
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"


def to_xml(sheet: VisemeSheet) -> str:
    """Rhubarb's XML."""
    root = ElementTree.Element("rhubarbResult")
    metadata, cues = (ElementTree.SubElement(root, name) for name in ("metadata", "mouthCues"))
    ElementTree.SubElement(metadata, "soundFile").text = sheet.sound
    ElementTree.SubElement(metadata, "duration").text = f"{sheet.end:.2f}"
    for start, end, name in sheet.shown:
        ElementTree.SubElement(cues, "mouthCue", start=f"{start:.2f}", end=f"{end:.2f}").text = name
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def to_moho(sheet: VisemeSheet) -> str:
    """Switch data of Moho, once Anime Studio: frames from 1 on; of visemes in one frame the last is shown."""
    frames = {1 + round(start * sheet.fps): name for start, name in sheet.starts}
    return "MohoSwitch1\n" + "".join(f"{frame} {name}\n" for frame, name in frames.items())


def to_spine(sheet: VisemeSheet) -> str:
    """A skeleton of Spine 4 whose animation ``speech`` changes what the slot ``mouth`` shows, an image a viseme."""
    images = sorted(set(SETS[sheet.of].values()))
    keys = [{"time": start, "name": name} for start, name in sheet.starts]
    held = {
        "skeleton": {"spine": "4.2", "images": "./images/", "audio": ""},
        "bones": [{"name": "root"}],
        "slots": [{"name": "mouth", "bone": "root", "attachment": resting(sheet.of)}],
        "skins": [{"name": "default", "attachments": {"mouth": {name: {"width": 1, "height": 1} for name in images}}}],
        "animations": {"speech": {"slots": {"mouth": {"attachment": keys}}}},
    }
    return json.dumps(held, indent=1, ensure_ascii=False) + "\n"


def to_textgrid(sheet: VisemeSheet) -> str:
    """Praat's TextGrid, long form: the tiers ``words`` (where they are known), ``phones`` and ``visemes``."""
    phones, duration = sheet.phones, sheet.end
    spoken = [(p.start, p.end, "" if p.phone == "SIL" else p.phone) for p in phones.phones]
    tiers = {"phones": until(spoken, duration), "visemes": sheet.shown}
    if phones.words:
        tiers = {"words": until(without_gaps(phones.word_times(), duration), duration), **tiers}
    return textgrid(tiers, duration, 2)


WRITERS: dict[str, Callable[[VisemeSheet], str]] = {
    ".tsv": to_tsv,
    ".json": to_json,
    ".xml": to_xml,
    ".dat": to_moho,
    ".spine.json": to_spine,
    ".textgrid": to_textgrid,
}
"""By suffix in lower case."""
