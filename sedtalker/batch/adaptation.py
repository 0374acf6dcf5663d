"""Recordings that a diarizer is adapted to, their labels, and what that changes: answers, and recall."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.batch.inputs import AUDIO, LABEL, SPEAKER, Item, label_and_speaker, read_table
from sedtalker.emotion.adaptation import METHOD, Method, SpokenRecording, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.few_shot import adapted_without, check_categories
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.progress import Hook, counted, no_progress

log = logging.getLogger(__name__)

FILE = "file"
"""Column of a table of labels with the recording, besides ``audio``."""
FEWEST_LABELS = 20
"""Labelled recordings from which on an adaptation that lowers their recall is refused."""
HARM = 0.02
"""Recall that may be lost before it is refused."""


def read_recordings(
    diarizer: Diarizer, items: Sequence[Item], max_seconds: float, hook: Hook = no_progress
) -> list[SpokenRecording]:
    """The speech of every recording, with its label; those that cannot be read are named and left out."""
    read = list[SpokenRecording]()
    for item in counted(items, hook, "reading the recordings", len(items)):
        try:
            sound = load_audio(item.audio, max_seconds)
        except InputError as error:
            log.warning("%s (left out)", error)
        else:
            read.append(SpokenRecording(tuple(diarizer.speech(sound)), item.label, item.speaker))
    return read


def labelled_items(items: Sequence[Item], table: Path, folders: Iterable[Path] = ()) -> list[Item]:
    """The same recordings with the labels of a table: columns ``file`` or ``audio``, ``label``, and ``speaker``.

    Args:
        items: recordings.
        table: ``.csv`` or ``.jsonl``; a row without a label says nothing.
        folders: besides the table's own, from which its files may be named.

    Raises:
        InputError: the table cannot be read, has other columns, or names a file that is not among the recordings.
    """
    places = {os.path.abspath(item.audio): k for k, item in enumerate(items)}
    made = list(items)
    for where, cells in read_table(table):
        name = str(cells.get(FILE) or cells.get(AUDIO) or "")
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
            raise InputError(f"{audio}: the label '{label}' is none of {', '.join(CATEGORIES)}")
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
    """

    recordings: tuple[int, int]
    before: dict[str, float]
    after: dict[str, float]
    labelled: int
    recall_before: float | None
    recall_after: float | None


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
    return Report(
        (len(every), len(spoken)),
        _shares(before, labels),
        _shares(after, labels),
        len(known),
        unweighted_average_recall(truth, before[known], len(labels)) if known else None,
        unweighted_average_recall(truth, after[known], len(labels)) if known else None,
    )


def check_report(report: Report) -> None:
    """Refuse an adaptation that makes the answers on labelled recordings worse.

    Raises:
        InputError: ``FEWEST_LABELS`` or more have a label, and their recall falls by more than ``HARM``.
    """
    before, after = report.recall_before, report.recall_after
    if before is None or after is None or report.labelled < FEWEST_LABELS or after >= before - HARM:
        return
    raise InputError(
        f"adapting would make it worse: the recall of {report.labelled} labelled recordings falls from {before:.2f} to "
        f"{after:.2f}; check the labels, give more of them, or keep the weights as they are"
    )


def answers(networks: Sequence[DiarizerNetwork], recordings: Sequence[SpokenRecording]) -> NDArray[np.int64]:
    """The most probable category of each recording, by its network."""
    pairs = zip(networks, recordings, strict=True)
    return np.array([int(log_posterior(network, *one.speech).argmax()) for network, one in pairs], dtype=np.int64)


def _shares(found: NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    return {label: float(np.mean(found == k)) if len(found) else 0.0 for k, label in enumerate(labels)}
