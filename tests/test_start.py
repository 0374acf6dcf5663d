"""What a command imports before it does its work: counted in modules, because times depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"

RUN = """
import json, sys
from sedtalker.cli import run
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["sedtalker", *arguments]
    try:
        run()
    except SystemExit as end:
        assert end.code in (None, 0), end.code
    print("IMPORTED", *sorted(sys.modules))
"""
"""Runs commands one after another, and prints after each what has been imported."""

COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
"""What torch imports to compile: seconds."""
NEVER = COMPILER | {
    "matplotlib",
    "numba",
    "trimesh",
    "igl",
    "transformers",
    "scipy.optimize",
    "scipy.stats",
    "pygltflib",
    "PIL",
}
"""What no command needs that draws nothing and fits nothing."""


def printed(folder: Path, code: str, *arguments: str) -> str:
    """What a program prints that runs in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def imported(folder: Path, *commands: Sequence[str]) -> list[set[str]]:
    """Modules that are there when each of the commands ends, which run in one process."""
    lines = [line for line in printed(folder, RUN, json.dumps(commands)).splitlines() if line.startswith("IMPORTED ")]
    assert len(lines) == len(commands)
    return [set(line.split()[1:]) for line in lines]


def test_help_imports_neither_numbers_nor_networks(tmp_path: Path) -> None:
    for found in imported(tmp_path, ["--version"], ["--help"], ["animate", "--help"], ["evaluate", "--help"]):
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


@pytest.mark.slow
def test_diarize_and_animate_import_what_they_need(clip: Path, tmp_path: Path) -> None:
    """Animated twice: the first run builds the face and keeps it, the second does not even import what builds it."""
    first = CliRunner().invoke(app, ["animate", str(clip), "--no-video", "-o", str(tmp_path / "first"), "-q"])
    assert first.exit_code == 0, first.output
    animate = ["animate", str(clip), "--no-video", "-o", "second", "-q"]
    diarized, animated = imported(tmp_path, ["diarize", str(clip), "--json"], animate)
    assert not diarized & (NEVER | {"sedtalker.face.builtin.load", "sedtalker.cli.animate", "sedtalker.cli.evaluate"})
    assert not animated & (
        NEVER | {"sedtalker.face.builtin.load", "scipy.interpolate", "scipy.spatial", "sedtalker.render.video"}
    )
    for name in ("clip.glb", "clip.npz", "clip.emotion.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_opening_weights_imports_no_compiler(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from sedtalker import Animator, Diarizer\n"
        "from sedtalker.nn.engine import open_model\n"
        "Diarizer.from_pretrained(), Animator.from_pretrained()\n"
        "open_model('landmarks')\n"
        "print(*sorted(sys.modules))"
    )
    assert not set(printed(tmp_path, code).split()) & COMPILER


def test_the_animator_is_imported_without_the_parts_of_scipy_that_it_uses_later(tmp_path: Path) -> None:
    found = set(printed(tmp_path, "from sedtalker import Animator; import sys; print(*sys.modules)").split())
    assert "sedtalker.animation.animator" in found
    assert not found & {"scipy.ndimage", "scipy.sparse", "scipy.spatial", "scipy.fft", "torch", "onnxruntime"}


@pytest.mark.slow
def test_graphs_are_copied_without_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (found,) = imported(tmp_path, ["models", "export", "--onnx", "models", "--frames", "4"])
    assert not found & {"torch", "onnxscript"}
    assert (tmp_path / "models" / "decoder_4.onnx").is_file()


WITHOUT_EXTRAS = """
import json, sys
class WithoutExtras:
    def find_spec(name, path=None, target=None):
        if name in ("torch", "pxr"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, WithoutExtras)
from sedtalker.cli import run
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["sedtalker", *arguments]
    try:
        run()
    except SystemExit as end:
        print(end.code, file=sys.stderr)
from sedtalker import Diarizer
for call in (Diarizer.from_pretrained().adapt,):
    try:
        call(sys.argv[-1:])
    except ValueError as error:
        print(error, file=sys.stderr)
"""
"""Runs commands one after another as without torch and OpenUSD, then calls of Python; prints what they say."""


@pytest.mark.slow
def test_what_needs_an_extra_names_it_before_any_work_where_it_is_not_installed(clip: Path, tmp_path: Path) -> None:
    """These ended with "a fault of sedtalker (…)", with an extra that is not enough, or after the audio was read."""
    (tmp_path / "head.usdc").touch()
    commands = {
        ("adapt", ".", "-o", "mine"): "torch",
        ("evaluate", "decoder", "--data", "."): "train",
        ("evaluate", "motion", str(clip), str(clip)): "train",
        ("checkpoint", "graphs", "decoder"): "train",
        ("checkpoint", "table", "."): "train",
        ("animate", str(clip), "--no-video", "--device", "cuda"): "torch",
        ("animate", str(clip), "--no-video", "--speakers", "auto", "--device", "cuda"): "torch",
        ("animate", str(clip), "--no-video", "--mesh", "head.usdc"): "usd",
        ("diarize", str(clip), "--device", "cuda"): "torch",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, json.dumps(list(commands)), str(clip)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    wanted = [
        f"{'pxr' if extra == 'usd' else 'torch'} is not installed: pip install 'sedtalker[{extra}]'"
        for extra in (*commands.values(), "torch")
    ]
    said = done.stderr.splitlines()
    assert said == [line for w in wanted[:-1] for line in (f"error: {w}", "2")] + wanted[-1:]
    assert [path.name for path in tmp_path.iterdir()] == ["head.usdc"]
