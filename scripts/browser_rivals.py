"""Lip tools of npm that run in a page, driven in Chromium without waiting: for ``scripts/compare_tools.py``.

The tools are written for sound that plays. An ``OfflineAudioContext`` renders as fast as the machine can and stops for
every frame of a picture, at which the tool is asked for its visemes; the page's clock has the sound's time meanwhile.
wLipSync's package has no profile, without which it recognises nothing: it is asked only if one is given.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

from scripts.static_server import served
from scripts.studio_page import chromium

PACKAGES = ("@met4citizen/headaudio@0.1.0", "wawa-lipsync@0.0.2", "wlipsync@1.3.1")
"""Tools that install from npm."""
STEPS_PER_SECOND = 60.0
"""Pictures of a page."""
PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const RATE = 48000, STEP = 1 / %(steps)s;
let clock = null;
const realNow = performance.now.bind(performance);
performance.now = () => clock ?? realNow();
const turn = () => new Promise(done => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
});

async function render(url, connect) {
  const bytes = await (await fetch(url)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, RATE, RATE).decodeAudioData(bytes);
  const context = new OfflineAudioContext(1, sound.length, RATE);
  const source = new AudioBufferSourceNode(context, {buffer: sound});
  const ask = await connect(context, source), rows = [];
  const count = Math.floor(sound.duration / STEP);
  for (let k = 0; k < count; k++) context.suspend(k * STEP).then(async () => {
    clock = context.currentTime * 1000;
    // Messages of the audio thread arrive by the event loop: before the sound begins they carry the tool's model.
    if (k === 0) await new Promise(done => setTimeout(done, 100));
    else { await turn(); await turn(); }
    rows.push([context.currentTime, ...ask()]);
    context.resume();
  });
  source.start();
  await context.startRendering();
  clock = null;
  return rows;
}

window.tools = {
  async headaudio(url) {
    const {HeadAudio} = await import("/node_modules/@met4citizen/headaudio/dist/headaudio.min.mjs");
    const names = %(visemes)s, shares = Object.fromEntries(names.map(name => [name, 0]));
    return render(url, async (context, source) => {
      await context.audioWorklet.addModule("/node_modules/@met4citizen/headaudio/dist/headworklet.min.mjs");
      const node = new HeadAudio(context);
      await node.loadModel("/node_modules/@met4citizen/headaudio/dist/model-en-mixed.bin");
      node.onvalue = (name, value) => { shares[name.slice(7)] = value; };
      source.connect(node); source.connect(context.destination);
      return () => { node.update(STEP * 1000); return names.map(name => shares[name]); };
    });
  },
  async wawa(url) {
    const {Lipsync} = await import("/node_modules/wawa-lipsync/dist/wawa-lipsync.es.js"), names = %(visemes)s;
    return render(url, async (context, source) => {
      const real = window.AudioContext;
      window.AudioContext = function () { return context; };
      const tool = new Lipsync();
      window.AudioContext = real;
      source.connect(tool.analyser); tool.analyser.connect(context.destination);
      return () => { tool.processAudio(); return names.map(name => Number(tool.viseme === `viseme_${name}`)); };
    });
  },
  async wlipsync(url) {
    const {createWLipSyncNode} = await import("/node_modules/wlipsync/dist/wlipsync-single.js");
    const names = "AIUEO".split("");
    const profile = await (await fetch("/profile.json")).json();
    return render(url, async (context, source) => {
      const node = await createWLipSyncNode(context, profile);
      source.connect(node); source.connect(context.destination);
      return () => names.map(name => (node.weights[name] ?? 0) * (node.volume ?? 1));
    });
  },
};
window.ready = true;
</script>"""
VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
"""Oculus' names, without ``viseme_``."""


def install(folder: Path) -> None:
    """The packages, below ``folder``/node_modules."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "wlipsync").is_dir():
        command = ["npm", "install", "--silent", "--no-save", "--prefix", folder, *PACKAGES]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def opened(folder: Path) -> Iterator[Any]:
    """The page in Chromium, served with the packages and the recordings below ``folder``."""
    (folder / "index.html").write_text(PAGE % {"steps": STEPS_PER_SECOND, "visemes": list(VISEMES)}, encoding="utf-8")
    with served(folder) as url, sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("window.ready")
        yield page


def ask(page: Any, tool: str, recording: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T,) seconds and (T, V) shares of visemes, of a recording that the page can fetch."""
    rows = np.array(page.evaluate("([tool, url]) => tools[tool](url)", [tool, recording]))
    return rows[:, 0], rows[:, 1:]
