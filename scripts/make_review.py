"""Write the figures of the pages on events, search, review and valence; nothing is measured here.

sedtalker evaluate routing --data DIR --clips 300 --json | tee docs/routing.json
sedtalker evaluate routing --data DIR --clips 300 --adapt norm --json | tee docs/routing_norm.json
sedtalker evaluate routing --data DIR --clips 200 --model whisper-base --json | tee docs/routing_whisper.json
python scripts/make_review.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured_page import write_between_marks

from sedtalker.emotion.events import track_changes
from sedtalker.emotion.plot import COLOURS, write_figure
from sedtalker.emotion.query import Recorded, parse_query
from sedtalker.emotion.taxonomy import COORDINATES, DIETRICH
from sedtalker.emotion.track import EmotionTrack
from sedtalker.training.evaluation.routing import plot_routing, routing_table

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
SAMPLE = ROOT / "data/samples/four_moods.emotion.json"
"""The track that is drawn."""
OTHERS = {"adapted by `norm`": "docs/routing_norm.json", "whisper-base": "docs/routing_whisper.json"}
"""Figures of other diarizers; those that are not there are left out."""
STEPS = ("happy > .7", "sad", "angry")
"""The steps of the query that is drawn."""


def main() -> None:
    """Write the page and the plots."""
    metrics = json.loads((ROOT / "docs/routing.json").read_text(encoding="utf-8"))
    made = {name: ROOT / file for name, file in OTHERS.items() if (ROOT / file).is_file()}
    others = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in made.items()}
    write_between_marks(ROOT / "docs/tracks.md", "routing", text(metrics, others))
    plot_routing(metrics, ROOT / "docs/images/review.png")
    track = EmotionTrack.load(SAMPLE)
    plot_events(track, ROOT / "docs/images/events.png")
    plot_search(track, ROOT / "docs/images/search.png")
    plot_coordinates(ROOT / "docs/images/valence.png")


def others_table(metrics: Mapping[str, float], others: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each diarizer: the built-in one as it is, and the others."""
    lines = ["| diarizer | alone | gain | 95 % interval | by margin | most possible |", "|---|---|---|---|---|---|"]
    for name, found in {"built in": metrics, **others}.items():
        low, high = found["routing_gain_low"], found["routing_gain_high"]
        lines.append(
            f"| {name} | {found['machine_accuracy']:.3f} | {found['routing_gain']:+.3f} | {low:+.3f} to {high:+.3f} | "
            f"{found['margin_gain']:+.3f} | {found['gain_most']:+.3f} |"
        )
    return "\n".join(lines) + "\n"


def text(metrics: Mapping[str, float], others: Mapping[str, Mapping[str, float]]) -> str:
    """What stands between the marks: sentences, the tables and the plot."""
    gain, low, high = (metrics[key] for key in ("routing_gain", "routing_gain_low", "routing_gain_high"))
    return (
        f"The diarizer alone is right on {metrics['machine_accuracy']:.3f} of the clips, one vote of a person on "
        f"{metrics['person_accuracy']:.3f}. With the doubtful 15 % asked instead of a\nrandom 15 % the accuracy is "
        f"{gain:.3f} higher (95 % interval {low:.3f} to {high:.3f}); {metrics['gain_most']:.3f} is possible, .04 was "
        f"asked for.\nWith somebody who is always right the accuracy is {metrics['expert_accuracy']:.3f}. The built-in "
        f"rules apply to {metrics['rules_changed']:.0%} of the doubtful clips and change the\naccuracy by "
        f"{metrics['rules_gain']:+.3f}.\n\n{others_table(metrics, others)}\nThe built-in one by corpus:\n\n"
        f"{routing_table(metrics)}\n"
        "![Share of errors by the share of clips that the diarizer answers, for each measure](images/review.png)\n"
    )


def _axes(rows: int, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, figsize=(8, height), layout="constrained", squeeze=False)
    for axis in axes[:, 0]:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:, 0]


def _shade(axis: Any, track: EmotionTrack) -> None:
    """The track's segments and its intensity."""
    for segment in track.segments():
        axis.axvspan(segment.start, segment.end, color=COLOURS[segment.label], alpha=0.25, linewidth=0)
        axis.text((segment.start + segment.end) / 2, 1.06, segment.label, ha="center", fontsize=8)
    axis.plot(track.times, track.intensity, color="#1a202c", linewidth=1.2)
    axis.set(ylim=(0, 1.2), xlim=(0, track.duration), ylabel="intensity")


def plot_events(track: EmotionTrack, path: Path) -> None:
    """The track, and the line of each event where it is announced."""
    figure, (axis,) = _axes(1, 2.6)
    _shade(axis, track)
    for change in track_changes(track):
        axis.axvline(change.time, color="#c05621", linewidth=1.2)
        said = f"{change.emotion} {change.intensity:.1f}"
        axis.text(change.time + 0.06, 0.04, said, rotation=90, fontsize=7, va="bottom")
    axis.set_xlabel("seconds")
    write_figure(figure, path)


def plot_search(track: EmotionTrack, path: Path) -> None:
    """The track, the stretches of each step of a query, and the match."""
    figure, (above, below) = _axes(2, 3.2)
    _shade(above, track)
    recorded = Recorded.of(track)
    rows = [*STEPS, " then ".join(STEPS)]
    for row, query in enumerate(rows):
        for match in parse_query(query).find(recorded):
            colour = "#c05621" if row == len(STEPS) else "#2b6cb0"
            below.barh(-row, match.end - match.start, left=match.start, color=colour, height=0.6)
    below.set_yticks([-row for row in range(len(rows))], rows, fontsize=8)
    below.set(xlim=(0, track.duration), xlabel="seconds")
    write_figure(figure, path)


def plot_coordinates(path: Path) -> None:
    """Both tables of coordinates on the circumplex."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5.2, 3.6), layout="constrained")
    for name, (valence, arousal) in COORDINATES.items():
        other = DIETRICH[name]
        axis.annotate("", other, (valence, arousal), arrowprops={"arrowstyle": "->", "color": "#718096"})
        axis.plot(valence, arousal, "o", color=COLOURS[name])
        axis.plot(*other, "s", color=COLOURS[name], markersize=4)
        axis.annotate(name, (valence, arousal), (5, -11), textcoords="offset points", fontsize=8)
    axis.axhline(0, color="#cbd5e0", zorder=0)
    axis.axvline(0, color="#cbd5e0", zorder=0)
    axis.set(xlim=(-1, 1), ylim=(-0.5, 1), xlabel="valence", ylabel="arousal")
    axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


if __name__ == "__main__":
    main()
