"""``web/``: the pipeline in JavaScript equals this package, by the tests of Node and a reference that Python wrote."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sedtalker.export.model_constants import model_constants
from sedtalker.version import __version__

REPOSITORY = Path(__file__).parents[2]
WEB = REPOSITORY / "web"
REFERENCE = WEB / "tests" / "reference" / "four_moods.json.gz"
OLDEST_NODE = 20


@pytest.fixture(scope="module")
def node() -> str:
    """The program ``node``, new enough to have a test runner."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    return found


@pytest.fixture(scope="module")
def models() -> None:
    """Networks as ONNX and onnxruntime-web, which the tests of Node find by these names, too."""
    for name, what in (("SEDTALKER_NODE", "onnxruntime-web"), ("SEDTALKER_WEB_MODELS", "models as ONNX")):
        if not os.environ.get(name):
            pytest.skip(f"no {what}: set {name}")


def run_tests(node: str, *names: str) -> None:
    """Run test files of ``web/tests``."""
    command = [node, "--test", *(str(WEB / "tests" / f"{name}.test.js") for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "# fail 0" in done.stdout or "ℹ fail 0" in done.stdout


def test_the_npm_package_has_the_version_of_this_one() -> None:
    assert json.loads((WEB / "package.json").read_text())["version"] == __version__


def test_what_the_npm_package_exports_is_there() -> None:
    package = json.loads((WEB / "package.json").read_text())
    assert [name for name in package["exports"].values() if not (WEB / name).is_file()] == []
    assert list(package["dependencies"]) == ["onnxruntime-web"]


def test_the_reference_has_the_constants_of_this_package() -> None:
    """Otherwise: ``python scripts/make_web_reference.py``. The last digit of mel edges depends on the processor."""
    kept = json.loads(gzip.decompress(REFERENCE.read_bytes()))["constants"]
    own = json.loads(json.dumps(model_constants()))
    edges, own_edges = (constants["features"].pop("mel_edges") for constants in (kept, own))
    assert own_edges == pytest.approx(edges, rel=1e-12)
    assert own == kept


def test_what_is_around_the_networks_equals_python(node: str) -> None:
    run_tests(node, "features", "recording", "idle_motion")


def test_recordings_equal_python(node: str, models: None) -> None:
    run_tests(node, "networks")


def test_streams_equal_python(node: str, models: None) -> None:
    run_tests(node, "stream")
