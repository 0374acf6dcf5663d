"""How well the studio keeps up: lips against sound, edits, scrolling, memory, size, accessibility.

    python scripts/measure_studio.py                           # everything but the wheels, into docs/studio.json
    python scripts/measure_studio.py --only lips,edits
    python scripts/measure_studio.py --only wheels --base REV  # how much the wheel has grown since a revision

It drives the real command and Debian's Chromium, which draws WebGL in software: on a machine with a graphics card the
figures are better. The load of the machine is written down beside them. Prints a table, which docs/studio.md shows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import Browser, sync_playwright

from scripts.studio_lips import measure_lips
from scripts.studio_page import ROOT, SPEECH, StudioPage, chromium, open_studio

RESULTS = ROOT / "docs" / "studio.json"
EDITS = 8
"""Segments that are edited in each clip, three times each."""
SCROLL = 6.0
"""Seconds of scrolling."""
WATCH_EDITS = """
() => {
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  window.edits = { pressed: 0, drawn: 0 };
  let before = "";
  addEventListener("keydown", (event) => { window.edits = { pressed: event.timeStamp, drawn: 0 }; }, { capture: true });
  const look = () => {
    const now = window.studio.shown.weights.join();
    if (now !== before && !window.edits.drawn) {
      pixel.drawImage(document.querySelector("#stage-canvas"), 0, 0, 1, 1);
      pixel.getImageData(0, 0, 1, 1);  // waits until it is drawn
      window.edits.drawn = performance.now();
    }
    before = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""
"""Notes when a key is pressed, and when the first picture with other weights is complete."""


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="lips,edits,scrolling,access", help="parts, by commas; wheels is another")
    parser.add_argument("--base", default="main", help="revision whose wheel is compared")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    parts = arguments.only.split(",")
    if "wheels" in parts:
        found["wheels"] = measure_wheels(arguments.base)
    with sync_playwright() as playwright, chromium(playwright) as browser:
        found["browser"] = f"Chromium {browser.version}, WebGL in software"
        measures = {
            "lips": measure_lips,
            "edits": measure_edits,
            "scrolling": measure_scrolling,
            "access": measure_access,
        }
        for name, measure in measures.items():
            if name in parts:
                before = os.getloadavg()[0]
                found[name] = measure(browser)
                found[name]["load"] = {"cores": os.cpu_count(), "before": before, "after": os.getloadavg()[0]}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


def tiled(folder: Path, duration: float) -> Path:
    """The sample over and over, a little louder or softer each time, ``duration`` seconds long."""
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    levels = np.random.default_rng(0).uniform(0.6, 1.0, int(duration * rate) // len(samples) + 1)
    whole = np.concatenate([samples * level for level in levels])[: int(duration * rate)]
    path = folder / f"{duration:.0f}s.wav"
    soundfile.write(path, whole, rate)
    return path


# --- Edits.


def measure_edits(browser: Browser) -> dict[str, Any]:
    """Milliseconds from key or pointer to the picture, on clips of some lengths."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, clip in (
            ("18 s", SPEECH), ("1 min", tiled(Path(folder), 60)), ("5 min", tiled(Path(folder), 300))
        ):  # fmt: skip
            with open_studio(browser, clip) as page:
                page.wait("window.studio.ready", 300)
                page.settle(5.0)
                found[name] = edits_of(page)
    return found


def edits_of(page: StudioPage) -> dict[str, Any]:
    """Edits of every kind near the cursor, and how long each took to be drawn."""
    page.page.evaluate(WATCH_EDITS)
    took: dict[str, list[float]] = {}
    for number in range(EDITS):
        segment = page.segments[(number * 3) % len(page.segments)]
        middle = (segment["start"] + segment["end"]) / 2
        page.page.evaluate("(t) => { window.testSounds.find((s) => s.src).currentTime = t; }", middle)
        page.settle(0.7)
        page.page.keyboard.press("Escape")
        digit = str(
            2
            + (number + ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise").index(segment["label"])) % 6
        )
        for what, key in (("relabel", digit), ("intensity", "."), ("undo", "Control+z")):
            page.settle(0.5)
            one = one_edit(page, key)
            if one is not None:
                took.setdefault(what, []).append(one)
    whole = sorted(value for values in took.values() for value in values)
    own = page.read("latency.all")
    return {
        "edits": len(whole),
        "median_ms": round(float(np.median(whole))),
        "p90_ms": round(float(np.quantile(whole, 0.9))),
        "by_kind_ms": {what: round(float(np.median(values))) for what, values in took.items()},
        "page_says_median_ms": round(float(np.median(own))) if own else None,
    }


def one_edit(page: StudioPage, key: str) -> float | None:
    """Milliseconds from a key to the first other picture; None where the edit changed nothing that is seen."""
    page.page.keyboard.press(key)
    page.settle(0.8)
    page.ready()
    edit: dict[str, float] = page.page.evaluate("() => window.edits")
    return edit["drawn"] - edit["pressed"] if edit["drawn"] else None


# --- Scrolling, zooming, memory.


def measure_scrolling(browser: Browser) -> dict[str, Any]:
    """Frames a second while ten minutes are scrolled and zoomed, and what the page then weighs."""
    with tempfile.TemporaryDirectory() as folder, open_studio(browser, tiled(Path(folder), 600)) as page:
        page.page.wait_for_timeout(15_000)  # the rest of the motion arrives
        centre = ((page.x(0) + page.read("geometry.right")) / 2, page.y("emotion"))
        page.page.mouse.move(*centre)
        found: dict[str, Any] = {"seconds": 600}
        zoom = [("zoom in", 0.0, -60.0, True), ("scroll", 50.0, 0.0, False), ("zoom out", 0.0, 60.0, True)]
        for name, dx, dy, held in zoom:
            found[name] = frames_while(page, dx, dy, held)
        page.page.keyboard.press("Home")
        for _ in range(6):
            page.page.keyboard.press("+")
        page.page.keyboard.press("Space")
        page.settle(1.0)
        found["scroll while it plays"] = frames_while(page, 20.0, 0.0, False)
        page.page.keyboard.press("Space")
        found["memory"] = memory_of(browser, page)
    return found


def frames_while(page: StudioPage, dx: float, dy: float, held: bool) -> dict[str, float]:
    """Animation frames while the wheel turns."""
    if held:
        page.page.keyboard.down("Control")
    page.page.evaluate(
        """() => { window.beats = [performance.now()];
        const beat = (t) => { window.beats.push(t); if (window.beats) requestAnimationFrame(beat); };
        requestAnimationFrame(beat); }"""
    )
    drawn, starts = page.read("geometry.start"), time.monotonic()
    turns = 0
    while time.monotonic() - starts < SCROLL:
        page.page.mouse.wheel(dx if turns % 40 < 20 or dy else dx * -0.5, dy)
        turns += 1
    beats = np.array(page.page.evaluate("() => { const b = window.beats; window.beats = null; return b; }"))
    if held:
        page.page.keyboard.up("Control")
    steps = np.diff(beats[1:])
    moved = page.read("geometry.start") != drawn
    return {
        "frames_a_second": round(float(1000 / steps.mean()), 1),
        "p95_ms": round(float(np.quantile(steps, 0.95)), 1),
        "wheel_turns": turns,
        "moved": bool(moved),
    }


def memory_of(browser: Browser, page: StudioPage) -> dict[str, float]:
    """Megabytes: the page's process, its JavaScript, and the process that draws."""
    session = browser.new_browser_cdp_session()
    found: dict[str, float] = {}
    for process in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        try:
            rollup = Path(f"/proc/{process['id']}/smaps_rollup").read_text()
        except OSError:
            continue
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
        kind = {"renderer": "page", "GPU": "drawing"}.get(process["type"])
        if kind:
            found[f"{kind}_mb"] = round(max(found.get(f"{kind}_mb", 0.0), pss), 1)
    tab = page.context.new_cdp_session(page.page)
    tab.send("Performance.enable")
    metrics = {row["name"]: row["value"] for row in tab.send("Performance.getMetrics")["metrics"]}
    found["javascript_mb"] = round(metrics["JSHeapUsedSize"] / 2**20, 1)
    return found


# --- Accessibility.


def measure_access(browser: Browser) -> dict[str, Any]:
    """Rules of axe that pass and fail, in every look."""
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, Any] = {}
    for name, size, scheme in (
        ("dark", (1280, 800), "dark"), ("light", (1280, 800), "light"), ("phone", (390, 844), "dark")
    ):  # fmt: skip
        with open_studio(browser, SPEECH, size=size, scheme=scheme) as page:
            said = Axe().run(page.page).response
            wrong = [{"rule": v["id"], "impact": v["impact"], "nodes": len(v["nodes"])} for v in said["violations"]]
            passed = len(said["passes"])
            found[name] = {
                "rules_passed": passed,
                "violations": wrong,
                "score": round(100 * passed / max(passed + len(wrong), 1), 1),
            }
    return found


# --- Size.


def measure_wheels(base: str) -> dict[str, Any]:
    """Megabytes of the wheel of this tree and of that of a revision."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        old.mkdir()
        archive = subprocess.run(["git", "archive", base], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(old)], input=archive, check=True)
        sizes = [wheel_size(tree, Path(folder) / name) for tree, name in ((ROOT, "new"), (old, "before"))]
    return {"base": base, "mb": sizes[0], "base_mb": sizes[1], "grown_mb": round(sizes[0] - sizes[1], 2)}


def wheel_size(tree: Path, folder: Path) -> float:
    """Megabytes of the wheel of a tree."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(tree)], check=True)
    return round(next(folder.glob("*.whl")).stat().st_size / 1e6, 2)


# --- The table.


def table(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    rows: list[tuple[str, str, str]] = []
    if "lips" in found:
        for clip, values in ((name, found["lips"][name]) for name in ("bursts", "speech")):
            rows += [
                (
                    f"lips behind the sound in the frame that is drawn, {clip}",
                    f"{values['in_frame_ms']:.0f} ms",
                    "40 ms",
                ),
                (
                    f"the same on the screen, drawing in software included, {clip}",
                    f"{values['on_screen_ms']:.0f} ms",
                    "–",
                ),
            ]
    for name, asked in (("18 s", "300 ms"), ("1 min", "–"), ("5 min", "–")):
        if "edits" in found:
            values = found["edits"][name]
            rows.append(
                (
                    f"edit to picture, clip of {name}, median (p90)",
                    f"{values['median_ms']} ms ({values['p90_ms']})",
                    asked,
                )
            )
    if "scrolling" in found:
        for name in ("scroll", "zoom in", "zoom out", "scroll while it plays"):
            rows.append((f"{name}, 10 minutes", f"{found['scrolling'][name]['frames_a_second']:.0f} frames/s", "30"))
        rows.append(("memory of the page, 10 minutes", f"{found['scrolling']['memory']['page_mb']:.0f} MB", "500 MB"))
    if "access" in found:
        for name in ("dark", "light", "phone"):
            values = found["access"][name]
            rows.append((f"axe, {name}: rules that pass", f"{values['score']:.0f} %", "95 %"))
    if "wheels" in found:
        rows.append(("the wheel has grown by", f"{found['wheels']['grown_mb']:.1f} MB", "4 MB"))
    lines = ["| measured | value | target |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
