"""Draw the pictures of `docs/tracks.md` on events and valence; nothing is measured here.

python scripts/make_track_pictures.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sedtalker.emotion.events import track_changes
from sedtalker.emotion.plot import COLOURS, write_figure
from sedtalker.emotion.taxonomy import COORDINATE_TABLES, COORDINATES
from sedtalker.emotion.track import EmotionTrack

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
SAMPLE = ROOT / "data/samples/four_moods.emotion.json"
"""The track that is drawn."""


def main() -> None:
    """Write the plots."""
    track = EmotionTrack.load(SAMPLE)
    plot_events(track, ROOT / "docs/images/events.png")
    plot_coordinates(ROOT / "docs/images/valence.png")


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


def plot_coordinates(path: Path) -> None:
    """Both tables of coordinates on the circumplex."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5.2, 3.6), layout="constrained")
    for name, (valence, arousal) in COORDINATES.items():
        other = COORDINATE_TABLES["dietrich2026"][name]
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
