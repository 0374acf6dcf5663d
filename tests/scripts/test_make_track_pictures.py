"""The pictures of the page on tracks can be drawn anew."""

from __future__ import annotations

from pathlib import Path

from scripts.make_track_pictures import SAMPLE, plot_coordinates, plot_events
from sedtalker.emotion.track import EmotionTrack


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    plot_events(EmotionTrack.load(SAMPLE), tmp_path / "events.png")
    plot_coordinates(tmp_path / "valence.png")
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("events.png", "valence.png"))
