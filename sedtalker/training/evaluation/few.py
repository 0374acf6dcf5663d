"""What a handful of labelled recordings teaches a diarizer, on corpora that it was never trained on.

Three ways of giving labels. *same*: some recordings of each category by one speaker, the rest of hers is scored.
*others*: as many by half of the speakers together, the other half is scored, and the other way round. *corrected*: 30
recordings of a speaker stand for the segments of a dialogue; six are corrected, the rest is scored. Beside the learner
(``sedtalker.emotion.few_shot``) stand the diarizer as it is, the nearest mean of the labelled recordings, and a linear
head on their functionals. Recall is over the categories that a corpus has.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.linear_model import Ridge

from sedtalker.arrays import Doubles
from sedtalker.audio import readable
from sedtalker.emotion.adaptation import STRENGTH, SpokenRecording, log_posterior
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.few_shot import adapted_without, descriptions, learned
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import new_figure, write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import balanced_clips, clips_by_corpus, listed_clips

log = logging.getLogger(__name__)

CORPORA = {"ravdess": None, "nemo": None, "tess": None, "emotiontts_ko": None, "uem_es": None, "aesdd": None,
           "banglaser": "test"}  # fmt: skip
"""Corpora, and the split that counts of those that the weights were trained on."""
SHOTS = (1, 2, 5, 10, 20)
"""Labelled recordings of each category; fewer where a speaker has no more than one besides."""
SEGMENTS, CORRECTED = 30, 6
"""Recordings of a dialogue, and how many of them are corrected."""
DRAWS = 2000
"""Resamples of corpora and seeds for the intervals."""
RIDGE = 1.0
"""Penalty of the control's linear head, on functionals of mean squared length 1."""

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of the labelled recordings and of the scored ones."""
Answers = Callable[[Split], Doubles]
"""Log-posterior, or another score, (N, C) of the scored recordings."""


@dataclass(frozen=True, eq=False)
class SpokenCorpus:
    """Recordings of a corpus, with categories and speakers (N,), and their log-posteriors (N, C) as they are."""

    name: str
    spoken: tuple[SpokenRecording, ...]
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    as_is: Doubles
    functionals: Doubles


def evaluate_few(
    data: Path, model: str = "diarizer", encoder: Path | None = None, clips: int = 25, hook: Hook = no_progress
) -> dict[str, float]:
    """Figures of ``few`` in ``measures.toml``.

    Args:
        data: folder of the training data.
        model: name of built-in weights or a checkpoint folder.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: recordings of each speaker and category, at most.

    Raises:
        InputError: no such weights, or none of ``CORPORA`` in the folder.
    """
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    network = diarizer.in_torch()
    found = clips_by_corpus(listed_clips(data))
    wanted = {name: [c for c in found.get(name, ()) if split in (None, c.split)] for name, split in CORPORA.items()}
    every = (read_corpus(diarizer, name, own, clips, hook) for name, own in wanted.items() if own)
    read = [corpus for corpus in every if corpus is not None]
    if not read:
        raise InputError(f"{data}/audio: none of {', '.join(CORPORA)} is there with enough recordings")
    with torch_threads(1):
        return few_figures(network, read, hook)


def read_corpus(diarizer: Diarizer, name: str, clips: Sequence[Clip], most: int, hook: Hook) -> SpokenCorpus | None:
    """Recordings with a category, at most so many of each speaker and category; None where they are too few."""
    held: Counter[tuple[str, int]] = Counter()
    kept: dict[Clip, int] = {}
    for clip in balanced_clips(clips, len(clips)):
        label = category_of(clip)
        if label >= 0 and held[clip.speaker, label] < most:
            held[clip.speaker, label] += 1
            kept[clip] = label
    rows: list[tuple[SpokenRecording, int, str]] = []
    for clip, sound in readable(counted(kept, hook, f"encoding {name}", len(kept))):
        pieces = tuple(diarizer.speech(sound))
        if pieces:
            rows.append((SpokenRecording(pieces), kept[clip], clip.speaker))
    several = Counter(speaker for (_, speaker), count in Counter(row[1:] for row in rows).items() if count > 1)
    if len({row[2] for row in rows}) < 2 or max(several.values(), default=0) < 2:
        log.warning("%s: needs two speakers, and two recordings of each of two emotions by one (left out)", name)
        return None
    spoken = tuple(recording for recording, _, _ in rows)
    network = diarizer.in_torch()
    functionals = descriptions(network, spoken).parts[1]
    labels, speakers = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    return SpokenCorpus(name, spoken, labels, speakers, scores(network, spoken), functionals)


def scores(network: DiarizerNetwork, spoken: Sequence[SpokenRecording]) -> Doubles:
    """Log-posterior (N, C) of recordings."""
    return np.stack([log_posterior(network, *recording.speech).double().numpy() for recording in spoken])


# --- What is labelled, and what is scored.


def same_speaker(corpus: SpokenCorpus, shots: int, seed: int) -> Iterator[Split]:
    """For each speaker so many recordings of each category, and the rest of hers."""
    rng = np.random.default_rng(seed)
    for speaker in np.unique(corpus.speakers):
        own = np.flatnonzero(corpus.speakers == speaker)
        given: list[int] = []
        for label in np.unique(corpus.labels[own]):
            cell = rng.permutation(own[corpus.labels[own] == label])
            given += cell[: min(shots, len(cell) - 1)].tolist()
        if len(set(corpus.labels[given].tolist())) > 1:
            yield np.array(given), np.setdiff1d(own, given)


def other_speakers(corpus: SpokenCorpus, shots: int, seed: int) -> Iterator[Split]:
    """So many recordings of each category by half of the speakers, and those of the other half; then exchanged."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(corpus.speakers))
    first = np.isin(corpus.speakers, names[: (len(names) + 1) // 2])
    for half in (first, ~first):
        own = np.flatnonzero(half)
        cells = [rng.permutation(own[corpus.labels[own] == label])[:shots] for label in np.unique(corpus.labels[own])]
        yield np.concatenate(cells), np.flatnonzero(~half)


def corrected_segments(corpus: SpokenCorpus, shots: int) -> Iterator[Split]:
    """``CORRECTED`` of ``SEGMENTS`` recordings of each speaker; ``shots`` 0: any, else those answered wrongly."""
    rng = np.random.default_rng(0)
    for speaker in np.unique(corpus.speakers):
        own = rng.permutation(np.flatnonzero(corpus.speakers == speaker))[:SEGMENTS]
        wrong = own[corpus.as_is[own].argmax(1) != corpus.labels[own]]
        given = (wrong if shots else own)[:CORRECTED]
        if len(own) == SEGMENTS and len(set(corpus.labels[given].tolist())) > 1:
            yield given, np.setdiff1d(own, given)


# --- What learns.


def answers_of(network: DiarizerNetwork, corpus: SpokenCorpus, *, whole: bool = False) -> dict[str, Answers]:
    """The learner and its controls, by name; ``whole``: the scored recordings are there, without labels."""

    def few(split: Split) -> Doubles:
        first, asked = split
        given = [labelled(corpus, int(k)) for k in first]
        given += [corpus.spoken[k] for k in asked] if whole else []
        return scores(learned(network, given), [corpus.spoken[k] for k in asked])

    def as_is(split: Split) -> Doubles:
        return corpus.as_is[split[1]]

    def nearest(split: Split) -> Doubles:
        rows, asked, truth = _about_mean(corpus, split)
        known, out = np.unique(truth), np.full((len(asked), len(CATEGORIES)), -1e9)
        out[:, known] = -cdist(asked, np.stack([rows[truth == c].mean(0) for c in known]), "sqeuclidean")
        return out

    def linear(split: Split) -> Doubles:
        rows, asked, truth = _about_mean(corpus, split)
        return np.asarray(Ridge(RIDGE).fit(rows, np.eye(len(CATEGORIES))[truth]).predict(asked))

    return {"as_is": as_is, "few": few, "nearest": nearest, "linear": linear}


def labelled(corpus: SpokenCorpus, index: int) -> SpokenRecording:
    """A recording with its label and speaker."""
    label, speaker = CATEGORIES[corpus.labels[index]], str(corpus.speakers[index])
    return replace(corpus.spoken[index], label=label, speaker=speaker)


def _about_mean(corpus: SpokenCorpus, split: Split) -> tuple[Doubles, Doubles, NDArray[np.int64]]:
    given, asked = (corpus.functionals[part] for part in split)
    middle = given.mean(0)
    length = np.sqrt(np.square(given - middle).sum(1).mean()) or 1.0
    return (given - middle) / length, (asked - middle) / length, corpus.labels[split[0]]


# --- Figures.


def few_figures(network: DiarizerNetwork, read: Sequence[SpokenCorpus], hook: Hook) -> dict[str, float]:
    """See ``evaluate_few``."""
    out: dict[str, float] = {}
    work = [(corpus, way, shots) for corpus in read for way in ("same", "others") for shots in SHOTS]
    held: dict[tuple[str, int, str], list[list[float]]] = {}
    for corpus, way, shots in counted(work, hook, "learning from labels", len(work)):
        splits = same_speaker if way == "same" else other_speakers
        for name, answers in answers_of(network, corpus).items():
            each = [recall(corpus, splits(corpus, shots, seed), answers) for seed in range(5)]  # draws
            held.setdefault((way, shots, name), []).append(each)
            out[f"{name}_{way}_{shots}_{corpus.name}"] = float(np.mean(each))
    for (way, shots, name), values in held.items():
        out[f"{name}_{way}_{shots}"] = float(np.mean(values))
        if name == "few":
            gain = np.array(values) - np.array(held[way, shots, "as_is"])
            low, high = interval(gain)
            key = f"few_gain_{way}_{shots}"
            out |= {key: float(gain.mean()), f"{key}_low": low, f"{key}_high": high}
            out[f"{key}_worst"] = float(gain.mean(1).min())
    out |= corrections(network, read, hook) | estimates(network, read, hook)
    return {key: out[key] for key in sorted(out, key=lambda key: ("gain" not in key, key))}


def recall(corpus: SpokenCorpus, splits: Iterator[Split], answers: Answers) -> float:
    """Over all scored recordings of one draw."""
    each = [(corpus.labels[split[1]], answers(split)) for split in splits]
    return own_recall(*(np.concatenate(parts) for parts in zip(*each, strict=True)))


def interval(gains: Doubles) -> tuple[float, float]:
    """Where the mean of gains (corpora, seeds) lies in 95 % of draws of corpora and seeds."""
    rng = np.random.default_rng(0)
    corpora, seeds = gains.shape
    drawn = gains[rng.integers(corpora, size=(DRAWS, corpora, 1)), rng.integers(seeds, size=(DRAWS, corpora, seeds))]
    low, high = np.quantile(drawn.mean((1, 2)), [0.025, 0.975])
    return float(low), float(high)


def corrections(network: DiarizerNetwork, read: Sequence[SpokenCorpus], hook: Hook) -> dict[str, float]:
    """Share of the other segments of a dialogue that are right, before and after some were corrected."""
    out: dict[str, float] = {}
    for kind, word in ((0, "any"), (1, "wrong")):
        before, after = [], []
        for corpus in counted(read, hook, "learning from corrections", len(read)):
            few = answers_of(network, corpus, whole=True)["few"]
            for split in corrected_segments(corpus, kind):
                truth = corpus.labels[split[1]]
                before.append((corpus.as_is[split[1]].argmax(1) == truth).mean())
                after.append((few(split).argmax(1) == truth).mean())
        if before:
            out[f"corrected_{word}"] = float(np.mean(after))
            out[f"corrected_gain_{word}"] = float(np.mean(after) - np.mean(before))
    return out


def estimates(network: DiarizerNetwork, read: Sequence[SpokenCorpus], hook: Hook) -> dict[str, float]:
    """The learner's own estimate of its gain against the real one: five labels a category of each speaker."""
    errors = []
    for corpus in counted(read, hook, "judging its own estimate", len(read)):
        answers = answers_of(network, corpus)
        for split in same_speaker(corpus, 5, 0):
            given = [labelled(corpus, int(k)) for k in split[0]]
            made = adapted_without(network, given, STRENGTH)
            left_out = np.concatenate([scores(one, [each]) for one, each in zip(made, given, strict=True)])
            own = corpus.labels[split[0]]
            estimated = own_recall(own, left_out) - own_recall(own, corpus.as_is[split[0]])
            truth = corpus.labels[split[1]]
            real = own_recall(truth, answers["few"](split)) - own_recall(truth, answers["as_is"](split))
            errors.append(estimated - real)
    return {"estimate_bias": float(np.mean(errors)), "estimate_error": float(np.mean(np.abs(errors)))}


def few_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus and way of giving labels, recall as it is, by shots, and of the controls."""
    names = [name for name in CORPORA if f"few_same_5_{name}" in metrics]
    columns = ["as it is", *(f"{shots} labels" for shots in SHOTS), "nearest mean of 5", "linear head on 5"]
    rows = []
    for way, title in (("same", "same speaker"), ("others", "other speakers")):
        for name in [*names, ""]:
            end = f"_{name}" if name else ""
            keys = [f"as_is_{way}_5", *(f"few_{way}_{n}" for n in SHOTS), f"nearest_{way}_5", f"linear_{way}_5"]
            rows.append([f"{name or 'mean'}, {title}", *(f"{metrics[key + end]:.2f}" for key in keys)])
    return markdown_table(["", *columns], rows) + "\n"


def plot_few(metrics: Mapping[str, float], path: Path) -> None:
    """The learning curve: recall by labelled recordings of each category, of the learner and of its controls."""
    figure = new_figure((8, 3))
    axes = figure.subplots(1, 2, sharey=True)
    about = {"few": "learned", "linear": "linear head", "nearest": "nearest mean", "as_is": "as it is"}
    for axis, way, title in zip(axes, ("same", "others"), ("same speaker", "other speakers"), strict=True):
        for (name, label), colour in zip(about.items(), ("#2b6cb0", "#d69e2e", "#a9c6e3", "#8a929b"), strict=True):
            axis.plot(range(len(SHOTS)), [metrics[f"{name}_{way}_{n}"] for n in SHOTS], "o-", label=label, color=colour)
        axis.set_xticks(range(len(SHOTS)), [str(n) for n in SHOTS])
        axis.set_xlabel(f"labels of each category, {title}")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("mean recall, own categories")
    axes[0].legend(frameon=False)
    write_figure(figure, path)
