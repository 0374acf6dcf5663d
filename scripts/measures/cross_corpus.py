"""Emotion recognition across corpora: train on one, test on another, after SER Evals (arXiv 2408.07851).

A quick head, multinomial logistic regression, on the frozen encoder's clip functionals; so the matrix speaks of the
features and the corpora, not of a network tuned to some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.inference import enrol
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import adjusted_logits, macro_f1
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import draw_shares

FEWEST_CATEGORIES = 3
"""Corpora with fewer categories of ours are left out: a macro-F1 over one or two says little."""
PENALTY = 3e-3
"""Penalty on the squared weights of the linear head."""


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
        """(N, C), minus infinity for categories never trained on."""
        scaled = np.clip((values - self.mean) / self.scale, -5.0, 5.0)
        out = scaled @ self.weights[:, :-1].T + self.weights[:, -1]
        return np.where(np.isfinite(self.log_prior), out, -np.inf)


@dataclass(frozen=True, eq=False)
class Scores:
    """Macro-F1 in [0, 1] of tests; NaN where fewer than two categories are shared.

    Attributes:
        plain: (…) with the head as it is.
        adjusted: (…) with z - log p_train + log p_target.
        chance: (…) of the constant answer that scores best.
        shared: (…) number of categories that both have.
    """

    plain: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    chance: NDArray[np.float64]
    shared: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CrossCorpus:
    """Every corpus against every other.

    Attributes:
        corpora: (K,) names.
        pairs: (K, K): row, the corpus trained on; column, the corpus tested on.
        left_out: (K,) trained on all corpora but the one tested on.
        words: what each corpus's words were taken for; words that are none of the categories are absent.
    """

    corpora: tuple[str, ...]
    pairs: Scores
    left_out: Scores
    words: dict[str, dict[str, str]] = field(default_factory=dict)


def evaluate_cross_corpus(data: Path, hook: Hook = no_progress) -> CrossCorpus:
    """The matrix over all corpora of ``data`` with at least three of the seven categories.

    Labels: each corpus's words through ``sedtalker.emotion.taxonomy`` (calm is neutral; words that are none of the
    seven drop their clips). A cell scores the categories that both corpora have; other test clips are left out and
    other categories cannot be answered. ``left_out`` is trained on all other corpora together. Trained on the clips
    whose split is not test, tested on the test split, so the speakers differ in the diagonal too; a corpus without a
    test split is tested on the later half of its speakers (by name). p_train and p_target are the shares of the shared
    categories among the clips trained and tested on: the adjustment knows how often each emotion occurs in the target,
    not which clip is which.

    Raises:
        InputError: fewer than two such corpora.
    """
    clips: dict[str, list[Clip]] = {}
    for clip in read_manifest(data):
        if category_of(clip) >= 0 and clip.path.is_file():
            clips.setdefault(clip.corpus, []).append(clip)
    kept = {name: c for name, c in clips.items() if len({category_of(x) for x in c}) >= FEWEST_CATEGORIES}
    if len(kept) < 2:
        raise InputError(f"{data}: fewer than two corpora with {FEWEST_CATEGORIES} or more emotions")
    vectors = {name: clip_vectors(members, hook, f"encoding {name}") for name, members in kept.items()}
    words = {name: {c.emotion: CATEGORIES[category_of(c)] for c in members} for name, members in kept.items()}
    return replace(cross_corpus(vectors), words=words)


def cross_corpus(vectors: dict[str, ClipVectors]) -> CrossCorpus:
    """The matrix and the corpora left out, from clip vectors; see ``evaluate_cross_corpus``."""
    names = tuple(vectors)
    heads = [_head([v]) for v in vectors.values()]
    pairs = [[score_head(head, wanted) for wanted in vectors.values()] for head in heads]
    others = [[v for other, v in vectors.items() if other != name] for name in names]
    left_out = [score_head(_head(rest), wanted) for rest, wanted in zip(others, vectors.values(), strict=True)]
    return CrossCorpus(names, _scores(pairs), _scores(left_out))


def _head(trained_on: Sequence[ClipVectors]) -> Head | None:
    """The head of some corpora together; None where they have test clips alone."""
    values = np.concatenate([v.values[~v.test] for v in trained_on])
    return fit_head(values, np.concatenate([v.category[~v.test] for v in trained_on])) if len(values) else None


def score_head(head: Head | None, wanted: ClipVectors) -> tuple[float, float, float, int]:
    """Plain, adjusted and constant macro-F1 on a corpus's test clips, and the number of categories shared.

    Without a head, as of a corpus that has test clips alone, there is nothing to score.
    """
    if head is None:
        return np.nan, np.nan, np.nan, 0
    known = np.isfinite(head.log_prior)
    common = np.flatnonzero(known & np.isin(np.arange(len(known)), wanted.category[wanted.test]))
    if len(common) < 2:
        return np.nan, np.nan, np.nan, len(common)
    rows = wanted.test & np.isin(wanted.category, common)
    truth, logits = wanted.category[rows], head.logits(wanted.values[rows])[:, common]
    share = np.array([np.mean(truth == c) for c in common])
    guesses = [logits.argmax(1), adjusted_logits(logits, head.log_prior[common], np.log(share)).argmax(1)]
    plain, adjusted = (macro_f1(truth, common[guess], len(CATEGORIES)) for guess in guesses)
    constant = max(macro_f1(truth, np.full(len(truth), c), len(CATEGORIES)) for c in common)
    return plain, adjusted, constant, len(common)


def _scores(cells: Sequence[object]) -> Scores:
    table = np.array(cells, np.float64)
    return Scores(table[..., 0], table[..., 1], table[..., 2], table[..., 3].astype(np.int64))


def describer(hidden_channels: int = 0) -> DiarizerNetwork:
    """Reads log-mels, prosody and so many channels of an encoder; nothing in it is trained."""
    config = DiarizerConfig(hidden_channels=hidden_channels, members=1, width=1)
    return DiarizerNetwork(config).eval().requires_grad_(False)


def mean_and_deviation(network: DiarizerNetwork, features: SpeechFeatures) -> NDArray[np.floating]:
    """(2C,) of the channels of a ``describer`` over the speech; ``InputError`` where there is none."""
    voice = enrol(network, [features])
    return np.concatenate([voice.mean, np.sqrt(np.maximum(voice.square - np.square(voice.mean), 0.0))])


def clip_vectors(clips: Sequence[Clip], hook: Hook, step: str, network: DiarizerNetwork | None = None) -> ClipVectors:
    """``mean_and_deviation`` of each clip with speech; default: the encoder's channels are among them."""
    encoder = open_encoder()
    network, values, kept = network or describer(encoder.channels), [], []
    for clip in counted(clips, hook, step, len(clips)):
        with suppress(InputError):  # no speech in it
            values.append(mean_and_deviation(network, encoder(load_audio(clip.path))))
            kept.append(clip)
    test = np.array([clip.split == "test" for clip in kept])
    if not test.any():
        speakers = sorted({clip.speaker for clip in kept})
        test = np.isin([clip.speaker for clip in kept], speakers[len(speakers) // 2 :])
    return ClipVectors(np.stack(values), np.array([category_of(clip) for clip in kept]), test)


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


def cross_corpus_metrics(result: CrossCorpus) -> dict[str, object]:
    """The matrices and their means as plain data for JSON; cells without a value are null."""

    def rounded(values: NDArray[np.float64]) -> object:
        if values.ndim:
            return [rounded(row) for row in values]
        return None if np.isnan(values) else round(float(values), 4)

    same = np.eye(len(result.corpora), dtype=bool)
    pairs, left_out = result.pairs, result.left_out
    out: dict[str, object] = {
        "corpora": list(result.corpora),
        "shared_categories": pairs.shared.tolist(),
        "words": result.words,
    }
    for name, key in (("macro_f1", "plain"), ("macro_f1_adjusted", "adjusted"), ("chance", "chance")):
        matrix, alone = getattr(pairs, key), getattr(left_out, key)
        out[name] = rounded(matrix)
        out[f"{name}_within"] = round(float(np.nanmean(matrix[same])), 4)
        out[f"{name}_across"] = round(float(np.nanmean(matrix[~same])), 4)
        out[f"{name}_left_out"] = rounded(alone)
        out[f"{name}_left_out_mean"] = round(float(np.nanmean(alone)), 4)
    return out


def cross_corpus_table(result: CrossCorpus) -> str:
    """One table: each cell plain / adjusted; rows are trained on, columns tested on, the last two rows say what all
    other corpora together give and what the best constant answer does. A corpus of test clips alone has no row.
    """
    pairs, left_out = result.pairs, result.left_out
    found = [*zip(result.corpora, pairs.plain, pairs.adjusted, strict=True)]
    found = [row for row in found if not np.isnan(row[1]).all()]
    rows = []
    for name, plain, adjusted in [*found, ("all others", left_out.plain, left_out.adjusted)]:
        cells = [f"{_short(p)} / {_short(a)}" if p == p else "-" for p, a in zip(plain, adjusted, strict=True)]
        rows.append([name, *cells])
    rows.append(["best constant answer", *map(_short, left_out.chance)])
    return markdown_table(["trained on ↓, tested on →", *result.corpora], rows) + "\n"


def _short(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}".removeprefix("0")


def plot_heat_map(result: CrossCorpus, path: Path) -> None:
    """Both matrices side by side, the corpora left out below, as a PNG; written whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(result.corpora)
    pairs, left_out = result.pairs, result.left_out
    trained = np.flatnonzero(np.isfinite(pairs.plain).any(axis=1))
    rows = [result.corpora[k] for k in trained]
    figure = Figure(figsize=(3.4 + 1.5 * count, 2.6 + 0.6 * count), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, matrix, title in zip(
        axes,
        (
            np.vstack([one[trained], all_others])
            for one, all_others in ((pairs.plain, left_out.plain), (pairs.adjusted, left_out.adjusted))
        ),
        ("as trained", "logits adjusted to the target's label shares"),
        strict=True,
    ):
        image = draw_shares(axis, matrix, [*rows, "all others"], result.corpora)
        axis.set_title(title)
        axis.set_xlabel("tested on")
    axes[0].set_ylabel("trained on")
    figure.colorbar(image, ax=axes, label="macro-F1 over shared categories")
    write_figure(figure, path)
