"""Segments of a folder's emotion tracks that meet some conditions, and the words that are spoken there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.tracks import Tracks, own_name, printable, stem_of, track_files
from sedtalker.emotion.formats.files import read_track
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Segment
from sedtalker.errors import InputError
from sedtalker.phonetics.words import WORD_SUFFIXES, Word, read_words
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.reading import is_file, read_bytes

FEW_SEGMENTS = 10
"""Segments with even posteriors that are added before the frequencies of the categories are counted."""


@dataclass(frozen=True)
class Wanted:
    """Conditions, all of which a segment meets.

    Attributes:
        emotions: its label is one of these; none: any.
        least_intensity: of its mean intensity, 0 to 1.
        least_seconds: that it lasts.
        said: words that are spoken in it, in any case; None: any.
        uncertain: share of all segments with speech, the most uncertain ones; None: all of them.
    """

    emotions: tuple[str, ...] = ()
    least_intensity: float = 0.0
    least_seconds: float = 0.0
    said: str | None = None
    uncertain: float | None = None


@dataclass(frozen=True)
class Hit:
    """A segment that was found.

    Attributes:
        recording: its name below the folder.
        file: of its track.
        segment: label, times in seconds, intensity and confidence.
        words: what was said there; empty where no words are known.
    """

    recording: str
    file: Path
    segment: Segment
    words: str


@dataclass
class SearchResult:
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
        """How many have a segment that was found."""
        return len({hit.recording for hit in self.hits})


def search(folder: Path, wanted: Wanted, words: Path | None = None, hook: Hook = no_progress) -> SearchResult:
    """The segments of all tracks below a folder that meet the conditions.

    Args:
        folder: of ``sedtalker batch``, or any that holds tracks.
        words: folder of files of words, named as the recordings; default: beside the tracks.

    Raises:
        InputError: an unknown emotion, no track that can be read, or words are asked for and there are none.
    """
    labels = {_label(name) for name in wanted.emotions}
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = track_files(folder)
    found = SearchResult()
    every: list[Hit] = []
    posteriors: list[NDArray[np.float64]] = []
    for path in counted(files, hook, "searching", len(files)):
        name = path.relative_to(folder).as_posix()
        try:
            track = read_track(path)
        except InputError as error:
            found.left_out[printable(name)] = str(error).removeprefix(f"{path}: ")
            continue
        found.searched += 1
        spoken = _words(path, folder, words, found)
        for segment in track.segments():
            mean = _posterior(track, segment)
            if wanted.uncertain is not None and mean is None:
                continue
            said = said_between(spoken, segment.start, segment.end)
            every.append(Hit(printable(str(own_name(name))), path, segment, said))
            posteriors.append(np.ones(len(CATEGORIES)) if mean is None else mean)
    if not found.searched:
        why = f" ({next(iter(found.left_out.values()))})" if found.left_out else ""
        raise InputError(f"{folder}: there is no emotion track in it{why}; sedtalker batch or diarize writes them")
    if wanted.said is not None and not found.with_words:
        raise InputError(
            f"{words or folder}: no words of any recording, as NAME.vtt, .srt, .TextGrid, .ctm, .words.json"
        )
    chosen = np.ones(len(every), bool)
    if wanted.uncertain is not None:
        chosen = most_uncertain(uncertainty(np.array(posteriors).reshape(len(every), -1)), wanted.uncertain)
    found.hits = [hit for hit, kept in zip(every, chosen, strict=True) if kept and _meets(hit, wanted, labels)]
    return found


def uncertainty(posterior: NDArray[np.floating]) -> NDArray[np.float64]:
    """One minus the probability (N,) of each answer, once all categories are equally likely over the rows (N, C).

    So a category that is predicted nearly everywhere counts for less (Saerens, Latinne and Decaestecker 2002,
    "Adjusting the outputs of a classifier to new a priori probabilities").
    """
    p = np.asarray(posterior, np.float64)
    if not p.size:
        return np.zeros(len(p))
    even = p / (p.sum(0) + FEW_SEGMENTS / p.shape[1])
    even /= even.sum(1, keepdims=True)
    return np.asarray(1.0 - even[np.arange(len(p)), p.argmax(1)])


def most_uncertain(values: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """Which of N are among the ``share`` with the greatest uncertainty, rounded to whole ones; of equals the first."""
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(-np.asarray(values, np.float64), kind="stable")[: round(share * len(values))]] = True
    return chosen


def _label(name: str) -> str:
    label = UNCERTAIN if name == UNCERTAIN else known_category(name)
    if label is None:
        raise InputError(f"'{name}' is no emotion; there are {', '.join(CATEGORIES)} and {UNCERTAIN}")
    return label


def _meets(hit: Hit, wanted: Wanted, labels: set[str]) -> bool:
    segment = hit.segment
    return (
        (not labels or segment.label in labels)
        and segment.intensity >= wanted.least_intensity
        and segment.end - segment.start >= wanted.least_seconds
        and (wanted.said is None or wanted.said.casefold() in hit.words.casefold())
    )


def _posterior(track: EmotionTrack, segment: Segment) -> NDArray[np.float64] | None:
    """The mean posterior (C,) over the speech of a segment; None where nobody speaks."""
    inside = (track.times >= segment.start) & (track.times < segment.end)
    if track.speech is not None:
        inside &= track.speech
    posterior = track.posterior if track.predicted is None else track.predicted.posterior
    return posterior[inside].astype(np.float64).mean(0) if inside.any() else None


# --- Words.


def _words(path: Path, folder: Path, words: Path | None, found: SearchResult) -> tuple[Word, ...]:
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
