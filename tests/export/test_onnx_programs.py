"""The programs of ``examples/onnx`` in other languages give what onnxruntime gives in Python, state by state.

SEDTALKER_ORT is a folder with ``include`` and ``lib`` of a release of onnxruntime, for C#, which mcs compiles and mono
runs, with ``Microsoft.ML.OnnxRuntime.dll``, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sedtalker.export.onnx_models import check_values, export_models
from sedtalker.nn.engine import GraphNetwork

EXAMPLES = Path(__file__).parents[2] / "examples/onnx"
ORT = Path(os.environ.get("SEDTALKER_ORT", ""))
GIVEN, STEPS = 5, 2
"""Inputs before the states, and how often a program runs the graph."""

pytestmark = pytest.mark.slow


def needed(*files: str, programs: tuple[str, ...]) -> None:
    if not os.environ.get("SEDTALKER_ORT") or not all((ORT / file).exists() for file in files):
        pytest.skip(f"set SEDTALKER_ORT to a folder with {', '.join(files)}")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("models") / "onnx"
    export_models(folder, (4,))
    return folder / "decoder_4.onnx"


def expected(graph: Path) -> np.ndarray:
    """(2, 52) the first frame of each step."""
    network = GraphNetwork(graph)
    shapes = [(1, *map(int, shape[1:])) for shape in network.inputs.values()]
    given = [check_values(shape, False) for shape in shapes[:GIVEN]]
    states, rows = [np.zeros(shape, np.float32) for shape in shapes[GIVEN:]], []
    for _ in range(STEPS):
        made, *states = network(*given, *states)
        rows.append(made[0, 0])
    return np.array(rows)


def started(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    libraries = os.pathsep.join([str(ORT / "lib"), os.environ.get("LD_LIBRARY_PATH", "")])
    environment = os.environ | {"LD_LIBRARY_PATH": libraries, "MONO_PATH": str(ORT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def run(command: list[str | Path]) -> np.ndarray:
    done = started(command)
    assert done.returncode == 0, done.stderr
    return np.array([line.split() for line in done.stdout.splitlines()], float)


def refused(command: list[str | Path], graph: Path) -> None:
    """What is no decoder ends in a line and code 1, not in an abort or a trace."""
    for name, reason in (("nothing", "failed"), ("diarizer", "not a decoder")):
        done = started([*command, graph.with_name(f"{name}.onnx")])
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert reason in done.stderr


def test_cpp(graph: Path, tmp_path: Path) -> None:
    needed("include/onnxruntime_cxx_api.h", "lib/libonnxruntime.so", programs=("c++",))
    program = tmp_path / "decoder"
    paths = [f"-I{ORT / 'include'}", f"-L{ORT / 'lib'}", "-lonnxruntime"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    command = ["c++", "-std=c++17", *warnings, EXAMPLES / "decoder.cpp", *paths, "-o", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(run([program, graph]), expected(graph), atol=1e-4)
    refused([program], graph)


def test_c_sharp(graph: Path, tmp_path: Path) -> None:
    needed("Microsoft.ML.OnnxRuntime.dll", "lib/libonnxruntime.so", programs=("mcs", "mono"))
    program = tmp_path / "Decoder.exe"
    library = f"-r:{ORT / 'Microsoft.ML.OnnxRuntime.dll'}"
    command = ["mcs", library, f"-out:{program}", EXAMPLES / "Decoder.cs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(run(["mono", program, graph]), expected(graph), atol=1e-4)
    refused(["mono", program], graph)
