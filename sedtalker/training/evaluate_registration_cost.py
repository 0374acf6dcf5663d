"""What registration costs: processor time and memory for a large mesh, again from the cache, and animating it after."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from sedtalker.audio import load_audio
from sedtalker.datasets.manifest import read_manifest
from sedtalker.face.catalogue import load_face
from sedtalker.face.files import read_scene
from sedtalker.face.fitting import fit
from sedtalker.face.obj import write_obj
from sedtalker.training.evaluate_speed import run_measured, write_speech
from sedtalker.training.registration_targets import dense_head

SECONDS = 120.0


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Let this process and those it starts keep registered faces in ``folder``."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def evaluate_registration_cost(data: Path, report: Callable[[str], None] = lambda line: None) -> dict[str, float]:
    """Figures of a head of 50,000 vertices or more as an OBJ file, in commands of their own with one thread.

    ``large_seconds``, ``large_peak_gb``: processor time and greatest memory (10^9 bytes) of `sedtalker mesh register`,
    start and reading included; ``again_seconds``: processor time to read the mesh and find it in the cache;
    ``animate_real_time``: seconds of speech for each second of processor time of `sedtalker animate --mesh` on the
    registered mesh, files written, no video.

    Raises:
        InputError: a command failed, or the data is missing.
    """
    mesh = dense_head(data, 50_000)
    with tempfile.TemporaryDirectory() as name, cache_in(Path(name) / "cache"):
        folder = Path(name)
        path, face, speech = folder / "head.obj", folder / "head.sedface", folder / "speech.wav"
        write_obj(mesh, path)
        command = [sys.executable, "-m", "sedtalker"]
        spent, peak = run_measured([*command, "mesh", "register", str(path), "-o", str(face)])
        report(f"{len(mesh.vertices)} vertices: {spent:.1f} s, {peak / 1e9:.2f} GB")
        source, scene = load_face(), read_scene(path)
        started = time.process_time()
        fit(scene, source, "head")
        again = time.process_time() - started
        clips = [c for c in read_manifest(data) if c.corpus == "ravdess" and c.split == "test"]
        write_speech((load_audio(c.path).samples for c in cycle(clips)), speech, SECONDS, 16_000, 1)
        animate = ["animate", str(speech), "--mesh", str(path), "--no-video", "-o", str(folder / "out")]
        moving, _ = run_measured([*command, *animate])
        report(f"again {again:.2f} s; animating {SECONDS / moving:.1f} times real time")
    return {
        "large_vertices": len(mesh.vertices),
        "large_seconds": spent,
        "large_peak_gb": peak / 1e9,
        "again_seconds": again,
        "animate_real_time": SECONDS / moving,
    }
