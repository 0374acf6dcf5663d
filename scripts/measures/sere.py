"""Five labelled clips of each category in one language, recognition in another: SERE beside its controls.

Six tasks between three corpora of three languages. In each draw five shots of every shared category come from the
source corpus; half of the target's speakers are given without labels, the other half is scored. The frames are those of
a diarizer's encoder, standardised by corpus, in the ``WIDTH`` directions in which all of them vary most. The controls
get the same shots: the nearest mean of the shots, a linear head on them, and the method with parts taken out or changed
(``VARIANTS``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.linear_model import Ridge

from measures.adaptation import speaker_halves
from measures.curved_space import Clips
from measures.intervals import with_ends
from measures.nova_arc import FrameCorpus, pooled, read_frames
from measures.resonance import ResonanceSettings, resonance_scores, train_resonance
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import balanced_clips, clips_by_corpus, listed_clips

CORPORA = ("ravdess", "nemo", "emotiontts_ko")
"""English, Polish, Korean; every ordered pair is a task."""
SHOTS = 5
"""Labelled clips of each category."""
DRAWS = 10
"""Draws of the labelled clips, for each task."""
RIDGE = 10.0
"""Ridge penalty of the linear head, on standardised means and deviations."""
WIDTH = 64
"""Principal directions of the frames."""
VARIANTS: dict[str, dict[str, Any]] = {
    "sere": {},
    "mean_pooling": {"moments": False},
    "no_neighbours": {"unlabelled_unlabelled": 0.0},
    "identity": {"identity": True, "rate": 3e-4},
    "identity_shots_only": {
        "identity": True,
        "rate": 3e-4,
        "unlabelled_unlabelled": 0.0,
        "labelled_unlabelled": 0.0,
    },
    "identity_untrained": {"identity": True, "rounds": 1, "rate": 0.0},
    "identity_mean_pooling": {"identity": True, "rate": 3e-4, "moments": False},
}
"""The method; without its field; without the loss among unlabelled clips; begun with the frames as they are, learning
slowly; the same from the shots alone; the same without learning; and the same without the field."""
METHODS = (*VARIANTS, "nearest", "linear")
"""What is compared: these and the two controls."""


@dataclass(frozen=True, eq=False)
class ResonanceTask:
    """Shots of one corpus, and the two halves of another.

    Attributes:
        shots: labelled clips, and their categories (L,) from 0.
        labels: see above.
        near: clips of the source corpus without labels.
        far: clips of one half of the target's speakers, without labels.
        scored: clips of the other half.
        truth: (N,) their categories.
    """

    shots: Clips
    labels: NDArray[np.int64]
    near: Clips
    far: Clips
    scored: Clips
    truth: NDArray[np.int64]


def evaluate_sere(
    data: Path,
    clips: int | None = 200,
    draws: int = DRAWS,
    model: str = "diarizer",
    encoder: Path | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Figures of ``RESONANCE``.

    Args:
        data: folder of the training data.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        draws: of shots, for each task.
        model: name of built-in weights, whose encoder gives the frames.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        hook: progress.

    Raises:
        InputError: fewer than two of ``CORPORA`` are in the folder.
    """
    found = clips_by_corpus(listed_clips(data))
    names = [name for name in CORPORA if name in found]
    if len(names) < 2:
        raise InputError(f"{data}/audio: two of {', '.join(CORPORA)} are needed")
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    read = [read_frames(diarizer, name, balanced_clips(found[name], clips), hook) for name in names]
    with torch_threads(1):
        return resonance_figures(in_principal_directions(read), draws=draws, hook=hook)


def in_principal_directions(corpora: Sequence[FrameCorpus], width: int = WIDTH) -> list[FrameCorpus]:
    """Frames standardised by corpus, in the directions in which those of all corpora vary most."""
    scaled = []
    for corpus in corpora:
        every = np.concatenate(corpus.frames)
        scaled.append([(frames - every.mean(0)) / (every.std(0) + 1e-3) for frames in corpus.frames])
    every = np.concatenate([frames for corpus in scaled for frames in corpus]).astype(np.float64)
    _, vectors = np.linalg.eigh(every.T @ every)
    kept = vectors[:, : -width - 1 : -1].astype(np.float32)
    return [replace(c, frames=tuple(f @ kept for f in frames)) for c, frames in zip(corpora, scaled, strict=True)]


def resonance_figures(
    corpora: Sequence[FrameCorpus],
    settings: ResonanceSettings = ResonanceSettings(),
    draws: int = DRAWS,
    methods: Sequence[str] = METHODS,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Mean recall and deviation over draws of every method, by task and over all tasks."""
    out: dict[str, float] = {}
    pairs = list(permutations(corpora, 2))
    for source, target in counted(pairs, hook, "training SERE", len(pairs)):
        values: dict[str, list[float]] = {method: [] for method in methods}
        for draw in range(draws):
            task = drawn_task(source, target, draw)
            for method in methods:
                values[method].append(own_recall(task.truth, _scores(task, method, settings, draw)))
        for method, each in values.items():
            out[f"{method}_{source.name}_{target.name}"] = float(np.mean(each))
            out[f"{method}_sd_{source.name}_{target.name}"] = float(np.std(each))
    return resonance_summary(out, methods) | {"sere_draws": float(draws)} | out


def resonance_summary(figures: Mapping[str, float], methods: Sequence[str] = METHODS) -> dict[str, float]:
    """Means over tasks of the recall of each, and of what the method has more than each other, with their intervals.

    The tasks are drawn; they share corpora, so the intervals are somewhat too narrow.

    Args:
        figures: ``METHOD_SOURCE_TARGET``, as ``resonance_figures`` gives them.
        methods: which of ``METHODS``.
    """
    tasks = [f"{s}_{t}" for s, t in permutations(CORPORA, 2) if f"{methods[0]}_{s}_{t}" in figures]
    each = {method: np.array([figures[f"{method}_{task}"] for task in tasks]) for method in methods}
    values = {f"{method}_uar": recalls.tolist() for method, recalls in each.items()}
    if "sere" in each:
        others = [method for method in methods if method != "sere"]
        values |= {f"sere_over_{other}": (each["sere"] - each[other]).tolist() for other in others}
    return with_ends(values)


def drawn_task(source: FrameCorpus, target: FrameCorpus, seed: int) -> ResonanceTask:
    """A random draw of shots and halves; each corpus is standardised by itself, which needs no labels."""
    rng = np.random.default_rng(seed)
    shared = np.intersect1d(source.labels, target.labels)
    ours, theirs = source.clips(), target.clips()
    own = np.flatnonzero(np.isin(source.labels, shared))
    shots = np.concatenate(
        [rng.choice(own[source.labels[own] == c], SHOTS, replace=False) for c in shared]  # of all speakers
    )
    given, scored = speaker_halves(target.speakers, rng)
    given, scored = (half[np.isin(target.labels[half], shared)] for half in (given, scored))
    return ResonanceTask(
        ours.chosen(shots),
        np.searchsorted(shared, source.labels[shots]),
        ours.chosen(np.setdiff1d(own, shots)),
        theirs.chosen(given),
        theirs.chosen(scored),
        np.searchsorted(shared, target.labels[scored]),
    )


def _scores(task: ResonanceTask, method: str, settings: ResonanceSettings, seed: int) -> NDArray[np.float64]:
    if method in ("nearest", "linear"):
        control = _nearest if method == "nearest" else _linear
        return control(pooled(task.shots), task.labels, pooled(task.scored))
    settings = replace(settings, **VARIANTS[method])
    network, means = train_resonance(task.shots, task.labels, (task.near, task.far), settings, seed)
    return resonance_scores(network, means, task.shots, task.labels, task.scored, 1)


def _nearest(shots: NDArray[np.float64], labels: NDArray[np.int64], scored: NDArray[np.float64]) -> NDArray[np.float64]:
    means = np.stack([shots[labels == c].mean(0) for c in range(labels.max() + 1)])
    return np.asarray(-cdist(scored, means, "sqeuclidean"))


def _linear(shots: NDArray[np.float64], labels: NDArray[np.int64], scored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge regression on one column for each category."""
    return np.asarray(Ridge(RIDGE * len(shots)).fit(shots, np.eye(labels.max() + 1)[labels]).predict(scored))


def resonance_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each task, mean ± deviation over draws, the mean of all tasks last."""
    methods = [method for method in METHODS if f"{method}_uar" in metrics]
    rows = []
    for source, target in permutations(CORPORA, 2):
        if f"{methods[0]}_{source}_{target}" in metrics:
            pairs = [(f"{m}_{source}_{target}", f"{m}_sd_{source}_{target}") for m in methods]
            rows.append([f"{source} → {target}", *(f"{metrics[mean]:.2f} ± {metrics[sd]:.2f}" for mean, sd in pairs)])
    rows.append(["mean", *(f"{metrics[f'{m}_uar']:.3f}" for m in methods)])
    return markdown_table(["from → to", *methods], rows) + "\n"
