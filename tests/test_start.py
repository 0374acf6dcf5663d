"""What a command imports before it does its work: counted in modules, because times depend on the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"

RUN = """
import sys
from sedtalker.cli import run
sys.argv = ["sedtalker", *sys.argv[1:]]
try:
    run()
except SystemExit as end:
    assert end.code in (None, 0), end.code
print("IMPORTED", *sorted(sys.modules))
"""
"""Runs the command and prints what has been imported when it ends."""

COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
"""What torch imports to compile: seconds."""
NEVER = COMPILER | {"matplotlib", "trimesh", "igl", "transformers", "scipy.optimize", "scipy.stats", "pygltflib", "PIL"}
"""What no command needs that draws nothing and fits nothing."""


def imported(tmp_path: Path, *arguments: str) -> set[str]:
    """Modules that are there when ``sedtalker ARGUMENTS`` ends."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("IMPORTED ")
    return set(last.split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("animate", "--help"), ("evaluate", "--help")])
def test_help_imports_neither_numbers_nor_networks(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = imported(tmp_path, *arguments)
    assert not found & {"torch", "numpy", "scipy", "numba", "av", "rich.progress"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of speech."""
    import numpy as np
    from scipy.io import wavfile

    rate, samples = wavfile.read(SAMPLE)
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    wavfile.write(path, rate, np.ascontiguousarray(samples[rate : 2 * rate]))
    return path


def test_diarize_imports_no_compiler(clip: Path, tmp_path: Path) -> None:
    found = imported(tmp_path, "diarize", str(clip), "--json")
    assert not found & (NEVER | {"numba", "sedtalker.face.builtin.load"})


def test_animate_imports_what_it_needs(clip: Path, tmp_path: Path) -> None:
    """Twice: the first run builds the face and keeps it, the second does not even import what builds it."""
    first = CliRunner().invoke(app, ["animate", str(clip), "--no-video", "-o", str(tmp_path / "first"), "-q"])
    assert first.exit_code == 0, first.output
    found = imported(tmp_path, "animate", str(clip), "--no-video", "-o", "second", "-q")
    assert not found & (NEVER | {"sedtalker.face.builtin.load", "scipy.interpolate", "sedtalker.render.video"})
    for name in ("clip.glb", "clip.npz", "clip.emotion.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_opening_weights_imports_no_compiler() -> None:
    code = (
        "import sys\n"
        "from sedtalker import Animator, Diarizer\n"
        "from sedtalker.face.landmarks import load_detector\n"
        "Diarizer.from_pretrained(), Animator.from_pretrained(), Animator.from_pretrained('streaming')\n"
        "load_detector()\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert not set(done.stdout.decode().split()) & COMPILER
