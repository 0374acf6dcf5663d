"""How fast the software renderer is, and how near its pictures are to the truth, beside the renderer before it.

    python scripts/measure_renderer.py --json docs/video.json   # and the table of docs/video.md
    python scripts/measure_renderer.py --quick                  # a minute

The renderer before (``--before COMMIT``) is taken out of the repository into a temporary folder. Both draw the same
frames in turn, so that their ratio holds on a busy machine too. Truth is the renderer before at four times the size,
averaged in linear light: 64 samples a pixel, each lit by itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from measured_page import write_between_marks

from sedtalker import Animation, Animator, Face
from sedtalker.render import frame_head, load_lighting
from sedtalker.render.light import to_linear

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
PAGE = ROOT / "docs/video.md"
"""The page whose table is written."""
BEFORE = "e1eb4a0"
"""The last commit with the renderer before."""
STAGES = {
    "before": {"fill_samples": "samples", "fill": "shadow map", "shade": "shading"},
    "now": {"samples": "samples", "shadow": "shadow map", "dim": "shadow and hollows", "shade": "shading"},
}
"""Functions of each renderer that are timed, and what they do."""


def renderer_before(commit: str, folder: Path) -> Any:
    """The modules of the renderer of a commit, as package ``before``."""
    names = ["sedtalker/render", "sedtalker/mesh/rasteriser.py", "render/lights"]
    archive = subprocess.run(["git", "archive", commit, *names], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive, check=True)
    (folder / "before").mkdir()
    (folder / "sedtalker/render").rename(folder / "before/render")
    (folder / "sedtalker/mesh/rasteriser.py").rename(folder / "before/rasteriser.py")
    for path in (folder / "before").rglob("*.py"):
        text = path.read_text().replace("sedtalker.mesh.rasteriser", "before.rasteriser")
        path.write_text(text.replace("sedtalker.render", "before.render"))
    sys.path.insert(0, str(folder))
    return importlib.import_module("before.render")


@contextmanager
def timed(which: str) -> Iterator[dict[str, float]]:
    """Seconds of this thread in each stage, while the block runs."""
    spent = dict.fromkeys(STAGES[which].values(), 0.0)
    package = "before.render" if which == "before" else "sedtalker.render"
    module = importlib.import_module(f"{package}.numba_backend")
    undo: list[Callable[[], None]] = []

    def watch(owner: Any, name: str, stage: Callable[..., str]) -> None:
        inner = getattr(owner, name)

        def outer(*arguments: Any) -> Any:
            start = time.thread_time()
            result = inner(*arguments)
            spent[stage(*arguments)] += time.thread_time() - start
            return result

        setattr(owner, name, outer)
        undo.append(lambda: setattr(owner, name, inner))

    for name, stage in STAGES[which].items():
        if hasattr(module, name):
            watch(module, name, lambda *_, stage=stage: stage)
    if which == "now":
        watch(module.Buffers, "draw", lambda self, *_: "samples" if self.pixels == 2 else "shadow map")
    yield spent
    for step in undo:
        step()


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Decibels."""
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - truth) ** 2)))


def averaged(large: np.ndarray, times: int) -> np.ndarray:
    """A large sRGB picture, ``times`` smaller, averaged in linear light."""
    height, width = large.shape[0] // times, large.shape[1] // times
    light = to_linear(large / 255).reshape(height, times, width, times, 3).mean(axis=(1, 3))
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def pictures(animation: Animation, size: int, count: int, makers: dict[str, Any]) -> dict[str, Any]:
    """CPU milliseconds of each stage of a picture by one thread, and its distance from the truth."""
    chosen = np.linspace(0, len(animation) - 1, count).astype(int)
    frames = [animation.vertices(i, i + 1)[0] for i in chosen]
    camera, light = frame_head(animation.face), load_lighting()
    spent = dict.fromkeys(makers, 0.0)
    stages: dict[str, dict[str, float]] = {}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in makers}
    with timed("before") as stages["before"], timed("now") as stages["now"]:
        views = {name: make(animation.face, camera, size, "numba", threads=1) for name, make in makers.items()}
        for view in views.values():
            view.render(frames[0])
        for held in stages.values():
            held.update(dict.fromkeys(held, 0.0))
        for vertices in frames:
            for name, view in views.items():
                start = time.thread_time()
                drawn[name].append(view.render(vertices))
                spent[name] += time.thread_time() - start
    with makers["before"](animation.face, camera, 4 * size, "numba", lighting=None) as truth:
        few = range(0, count, max(count // 6, 1))
        true = {i: averaged(truth.render(frames[i]), 4) for i in few}
    result: dict[str, Any] = {"light": light.about}
    for name in makers:
        milliseconds = {stage: 1e3 * seconds / count for stage, seconds in stages[name].items()}
        milliseconds["rest"] = 1e3 * spent[name] / count - sum(milliseconds.values())
        result[name] = {
            "ms": 1e3 * spent[name] / count,
            "stages_ms": milliseconds,
            "psnr": float(np.mean([psnr(drawn[name][i], true[i]) for i in few])),
        }
    result["render_speedup"] = result["before"]["ms"] / result["now"]["ms"]
    return result


def video(animation: Animation, size: int, seconds: float, folder: Path, packages: dict[str, Any]) -> dict[str, Any]:
    """Frames a second into an MP4, all cores, rendering and encoding."""
    from dataclasses import replace

    count = int(seconds * animation.fps)
    coefficients, rotation = animation.coefficients[:count], animation.head_rotation[:count]
    short = replace(animation, coefficients=coefficients, head_rotation=rotation, track=None)
    spent = {name: np.inf for name in packages}
    for _ in range(3):
        for name, package in packages.items():
            start = time.perf_counter()
            package.render_video(short, folder / f"{name}.mp4", size=size, backend="numba")
            spent[name] = min(spent[name], time.perf_counter() - start)
    rates = {name: count / best for name, best in spent.items()}
    ratio = rates["now"] / rates["before"]
    return {"frames": count, "fps": rates, "rt_video": rates["now"] / 30.0, "video_speedup": ratio}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--before", default=BEFORE)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--animations", type=Path, help="A folder with sample.npz and builtin.npz, made if need be.")
    parser.add_argument("--quick", action="store_true", help="A few frames.")
    options = parser.parse_args()
    if options.quick:
        options.frames, options.seconds = 8, 1.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        before, now = renderer_before(options.before, folder), importlib.import_module("sedtalker.render")
        packages = {"before": before, "now": now}
        makers = {name: package.make_renderer for name, package in packages.items()}
        figures: dict[str, Any] = {"size": options.size, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        for name, animation in animations(options.animations or folder).items():
            figures[name] = {
                "vertices": len(animation.face.mesh.vertices),
                "triangles": len(animation.face.mesh.triangles),
                **pictures(animation, options.size, options.frames, makers),
                **video(animation, options.size, options.seconds, folder, packages),
            }
            report(name, figures[name])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
        if options.json.resolve() == PAGE.with_suffix(".json"):
            write_table(figures)


def animations(folder: Path) -> dict[str, Animation]:
    """The sample recording on the sample head and on the built-in face."""
    folder.mkdir(parents=True, exist_ok=True)
    faces = {
        "sample": lambda: Face.from_mesh(ROOT / "data/samples/head.obj"),
        "builtin": Face.builtin,
    }
    made = {}
    for name, face in faces.items():
        path = folder / f"{name}.npz"
        if not path.exists():
            Animator.from_pretrained()(ROOT / "data/samples/four_moods.wav", face=face()).save(path)
        made[name] = Animation.load(path)
    return made


def write_table(figures: dict[str, Any]) -> None:
    """The figures as the table of the page."""
    rows = ["| | sample head, before | now | built-in face, before | now |", "|---|---|---|---|---|"]
    stages = ("samples", "shadow map", "shadow and hollows", "shading", "rest")
    heads = [figures[head][which] for head in ("sample", "builtin") for which in ("before", "now")]
    for stage in stages:
        cells = [f"{one['stages_ms'][stage]:.1f}" if stage in one["stages_ms"] else "" for one in heads]
        rows.append(f"| {stage}, ms | {' | '.join(cells)} |")
    rows.append(f"| **a picture on one core, ms** | {' | '.join(format(one['ms'], '.1f') for one in heads)} |")
    rows.append(f"| PSNR against the truth, dB | {' | '.join(format(one['psnr'], '.2f') for one in heads)} |")
    rates = [figures[head]["fps"][which] for head in ("sample", "builtin") for which in ("before", "now")]
    rows.append(f"| video on {figures['cores']} cores, frames/s | {' | '.join(format(r, '.1f') for r in rates)} |")
    write_between_marks(PAGE, "renderer", "\n".join(rows))


def report(name: str, figures: dict[str, Any]) -> None:
    """The figures of one head as lines."""
    print(f"{name}: {figures['vertices']} vertices, {figures['triangles']} triangles")
    for which in ("before", "now"):
        one = figures[which]
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in one["stages_ms"].items())
        print(f"  {which:7}{one['ms']:6.1f} ms a picture on one core ({stages}), {one['psnr']:.2f} dB")
    rates = figures["fps"]
    print(f"  video: {rates['before']:.1f} -> {rates['now']:.1f} frames/s ({figures['rt_video']:.2f} x real time)")
    print(f"  render_speedup {figures['render_speedup']:.2f}, video_speedup {figures['video_speedup']:.2f}")


if __name__ == "__main__":
    main()
