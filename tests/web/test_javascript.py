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
    assert [found for found in package["exports"].values() if not (WEB / found["default"]).is_file()] == []
    assert list(package["dependencies"]) == ["onnxruntime-web"]


TYPED = """
import { SEDTalker } from "sedtalker";
import { WorkerFace } from "sedtalker/client";
import { decodeSound, Microphone } from "sedtalker/microphone";
import { frameAt, FrameQueue } from "sedtalker/frames";
import { VrmFace } from "sedtalker/vrm";
import { animatedGlb } from "sedtalker/glb";
export async function talk(file: File, vrm: unknown): Promise<number> {
  const face = await WorkerFace.load("models/");
  const animation = await face.animate(await decodeSound(file), { fps: 30 });
  new VrmFace(vrm).apply(frameAt(animation, 0.5));
  const weights: Float32Array = (await (await SEDTalker.load("models")).animate(new Float32Array(16000))).weights;
  const queue = new FrameQueue();
  queue.push(await face.stream({ fps: 30 }).push(new Float32Array(640)));
  console.log(queue.take(performance.now() / 1000)?.time);
  for await (const frame of face.listen(await Microphone.open())) console.log(frame.emotion.length + frame.weights[0]);
  return weights.length + animatedGlb.length;
}
"""
"""What a page in TypeScript would do."""


def test_the_npm_package_has_types(node: str, tmp_path: Path) -> None:
    """As ``npm pack`` makes it; a page that is checked strictly compiles against it, and a wrong one does not."""
    tsc = Path(os.environ.get("SEDTALKER_NODE", "")) / "node_modules" / ".bin" / "tsc"
    if not tsc.is_file():
        pytest.skip("no TypeScript: set SEDTALKER_NODE to a folder that has it, or use make test-web")
    package = tmp_path / "node_modules" / "sedtalker"
    shutil.copytree(WEB, package, ignore=shutil.ignore_patterns("node_modules", "types", "tests", "page"))
    subprocess.run([tsc.absolute(), "-p", package], check=True, timeout=120)
    exported = json.loads((package / "package.json").read_text())["exports"].values()
    assert [found["types"] for found in exported if not (package / found["types"]).is_file()] == []
    (tmp_path / "page.ts").write_text(TYPED)
    check = [tsc.absolute(), "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "page.ts"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    (tmp_path / "page.ts").write_text(TYPED.replace("fps: 30", "fsp: 30").replace("0.5", '"half"'))
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.count("error") == 3, done.stdout


def test_the_reference_has_the_constants_of_this_package() -> None:
    """Otherwise: ``python scripts/make_web_reference.py``. The last digit of mel edges depends on the processor."""
    kept = json.loads(gzip.decompress(REFERENCE.read_bytes()))["constants"]
    own = json.loads(json.dumps(model_constants()))
    edges, own_edges = (constants["features"].pop("mel_edges") for constants in (kept, own))
    assert own_edges == pytest.approx(edges, rel=1e-12)
    assert own == kept


def test_what_is_around_the_networks_equals_python(node: str) -> None:
    run_tests(node, "features", "recording", "idle_motion")


def test_what_a_page_uses_around_the_face(node: str) -> None:
    run_tests(node, "client")


def test_recordings_equal_python(node: str, models: None) -> None:
    run_tests(node, "networks")


def test_streams_equal_python(node: str, models: None) -> None:
    run_tests(node, "stream")
