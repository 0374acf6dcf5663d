"""Plots of a report, as SVG that stands inside a page: no fonts, pictures or scripts from elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sedtalker.batch.statistics import GroupStatistics
from sedtalker.batch.tracks import TrackSummary
from sedtalker.emotion.plot import COLOURS
from sedtalker.emotion.track import UNCERTAIN

WIDTH = 9.2
"""Inches of every plot."""
MOST_GROUPS, MOST_RECORDINGS = 24, 40
"""How many are drawn; the tables have all."""
LONGEST_NAME = 34
"""Characters of a name beside a plot."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#333333",
}
"""Style of every plot; file names are drawn as text, never as formulas."""


def colour(label: str) -> str:
    """Colour of an emotion; white gets a hatch and an edge."""
    return COLOURS.get(label, "#888888")


def ink(label: str) -> str:
    """Colour of text on the colour of an emotion."""
    red, green, blue = (int(colour(label)[k : k + 2], 16) for k in (1, 3, 5))
    return "#FFFFFF" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "#222222"


def shortened(name: str) -> str:
    """A long name with its middle left out."""
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def figure(height: float) -> tuple[Any, Any]:
    """A figure with one pair of axes."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(WIDTH, height), layout="constrained")
    return made, made.subplots()


def as_svg(drawn: Any, name: str, described: str) -> str:
    """A figure as an ``<svg>`` element; the same figure gives the same text, and no two share an id.

    Args:
        drawn: the figure.
        name: begins all its ids.
        described: what it shows, for readers that do not see it.
    """
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{described}" ', 1)


def _bars(axis: Any, label: str, places: Any, widths: Any, left: Any, height: float = 0.72) -> None:
    edge = {"edgecolor": "#999999", "hatch": "////", "linewidth": 0.5} if label == UNCERTAIN else {"linewidth": 0}
    axis.barh(places, widths, left=left, height=height, color=colour(label), label=label, **edge)


def share_plot(groups: Sequence[GroupStatistics]) -> str:
    """Share of time of each emotion, a bar a group."""
    import matplotlib as mpl

    shown = groups[: MOST_GROUPS + 1]
    with mpl.rc_context(STYLE):
        drawn, axis = figure(1.15 + 0.36 * len(shown))
        places, left = np.arange(len(shown)), np.zeros(len(shown))
        for k, label in enumerate(shown[0].labels):
            widths = np.array([group.shares[k] for group in shown])
            _bars(axis, label, places, widths, left)
            for place, width, start in zip(places, widths, left, strict=True):
                if width >= 0.06:
                    middle = {"ha": "center", "va": "center", "fontsize": 8.5, "color": ink(label)}
                    axis.text(start + width / 2, place, f"{width:.0%}", **middle)
            left += widths
        axis.set_yticks(places, [shortened(group.group) for group in shown])
        axis.invert_yaxis()
        axis.set_xlim(0.0, 1.0)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.set_xlabel("share of time")
        drawn.legend(loc="outside upper center", ncols=8, frameon=False, handlelength=1.2, columnspacing=1.2)
        return as_svg(drawn, "share", "share of time of each emotion by group")


def intensity_plot(groups: Sequence[GroupStatistics]) -> str:
    """Mean intensity while an emotion lasts: a bar for all, a dot a group."""
    import matplotlib as mpl

    everything, *others = groups[: MOST_GROUPS + 1]
    labels = everything.labels
    with mpl.rc_context(STYLE):
        drawn, axis = figure(2.9)
        for k, label in enumerate(labels):
            edge = {"edgecolor": "#999999", "hatch": "////"} if label == UNCERTAIN else {}
            axis.bar(k, np.nan_to_num(everything.intensity[k]), width=0.62, color=colour(label), **edge)
            dots = np.array([group.intensity[k] for group in others])
            spread = np.linspace(-0.2, 0.2, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
            axis.plot(k + spread, dots, "o", ms=4, mfc="white", mec="#222222", mew=0.9)
        axis.set_xticks(range(len(labels)), labels)
        axis.tick_params(axis="x", length=0)
        axis.set_ylim(0.0, 1.0)
        axis.set_ylabel("mean intensity")
        return as_svg(drawn, "intensity", "mean intensity of each emotion, a dot a group")


def transition_plot(group: GroupStatistics) -> str:
    """Which emotion follows which: shares of the changes from each, and their counts."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    labels, shares = group.labels, group.probabilities()
    shades = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#9EC9E2", "#0D4A70"])
    with mpl.rc_context(STYLE):
        drawn, axis = figure(1.0 + 0.42 * len(labels))
        axis.pcolormesh(shares, cmap=shades, vmin=0.0, vmax=1.0, edgecolors="#E4E4E4", linewidth=0.6)
        for i in range(len(labels)):
            for j in range(len(labels)):
                if i == j or not group.changes[i, j]:
                    text = "–" if i == j else "0"
                    axis.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=9, color="#B5B5B5")
                    continue
                dark = shares[i, j] > 0.6
                text = f"{shares[i, j]:.0%}  ({group.changes[i, j]})"
                axis.text(
                    j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=9, color="white" if dark else "#222222"
                )
        axis.set_xticks(np.arange(len(labels)) + 0.5, labels)
        axis.set_yticks(np.arange(len(labels)) + 0.5, labels)
        axis.tick_params(length=0)
        axis.invert_yaxis()
        axis.set_xlabel("to")
        axis.set_ylabel("from")
        axis.spines[:].set_visible(False)
        return as_svg(drawn, "transitions", "how often one emotion follows another")


def duration_plot(summaries: Sequence[TrackSummary]) -> str:
    """How long the recordings are."""
    import matplotlib as mpl

    durations = np.array([summary.duration for summary in summaries])
    with mpl.rc_context(STYLE):
        drawn, axis = figure(2.3)
        bins = int(np.clip(np.sqrt(len(durations)) * 2, 5, 40))
        low, high = float(durations.min()), float(durations.max())
        edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
        axis.hist(durations, edges, color="#7A8B99", rwidth=0.94)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("duration of a recording (s)")
        axis.set_ylabel("recordings")
        return as_svg(drawn, "durations", "durations of the recordings")


def timeline_plot(summaries: Sequence[TrackSummary]) -> str:
    """The segments of each recording over time, as thick as they are intense."""
    import matplotlib as mpl

    shown = sorted(summaries, key=lambda summary: summary.name)[:MOST_RECORDINGS]
    with mpl.rc_context(STYLE):
        drawn, axis = figure(0.9 + 0.24 * len(shown))
        for place, summary in enumerate(shown):
            axis.barh(place, summary.duration, height=0.72, color="#F1F1F1", linewidth=0)
            for label, start, end, intensity in summary.segments:
                _bars(axis, label, [place], [end - start], [start], 0.16 + 0.56 * float(np.clip(intensity, 0, 1)))
        axis.set_yticks(range(len(shown)), [shortened(summary.name) for summary in shown], fontsize=8.5)
        axis.invert_yaxis()
        axis.set_ylim(len(shown) - 0.4, -0.6)
        axis.set_xlim(0.0, max(summary.duration for summary in shown) or 1.0)
        axis.set_xlabel("time (s)")
        return as_svg(drawn, "timeline", "emotions of each recording over time")
