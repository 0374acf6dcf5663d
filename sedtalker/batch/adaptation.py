"""Recordings that a diarizer is adapted to, and what that changes: answers, and recall where they have labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.batch.inputs import Item
from sedtalker.emotion.adaptation import METHOD, Method, Speech, adapted, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.progress import Hook, counted, no_progress

LABEL = "label"
"""Column of a table with the category of each recording, for the report alone."""
FEWEST_LABELS = 20
"""Labelled recordings from which on an adaptation that lowers their recall is refused."""
HARM = 0.02
"""Recall that may be lost before it is refused."""
FOLDS = 5
"""Parts of the labelled recordings, each scored by a diarizer that was adapted to the others."""


@dataclass(frozen=True, eq=False)
class SpokenRecording:
    """A recording that was read.

    Attributes:
        speech: its pieces; none where nobody speaks.
        label: its category by hand, or None.
    """

    speech: tuple[Speech, ...]
    label: str | None = None


def read_recordings(
    diarizer: Diarizer, items: Sequence[Item], max_seconds: float, hook: Hook = no_progress
) -> list[SpokenRecording]:
    """The speech of every recording, with its label."""
    return [
        SpokenRecording(tuple(diarizer.speech(item.audio, max_seconds=max_seconds)), item.columns.get(LABEL))
        for item in counted(items, hook, "reading the recordings", len(items))
    ]


def check_labels(items: Sequence[Item]) -> None:
    """Raise ``InputError`` where a label of a table is no category."""
    for item in items:
        label = item.columns.get(LABEL)
        if label is not None and label not in CATEGORIES:
            raise InputError(f"{item.audio}: the label '{label}' is none of {', '.join(CATEGORIES)}")


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
        f"{after:.2f}; try a smaller --strength, another --method, or keep the weights as they are"
    )


def adapted_without(
    network: DiarizerNetwork, recordings: Sequence[SpokenRecording], strength: float, method: Method = METHOD
) -> list[DiarizerNetwork]:
    """For each recording a network adapted to others: every ``FOLDS``-th shares one."""
    folds = min(FOLDS, len(recordings))
    made = []
    for fold in range(folds):
        others = [piece for k, r in enumerate(recordings) if k % folds != fold for piece in r.speech]
        made.append(adapted(network, others, strength, method) if others else network)
    return [made[k % folds] for k in range(len(recordings))]


def answers(networks: Sequence[DiarizerNetwork], recordings: Sequence[SpokenRecording]) -> NDArray[np.int64]:
    """The most probable category of each recording, by its network."""
    pairs = zip(networks, recordings, strict=True)
    return np.array([int(log_posterior(network, *one.speech).argmax()) for network, one in pairs], dtype=np.int64)


def _shares(found: NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    return {label: float(np.mean(found == k)) if len(found) else 0.0 for k, label in enumerate(labels)}
