"""The emotion tracks of a folder and what is said in them, for ``sedtalker report`` and ``search``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.inputs import AUDIO, read_table
from sedtalker.batch.log import FAILED, read_logs
from sedtalker.batch.settings import TRACK_SUFFIX
from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats.conversation import CONVERSATION_SUFFIX, is_conversation, read_conversation
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.formats.labels import text_cell
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError
from sedtalker.phonetics.words import WORD_SUFFIXES, Word, read_words
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.reading import is_file, read_bytes

REPORT = "recordings.csv", "groups.csv"
"""Tables that tell the folder of an earlier report from a folder of tracks."""
FOLDER = "folder"
"""What ``--by`` takes for the folder of a recording."""
SPEAKER = "speaker"
"""What ``--by`` takes for the speakers of conversations; of other recordings the manifest has to say it."""
ALL = "all"
"""The group of everything."""
OTHER_SUFFIXES = (".json", ".csv", ".rttm", ".textgrid", ".eaf", ".txt")
"""Tracks in a folder without ``TRACK_SUFFIX`` or ``CONVERSATION_SUFFIX``; of several of one name the first counts.

Subtitles are not among them: beside tracks they are words."""
NOT_GIVEN = "(none)"
"""The group of recordings whose column is empty."""


@dataclass(frozen=True, eq=False)
class TrackSummary:
    """What is kept of a recording, or of one of its speakers.

    Attributes:
        name: path of its track below the folder, without the ending.
        file: of its track.
        group: what it is counted under.
        duration: seconds.
        speech: seconds of speech, or None where the track does not say.
        segments: in order.
        posteriors: mean posterior (C,) over the speech of each segment; None where nobody speaks in it.
        words: what is said in each segment; empty texts where no words are known.
        intensity: mean over time.
        valence: mean over time.
        arousal: mean over time.
        speaker: whose track it is; empty where a recording has one track.
    """

    name: str
    file: Path
    group: str
    duration: float
    speech: float | None
    segments: tuple[Segment, ...]
    posteriors: tuple[NDArray[np.float64] | None, ...]
    words: tuple[str, ...]
    intensity: float
    valence: float
    arousal: float
    speaker: str = ""


@dataclass
class Tracks:
    """The tracks of a folder.

    Attributes:
        folder: the folder.
        by: how they are grouped: ``folder``, ``speaker``, a column, or None.
        summaries: of those that could be read; of a conversation one for each speaker.
        left_out: files that could not, and why.
        failed: recordings that failed in the batch.
        with_words: how many of them have words that are known.
    """

    folder: Path
    by: str | None
    summaries: list[TrackSummary]
    left_out: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    with_words: int = 0

    @property
    def groups(self) -> list[str]:
        """The groups in the order of their names."""
        return sorted({summary.group for summary in self.summaries})

    @property
    def with_speakers(self) -> bool:
        """Whether there is a conversation among them."""
        return any(summary.speaker for summary in self.summaries)

    def of(self, group: str) -> list[TrackSummary]:
        """The recordings of a group, or all."""
        return [s for s in self.summaries if group == ALL or s.group == group]


def read_tracks(
    folder: Path,
    by: str | None = None,
    manifest: Path | None = None,
    hook: Hook = no_progress,
    words: Path | None = None,
    words_needed: bool = False,
) -> Tracks:
    """Sum up every emotion track below a folder.

    Args:
        folder: of ``sedtalker batch``, or any that holds tracks.
        by: ``folder``, ``speaker`` (of a conversation), or a column of the manifest, or None: one group.
        manifest: where the columns are; default: what the log of the batch kept of its manifest.
        words: folder of files of words, named as the recordings; default: beside the tracks.
        words_needed: whether some recording must have words.

    Raises:
        InputError: there is no track that can be read, no such column, or words are needed and there are none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = track_files(folder)
    last, _ = read_logs(folder)
    columns = {name: record.get("columns", {}) for name, record in last.items()}
    if manifest is not None:
        columns = manifest_columns(manifest)
    elif (
        by not in (None, FOLDER)
        and not any(by in cells for cells in columns.values())
        and not (by == SPEAKER and any(map(is_conversation, files)))
    ):
        kept = sorted({name for cells in columns.values() for name in cells})
        known = f"the batch kept {', '.join(kept)}" if kept else "the batch kept none"
        raise InputError(f"--by {by}: there is no such column ({known}); give folder, or a --manifest that has it")
    found = Tracks(folder, by, [], failed=[n for n, record in last.items() if record["state"] == FAILED])
    for path in counted(files, hook, "reading the tracks", len(files)):
        name = path.relative_to(folder).as_posix()
        try:
            read = read_conversation(path) if is_conversation(path) else read_track(path)
        except InputError as error:
            found.left_out[printable(name)] = str(error).removeprefix(f"{path}: ")
            continue
        spoken, group = _words(path, words, found), printable(group_of(name, by, columns))
        if not isinstance(read, Conversation):
            found.summaries.append(summarise(read, path, name, group, spoken))
            continue
        for who, track in read.tracks.items():
            own = [word for word in spoken if read.turns.active(who, np.array([(word.start + word.end) / 2]))[0]]
            found.summaries.append(summarise(track, path, name, who if by == SPEAKER else group, own, who))
    if not found.summaries:
        why = f" ({next(iter(found.left_out.values()))})" if found.left_out else ""
        raise InputError(f"{folder}: there is no emotion track in it{why}; sedtalker batch or diarize writes them")
    if words_needed and not found.with_words:
        raise InputError(
            f"{words or folder}: no words of any recording, as NAME.vtt, .srt, .TextGrid, .ctm, .words.json"
        )
    return found


def track_files(folder: Path) -> list[Path]:
    """The tracks below a folder: conversations and those of ``animate`` and ``batch``, else every file that may be one.

    Other tracks of a recording that has a conversation are left out: they say the same.
    """
    endings = TRACK_SUFFIX, CONVERSATION_SUFFIX
    own = sorted(path for end in endings for path in folder.rglob(f"*{end}") if _visible(path, folder))
    if own:
        spoken = {path.parent / stem_of(path.name) for path in own if path.name.endswith(CONVERSATION_SUFFIX)}
        return [path for path in own if path.name.endswith(CONVERSATION_SUFFIX) or not _stems(path) & spoken]
    best: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower()
        if suffix not in OTHER_SUFFIXES or not path.is_file() or not _visible(path, folder):
            continue
        if all((path.parent / name).exists() for name in REPORT):
            continue
        key = path.parent / stem_of(path.name)
        if key not in best or _rank(path) < _rank(best[key]):
            best[key] = path
    return [best[key] for key in sorted(best)]


def _stems(path: Path) -> set[Path]:
    """What the recording of a track may be called: of ``talk.ann.emotion.json`` ``talk.ann`` and ``talk``."""
    parts = stem_of(path.name).split(".")
    return {path.parent / ".".join(parts[:k]) for k in range(1, len(parts) + 1)}


def _rank(path: Path) -> tuple[int, int]:
    return OTHER_SUFFIXES.index(path.suffix.lower()), len(path.suffixes)


def _visible(path: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def stem_of(name: str) -> str:
    """A path without the ending of a track."""
    for suffix in (TRACK_SUFFIX, CONVERSATION_SUFFIX, ".keys.json"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return str(PurePosixPath(name).with_suffix(""))


def printable(name: str) -> str:
    """A name of a file as text: what cannot be shown or written is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def own_name(name: str) -> PurePosixPath:
    """What a recording is called: ``anna/one``, by ``anna/one/one.emotion.json`` or by ``anna/one.csv``."""
    path = PurePosixPath(stem_of(name))
    return path.parent if path.parent.name == path.name else path


def group_of(name: str, by: str | None, columns: Mapping[str, Mapping[str, str]]) -> str:
    """The group of a track by its path below the folder."""
    if by is None:
        return ALL
    if by == FOLDER:
        return str(own_name(name).parent)
    return cells_of(name, columns).get(by) or NOT_GIVEN


def cells_of(name: str, columns: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """The manifest's cells of a recording, by the path of its track below the folder."""
    path = PurePosixPath(stem_of(name))
    return columns.get(str(own_name(name)), columns.get(str(path), columns.get(path.name))) or {}


def manifest_columns(path: Path) -> dict[str, dict[str, str]]:
    """The cells of each recording of a manifest, by its path without ending and, where that is clear, its name alone.

    Raises:
        InputError: it cannot be read, or has no column for the recording.
    """
    found: dict[str, dict[str, str]] = {}
    names: dict[str, list[dict[str, str]]] = {}
    for where, row in read_table(path):
        if AUDIO not in row:
            raise InputError(f"{where}: there is no column '{AUDIO}'")
        cells = {name: str(value) for name, value in row.items() if value not in (None, "")}
        place = PurePosixPath(str(row.get("output") or PurePosixPath(str(row[AUDIO])).with_suffix("")))
        found[str(place)] = cells
        names.setdefault(place.name, []).append(cells)
    return {**{name: cells[0] for name, cells in names.items() if len(cells) == 1}, **found}


def summarise(
    track: EmotionTrack, file: Path, name: str, group: str, spoken: Sequence[Word], speaker: str = ""
) -> TrackSummary:
    """What is kept of the track in ``file``, ``name`` below the folder."""
    segments = tuple(track.segments())
    return TrackSummary(
        printable(str(own_name(name))),
        file,
        group,
        track.duration,
        None if track.speech is None or not len(track) else float(track.speech.mean()) * track.duration,
        segments,
        tuple(_posterior(track, segment) for segment in segments),
        tuple(said_between(spoken, segment.start, segment.end) for segment in segments),
        **{column: float(np.mean(getattr(track, column))) if len(track) else 0.0 for column in MEANS},
        speaker=speaker,
    )


def _posterior(track: EmotionTrack, segment: Segment) -> NDArray[np.float64] | None:
    """The mean posterior (C,) over the speech of a segment; None where nobody speaks."""
    inside = (track.times >= segment.start) & (track.times < segment.end)
    if track.speech is not None:
        inside &= track.speech
    posterior = track.posterior if track.predicted is None else track.predicted.posterior
    return posterior[inside].astype(np.float64).mean(0) if inside.any() else None


# --- Words.


def _words(path: Path, words: Path | None, found: Tracks) -> tuple[Word, ...]:
    """The words of a recording; none where there is no file of them, or it cannot be read."""
    relative = path.relative_to(found.folder).as_posix()
    places = [path.parent / stem_of(path.name)]
    if words is not None:
        places = [words / str(own_name(relative)), words / stem_of(relative), words / stem_of(path.name)]
    named = (place.with_name(place.name + end) for place in places for end in WORD_SUFFIXES)
    source = next(filter(is_file, named), None)
    if source is None:
        return ()
    try:
        spoken = read_words(read_bytes(source, "words"), source.name)
    except InputError as error:
        found.left_out[printable(source.name)] = str(error)
        return ()
    found.with_words += 1
    return spoken


def said_between(spoken: Sequence[Word], start: float, end: float) -> str:
    """The words whose middle lies between two seconds."""
    return " ".join(w.text for w in spoken if start <= (w.start + w.end) / 2 < end)


# --- Tables.

MEANS = ("intensity", "valence", "arousal")
"""Columns of a track whose means are kept."""


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table as CSV; numbers with four decimals."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, str):
        return text_cell(value)
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else value


def labels_of(summaries: Sequence[TrackSummary], order: Sequence[str]) -> list[str]:
    """The labels that occur, known ones first in their order."""
    seen = {segment.label for summary in summaries for segment in summary.segments}
    return [label for label in order if label in seen] + sorted(seen - set(order))


def transitions(summaries: Sequence[TrackSummary]) -> Iterator[tuple[str, str]]:
    """Each change of label within a recording: from, to."""
    for summary in summaries:
        for before, after in pairwise(segment.label for segment in summary.segments):
            if before != after:
                yield before, after
