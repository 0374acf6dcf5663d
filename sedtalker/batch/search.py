"""A query asked of every track of a folder: which recording, when, and what was said there.

The first search reads all tracks, and keeps their frames in the user's cache; those after it read only the tracks that
have changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.tracks import Tracks, own_name, printable, stem_of, track_files
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.query import Match, Query, Recorded
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.phonetics.words import WORD_SUFFIXES, Word, read_words
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.reading import is_file, read_bytes
from sedtalker.storage import ArraySpec, keep, read_arrays, user_cache

NAMES = np.array([*CATEGORIES, UNCERTAIN])
"""Labels of frames by their number in the index."""
INDEX_VERSION = 1
"""Version of the index."""
INDEX_BYTES = 4 * 2**30
"""The most that an index may hold: some ten million frames, fifty hours."""
INDEX = {
    "name": ArraySpec("U", ("N",)),
    "stamp": ArraySpec("iu", ("N", 2)),
    "frames": ArraySpec("iu", ("N",), least=0),
    "duration": ArraySpec("f", ("N",), least=0.0),
    "knows_speech": ArraySpec("b", ("N",)),
    "times": ArraySpec("f", ("T",)),
    "posterior": ArraySpec("f", ("T", len(CATEGORIES)), least=0.0, most=1.0),
    "values": ArraySpec("f", ("T", 3), least=-1.0, most=1.0),
    "speech": ArraySpec("b", ("T",)),
    "label": ArraySpec("iu", ("T",), least=0, most=len(NAMES) - 1),
}
"""Its arrays: of N tracks, and of the T frames of all of them; ``stamp`` is the time of the change and the size."""


@dataclass(frozen=True)
class Hit:
    """A match in a recording.

    Attributes:
        recording: its name below the folder.
        file: of its track.
        match: where.
        words: what was said there; empty where no words are known.
    """

    recording: str
    file: Path
    match: Match
    words: str


@dataclass
class Found:
    """What a search found.

    Attributes:
        hits: by recording, in order of time.
        searched: tracks that were read.
        with_words: of them those whose words are known.
        left_out: files that could not be read, and why.
    """

    hits: list[Hit] = field(default_factory=list)
    searched: int = 0
    with_words: int = 0
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def recordings(self) -> int:
        """How many have a match."""
        return len({hit.recording for hit in self.hits})


def search(folder: Path, query: Query, words: Path | None = None, hook: Hook = no_progress) -> Found:
    """Ask a query of every track below a folder.

    Args:
        folder: of ``sedtalker batch``, or any that holds tracks.
        query: see ``parse_query``.
        words: folder of files of words, named as the recordings; default: beside the tracks.
        hook: see ``sedtalker.progress``.

    Raises:
        InputError: there is no track that can be read, or the query asks for words and there are none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = track_files(folder)
    found = Found()
    for path, recorded in counted(read_indexed(folder, files, found.left_out), hook, "searching", len(files)):
        name = path.relative_to(folder).as_posix()
        found.searched += 1
        spoken: tuple[Word, ...] | None = None
        if query.speaks:
            spoken = _words(path, folder, words, found)
            recorded = Recorded(recorded.track, recorded.label, spoken)
        matches = query.find(recorded)
        if matches and spoken is None:
            spoken = _words(path, folder, words, found)
        recording = printable(str(own_name(name)))
        found.hits += [
            Hit(recording, path, match, said_between(spoken or (), match.start, match.end)) for match in matches
        ]
    if not found.searched:
        why = f" ({next(iter(found.left_out.values()))})" if found.left_out else ""
        raise InputError(f"{folder}: there is no emotion track in it{why}; sedtalker batch or diarize writes them")
    if query.speaks and not found.with_words:
        raise InputError(
            f"{words or folder}: no words of any recording, as NAME.vtt, .srt, .TextGrid, .ctm, .words.json"
        )
    return found


def _words(path: Path, folder: Path, words: Path | None, found: Found) -> tuple[Word, ...]:
    source = words_file(path, folder, words)
    if source is None:
        return ()
    try:
        spoken = read_words(read_bytes(source, "words"), source.name)
    except InputError as error:
        found.left_out[printable(source.name)] = str(error)
        return ()
    found.with_words += 1
    return spoken


def words_file(track: Path, folder: Path, words: Path | None = None) -> Path | None:
    """The file of words that belongs to a track, or None.

    Args:
        track: its file.
        folder: that all tracks lie below.
        words: another folder, where they are called as the recordings below ``folder``.
    """
    relative = track.relative_to(folder).as_posix()
    places = [track.parent / stem_of(track.name)]
    if words is not None:
        places = [words / str(own_name(relative)), words / stem_of(relative), words / stem_of(track.name)]
    return next(
        (f for place in places for end in WORD_SUFFIXES if is_file(f := place.with_name(place.name + end))), None
    )


def said_between(spoken: Sequence[Word], start: float, end: float) -> str:
    """The words whose middle lies between two seconds."""
    return " ".join(w.text for w in spoken if start <= (w.start + w.end) / 2 < end)


def add_words(tracks: Tracks, words: Path | None = None) -> None:
    """Put what was said beside the segments of a report, where files of words are; see ``words_file``.

    Raises:
        InputError: a folder of words was given, and none of its files belongs to a track.
    """
    summaries = {summary.name: summary for summary in tracks.summaries}
    for path in track_files(tracks.folder):
        summary = summaries.get(printable(str(own_name(path.relative_to(tracks.folder).as_posix()))))
        source = words_file(path, tracks.folder, words)
        if summary is None or source is None:
            continue
        try:
            spoken = read_words(read_bytes(source, "words"), source.name)
        except InputError as error:
            tracks.left_out[printable(source.name)] = str(error)
            continue
        tracks.words[summary.name] = tuple(said_between(spoken, start, end) for _, start, end, _ in summary.segments)
    if words is not None and not tracks.words:
        raise InputError(f"{words}: no words of any recording, as NAME.vtt, .srt, .TextGrid, .ctm, .words.json")


# --- The index.


def read_indexed(folder: Path, files: Sequence[Path], left_out: dict[str, str]) -> Iterator[tuple[Path, Recorded]]:
    """Every track that can be read, from the index where the file is as it was; the index is written at the end."""
    key = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    place = user_cache() / "search" / f"{key}-{INDEX_VERSION}.npz"
    held = _index(place)
    fresh, entries = 0, []
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            entry = held.get(name)
            if entry is None or entry.stamp != stamp:
                entry = _entry(name, stamp, read_track(path))
                fresh += 1
        except (InputError, OSError) as error:
            left_out[printable(name)] = str(error).removeprefix(f"{path}: ")
            continue
        entries.append(entry)
        yield path, entry.recorded
    if fresh or len(entries) != len(held):
        _write_index(place, [entry for entry in entries if entry.recorded.track.labels == CATEGORIES])


@dataclass(frozen=True, eq=False)
class _Entry:
    """A track of the index: name below the folder, time of change and size of its file, and its frames."""

    name: str
    stamp: tuple[int, int]
    recorded: Recorded


def _entry(name: str, stamp: tuple[int, int], track: EmotionTrack) -> _Entry:
    return _Entry(name, stamp, Recorded.of(track))


def _index(place: Path) -> dict[str, _Entry]:
    try:
        arrays = read_arrays(place, INDEX, "an index", INDEX_BYTES)
    except InputError:
        return {}
    ends = np.cumsum(arrays["frames"])
    if len(ends) and ends[-1] != len(arrays["times"]):
        return {}
    return {
        str(name): _Entry(
            str(name), (int(stamp[0]), int(stamp[1])), _held(arrays, k, slice(int(end - count), int(end)))
        )
        for k, (name, stamp, count, end) in enumerate(
            zip(arrays["name"], arrays["stamp"], arrays["frames"], ends, strict=True)
        )
    }


def _held(arrays: Mapping[str, NDArray[Any]], k: int, part: slice) -> Recorded:
    intensity, valence, arousal = arrays["values"][part].T
    track = EmotionTrack(
        arrays["times"][part],
        arrays["posterior"][part],
        intensity,
        valence,
        arousal,
        duration=float(arrays["duration"][k]),
        speech=arrays["speech"][part] if arrays["knows_speech"][k] else None,
    )
    return Recorded(track, NAMES[arrays["label"][part]])


def _write_index(place: Path, entries: Sequence[_Entry]) -> None:
    tracks = [entry.recorded.track for entry in entries]
    if not entries or sum(map(len, tracks)) * 80 > INDEX_BYTES:
        return
    number = {name: k for k, name in enumerate(NAMES.tolist())}
    arrays: dict[str, NDArray[Any]] = {
        "name": np.array([entry.name for entry in entries]),
        "stamp": np.array([entry.stamp for entry in entries], np.int64),
        "frames": np.array([len(track) for track in tracks], np.int64),
        "duration": np.array([track.duration for track in tracks]),
        "knows_speech": np.array([track.speech is not None for track in tracks]),
        "times": np.concatenate([track.times for track in tracks]),
        "posterior": np.concatenate([track.posterior for track in tracks]).astype(np.float32),
        "values": np.concatenate([np.column_stack([t.intensity, t.valence, t.arousal]) for t in tracks]),
        "speech": np.concatenate([np.ones(len(t), bool) if t.speech is None else t.speech for t in tracks]),
        "label": np.concatenate([[number[str(name)] for name in e.recorded.label] for e in entries]).astype(np.uint8),
    }
    keep(place, lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]
