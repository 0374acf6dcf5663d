"""How well the curves of fine-grained emotions go with what bursts were asked for, and with what raters called speech.

Test speakers alone. A clip counts as the mean of its curves where somebody speaks. EmoGator's bursts are prompts that
no listener checked, so a kind is there (1) or not (0) and nothing tells how well people would do. CREMA-D's raters
chose among six categories of the voice alone: the truth is the share that chose one, which is uncertain itself. Several
rating as many voices again would agree with it to the square root of its reliability (Spearman 1910; the share of the
variance that is not the binomial spread of the votes): the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.taxonomy import KINDS, projected
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import Draws, bootstrap_interval, own_recall, ranking_auc
from sedtalker.metrics.motion import correlation
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.transfer_recipe import Votes, read_votes, votes_on
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import balanced_clips, clips_by_corpus, listed_clips
from sedtalker.training.tasks.fine_emotions import BURSTS, VOTED, clip_kind, kind_numbers, vote_shares

RESAMPLES = 300
"""Bootstrap resamples for the interval."""
RATED_HIGHEST, PUBLISHED_SCALE = 2.0, 10.0
"""Greatest rating of EmoNet-Voice, and the scale that its makers report errors on."""


def evaluate_fine(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    fine: Path | None = None,
    clips: int | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Figures of ``FINE`` on EmoGator's test speakers, CREMA-D's, and EmoNet-Voice, as far as they are there.

    Args:
        data: folder of the training data.
        model: name of built-in weights or a checkpoint folder: the diarizer beside which the heads stand.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        fine: folder of other heads, see ``Diarizer.with_fine``.
        clips: at most so many of each corpus but EmoGator, of which all test speakers count; None: all.
        hook: progress.

    Raises:
        InputError: no such weights, or none of the corpora in the folder.
    """
    diarizer = Diarizer.from_pretrained(model, encoder=encoder).with_fine(fine)
    named = clips_by_corpus(clip for clip in listed_clips(data) if clip.split == "test")
    out: dict[str, float] = {}
    with torch_threads(1):
        if bursts := [clip for clip in named.get("emogator", []) if clip_kind(clip) in BURSTS]:
            out |= burst_figures(bursts, clip_curves(diarizer, bursts, hook))
        if speech := named.get("crema_d", []):
            votes = read_votes(data, sorted({clip.corpus for clip in speech}))
            speech = balanced_clips([clip for clip in speech if votes_on(clip, votes)], clips)
            out |= vote_figures(speech, votes, clip_curves(diarizer, speech, hook))
        if rated := balanced_clips(named.get("emonet_voice", []), clips):
            out |= rating_figures(rated, clip_curves(diarizer, rated, hook))
    if not out:
        raise InputError(f"{data}/audio: none of EmoGator, CREMA-D and EmoNet-Voice with test speakers is there")
    return out


@torch.no_grad()
def clip_curves(diarizer: Diarizer, clips: Sequence[Clip], hook: Hook = no_progress) -> dict[str, NDArray[np.float64]]:
    """Each kind's value (N,) of clips: the mean of its curve where somebody speaks, or everywhere if nobody does."""
    assert diarizer.fine is not None
    rows: list[dict[str, float]] = []
    for clip in counted(clips, hook, f"scoring {clips[0].corpus}", len(clips)):
        features = diarizer.encoder(load_audio(clip.path))
        spoken = features.speech if features.speech.any() else np.ones(len(features), bool)
        rows.append({name: float(c[spoken].mean()) for name, c in diarizer.fine(features).items()})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def burst_figures(clips: Sequence[Clip], curves: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Figures of bursts of known kinds (1 or 0), by kind and over the kinds that the heads answer."""
    number, kinds = kind_numbers(clips), [kind for kind in BURSTS if kind in curves]
    truth = {kind: (number == BURSTS.index(kind)).astype(np.float64) for kind in kinds}
    kinds = [kind for kind in kinds if 0 < truth[kind].sum() < len(clips)]
    out: dict[str, float] = {}
    for kind in kinds:
        value, there = curves[kind], truth[kind] > 0
        figures = agreement(value, truth[kind]) | {"auc": ranking_auc(value[there], value[~there])}
        out |= {f"fine_{name}_{_key(kind)}": figure for name, figure in figures.items()}
    means = {f"fine_{n}": _mean(out, f"fine_{n}_", kinds) for n in ("pearson", "spearman", "mae", "auc")}
    values, wanted = np.stack([curves[k] for k in kinds], 1), np.stack([truth[k] for k in kinds], 1)

    def figure(draws: Draws) -> float:
        return _mean_pearson(values[draws[0]], wanted[draws[0]])

    low, high = bootstrap_interval(figure, [[clip.speaker for clip in clips]], RESAMPLES)
    right = float((values.argmax(1) == wanted.argmax(1)).mean())
    clip_count = {"fine_clips": float(len(clips)), "fine_speakers": float(len({clip.speaker for clip in clips}))}
    share = float(np.mean([truth[kind].mean() for kind in kinds]))
    still = {"fine_mae_of_share": 2 * share * (1 - share), "fine_pearson_low": low, "fine_pearson_high": high}
    return means | still | {"fine_accuracy": right} | clip_count | out


def vote_figures(
    clips: Sequence[Clip], votes: Mapping[str, Votes], curves: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Figures of speech with votes, by category: the kinds that stand for it, of the six that raters could choose."""
    share = vote_shares(clips, votes)
    count = np.array([max(2, rated.count) if (rated := votes_on(c, votes)) else 2 for c in clips])
    given = {c: sum((curves[k] for k in kinds if k in curves), np.zeros(len(clips))) for c, kinds in VOTED.items()}
    total = np.maximum(np.sum(list(given.values()), axis=0), 1e-9)
    out: dict[str, float] = {}
    for column, (category, value) in enumerate(given.items()):
        truth = share[:, column].astype(np.float64)
        figures = agreement(value / total, truth) | {"ceiling": float(np.sqrt(reliability_of(truth, count)))}
        out |= {f"vote_{name}_{category}": figure for name, figure in figures.items()}
    labels = np.array([max(0, category_of(clip)) for clip in clips])
    families = {kind: curve for kind, curve in curves.items() if kind in KINDS}
    seven = {"vote_projected_recall": own_recall(labels, projected(families))}
    names = ("pearson", "spearman", "mae", "ceiling")
    means = {f"vote_{name}": _mean(out, f"vote_{name}_", list(VOTED)) for name in names}
    values = np.stack([value / total for value in given.values()], 1)
    truths = share[:, : len(given)].astype(np.float64)

    def figure(draws: Draws) -> float:
        return _mean_pearson(values[draws[0]], truths[draws[0]])

    low, high = bootstrap_interval(figure, [[clip.speaker for clip in clips]], RESAMPLES)
    means |= {"vote_pearson_low": low, "vote_pearson_high": high}
    return means | seven | {"vote_clips": float(len(clips))} | out


def reliability_of(share: NDArray[np.float64], count: NDArray[np.integer]) -> float:
    """Share of the variance of vote shares (N,) that is not the binomial spread of ``count`` (N,) votes."""
    spread = float(np.mean(share * (1.0 - share) / (count - 1)))
    whole = float(share.var())
    return max(0.0, 1.0 - spread / whole) if whole > 0 else 0.0


def rating_figures(clips: Sequence[Clip], curves: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Figures of clips that experts rated for one kind each, on the published scale from 0 to 10."""
    kinds = np.array([clip_kind(clip) or "" for clip in clips])
    rating = np.array([float(clip.intensity or 0.0) for clip in clips]) * PUBLISHED_SCALE / RATED_HIGHEST
    out: dict[str, float] = {}
    for kind in sorted(set(kinds) & set(curves)):
        own = kinds == kind
        value = PUBLISHED_SCALE * curves[kind][own]
        if np.ptp(rating[own]) > 0:
            figures = agreement(value, rating[own])
            out |= {f"rated_{name}_{_key(kind)}": figures[name] for name in ("pearson", "mae")}
    found = [key for key in out if key.startswith("rated_pearson_")]
    if not found:
        return {}
    means = {
        "rated_pearson": float(np.mean([out[key] for key in found])),
        "rated_mae": float(np.mean([out[key] for key in out if key.startswith("rated_mae_")])),
    }
    return means | {"rated_clips": float(len(clips))} | out


def agreement(value: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    """Correlation of values (N,) and of their ranks (Spearman), ties sharing their mean rank, and mean error."""
    return {
        "pearson": correlation(value, truth),
        "spearman": correlation(rankdata(value), rankdata(truth)),
        "mae": float(np.mean(np.abs(value - truth))),
    }


def _key(kind: str) -> str:
    return kind.replace(" ", "_")


def _mean(figures: Mapping[str, float], prefix: str, names: Sequence[str]) -> float:
    return float(np.mean([figures[prefix + _key(name)] for name in names])) if names else 0.0


def _mean_pearson(values: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Mean correlation of the columns (N, K) whose truth varies, all at once; not a number where none does."""
    a, b = values - values.mean(0), truth - truth.mean(0)
    size = np.sqrt(np.square(a).sum(0) * np.square(b).sum(0))
    return float(((a * b).sum(0)[size > 0] / size[size > 0]).mean()) if (size > 0).any() else float("nan")


# --- The table and the plot of ``docs/diarizer.md``.


def fine_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each kind, the best first, then the categories that raters chose among."""
    prefix = "fine_pearson_"
    kinds = [kind for kind in BURSTS if prefix + _key(kind) in metrics]
    rows = [
        [kind, *(f"{metrics[f'fine_{name}_{_key(kind)}']:.2f}" for name in ("pearson", "spearman", "mae", "auc"))]
        for kind in sorted(kinds, key=lambda kind: -metrics[prefix + _key(kind)])
    ]
    tables = [markdown_table(["kind", "Pearson", "Spearman", "MAE", "AUC"], rows)]
    if "vote_pearson" in metrics:
        names = ("pearson", "ceiling", "spearman", "mae")
        rows = [[word, *(f"{metrics[f'vote_{name}_{word}']:.2f}" for name in names)] for word in VOTED]
        tables.append(markdown_table(["raters' category", "Pearson", "ceiling", "Spearman", "MAE"], rows))
    return "\n\n".join(tables) + "\n"


def plot_fine(metrics: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Correlation of every kind, as bars, for each encoder by its name; the best kind of the first one first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    prefix, first = "fine_pearson_", next(iter(metrics.values()))
    kinds = [kind for kind in BURSTS if prefix + _key(kind) in first]
    kinds.sort(key=lambda kind: -first[prefix + _key(kind)])
    figure, axis = pyplot.subplots(figsize=(9, 3.4), layout="constrained")
    width = 0.8 / len(metrics)
    for k, ((name, found), colour) in enumerate(zip(metrics.items(), ("#2b6cb0", "#d69e2e"), strict=False)):
        heights = [found[prefix + _key(kind)] for kind in kinds]
        places = np.arange(len(kinds)) + width * (k - 0.5 * (len(metrics) - 1))
        axis.bar(places, heights, width, color=colour, label=f"{name}: mean {found['fine_pearson']:.2f}")
    axis.axhline(0.42, color="#1a202c", linestyle=":", linewidth=1, label="asked, as a mean")
    axis.set_xticks(range(len(kinds)), kinds, rotation=60, ha="right", fontsize=8)
    axis.set_ylabel("Pearson, test speakers")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    write_figure(figure, path)
