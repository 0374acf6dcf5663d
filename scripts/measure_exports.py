"""Sizes of the exports of an animation, what each loses, and whether reading back gives the same vertices.

    python scripts/measure_exports.py demo/four_moods.npz --seconds 10

Prints the table of docs/export.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.export.formats import export, export_formats

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.exports import read_fbx, read_glb_animation, read_mdd, read_npy, read_pc2, read_usd

Read = Callable[[Path, NDArray[np.float64], int], NDArray[np.float32]]
"""Vertices (t, V, 3) at seconds (t,), of a file and the number of vertices of the mesh."""


def _glb(path: Path, seconds: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    return read_glb_animation(path).vertices(seconds)[:, :count]


def _usd(path: Path, seconds: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    return read_usd(path).vertices(seconds)


def _frames(points: NDArray[np.float32], seconds: NDArray[np.float64], fps: float) -> NDArray[np.float32]:
    return points[np.round(seconds * fps).astype(int)]


CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GLB `--targets few`", "glb", {"targets": "few"}),
    ("GLB", "glb", {"targets": "arkit"}),
    ("GLB `--targets all`", "glb", {"targets": "all"}),
    ("FBX `--targets few`", "fbx", {"targets": "few"}),
    ("FBX", "fbx", {"targets": "arkit"}),
    ("USD `--targets few`", "usd", {"targets": "few"}),
    ("USD", "usd", {"targets": "arkit"}),
    ("USD `--points`", "usd", {"points": True}),
    ("MDD", "mdd", {"metres": True}),
    ("PC2", "pc2", {"metres": True}),
    ("npy", "npy", {}),
    ("npz", "npz", {}),
    ("ARKit CSV", "arkit", {}),
    ("emotion keys", "keys", {}),
)


def measure(animation: Animation, folder: Path) -> list[str]:
    """A row for each case: bytes, blend shapes, what they lose, RMS and greatest error of vertices read back."""
    seconds = np.linspace(0, len(animation) - 1, 20).round() / animation.fps
    truth = np.concatenate([animation.vertices(i, i + 1) for i in np.round(seconds * animation.fps).astype(int)])
    readers: dict[str, Read] = {
        "glb": _glb,
        "fbx": lambda path, at, _: read_fbx(path).vertices(np.round(at * animation.fps).astype(int)),
        "usd": _usd,
        "mdd": lambda path, at, _: _frames(read_mdd(path).points, at, animation.fps),
        "pc2": lambda path, at, _: _frames(read_pc2(path, animation.fps).points, at, animation.fps),
        "npy": lambda path, at, _: _frames(read_npy(path), at, animation.fps),
        "npz": lambda path, at, _: _frames(Animation.load(path).vertices(), at, animation.fps),
    }
    rows = []
    for title, name, options in CASES:
        path = folder / f"a{export_formats()[name].suffix}"
        said = export(animation, path, name, **options)
        row = [title, f"{path.stat().st_size / 1e6:.2f}", str(said.get("targets", "–"))]
        row.append(f"{100 * said['residual_share']:.2f} %" if "residual_share" in said else "–")
        if name in readers:
            error = 1e3 * np.linalg.norm(readers[name](path, seconds, truth.shape[1]) - truth, axis=-1)
            row += [f"{np.sqrt((error**2).mean()):.4f}", f"{error.max():.3f}"]
        else:
            row += ["–", "–"]
        rows.append(f"| {' | '.join(row)} |")
        path.unlink()
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("animation", type=Path, help="the .npz of sedtalker animate")
    parser.add_argument("--seconds", type=float, default=10.0, help="of it that are written")
    arguments = parser.parse_args()
    whole = Animation.load(arguments.animation)
    keep = slice(0, round(arguments.seconds * whole.fps))
    part = replace(whole, coefficients=whole.coefficients[keep], head_rotation=whole.head_rotation[keep])
    print("| format | MB | blend shapes | residual, of motion | read back: RMS mm | greatest mm |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(measure(part, Path(folder))))


if __name__ == "__main__":
    main()
