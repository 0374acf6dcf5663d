"""The few figures that sum a benchmark up: measured, estimated and said so, or absent and said why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measures.benchmark import figure_rows, plot, stage_rows, summed_up
from measures.stages import ANALYSIS
from PIL import Image


def pipeline(length: float, threads: int = 1) -> dict[str, Any]:
    """A run whose stages take a hundredth of the speech each, and whose memory grows by a tenth of a GB a minute."""
    names = ("reading the audio", *ANALYSIS, "writing npz", "writing glb")
    stages = {name: {"seconds": length / 50, "cpu_seconds": length / 100} for name in names}
    return {"length": length, "threads": threads, "stages": stages, "peak_bytes": 4e8 + 1e8 * length / 60}


def report(*lengths: float) -> dict[str, Any]:
    made: dict[str, Any] = {
        "start": {name: {"seconds": s} for name, s in (("help", 0.3), ("diarize", 2.0), ("animate", 3.0))},
        "pipeline": [pipeline(length, threads) for length in lengths for threads in (1, 2)],
        "stream": {"piece_ms": {"mean": 9.0}, "first_frame_s": 0.32},
        "video": {"builtin": [{"frames_a_second": 60.0}]},
    }
    made["figures"], made["estimated"], made["absent"] = summed_up(made)
    return made


def test_figures_are_of_what_was_measured() -> None:
    figures = report(60.0, 600.0, 3600.0)["figures"]
    assert figures["rt_diarize_decode"] == pytest.approx(20.0)
    assert figures["rt_glb"] == pytest.approx(100 / 7, abs=1e-3)
    assert figures["linearity"] == pytest.approx(10.0)
    assert figures["rss_hour_gb"] == pytest.approx(6.4)
    assert (figures["help_s"], figures["diarize_3s_s"], figures["cold_3s_s"]) == (0.3, 2.0, 3.0)
    assert figures["rt_video"] == 2.0
    assert figures["piece_ms"] == 9.0


def test_what_is_estimated_is_named() -> None:
    made = report(20.0, 60.0, 200.0)
    assert made["figures"]["rss_hour_gb"] == pytest.approx(6.4)
    assert set(made["estimated"]) >= {"rss_hour_gb", "linearity"}
    assert "60 s and 200 s" in made["estimated"]["rss_hour_gb"]
    assert set(made["estimated"]) <= set(made["figures"])


def test_what_is_absent_is_listed_and_not_invented() -> None:
    made = report(30.0)
    assert {"linearity", "rss_hour_gb"} <= set(made["absent"])
    assert not set(made["absent"]) & set(made["figures"])


def test_tables_hold_every_figure_and_stage(tmp_path: Path) -> None:
    made = report(60.0, 600.0)
    assert [name for name, _, _ in figure_rows(made)] == [*made["figures"], *made["absent"]]
    heading, rows = stage_rows(made)
    assert {*ANALYSIS, "peak memory, GB"} <= {row[0] for row in rows}
    assert all(len(row) == len(heading) for row in rows)
    assert any("estimated" in about for _, _, about in figure_rows(made))
    plot(made, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (960, 540)
