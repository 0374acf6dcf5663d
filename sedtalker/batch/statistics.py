"""Statistics of emotion tracks, by group: time, intensity and changes of every emotion; as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.tracks import ALL, Tracks, TrackSummary, labels_of, transitions, write_rows
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN
from sedtalker.storage import OutputFolder

ORDER = (*CATEGORIES, UNCERTAIN)
"""The order of labels in tables and plots."""


@dataclass(frozen=True)
class GroupStatistics:
    """Statistics of a group of recordings.

    Attributes:
        group: its name, or ``all``.
        recordings: how many.
        duration: seconds of all together, a conversation counted once.
        speech: seconds of speech of every speaker, or None where some track does not say.
        labels: those that occur anywhere in the report.
        seconds: (L,) how long each lasts.
        segments: (L,) how many segments it has.
        intensity: (L,) mean intensity while it lasts; not a number where it never does.
        changes: (L, L) how often one follows another.
        mean_intensity: over all time.
        mean_valence: over all time.
        mean_arousal: over all time.
    """

    group: str
    recordings: int
    duration: float
    speech: float | None
    labels: tuple[str, ...]
    seconds: NDArray[np.float64]
    segments: NDArray[np.int64]
    intensity: NDArray[np.float64]
    changes: NDArray[np.int64]
    mean_intensity: float
    mean_valence: float
    mean_arousal: float

    @property
    def shares(self) -> NDArray[np.float64]:
        """(L,) share of the time of each."""
        total = self.seconds.sum()
        return self.seconds / total if total else self.seconds

    @property
    def changes_a_minute(self) -> float:
        """How often the emotion changes."""
        return float(self.changes.sum() / (self.duration / 60.0)) if self.duration else 0.0

    def probabilities(self) -> NDArray[np.float64]:
        """(L, L) share of the changes from a label (row) that lead to another; 0 where it never ends."""
        totals = self.changes.sum(1, keepdims=True)
        return np.divide(self.changes, totals, out=np.zeros(self.changes.shape), where=totals > 0)


def statistics(tracks: Tracks) -> list[GroupStatistics]:
    """Statistics of all recordings, then of each group where there are several."""
    labels = labels_of(tracks.summaries, ORDER)
    groups = tracks.groups if tracks.by is not None else []
    return [group_statistics(group, tracks.of(group), labels) for group in (ALL, *groups)]


def group_statistics(group: str, summaries: Sequence[TrackSummary], labels: Sequence[str]) -> GroupStatistics:
    """Statistics of one group; means over time weight each track by its duration."""
    index = {label: k for k, label in enumerate(labels)}
    seconds, weighted = np.zeros(len(labels)), np.zeros(len(labels))
    segments = np.zeros(len(labels), np.int64)
    for summary in summaries:
        for segment in summary.segments:
            k, length = index[segment.label], segment.end - segment.start
            seconds[k] += length
            weighted[k] += length * segment.intensity
            segments[k] += 1
    changes = np.zeros((len(labels), len(labels)), np.int64)
    for (before, after), count in Counter(transitions(summaries)).items():
        changes[index[before], index[after]] = count
    durations = np.array([summary.duration for summary in summaries])
    total = float(durations.sum())

    def mean(column: str) -> float:
        values = np.array([getattr(summary, column) for summary in summaries])
        return float((values * durations).sum() / total) if total else 0.0

    recordings = {summary.file: summary.duration for summary in summaries}
    known = [summary.speech for summary in summaries if summary.speech is not None]
    return GroupStatistics(
        group=group,
        recordings=len(recordings),
        duration=float(sum(recordings.values())),
        speech=float(sum(known)) if len(known) == len(summaries) else None,
        labels=tuple(labels),
        seconds=seconds,
        segments=segments,
        intensity=np.divide(weighted, seconds, out=np.full(len(labels), np.nan), where=seconds > 0),
        changes=changes,
        mean_intensity=mean("intensity"),
        mean_valence=mean("valence"),
        mean_arousal=mean("arousal"),
    )


# --- Tables: one row a line of a CSV file.

Row = dict[str, Any]
"""Cells by column."""


def recording_rows(tracks: Tracks) -> list[Row]:
    """One row a recording, of a conversation one a speaker."""
    labels = labels_of(tracks.summaries, ORDER)
    rows = []
    for summary in sorted(tracks.summaries, key=lambda s: s.name):
        one = group_statistics(summary.group, [summary], labels)
        rows.append(
            {
                "recording": summary.name,
                **({"speaker": summary.speaker} if tracks.with_speakers else {}),
                "group": summary.group,
                "duration_s": summary.duration,
                "speech_s": summary.speech,
                "most_of_the_time": labels[int(one.seconds.argmax())] if summary.segments else "",
                "mean_intensity": summary.intensity,
                "mean_valence": summary.valence,
                "mean_arousal": summary.arousal,
                "segments": len(summary.segments),
                "changes": int(one.changes.sum()),
                **{f"share_{label}": float(share) for label, share in zip(labels, one.shares, strict=True)},
            }
        )
    return rows


def group_rows(groups: Sequence[GroupStatistics]) -> list[Row]:
    """One row a group."""
    return [
        {
            "group": g.group,
            "recordings": g.recordings,
            "duration_s": g.duration,
            "speech_s": g.speech,
            "segments": int(g.segments.sum()),
            "changes_a_minute": g.changes_a_minute,
            "mean_intensity": g.mean_intensity,
            "mean_valence": g.mean_valence,
            "mean_arousal": g.mean_arousal,
        }
        for g in groups
    ]


def emotion_rows(groups: Sequence[GroupStatistics]) -> list[Row]:
    """One row a group and emotion."""
    return [
        {
            "group": g.group,
            "emotion": label,
            "seconds": float(g.seconds[k]),
            "share": float(g.shares[k]),
            "segments": int(g.segments[k]),
            "mean_segment_s": float(g.seconds[k] / g.segments[k]) if g.segments[k] else None,
            "mean_intensity": float(g.intensity[k]) if g.segments[k] else None,
        }
        for g in groups
        for k, label in enumerate(g.labels)
    ]


def transition_rows(groups: Sequence[GroupStatistics]) -> list[Row]:
    """One row a group and pair of emotions, one following the other."""
    return [
        {
            "group": g.group,
            "from": before,
            "to": after,
            "count": int(g.changes[i, j]),
            "share_of_changes_from": float(g.probabilities()[i, j]),
        }
        for g in groups
        for i, before in enumerate(g.labels)
        for j, after in enumerate(g.labels)
        if i != j
    ]


def segment_rows(tracks: Tracks) -> list[Row]:
    """One row a segment, with what was said in it where that is known; by recording, in order of time."""
    rows = [
        {
            "recording": summary.name,
            **({"speaker": summary.speaker} if tracks.with_speakers else {}),
            "group": summary.group,
            "start_s": segment.start,
            "end_s": segment.end,
            "emotion": segment.label,
            "intensity": segment.intensity,
            **({"words": words} if tracks.with_words else {}),
        }
        for summary in tracks.summaries
        for segment, words in zip(summary.segments, summary.words, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["recording"], row["start_s"]))


def write_tables(tracks: Tracks, folder: Path, force: bool) -> list[GroupStatistics]:
    """Write the tables of some tracks into a folder; all of them appear, or none.

    Returns:
        the statistics, of all recordings first.

    Raises:
        InputError: there are tables already and ``force`` is off, or they cannot be written.
    """
    groups = statistics(tracks)
    tables = {
        "recordings.csv": recording_rows(tracks),
        "groups.csv": group_rows(groups),
        "emotions.csv": emotion_rows(groups),
        "transitions.csv": transition_rows(groups),
        "segments.csv": segment_rows(tracks),
    }
    tables = {name: rows for name, rows in tables.items() if rows}
    with OutputFolder(folder, list(tables), force) as results:
        for name, rows in tables.items():
            write_rows(results.path / name, rows)
    return groups


def described(groups: Sequence[GroupStatistics], tracks: Tracks) -> dict[str, Any]:
    """The statistics as plain data."""
    return {
        "folder": str(tracks.folder),
        "by": tracks.by,
        "groups": [
            {
                **row,
                "emotions": [
                    {key: value for key, value in emotion.items() if key != "group"}
                    for emotion in emotion_rows([group])
                ],
                "labels": list(group.labels),
                "transitions": group.changes.tolist(),
            }
            for row, group in zip(group_rows(groups), groups, strict=True)
        ],
        "left_out": tracks.left_out,
        "failed": tracks.failed,
    }
