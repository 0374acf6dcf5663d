"""A diarizer within its training corpus and beyond it, after SER Evals (arXiv 2408.07851), by macro-F1.

Rows: functionals with a linear support vector machine trained on CREMA-D's training speakers (no network); the diarizer
as it is; and adapted, without labels, to the half of a corpus's speakers that is not scored. Columns: CREMA-D's test
speakers, and every corpus that the weights were not trained on. Each corpus's own categories alone can be answered.
Logit adjustment knows how frequent each category is among the scored clips: z - log p_train + log p_target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measures.adaptation import EncodedCorpus, clip_scores, speaker_halves
from measures.cross_corpus import clip_vectors, describer, mean_and_deviation
from measures.intervals import with_ends
from sedtalker.audio import load_audio
from sedtalker.emotion.adaptation import Method, adapted, speech_of
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import adjusted_logits, macro_f1
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

WITHIN = "crema_d"
"""The corpus of speech that the diarizers were trained on."""
ROWS = ("svm", "as_is", "norm", "pseudo")
"""What is compared."""
TITLES = {
    "svm": "functionals + SVM",
    "as_is": "diarizer as it is",
    "norm": "adapted, `norm`",
    "pseudo": "adapted, `pseudo`",
}
"""Rows of the table."""
ADAPTATIONS: tuple[Method, ...] = ("norm", "pseudo")
"""Methods among the rows."""
TRAINING_CLIPS = 900
"""Clips of CREMA-D's training speakers that the support vector machine is trained on."""
PENALTY = 1e-3
"""Its ``C``; nothing was chosen for it."""


@dataclass(frozen=True, eq=False)
class ReadCorpus(EncodedCorpus):
    """A corpus with functionals (N, F) of its clips without a network."""

    functionals: NDArray[np.float64]


def evaluate_ser_evals(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    clips: int | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Figures of ``SER_EVALS``.

    Args:
        data: folder of the training data; CREMA-D is in it.
        model: name of built-in weights or a checkpoint folder.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        hook: progress.

    Raises:
        InputError: no such weights, or CREMA-D or every other corpus is missing.
    """
    diarizer, lines, known = Diarizer.from_pretrained(model, encoder=encoder), training_lines(model), corpora()
    found = {
        name: [c for c in each if category_of(c) >= 0] for name, each in clips_by_corpus(listed_clips(data)).items()
    }
    unseen = [
        name
        for name, each in sorted(found.items())
        if known[name].categories and corpus_role(known[name], lines) != "in-domain" and len(_words(each)) > 1
    ]
    if WITHIN not in found or not unseen:
        raise InputError(f"{data}/audio: CREMA-D and another corpus with emotion labels are needed")
    parts = {split: [c for c in found[WITHIN] if c.split == split] for split in ("train", "test")}
    with torch_threads(1):
        training = read_functionals(balanced_clips(parts["train"], TRAINING_CLIPS), hook)
        wanted = {WITHIN: parts["test"], **{name: found[name] for name in unseen}}
        read = [read_corpus(diarizer, name, balanced_clips(each, clips), hook) for name, each in wanted.items()]
        return ser_evals_figures(diarizer.in_torch(), read, training)


def _words(clips: Sequence[Clip]) -> set[str]:
    return {clip.emotion for clip in clips}


def read_functionals(clips: Sequence[Clip], hook: Hook = no_progress) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Functionals (N, F) of log-mels and prosody of clips with speech, and their categories (N,)."""
    vectors = clip_vectors(clips, hook, "describing CREMA-D", describer())
    return vectors.values.astype(np.float64), vectors.category


def read_corpus(diarizer: Diarizer, name: str, clips: Sequence[Clip], hook: Hook = no_progress) -> ReadCorpus:
    """Everything that the rows need of a corpus, each clip encoded once; clips without speech are left out."""
    network, rows, speech, kept = describer(), [], [], []
    for clip in counted(clips, hook, f"encoding {name}", len(clips)):
        features = diarizer.encoder(load_audio(clip.path))
        pieces = tuple(speech_of(diarizer.in_torch(), features))
        if not pieces or not features.speech.any():
            continue
        rows.append(mean_and_deviation(network, features).astype(np.float64))
        speech.append(pieces)
        kept.append(clip)
    labels = np.array([category_of(clip) for clip in kept], np.int64)
    return ReadCorpus(name, labels, np.array([clip.speaker for clip in kept]), tuple(speech), np.stack(rows))


def ser_evals_figures(
    network: DiarizerNetwork,
    read: Sequence[ReadCorpus],
    training: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> dict[str, float]:
    """Macro-F1 of every row on every corpus, as trained and adjusted, and the means within and beyond."""
    machine = svm_logits(*training)
    out: dict[str, float] = {}
    for corpus in read:
        logits = {"svm": machine(corpus.functionals), "as_is": clip_scores(network, corpus.speech)}
        logits |= {method: adapted_scores(network, corpus, method) for method in ADAPTATIONS}
        for row in ROWS:
            plain, adjusted = macro_f1_pair(corpus.labels, logits[row])
            out |= {f"f1_{row}_{corpus.name}": plain, f"adjusted_{row}_{corpus.name}": adjusted}
        out[f"constant_{corpus.name}"] = best_constant(corpus.labels)
        out[f"clips_{corpus.name}"] = float(len(corpus.labels))
    return ser_evals_summary(out) | out


def ser_evals_summary(figures: Mapping[str, float]) -> dict[str, float]:
    """Macro-F1 of every row within the training corpus, and beyond it with its interval over corpora.

    Args:
        figures: ``f1_ROW_CORPUS`` and so on, as ``ser_evals_figures`` gives them.
    """
    beyond = _beyond(figures)
    means: dict[str, float] = {}
    for key in (f"{kind}_{row}" for row in ROWS for kind in ("f1", "adjusted")):
        means[f"{key}_within"] = figures.get(f"{key}_{WITHIN}", 0.0)
        values = [figures[f"{key}_{name}"] for name in beyond]
        means |= with_ends({f"{key}_beyond": values})
    for row in ADAPTATIONS:
        gains = [figures[f"f1_{row}_{name}"] - figures[f"f1_as_is_{name}"] for name in beyond]
        means |= with_ends({f"f1_gain_{row}": gains})
    return means | {"constant_beyond": float(np.mean([figures[f"constant_{name}"] for name in beyond]))}


def _beyond(figures: Mapping[str, float]) -> list[str]:
    """Corpora other than that of training."""
    names = sorted(key.removeprefix("clips_") for key in figures if key.startswith("clips_"))
    return [name for name in names if name != WITHIN]


def svm_logits(
    values: NDArray[np.float64], labels: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A function from functionals (N, F) to scores (N, 7): distances from a linear machine's planes.

    Categories that it was not trained on get minus infinity.
    """
    from sklearn.svm import LinearSVC

    mean, scale = values.mean(0), values.std(0).clip(1e-3)
    machine = LinearSVC(C=PENALTY, class_weight="balanced", random_state=0, max_iter=5000)
    machine.fit((values - mean) / scale, labels)

    def scores(asked: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.full((len(asked), len(CATEGORIES)), -np.inf)
        found = machine.decision_function((asked - mean) / scale)
        out[:, machine.classes_] = found if found.ndim == 2 else np.stack([-found, found], 1)  # of two: one plane
        return out

    return scores


def adapted_scores(network: DiarizerNetwork, corpus: ReadCorpus, method: Method) -> NDArray[np.float64]:
    """Log-posterior (N, 7) of clips by the network adapted to the other half of the speakers."""
    halves = speaker_halves(corpus.speakers, np.random.default_rng(0))
    out = np.empty((len(corpus.labels), len(CATEGORIES)))
    for given, scored in (halves, halves[::-1]):
        made = adapted(network, [piece for k in given for piece in corpus.speech[k]], method=method)
        out[scored] = clip_scores(made, [corpus.speech[k] for k in scored])
    return out


def macro_f1_pair(labels: NDArray[np.int64], logits: NDArray[np.float64]) -> tuple[float, float]:
    """Macro-F1 over the categories that occur (N,), plain and with the logits adjusted to their shares.

    All rows were trained with every category equally likely, so log p_train is the same for all and drops out. A
    category that the row never learned stays in the mean, as one that is never found.
    """
    own = np.unique(labels)
    share = np.log([np.mean(labels == c) for c in own])
    known = logits[:, own]
    guesses = known.argmax(1), adjusted_logits(known, np.zeros(len(own)), share).argmax(1)
    plain, adjusted = (macro_f1(labels, own[guess], len(CATEGORIES)) for guess in guesses)
    return plain, adjusted


def best_constant(labels: NDArray[np.int64]) -> float:
    """Macro-F1 of the answer that is always the same and scores best."""
    return max(macro_f1(labels, np.full(len(labels), c), len(CATEGORIES)) for c in np.unique(labels))


def ser_evals_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each system, plain / adjusted; within the training corpus, beyond it, and each corpus."""
    names = _beyond(metrics)
    rows = []
    for row in ROWS:
        cells = [f"{metrics[f'f1_{row}_{c}']:.2f} / {metrics[f'adjusted_{row}_{c}']:.2f}" for c in names]
        ends = [f"{metrics[f'f1_{row}_{e}']:.3f} / {metrics[f'adjusted_{row}_{e}']:.3f}" for e in ("within", "beyond")]
        rows.append([TITLES[row], *ends, *cells])
    means = [f"{metrics[f'constant_{end}']:.3f}" for end in (WITHIN, "beyond")]
    rows.append(["best constant answer", *means, *(f"{metrics[f'constant_{c}']:.2f}" for c in names)])
    return markdown_table(["", f"within ({WITHIN})", "beyond, mean", *names], rows) + "\n"
