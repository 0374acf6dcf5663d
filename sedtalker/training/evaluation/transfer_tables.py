"""Zero-shot figures of a diarizer as JSON, as a table, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.evaluation.transfer_scores import Transfer, coverage_curve

COLUMNS = {
    "uar": "UAR", "uar_seven": "of 7", "uar_adjusted": "adjusted", "macro_f1": "F1", "ece": "ECE", "accuracy": "acc.",
    "accuracy_half": "half", "angry_as_happy": "angry→happy", "intensity_neutral": "int. neutral",
    "intensity_emotional": "emotional", "intensity_auc": "AUC", "valence_auc": "valence", "arousal_auc": "arousal",
    "uar_women": "women", "uar_men": "men", "enrol_gain": "enrolled",
}  # fmt: skip
"""Figures of a corpus in the table for a terminal, and their headings."""


def transfer_metrics(result: Transfer) -> dict[str, object]:
    """Everything as plain data for JSON."""
    return {
        "model": result.model,
        "licence": result.licence,
        "trained_on": list(result.trained_on),
        **_rounded(result.summary),
        "zero_shot_corpora": [s.name for s in result.corpora if s.role == "headline"],
        "development_corpora": [s.name for s in result.corpora if s.role == "development"],
        "in_domain_corpora": [s.name for s in result.corpora if s.role == "in-domain"],
        "narration": _rounded(result.narration),
        "languages": _rounded(result.languages),
        "coverage": _curve(coverage_curve(result.corpora)),
        "joined": _rounded(result.joined),
        "robust": _rounded(result.robust),
        "corpora": {
            s.name: {
                "role": s.role,
                "clips": s.clips,
                **_rounded(s.metrics),
                "recall": _rounded(s.recall),
                "coverage": _curve(s.coverage),
            }
            for s in result.corpora
        },
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}


def _curve(values: Mapping[float, float]) -> dict[str, float]:
    return {f"{share:g}": round(value, 4) for share, value in values.items()}


def transfer_table(result: Transfer) -> str:
    """A Markdown table, a corpus a row."""
    lines = ["| corpus | role | clips | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 3) + "|"]
    for s in result.corpora:
        cells = [f"{s.metrics[key]:.2f}".replace("0.", ".", 1) if key in s.metrics else "-" for key in COLUMNS]
        lines.append(f"| {s.name} | {s.role} | {s.clips} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_transfer(result: Transfer, path: Path) -> None:
    """Recalls as a heat map and accuracy by coverage beside it, as a PNG; written whole or not at all.

    The heat map has every category of every corpus, over the corpus's own categories. The curves say how right the
    most confident share of the clips is; a good confidence makes them fall from left to right.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [f"{s.name} ({s.role})" for s in result.corpora]
    matrix = np.array(
        [[*(s.recall.get(c, np.nan) for c in CATEGORIES), s.metrics["uar"]] for s in result.corpora], np.float64
    )
    figure = Figure(figsize=(14.0, max(4.5, 1.8 + 0.45 * len(rows))), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    image = draw_shares(left, matrix, rows, [*CATEGORIES, "mean (UAR)"])
    left.set_title(f"{result.model}: recall over each corpus's own categories", fontsize=10)
    figure.colorbar(image, ax=left)
    for s in result.corpora:
        unseen = s.role != "in-domain"
        right.plot(list(s.coverage), list(s.coverage.values()), label=s.name, linestyle="-" if unseen else ":")
    mean = coverage_curve(result.corpora)
    right.plot(list(mean), list(mean.values()), color="black", linewidth=2.5, label="headline, mean")
    right.set(xlabel="share of the clips that is answered, the most confident first", ylabel="accuracy", ylim=(0, 1))
    right.set_title("accuracy by coverage, seven categories", fontsize=10)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(fontsize=7, ncols=2)
    write_figure(figure, path)


def draw_shares(axis: Any, matrix: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> Any:
    """A matrix of shares in [0, 1] as a heat map with its figures; NaN stays empty. Returns the image."""
    image = axis.imshow(matrix, vmin=0.0, vmax=1.0, cmap="viridis")
    axis.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    for i, j in np.ndindex(matrix.shape):
        if not np.isnan(matrix[i, j]):
            colour = "white" if matrix[i, j] < 0.6 else "black"
            axis.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=colour)
    return image
