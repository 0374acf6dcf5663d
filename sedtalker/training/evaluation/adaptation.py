"""What ``sedtalker adapt`` gains on corpora that the weights were not trained on.

A random half of each corpus, without its labels, adapts the diarizer; the other half is scored; then the other way
round. Several such splits; an interval by bootstrapping clips within corpora (Efron and Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.emotion.adaptation import STRENGTH, Speech, adapted, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_guess, own_recall
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

SPLITS = 5
"""Random halves of each corpus."""
FEW = 10
"""Recordings of ``adapted_few``."""
RESAMPLES = 1000
"""Of the bootstrap."""
ANGRY, HAPPY = CATEGORIES.index("angry"), CATEGORIES.index("happy")
"""The two categories that are most often confused in corpora never trained on."""


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """A corpus never trained on: categories (N,), and the speech of every clip."""

    name: str
    labels: NDArray[np.int64]
    speech: tuple[tuple[Speech, ...], ...]


def evaluate_adaptation(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    clips: int | None = None,
    strength: float = STRENGTH,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Figures of ``ADAPTATION`` over all corpora with emotion labels that the weights were not trained on.

    Args:
        data: folder of the training data.
        model: name of built-in weights or a checkpoint folder.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        strength: of the adaptation.
        hook: progress.

    Raises:
        InputError: no such weights, or no such corpus in the folder.
    """
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    read = unseen_corpora(diarizer, data, model, clips, hook)
    if not read:
        raise InputError(f"{data}/audio: no corpus with emotion labels that these weights were not trained on")
    out: dict[str, float] = {}
    resampled: list[NDArray[np.float64]] = []
    with torch_threads(1):
        for corpus in counted(read, hook, "adapting", len(read)):
            figures, gains = figures_of_corpus(diarizer.network, corpus, strength)
            out |= {f"{key}_{corpus.name}": value for key, value in figures.items()}
            resampled.append(gains)
    each = [out[f"adapt_gain_{corpus.name}"] for corpus in read]
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])
    families = ("source_uar", "adapted_uar", "adapted_few", "adapted_one_emotion", "source_angry_as_happy",
                "adapted_angry_as_happy")  # fmt: skip
    means = {key: _mean([out.get(f"{key}_{corpus.name}") for corpus in read]) for key in families}
    summary = {"adapt_gain": float(np.mean(each)), "adapt_gain_low": float(low), "adapt_gain_high": float(high)}
    return summary | {"adapt_gain_worst": min(each)} | means | out


def unseen_corpora(
    diarizer: Diarizer, data: Path, model: str, clips: int | None, hook: Hook = no_progress
) -> list[EncodedCorpus]:
    """Labelled corpora that the weights were not trained on, read once."""
    listed = listed_clips(data)
    trained_on = training_lines(model)
    known = corpora()
    read = []
    for name, found in sorted(clips_by_corpus(listed).items()):
        if not known[name].categories or corpus_role(known[name], trained_on) == "in-domain":
            continue
        labelled = [(clip, label) for clip in found if (label := clip_labels(clip)) is not None]
        wanted = set(balanced_clips([clip for clip, _ in labelled], clips))
        kept = [(clip, label[0]) for clip, label in labelled if clip in wanted]
        if len({label for _, label in kept}) < 2:
            continue
        speech = [
            (label, pieces)
            for clip, label in counted(kept, hook, f"encoding {name}", len(kept))
            if (pieces := tuple(diarizer.speech(load_audio(clip.path))))
        ]
        labels = np.array([label for label, _ in speech], dtype=np.int64)
        read.append(EncodedCorpus(name, labels, tuple(pieces for _, pieces in speech)))
    return read


def figures_of_corpus(
    network: DiarizerNetwork, corpus: EncodedCorpus, strength: float
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Figures of a corpus, and its gain in ``RESAMPLES`` draws of its clips."""
    rng = np.random.default_rng(0)
    count, own = len(corpus.labels), np.unique(corpus.labels)
    source = clip_scores(network, corpus.speech)
    full, few, one = [], [], []
    for _ in range(SPLITS):
        order = rng.permutation(count)
        halves = order[: count // 2], order[count // 2 :]
        scores, some, single = np.empty_like(source), np.empty_like(source), np.empty_like(source)
        for given, scored in (halves, halves[::-1]):
            mood = own[rng.integers(len(own))]
            pure = given[corpus.labels[given] == mood]
            for target, chosen in ((scores, given), (some, given[:FEW]), (single, pure if len(pure) else given)):
                made = adapted(network, [p for k in chosen for p in corpus.speech[k]], strength)
                target[scored] = clip_scores(made, [corpus.speech[k] for k in scored])
        full.append(scores)
        few.append(some)
        one.append(single)
    recall = own_recall(corpus.labels, source)
    after = float(np.mean([own_recall(corpus.labels, scores) for scores in full]))
    figures = {
        "source_uar": recall,
        "adapted_uar": after,
        "adapt_gain": after - recall,
        "adapted_few": float(np.mean([own_recall(corpus.labels, scores) for scores in few])),
        "adapted_one_emotion": float(np.mean([own_recall(corpus.labels, scores) for scores in one])),
        "clips": float(count),
    }
    if ANGRY in own and HAPPY in own:
        figures["source_angry_as_happy"] = _angry_as_happy(source, corpus.labels)
        figures["adapted_angry_as_happy"] = float(np.mean([_angry_as_happy(s, corpus.labels) for s in full]))
    resampled = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        draw = rng.integers(count, size=count)
        chosen = corpus.labels[draw]
        resampled[k] = own_recall(chosen, full[k % SPLITS][draw]) - own_recall(chosen, source[draw])
    return figures, resampled


@torch.no_grad()
def clip_scores(network: DiarizerNetwork, clips: Sequence[Sequence[Speech]]) -> NDArray[np.float64]:
    """Mean log-posterior (N, C) of clips in ``CATEGORIES``."""
    order = [network.config.labels.index(label) for label in CATEGORIES]
    return torch.stack([log_posterior(network, *pieces) for pieces in clips])[:, order].double().cpu().numpy()


def _angry_as_happy(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(np.mean(own_guess(labels, scores)[labels == ANGRY] == HAPPY))


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def corpora_of(metrics: Mapping[str, float]) -> list[str]:
    """Names of the corpora that figures of ``evaluate_adaptation`` are about."""
    return sorted(key.removeprefix("clips_") for key in metrics if key.startswith("clips_"))


def adaptation_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus."""
    keys = ("source_uar", "adapted_uar", "adapted_few", "adapted_one_emotion", "source_angry_as_happy",
            "adapted_angry_as_happy")  # fmt: skip
    lines = ["| corpus | clips | as it is | adapted | to 10 | to one emotion | angry as happy | adapted |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name in corpora_of(metrics):
        cells = [f"{metrics[f'{key}_{name}']:.2f}" if f"{key}_{name}" in metrics else "–" for key in keys]
        lines.append(f"| {name} | {metrics[f'clips_{name}']:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
