"""A picture of calibration: how often what is said with some confidence is right."""

from __future__ import annotations

from pathlib import Path

from sedtalker.emotion.plot import write_figure
from sedtalker.metrics.emotion import Reliability


def plot_reliability(diagram: Reliability, path: Path, error: float) -> None:
    """Accuracy over confidence with the share of clips below, as a PNG, written whole or not at all.

    Args:
        diagram: of single clips.
        path: where to write.
        error: expected calibration error, shown in the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4.0, 1.0])
    upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    upper.plot(diagram.confidence, diagram.accuracy, color="#0072B2", marker="o")
    upper.set_xlim(0.0, 1.0)
    upper.set_ylim(0.0, 1.0)
    upper.set_ylabel("share that is right")
    upper.set_title(f"test clips, expected calibration error {error:.3f}", fontsize=10)
    lower.bar(diagram.confidence, diagram.share, width=0.05, color="#0072B2")
    lower.set_ylabel("share of clips")
    lower.set_xlabel("confidence (greatest posterior)")
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)
