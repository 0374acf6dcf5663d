"""What differs between groups of recordings, what changes over a column, and over the course of recordings; computed.

Recordings are the units, not seconds. Differences have bootstrap intervals and the test of Mann and Whitney; trends
Spearman's correlation and the slope of Theil and Sen. With many questions some answers come by chance: ``p_holm`` is
corrected for all rows of its table (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sedtalker.batch.statistics import ORDER, Row
from sedtalker.batch.tracks import Tracks, TrackSummary, labels_of

RESAMPLES = 1000
"""Bootstrap resamples for the intervals."""
FEWEST = 3
"""Recordings on either side of a comparison, and of a trend one more."""
PARTS = 10
"""Number of parts into which the course of a recording is divided."""


def measures_of(summaries: Sequence[TrackSummary]) -> dict[str, NDArray[np.float64]]:
    """What is compared, (N,) each: shares of the emotions, mean intensity, valence and arousal, changes a minute."""
    found = {
        f"share_{label}": np.array([s.seconds(label) / s.duration if s.duration else 0.0 for s in summaries])
        for label in labels_of(summaries, ORDER)
    }
    for name in ("intensity", "valence", "arousal"):
        found[f"mean_{name}"] = np.array([getattr(s, name) for s in summaries])
    changes = [sum(a[0] != b[0] for a, b in zip(s.segments, s.segments[1:], strict=False)) for s in summaries]
    minutes = np.array([max(s.duration, 1e-9) / 60.0 for s in summaries])
    return {**found, "changes_a_minute": np.array(changes) / minutes}


def comparison_rows(tracks: Tracks, seed: int = 0) -> list[Row]:
    """One row a group and measure, against all other recordings; none for groups of fewer than ``FEWEST``."""
    if tracks.by is None or len(tracks.groups) < 2:
        return []
    measures = measures_of(tracks.summaries)
    group = np.array([s.group for s in tracks.summaries])
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for name in tracks.groups:
        inside = group == name
        if min(inside.sum(), (~inside).sum()) < FEWEST:
            continue
        for measure, values in measures.items():
            own, other = values[inside], values[~inside]
            low, high = np.percentile(_drawn(own, rng) - _drawn(other, rng), [2.5, 97.5])
            same = np.ptp(values) == 0.0
            rows.append(
                {
                    "group": name,
                    "measure": measure,
                    "recordings": int(inside.sum()),
                    "mean": float(own.mean()),
                    "mean_of_others": float(other.mean()),
                    "difference": float(own.mean() - other.mean()),
                    "low": float(low),
                    "high": float(high),
                    "p": 1.0 if same else float(stats.mannwhitneyu(own, other).pvalue),
                }
            )
    return _corrected(rows)


def _drawn(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of ``RESAMPLES`` samples with replacement, a few at a time."""
    count = len(values)
    step = max(1, 2_000_000 // count)
    parts = [
        values[rng.integers(count, size=(min(step, RESAMPLES - done), count))].mean(1)
        for done in range(0, RESAMPLES, step)
    ]
    return np.concatenate(parts)


def trend_rows(tracks: Tracks) -> list[Row]:
    """One row a measure: how it goes with the column of ``--over``; recordings without a number there are left out."""
    kept = [s for s in tracks.summaries if s.name in tracks.over]
    where = np.array([tracks.over[s.name] for s in kept])
    if len(kept) <= FEWEST or np.ptp(where) == 0.0:
        return []
    rows: list[Row] = []
    for measure, values in measures_of(kept).items():
        same = np.ptp(values) == 0.0
        found = stats.spearmanr(where, values) if not same else None
        rows.append(
            {
                "measure": measure,
                "recordings": len(kept),
                "spearman": 0.0 if found is None else float(found.statistic),
                "slope": float(stats.theilslopes(values, where)[0]) if len(kept) <= 5000 else _slope(where, values),
                "p": 1.0 if found is None else float(found.pvalue),
            }
        )
    return _corrected(rows)


def _slope(where: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Slope of the least-squares line, for so many recordings that all pairs would take too long."""
    return float(np.polyfit(where, values, 1)[0])


def course_rows(tracks: Tracks) -> list[Row]:
    """One row a tenth of the recordings and emotion: its share of the time there, each recording counting alike."""
    labels = labels_of(tracks.summaries, ORDER)
    kept = [s for s in tracks.summaries if s.duration > 0]
    share = np.zeros((PARTS, len(labels)))
    for summary in kept:
        edges = np.linspace(0.0, summary.duration, PARTS + 1)
        for label, start, end, _ in summary.segments:
            covered = np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])
            share[:, labels.index(label)] += np.maximum(covered, 0.0) / (summary.duration / PARTS)
    return [
        {"tenth": part + 1, "emotion": label, "share": float(share[part, k] / len(kept))}
        for part in range(PARTS if kept else 0)
        for k, label in enumerate(labels)
    ]


def _corrected(rows: list[Row]) -> list[Row]:
    """With ``p_holm``; the smallest first."""
    ordered = sorted(rows, key=lambda row: row["p"])
    least = 0.0
    for rank, row in enumerate(ordered):
        least = max(least, min(1.0, row["p"] * (len(ordered) - rank)))
        row["p_holm"] = least
    return ordered


def positions(cells: Mapping[str, Mapping[str, str]], column: str) -> dict[str, float]:
    """The numbers of a column by recording; dates (ISO 8601) as days. Other cells are left out."""
    found = {}
    for name, row in cells.items():
        text = row.get(column, "").strip()
        try:
            value = float(text)
        except ValueError:
            try:
                value = datetime.fromisoformat(text).timestamp() / 86400.0
            except (ValueError, OverflowError, OSError):
                continue
        if np.isfinite(value):
            found[name] = value
    return found
