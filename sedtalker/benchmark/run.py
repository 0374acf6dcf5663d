"""All measurements, and the few figures that sum them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sedtalker.benchmark.machine import GIGABYTE, isolated, load, machine
from sedtalker.benchmark.stages import ANALYSIS, measure_pipeline, measure_registration, measure_video
from sedtalker.benchmark.start import measure_start
from sedtalker.benchmark.streaming import measure_stream
from sedtalker.mesh.mesh import Mesh
from sedtalker.progress import Hook, no_progress
from sedtalker.version import __version__

LENGTHS = (3.0, 30.0, 60.0, 600.0, 3600.0)
"""Seconds of the recordings of a whole run."""
VIDEO_FRAMES = 240
"""Frames of the video: eight seconds, so that its fixed cost is a small part."""
QUICK_LENGTHS = (60.0, 600.0)
"""Lengths of a quick run, seconds; an hour is extrapolated from them."""
HOUR = 3600.0
"""Seconds."""
STRETCH = 60.0
"""Seconds that networks see at once: memory of shorter recordings says nothing about longer ones."""
RENDER_SPEEDUP = "the renderer before it is not in the package; scripts/measure_renderer.py measures both"
"""Why there is no ``render_speedup``."""


def run_benchmark(
    quick: bool = False,
    mesh: Mesh | None = None,
    threads: Sequence[int] = (1, 2),
    lengths: Sequence[float] | None = None,
    hook: Hook = no_progress,
) -> dict[str, Any]:
    """Measure, each in a process of its own, and sum up.

    Args:
        quick: only what the figures need, in about a minute; figures of long recordings are estimated.
        mesh: a head for the video, beside the built-in face; registered, if it is no built-in topology.
        threads: how many are tried.
        lengths: seconds of the recordings.
        hook: of progress.

    Returns:
        Plain data. ``figures``: numbers by the names in ``docs/speed.md``; ``estimated`` and ``absent``: names of those
        that were not measured, and why; ``machine`` and ``load``; then what each measurement gave.
    """
    lengths = lengths or (QUICK_LENGTHS if quick else LENGTHS)
    threads = threads[:1] if quick else threads
    formats = ("npz", "glb") if quick else ("npz", "glb", "arkit")
    many = max(machine()["cores"], 1)
    report: dict[str, Any] = {"sedtalker": __version__, "quick": quick, "machine": machine()}
    report["load"] = {"before": load()}
    jobs = {
        "start": lambda: measure_start(1 if quick else 3),
        "pipeline": lambda: [
            isolated(measure_pipeline, length, count, formats, threads=count)
            for length in lengths
            for count in (threads if length < HOUR else threads[:1])
        ],
        "stream": lambda: isolated(measure_stream, 5.0 if quick else 20.0),
        "video": lambda: _videos(VIDEO_FRAMES, many, mesh, threads if not quick else ()),
        "registration": lambda: None if quick else isolated(measure_registration, 1),
    }
    for done, (name, measure) in enumerate(jobs.items()):
        hook(f"measuring: {name}", 0, 1)
        report[name] = measure()
        hook(f"measuring: {name}", 1, 1)
        hook("benchmark", done + 1, len(jobs))
    report["load"]["after"] = load()
    report["figures"], report["estimated"], report["absent"] = summed_up(report)
    return report


def _videos(frames: int, many: int, mesh: Mesh | None, threads: Sequence[int]) -> dict[str, Any]:
    """The built-in face and the head, with all cores; then the built-in face with other numbers of threads."""
    counts = [many, *(count for count in threads if count != many)]
    rows = {"builtin": [isolated(measure_video, frames, count, None, threads=count) for count in counts]}
    if mesh is not None:
        rows["mesh"] = [isolated(measure_video, frames, many, mesh, threads=many)]
    return rows


# --- The few figures.


def summed_up(report: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str], dict[str, str]]:
    """Figures, how those that are not measured are estimated, and why others are absent."""
    figures: dict[str, float] = {}
    estimated: dict[str, str] = {}
    absent = {"render_speedup": RENDER_SPEEDUP}
    rows = sorted((row for row in report["pipeline"] if row["threads"] == 1), key=lambda row: row["length"])
    if rows:
        minute = min(rows, key=lambda row: abs(row["length"] - 60.0))
        figures["rt_diarize_decode"] = minute["length"] / stage_seconds(minute, ANALYSIS)
        figures["rt_glb"] = minute["length"] / stage_seconds(minute, (*ANALYSIS, "reading the audio", "writing glb"))
        _add_growth(rows, figures, estimated, absent)
    start = report["start"]
    figures["help_s"] = start["help"]["seconds"]
    figures["cold_3s_s"] = start["animate"]["seconds"]
    figures["diarize_3s_s"] = start["diarize"]["seconds"]
    figures["rt_video"] = report["video"]["builtin"][0]["frames_a_second"] / 30.0
    if "mesh" in report["video"]:
        figures["rt_video_mesh"] = report["video"]["mesh"][0]["frames_a_second"] / 30.0
    figures["piece_ms"] = report["stream"]["piece_ms"]["mean"]
    figures["first_frame_s"] = report["stream"]["first_frame_s"]
    return {name: round(value, 3) for name, value in figures.items()}, estimated, absent


def stage_seconds(row: Mapping[str, Any], stages: Sequence[str]) -> float:
    """CPU seconds of some stages of ``measure_pipeline``: what one idle core would need."""
    return float(sum(row["stages"][name]["cpu_seconds"] for name in stages))


def whole(row: Mapping[str, Any]) -> float:
    """CPU seconds from file to npz and glb."""
    return stage_seconds(row, (*ANALYSIS, "reading the audio", "writing npz", "writing glb"))


def _add_growth(
    rows: Sequence[Mapping[str, Any]], figures: dict[str, float], estimated: dict[str, str], absent: dict[str, str]
) -> None:
    """How time and memory grow with the recording."""
    by_length = {row["length"]: row for row in rows}
    tenfold = [(short, 10.0 * short) for short in (60.0, *sorted(by_length)) if {short, 10.0 * short} <= {*by_length}]
    if tenfold:
        short, long = tenfold[0]
        figures["linearity"] = whole(by_length[long]) / whole(by_length[short])
        if short != 60.0:
            estimated["linearity"] = f"{long:.0f} s against {short:.0f} s, not 10 minutes against one"
    else:
        absent["linearity"] = "no two lengths of which one is ten times the other"
    if HOUR in by_length:
        figures["rss_hour_gb"] = by_length[HOUR]["peak_bytes"] / GIGABYTE
    elif len(longer := [row for row in rows if row["length"] >= STRETCH]) > 1:
        slope, base = np.polyfit([r["length"] for r in longer], [r["peak_bytes"] for r in longer], 1)
        figures["rss_hour_gb"] = float(base + HOUR * slope) / GIGABYTE
        lengths = " and ".join(f"{row['length']:.0f} s" for row in longer)
        estimated["rss_hour_gb"] = f"a straight line through the peaks of {lengths}"
    else:
        absent["rss_hour_gb"] = f"it is estimated from two lengths of at least {STRETCH:.0f} s"
