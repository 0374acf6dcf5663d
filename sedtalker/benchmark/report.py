"""What was measured, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sedtalker.benchmark.machine import GIGABYTE
from sedtalker.storage import whole_file

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


def markdown(report: Mapping[str, Any]) -> str:
    """Both tables."""
    lines = ["| figure | value | what it is |", "|---|---|---|"]
    lines += [f"| `{name}` | {value} | {about} |" for name, value, about in figure_rows(report)]
    heading, rows = stage_rows(report)
    lines += ["", "| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Seconds of each stage over the length of the recording, one thread, as PNG.

    Raises:
        InputError: it cannot be written there.
    """
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
    with whole_file(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
