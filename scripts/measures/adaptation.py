"""What ``sedtalker adapt`` gains on corpora that the weights were not trained on, by each of its methods.

Half of the speakers of each corpus, without labels, adapt the diarizer; the other half is scored; then the other way
round. Several such splits; intervals by bootstrapping speakers and their clips within corpora, and corpora.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from measures.intervals import interval_over
from sedtalker.audio import load_audio
from sedtalker.emotion.adaptation import METHOD, METHODS, STRENGTH, adapted, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import (
    Draws,
    bootstrap_interval,
    own_guess,
    own_recall,
    unweighted_average_recall,
)
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

SPLITS = 5
"""Random halves of the speakers of each corpus."""
FEW = 10
"""Recordings of ``adapted_few``."""
ANGRY, HAPPY = CATEGORIES.index("angry"), CATEGORIES.index("happy")
"""The two categories that are most often confused in corpora never trained on."""


@dataclass(frozen=True, eq=False)
class ScoredCorpus:
    """A corpus with categories and speakers (N,), and log-posteriors (N, C) of its clips.

    Attributes:
        labels: see above.
        speakers: see above.
        source: by the diarizer as it is.
        adapted: by each method, one for each split of the speakers.
    """

    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    source: NDArray[np.float64]
    adapted: Mapping[str, Sequence[NDArray[np.float64]]]

    def gain(self, method: str, split: int, clips: NDArray[np.int64]) -> float:
        """Recall that a method gains on some clips."""
        labels = self.labels[clips]
        return own_recall(labels, self.adapted[method][split][clips]) - own_recall(labels, self.source[clips])


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """Clips with speech of a corpus: categories and speakers (N,), and the speech of each."""

    name: str
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    speech: tuple[tuple[Tensor, ...], ...]


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
    with torch_threads(1):
        return adaptation_figures(diarizer.in_torch(), read, strength, hook)


def adaptation_figures(
    network: DiarizerNetwork, read: Sequence[EncodedCorpus], strength: float = STRENGTH, hook: Hook = no_progress
) -> dict[str, float]:
    """``evaluate_adaptation`` of corpora that were read."""
    out: dict[str, float] = {}
    scored: list[ScoredCorpus] = []
    columns, lean = without_unread(network)
    for corpus in counted(read, hook, "adapting", len(read)):
        speech = tuple(tuple(piece[:, columns] for piece in clip) for clip in corpus.speech)
        figures, scores = figures_of_corpus(lean, replace(corpus, speech=speech), strength)
        out |= {f"{key}_{corpus.name}": value for key, value in figures.items()}
        scored.append(scores)
    each = [out[f"adapt_gain_{corpus.name}"] for corpus in read]
    families = ("source_uar", "adapted_uar", *(f"gain_{method}" for method in METHODS), "adapted_few",
                "adapted_one_emotion", "source_seven", "adapted_seven", "source_angry_as_happy",
                "adapted_angry_as_happy")  # fmt: skip
    means = {key: _mean([out.get(f"{key}_{corpus.name}") for corpus in read]) for key in families}
    low, high = gain_interval(scored, METHOD)
    ends = dict(zip(("adapt_gain_over_corpora_low", "adapt_gain_over_corpora_high"), interval_over(each), strict=True))
    for method in METHODS:
        ends |= dict(zip((f"gain_{method}_low", f"gain_{method}_high"), gain_interval(scored, method), strict=True))
    summary = {"adapt_gain": float(np.mean(each)), "adapt_gain_low": low, "adapt_gain_high": high}
    return summary | {"adapt_gain_worst": min(each), "adapt_splits": float(SPLITS)} | means | ends | out


def gain_interval(scored: Sequence[ScoredCorpus], method: str) -> tuple[float, float]:
    """Where the mean gain of a method lies in 95 % of draws of speakers and their clips, over all splits in turn."""
    splits = cycle(range(SPLITS))

    def figure(draws: Draws) -> float:
        split = next(splits)
        return float(np.mean([one.gain(method, split, clips) for one, clips in zip(scored, draws, strict=True)]))

    return bootstrap_interval(figure, [one.speakers.tolist() for one in scored])


@torch.no_grad()
def without_unread(network: DiarizerNetwork) -> tuple[Tensor, DiarizerNetwork]:
    """Columns of the functionals that any member reads, and a network that says the same of these alone."""
    lean = deepcopy(network)
    firsts = [cast(nn.Linear, cast(nn.Sequential, member)[1]) for member in lean.members]
    columns = torch.stack([first.weight.abs().amax(0) for first in firsts]).amax(0).nonzero()[:, 0]
    lean.mean, lean.scale = lean.mean[columns], lean.scale[columns]
    lean.judged = None if lean.judged is None else lean.judged[columns]
    for first in firsts:
        first.weight = nn.Parameter(first.weight[:, columns])
    return columns, lean


def unseen_corpora(
    diarizer: Diarizer, data: Path, model: str, clips: int | None, hook: Hook = no_progress
) -> list[EncodedCorpus]:
    """Labelled corpora that the weights were not trained on, read once."""
    trained_on, known, read = training_lines(model), corpora(), []
    for name, found in sorted(clips_by_corpus(listed_clips(data)).items()):
        if not known[name].categories or corpus_role(known[name], trained_on) == "in-domain":
            continue
        labelled = {clip: label for clip in found if (label := category_of(clip)) >= 0}
        wanted = set(balanced_clips(list(labelled), clips))
        kept = [(clip, label) for clip, label in labelled.items() if clip in wanted]
        if len({label for _, label in kept}) < 2:
            continue
        speech = [
            (label, clip.speaker, pieces)
            for clip, label in counted(kept, hook, f"encoding {name}", len(kept))
            if (pieces := tuple(diarizer.speech(load_audio(clip.path))))
        ]
        labels = np.array([label for label, _, _ in speech], dtype=np.int64)
        speakers = np.array([speaker for _, speaker, _ in speech])
        read.append(EncodedCorpus(name, labels, speakers, tuple(pieces for _, _, pieces in speech)))
    return read


def figures_of_corpus(
    network: DiarizerNetwork, corpus: EncodedCorpus, strength: float
) -> tuple[dict[str, float], ScoredCorpus]:
    """Figures of a corpus, and its scores."""
    rng = np.random.default_rng(0)
    count, own = len(corpus.labels), np.unique(corpus.labels)
    source = clip_scores(network, corpus.speech)
    kinds = (*METHODS, "few", "one_emotion")
    found: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in kinds}
    for _ in range(SPLITS):
        halves = speaker_halves(corpus.speakers, rng)
        scores = {kind: np.empty_like(source) for kind in kinds}
        for given, scored in (halves, halves[::-1]):
            mood = own[rng.integers(len(own))]
            pure = given[corpus.labels[given] == mood]
            ways = [(str(method), method, given) for method in METHODS]
            ways.append(("few", METHOD, rng.permutation(given)[:FEW]))
            ways.append(("one_emotion", METHOD, pure if len(pure) else given))
            for kind, method, clips in ways:
                made = adapted(network, [p for k in clips for p in corpus.speech[k]], strength, method)
                scores[kind][scored] = clip_scores(made, [corpus.speech[k] for k in scored])
        for kind in kinds:
            found[kind].append(scores[kind])
    recall = own_recall(corpus.labels, source)
    after = {kind: float(np.mean([own_recall(corpus.labels, s) for s in each])) for kind, each in found.items()}
    full = found[METHOD]
    figures = {"source_uar": recall, "adapted_uar": after[METHOD], "adapt_gain": after[METHOD] - recall}
    figures |= {f"gain_{method}": after[method] - recall for method in METHODS}
    figures |= {f"adapted_{kind}": after[kind] for kind in ("few", "one_emotion")}
    figures |= {
        "source_seven": _of_seven(corpus.labels, source),
        "adapted_seven": float(np.mean([_of_seven(corpus.labels, scores) for scores in full])),
        "clips": float(count),
    }
    if ANGRY in own and HAPPY in own:
        figures["source_angry_as_happy"] = _angry_as_happy(source, corpus.labels)
        figures["adapted_angry_as_happy"] = float(np.mean([_angry_as_happy(s, corpus.labels) for s in full]))
    scores_of_all = ScoredCorpus(corpus.labels, corpus.speakers, source, {str(m): found[m] for m in METHODS})
    figures["adapt_gain_low"], figures["adapt_gain_high"] = gain_interval([scores_of_all], METHOD)
    return figures, scores_of_all


def speaker_halves(speakers: NDArray[np.str_], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clips of one random half of the speakers, and of the other; of a single speaker random halves of the clips."""
    names = rng.permutation(np.unique(speakers))
    if len(names) < 2:
        order = rng.permutation(len(speakers))
        return order[: len(order) // 2], order[len(order) // 2 :]
    first = np.isin(speakers, names[: len(names) // 2])
    return np.flatnonzero(first), np.flatnonzero(~first)


@torch.no_grad()
def clip_scores(network: DiarizerNetwork, clips: Sequence[Sequence[Tensor]]) -> NDArray[np.float64]:
    """Mean log-posterior (N, C) of clips in ``CATEGORIES``."""
    order = [network.config.labels.index(label) for label in CATEGORIES]
    return torch.stack([log_posterior(network, *pieces) for pieces in clips])[:, order].double().cpu().numpy()


def _of_seven(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Recall where every category may be answered, also those that the corpus lacks."""
    return unweighted_average_recall(labels, scores.argmax(1), len(CATEGORIES))


def _angry_as_happy(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(np.mean(own_guess(labels, scores)[labels == ANGRY] == HAPPY))


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def corpora_of(metrics: Mapping[str, float]) -> list[str]:
    """Names of the corpora that figures of ``evaluate_adaptation`` are about."""
    return sorted(key.removeprefix("clips_") for key in metrics if key.startswith("clips_"))


def adaptation_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus, the gains of the methods among the columns."""
    columns = {"as it is": "source_uar", "adapted": "adapted_uar"}
    columns |= {f"gain by {method}": f"gain_{method}" for method in METHODS}
    columns |= {"to 10": "adapted_few", "to one emotion": "adapted_one_emotion"}
    columns |= {"of 7": "source_seven", "adapted, of 7": "adapted_seven"}
    columns |= {"angry as happy": "source_angry_as_happy", "adapted, the same": "adapted_angry_as_happy"}
    rows = []
    for name in corpora_of(metrics):
        cells = []
        for key in columns.values():
            value = metrics.get(f"{key}_{name}")
            cells.append("–" if value is None else f"{value:+.2f}" if key.startswith("gain") else f"{value:.2f}")
        rows.append([name, f"{metrics[f'clips_{name}']:.0f}", *cells])
    return markdown_table(["corpus", "clips", *columns], rows) + "\n"
