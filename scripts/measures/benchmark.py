"""All measurements, the few figures that sum them up, and the report of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measures.machine import GIGABYTE, isolated, load, machine
from measures.stages import (
    ANALYSIS,
    measure_pipeline,
    measure_registration,
    measure_start,
    measure_stream,
    measure_video,
)
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
    absent: dict[str, str] = {}
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


ABOUT = {
    "rt_video": "8 s of video of the built-in face, 512 × 512, 30 frames/s, all cores: times real time",
    "rt_video_mesh": "the same of the given mesh",
    "rt_diarize_decode": "sound in memory to an animation, one core: times real time",
    "rt_glb": "sound file to GLB, one core: times real time",
    "linearity": "ten minutes against one: times the work",
    "rss_hour_gb": "one hour to the files: most memory, GB",
    "help_s": "sedtalker --help, s",
    "diarize_3s_s": "sedtalker diarize of 3 s, s",
    "cold_3s_s": "sedtalker animate --no-video of 3 s, s",
    "piece_ms": "stream: compute for 80 ms of sound, one core, ms",
    "first_frame_s": "stream: sound before the first frame, s",
}
"""What the figures are."""


def figure_rows(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, value, what it is) of every figure; estimates say how, absent ones why."""
    for name, value in report["figures"].items():
        how = f" (estimated: {report['estimated'][name]})" if name in report["estimated"] else ""
        yield name, f"{value:g}", ABOUT.get(name, name.replace("_", " ")) + how
    for name, why in report["absent"].items():
        yield name, "–", f"not measured: {why}"


def stage_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of CPU seconds by stage, a column a length and number of threads."""
    runs = report["pipeline"]
    names = list(dict.fromkeys(name for run in runs for name in run["stages"]))
    heading = ["stage", *(f"{_length(run['length'])}, {run['threads']} thr." for run in runs)]
    rows = []
    for name in names:
        cells = [run["stages"].get(name) for run in runs]
        rows.append([name, *("–" if cell is None else f"{cell['cpu_seconds']:.2f}" for cell in cells)])
    rows.append(["peak memory, GB", *(f"{run['peak_bytes'] / GIGABYTE:.2f}" for run in runs)])
    return heading, rows


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Seconds of each stage over the length of the recording, one thread, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    runs = [run for run in report["pipeline"] if run["threads"] == 1]
    figure = Figure(figsize=(8.0, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in dict.fromkeys(name for run in runs for name in run["stages"]):
        points = [(run["length"], run["stages"][name]["cpu_seconds"]) for run in runs if name in run["stages"]]
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    spoken = [run["length"] for run in runs]
    axes.plot(spoken, spoken, color="grey", linestyle=":", label="real time")
    axes.set(xscale="log", yscale="log", xlabel="speech, s", ylabel="one core, s")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, metadata={"Software": None})


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
