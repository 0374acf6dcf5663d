"""The npm package in pages that Vite and webpack build, as most pages are built, in a real Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.static_server import served
from tests.web_page.conftest import ROOT, WAIT

pytestmark = pytest.mark.browser
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"
FRAMES = 551
"""Of the sample at 30 a second."""
OLDEST_NODE = (20, 19)
"""Of Vite 8."""
PAGE = """
import { WorkerFace } from "sedtalker/client";
import { decodeSound } from "sedtalker/microphone";
const animate = async () => {
  const face = await WorkerFace.load("/models/");
  const samples = await decodeSound(await (await fetch("/speech.wav")).blob());
  return (await face.animate(samples, { fps: 30 })).weights.length / 52;
};
animate().then((frames) => (window.answer = { frames }), (error) => (window.answer = { error: String(error) }));
"""
BUILDS = {
    "vite": """import { build } from "vite";
await build({ logLevel: "error", build: { outDir: "built" } });""",
    "webpack": """import webpack from "webpack";
import { resolve } from "node:path";
const output = { path: resolve("built"), filename: "page.js" };
webpack({ mode: "production", entry: "./page.js", output, performance: { hints: false } }, (error, made) => {
  if (error || made.hasErrors()) throw error ?? new Error(made.toString());
});""",
}
"""Scripts that build the page with the bundlers' usual settings."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A page that depends on the package as npm would install it, beside the packages of ``SEDTALKER_NODE``."""
    packages = Path(os.environ.get("SEDTALKER_NODE", "")).absolute() / "node_modules"
    if not (packages / "vite").is_dir():
        pytest.skip("no bundlers: set SEDTALKER_NODE to a folder with vite and webpack, or use make test-web")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, said.strip("v\n").split("."))) < OLDEST_NODE:
        pytest.skip(f"node {said.strip()} is older than Vite takes")
    modules = tmp_path / "node_modules"
    shutil.copytree(ROOT / "web" / "src", modules / "sedtalker" / "src")
    shutil.copy(ROOT / "web" / "package.json", modules / "sedtalker")
    for name in ("onnxruntime-web", "vite", "webpack"):
        (modules / name).symlink_to(packages / name)
    (tmp_path / "page.js").write_text(PAGE)
    (tmp_path / "index.html").write_text('<!doctype html><script type="module" src="/page.js"></script>')
    return tmp_path


@pytest.mark.parametrize("bundler", BUILDS)
def test_a_built_page_animates_a_recording(browser: Any, project: Path, bundler: str) -> None:
    models = os.environ.get("SEDTALKER_WEB_MODELS")
    if not models:
        pytest.skip("no models as ONNX: set SEDTALKER_WEB_MODELS")
    (project / "build.mjs").write_text(BUILDS[bundler])
    done = subprocess.run(["node", "build.mjs"], cwd=project, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    built = project / "built"
    if bundler == "webpack":
        shutil.copy(project / "index.html", built)
    assert sum(path.stat().st_size for path in built.rglob("*.wasm")) < 16e6  # one WebAssembly, for the processor
    (built / "models").symlink_to(Path(models).absolute())
    shutil.copy(SAMPLE, built / "speech.wav")
    with served(built) as url:
        page, ends = browser.new_page(), time.monotonic() + WAIT
        page.goto(url)
        while (answer := page.evaluate("window.answer")) is None:
            assert time.monotonic() < ends
            time.sleep(0.1)
        page.close()
    assert answer == {"frames": FRAMES}
