"""Emotion recognition across corpora: train on one, test on another, after SER Evals (arXiv 2408.07851).

A quick head, multinomial logistic regression, on the frozen encoder's clip functionals; so the matrix speaks of the
features and the corpora, not of a network tuned to some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from sedtalker.audio import load_audio
from sedtalker.datasets.emotion_speech import clip_labels
from sedtalker.datasets.manifest import Clip, read_manifest
from sedtalker.emotion.diarizer import enrol
from sedtalker.emotion.network import DiarizerConfig, DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import macro_f1
from sedtalker.speech.encoder import encode, load_encoder

FEWEST_CATEGORIES = 3
"""Corpora with fewer categories of ours are left out: a macro-F1 over one or two says little."""
PENALTY = 3e-3


@dataclass(frozen=True, eq=False)
class ClipVectors:
    """Functionals (N, F) of a corpus's clips, their categories (N,) and whether each is for testing (N,)."""

    values: NDArray[np.float32]
    category: NDArray[np.int64]
    test: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier: weights (C, F + 1) with the bias last, standardisation (F,), log prior (C,) in training."""

    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    log_prior: NDArray[np.float64]

    def logits(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, C), minus infinity for categories never seen."""
        scaled = np.clip((values - self.mean) / self.scale, -5.0, 5.0)
        out = scaled @ self.weights[:, :-1].T + self.weights[:, -1]
        return np.where(np.isfinite(self.log_prior), out, -np.inf)


@dataclass(frozen=True, eq=False)
class CrossCorpus:
    """Macro-F1 in [0, 1]: row, the corpus trained on; column, the corpus tested on; NaN where fewer than two categories
    are shared.

    Attributes:
        corpora: (K,) names.
        plain: (K, K) with the head as it is.
        adjusted: (K, K) with z - log p_train + log p_target.
        chance: (K, K) of the constant answer that scores best.
        shared: (K, K) number of categories that both have.
    """

    corpora: tuple[str, ...]
    plain: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    chance: NDArray[np.float64]
    shared: NDArray[np.int64]


def evaluate_cross_corpus(data: Path, report: Callable[[str], None] = lambda line: None) -> CrossCorpus:
    """The matrix over all corpora of ``data`` with at least three of the seven categories.

    Labels: each corpus's words through ``sedtalker.emotion.taxonomy`` (calm is neutral; words that are none of the
    seven drop their clips). A cell scores the categories that both corpora have; other test clips are left out and
    other categories cannot be answered. Trained on the clips whose split is not test, tested on the test split, so the
    speakers differ in the diagonal too; a corpus without a test split is tested on the later half of its speakers (by
    name). p_train and p_target are the shares of the shared categories among the clips trained and tested on: the
    adjustment knows how often each emotion occurs in the target, not which clip is which.

    Raises:
        InputError: fewer than two such corpora.
    """
    clips: dict[str, list[Clip]] = {}
    for clip in read_manifest(data):
        if clip_labels(clip) is not None and clip.path.is_file():
            clips.setdefault(clip.corpus, []).append(clip)
    kept = {name: c for name, c in clips.items() if len({_category(x) for x in c}) >= FEWEST_CATEGORIES}
    if len(kept) < 2:
        raise InputError(f"{data}: fewer than two corpora with {FEWEST_CATEGORIES} or more emotions")
    vectors = {}
    for name, members in kept.items():
        vectors[name] = clip_vectors(members)
        report(f"{name}: {len(vectors[name].category)} clips")
    return cross_corpus(vectors)


def cross_corpus(vectors: dict[str, ClipVectors]) -> CrossCorpus:
    """The matrix from clip vectors, see ``evaluate_cross_corpus``."""
    names = tuple(vectors)
    size = len(names), len(names)
    plain, adjusted, chance = (np.full(size, np.nan) for _ in range(3))
    shared = np.zeros(size, np.int64)
    for i, source in enumerate(names):
        given = vectors[source]
        head = fit_head(given.values[~given.test], given.category[~given.test])
        for j, target in enumerate(names):
            wanted = vectors[target]
            known = np.isfinite(head.log_prior)
            common = np.flatnonzero(known & np.isin(np.arange(len(known)), wanted.category[wanted.test]))
            shared[i, j] = len(common)
            if len(common) < 2:
                continue
            rows = wanted.test & np.isin(wanted.category, common)
            truth, logits = wanted.category[rows], head.logits(wanted.values[rows])[:, common]
            share = np.array([np.mean(truth == c) for c in common])
            shift = np.log(share) - head.log_prior[common]
            plain[i, j] = macro_f1(truth, common[logits.argmax(1)], len(CATEGORIES))
            adjusted[i, j] = macro_f1(truth, common[(logits + shift).argmax(1)], len(CATEGORIES))
            constant = [macro_f1(truth, np.full(len(truth), c), len(CATEGORIES)) for c in common]
            chance[i, j] = max(constant)
    return CrossCorpus(names, plain, adjusted, chance, shared)


def clip_vectors(clips: Iterable[Clip]) -> ClipVectors:
    """Mean and deviation of the diarizer's channels over each clip's speech, the encoder's among them."""
    clips = list(clips)
    encoder = load_encoder()
    describer = DiarizerNetwork(DiarizerConfig(hidden_channels=encoder.config.channels, members=1, width=1)).eval()
    values, kept = [], []
    for clip in clips:
        try:
            voice = enrol(describer, [encode(encoder, load_audio(clip.path))])
        except InputError:
            continue  # no speech in it
        deviation = (voice.square - voice.mean.square()).clamp_min(0.0).sqrt()
        values.append(torch.cat([voice.mean, deviation], -1)[0].numpy())
        kept.append(clip)
    test = np.array([clip.split == "test" for clip in kept])
    if not test.any():
        speakers = sorted({clip.speaker for clip in kept})
        test = np.isin([clip.speaker for clip in kept], speakers[len(speakers) // 2 :])
    return ClipVectors(np.stack(values), np.array([_category(clip) for clip in kept]), test)


def fit_head(values: NDArray[np.floating], category: NDArray[np.integer]) -> Head:
    """Ridge-penalised maximum likelihood by L-BFGS; deterministic."""
    x = np.asarray(values, np.float64)
    mean, scale = x.mean(0), x.std(0).clip(1e-3)
    inputs = torch.from_numpy(np.clip((x - mean) / scale, -5.0, 5.0))
    wanted = torch.from_numpy(np.asarray(category, np.int64))
    count = torch.bincount(wanted, minlength=len(CATEGORIES)).double()
    weights = torch.zeros(len(CATEGORIES), x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    absent = torch.where(count > 0, 0.0, -1e9)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        logits = inputs @ weights[:, :-1].T + weights[:, -1] + absent
        loss = F.cross_entropy(logits, wanted) + PENALTY * weights[:, :-1].square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    with np.errstate(divide="ignore"):
        log_prior = np.log((count / count.sum()).numpy())
    return Head(weights.detach().numpy(), mean, scale, log_prior)


def figures(result: CrossCorpus) -> dict[str, object]:
    """The matrices and their means as plain data for JSON; cells without a value are null."""

    def rows(matrix: NDArray[np.float64]) -> list[list[float | None]]:
        return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in matrix]

    same = np.eye(len(result.corpora), dtype=bool)
    matrices = {"macro_f1": result.plain, "macro_f1_adjusted": result.adjusted, "chance": result.chance}
    out: dict[str, object] = {"corpora": list(result.corpora), "shared_categories": result.shared.tolist()}
    for name, matrix in matrices.items():
        out[name] = rows(matrix)
        out[f"{name}_within"] = round(float(np.nanmean(matrix[same])), 4)
        out[f"{name}_across"] = round(float(np.nanmean(matrix[~same])), 4)
    return out


def markdown_table(result: CrossCorpus) -> str:
    """One table: each cell plain / adjusted; rows are trained on, columns tested on."""
    lines = [
        "| trained on ↓, tested on → | " + " | ".join(result.corpora) + " |",
        "|---" * (len(result.corpora) + 1) + "|",
    ]
    for name, plain, adjusted in zip(result.corpora, result.plain, result.adjusted, strict=True):
        cells = [
            "-" if np.isnan(p) else f"{p:.2f} / {a:.2f}".replace("0.", ".")
            for p, a in zip(plain, adjusted, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_heat_map(result: CrossCorpus, path: Path) -> None:
    """Both matrices side by side as a PNG, written whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(result.corpora)
    figure = Figure(figsize=(3.4 + 1.9 * count, 1.9 + 0.75 * count), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, matrix, title in zip(
        axes,
        (result.plain, result.adjusted),
        ("as trained", "logits adjusted to the target's label shares"),
        strict=True,
    ):
        image = axis.imshow(matrix, vmin=0.0, vmax=1.0, cmap="viridis")
        axis.set_title(title)
        axis.set_xticks(range(count), result.corpora, rotation=30, ha="right")
        axis.set_yticks(range(count), result.corpora)
        axis.set_xlabel("tested on")
        for i, j in np.ndindex(count, count):
            if not np.isnan(matrix[i, j]):
                colour = "white" if matrix[i, j] < 0.6 else "black"
                axis.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=colour)
    axes[0].set_ylabel("trained on")
    figure.colorbar(image, ax=axes, label="macro-F1 over shared categories")
    write_figure(figure, path)


def _category(clip: Clip) -> int:
    labels = clip_labels(clip)
    assert labels is not None
    return labels[0]
