"""Recordings that a diarizer is adapted to, their labels, and what that changes: answers, and recall."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import readable
from sedtalker.batch.inputs import AUDIO, FILE, LABEL, SPEAKER, Item, label_and_speaker, read_table
from sedtalker.emotion.adaptation import METHOD, Method, SpokenRecording, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.few_shot import adapted_without, check_categories
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, one_of
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.progress import Hook, counted, no_progress

log = logging.getLogger(__name__)

FEWEST_LABELS = 20
"""Labelled recordings from which on an adaptation that lowers their recall is refused."""
HARM = 0.02
"""Recall that may be lost before it is refused."""
CHANCE = 0.05
"""With fewer labels it is refused where answers that are all alike would become so much worse no more often than so."""


def read_recordings(
    diarizer: Diarizer, items: Sequence[Item], max_seconds: float, hook: Hook = no_progress
) -> list[SpokenRecording]:
    """The speech of every recording, with its label; those that cannot be read are named and left out."""
    sounds = readable(counted(items, hook, "reading the recordings", len(items)), lambda item: item.audio, max_seconds)
    return [SpokenRecording(tuple(diarizer.speech(sound)), item.label, item.speaker) for item, sound in sounds]


def labelled_items(items: Sequence[Item], table: Path, folders: Iterable[Path] = ()) -> list[Item]:
    """The same recordings with the labels of a table: columns ``file`` or ``audio``, ``label``, and ``speaker``.

    Args:
        table: ``.csv`` or ``.jsonl``; a row without a label says nothing.
        folders: besides the table's own, from which its files may be named.

    Raises:
        InputError: the table cannot be read, has other columns, or names a file that is not among the recordings.
    """
    places = {os.path.abspath(item.audio): k for k, item in enumerate(items)}
    made = list(items)
    for where, cells in read_table(table):
        name = str(cells.get(AUDIO) or cells.get(FILE) or "")
        if set(cells) - {FILE, AUDIO, LABEL, SPEAKER} or LABEL not in cells or not name:
            raise InputError(f"{where}: a table of labels has the columns file, label and, where useful, speaker")
        found = [os.path.abspath(folder / name) for folder in (table.parent, *folders)]
        place = next((places[path] for path in found if path in places), None)
        if place is None:
            raise InputError(f"{where}: '{name}' is not among the recordings")
        item = made[place]
        label, speaker = label_and_speaker(cells)
        label = item.label if label is None else label.strip()
        made[place] = replace(item, label=label, speaker=item.speaker if speaker is None else speaker.strip())
    return made


def check_labels(items: Sequence[Item]) -> None:
    """Raise ``InputError`` where a label of a table is no category, or all labels are the same one."""
    names = {item.audio: item.label for item in items if item.label is not None}
    for audio, label in names.items():
        if label not in CATEGORIES:
            raise InputError(f"{audio}: the label '{label}' is no category: {one_of(label, CATEGORIES)}")
    if names:
        check_categories(set(names.values()))


@dataclass(frozen=True)
class Report:
    """An adaptation in figures.

    Attributes:
        recordings: how many were read, and in how many of them somebody speaks.
        before: share of them that gets each category before.
        after: the same afterwards, each recording by a diarizer that was adapted without it.
        labelled: how many have a label.
        recall_before: mean recall over the categories that have labels; None without labels.
        recall_after: the same afterwards, each recording by a diarizer that was adapted without it.
        lost: labelled recordings that only the diarizer before knew, where others with their label were learned.
        won: those that only the diarizers afterwards know, likewise.
    """

    recordings: tuple[int, int]
    before: dict[str, float]
    after: dict[str, float]
    labelled: int
    recall_before: float | None
    recall_after: float | None
    lost: int = 0
    won: int = 0


def report_adaptation(
    network: DiarizerNetwork, recordings: Iterable[SpokenRecording], strength: float, method: Method = METHOD
) -> Report:
    """Before and after, of recordings that each are left out of the adaptation that they are judged with."""
    every = list(recordings)
    spoken = [r for r in every if r.speech]
    labels = network.config.labels
    before = answers([network] * len(spoken), spoken)
    after = answers(adapted_without(network, spoken, strength, method), spoken)
    known = [k for k, recording in enumerate(spoken) if recording.label is not None]
    truth = np.array([labels.index(str(spoken[k].label)) for k in known], dtype=np.int64)
    was, now = (found[known] == truth for found in (before, after))
    marks = [(spoken[k].label, spoken[k].speaker) for k in known]
    apart = set(marks) if len({speaker for _, speaker in marks}) > 1 else marks  # whole speakers are left out
    fair = np.array([sum(label == other for other, _ in apart) > 1 for label, _ in marks], dtype=bool)
    return Report(
        (len(every), len(spoken)),
        _shares(before, labels),
        _shares(after, labels),
        len(known),
        unweighted_average_recall(truth, before[known], len(labels)) if known else None,
        unweighted_average_recall(truth, after[known], len(labels)) if known else None,
        int((was & ~now & fair).sum()),
        int((now & ~was & fair).sum()),
    )


def check_report(report: Report) -> None:
    """Refuse an adaptation that makes the answers on labelled recordings worse; with few labels it is noted.

    Recordings that are left out of few labels have few others to be known by, so that a loss may be theirs alone.

    Raises:
        InputError: their recall falls by more than ``HARM``, and ``FEWEST_LABELS`` or more have a label, or so many
            more answers are lost than won that it is no chance (a sign test, one-sided).
    """
    before, after, changed = report.recall_before, report.recall_after, report.lost + report.won
    if before is None or after is None or after >= before - HARM:
        return
    falls = f"the recall of {report.labelled} labelled recordings falls from {before:.2f} to {after:.2f}"
    chance = sum(math.comb(changed, k) for k in range(report.lost, changed + 1)) / 2**changed
    if report.labelled >= FEWEST_LABELS or chance < CHANCE:
        raise InputError(
            f"adapting would make it worse: {falls}; check the labels, give more, or keep the weights as they are"
        )
    few = "too few to say that it is worse, and nothing says that it is better"
    log.warning("%s, each without its own label: %s; give %d labels to know", falls, few, FEWEST_LABELS)


def answers(networks: Sequence[DiarizerNetwork], recordings: Sequence[SpokenRecording]) -> NDArray[np.int64]:
    """The most probable category of each recording, by its network."""
    pairs = zip(networks, recordings, strict=True)
    return np.array([int(log_posterior(network, *one.speech).argmax()) for network, one in pairs], dtype=np.int64)


def _shares(found: NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    return {label: float(np.mean(found == k)) if len(found) else 0.0 for k, label in enumerate(labels)}
