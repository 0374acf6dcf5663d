"""How well the studio keeps up: lips against sound, edits, scrolling, memory, size, accessibility.

    python scripts/measure_studio.py                           # everything but the wheels, into docs/studio.json
    python scripts/measure_studio.py --only lips,edits
    python scripts/measure_studio.py --only wheels --base REV  # how much the wheel has grown since a revision

It drives the real command and Debian's Chromium, which draws WebGL in software: on a machine with a graphics card the
figures are better. The load of the machine is written down beside them. Prints a table, which docs/studio.md shows.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from scripts.studio_page import ROOT, SAMPLES, StudioPage, StudioServer, chromium
from sedtalker import Animator, Face

RESULTS = ROOT / "docs" / "studio.json"
SPEECH = SAMPLES / "four_moods.wav"
STILL = {"head": False, "blinks": False, "gaze": False}
"""Settings under which nothing moves but what speech and emotion move."""
SIDE = 96
"""Pixels of a side of the small pictures that the page takes of its stage."""
BURST = 0.3
"""Seconds of a vowel in the clip with known openings."""
REACH = 0.3
"""Seconds of offset that are looked at."""
EDITS = 8
"""Segments that are edited in each clip, three times each."""
SCROLL = 6.0
"""Seconds of scrolling."""
WATCH = """
(side) => {
  const small = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = small.getContext("2d", { willReadFrequently: true });
  window.watched = { rows: [], running: true, take: true };
  const picture = () => {
    pen.clearRect(0, 0, side, side);
    pen.drawImage(document.querySelector("#stage-canvas"), 0, 0, side, side);
    const seen = pen.getImageData(0, 0, side, side).data;
    const grey = new Uint8Array(side * side);
    let any = 0;
    for (let i = 0; i < grey.length; i++) {
      grey[i] = 0.3 * seen[4 * i] + 0.6 * seen[4 * i + 1] + 0.1 * seen[4 * i + 2];
      any |= seen[4 * i + 3];
    }
    return any ? grey : null;
  };
  const text = (bytes) => { let s = ""; for (const b of bytes) s += String.fromCharCode(b); return btoa(s); };
  const sound = () => window.testSounds.find((s) => s.src) ?? { currentTime: 0 };
  const look = () => {
    if (!window.watched.running) return;
    const grey = window.watched.take ? picture() : null;
    const row = [performance.now(), Date.now() / 1000, sound().currentTime, window.studio.shown?.time ?? 0];
    window.watched.rows.push([...row, window.frameSound, grey ? text(grey) : ""]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""
"""Takes a small grey picture of the stage in every animation frame, after it is drawn, with the times of that frame."""


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


@contextmanager
def studio(browser: Browser, clip: Path, **options: Any) -> Iterator[StudioPage]:
    """The studio with a clip, its page open and quiet."""
    with tempfile.TemporaryDirectory() as home:
        server = StudioServer(Path(home), clip)
        try:
            page = StudioPage(browser, server.url, **options)
            page.wait("window.studio && window.studio.document && window.studio.ready", 300)
            page.settle(1.0)
            yield page
            page.close()
        finally:
            server.stop()


def tiled(folder: Path, duration: float) -> Path:
    """The sample over and over, a little louder or softer each time, ``duration`` seconds long."""
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    levels = np.random.default_rng(0).uniform(0.6, 1.0, int(duration * rate) // len(samples) + 1)
    whole = np.concatenate([samples * level for level in levels])[: int(duration * rate)]
    path = folder / f"{duration:.0f}s.wav"
    soundfile.write(path, whole, rate)
    return path


# --- Lips against sound.


def bursts(folder: Path, duration: float = 16.0) -> tuple[Path, list[float]]:
    """A clip of one vowel at known, irregular times on near-silence, and those times.

    The vowel is that with the widest mouth of the sample.
    """
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    length = int(BURST * rate)
    spoken = Animator.from_pretrained()(SPEECH, face=Face.builtin(), emotion="neutral")
    widest = spoken.coefficients[:, list(spoken.face.shapes).index("jawOpen")].argmax() / spoken.fps
    first = int((widest - BURST / 2) * rate)
    vowel = samples[first : first + length] * np.hanning(length).clip(0, 0.5) * 2
    rng = np.random.default_rng(1)
    sound = rng.normal(scale=1e-4, size=int(duration * rate)).astype(np.float32)
    times = []
    at = 1.0
    while at + BURST < duration - 0.5:
        sound[int(at * rate) : int(at * rate) + length] += vowel
        times.append(at)
        at += BURST + rng.uniform(0.35, 0.9)
    soundfile.write(folder / "bursts.wav", sound, rate)
    return folder / "bursts.wav", times


def measure_lips(browser: Browser) -> dict[str, Any]:
    """Offsets in milliseconds, positive where the picture is late, on bursts and on speech.

    ``in_frame_ms`` is against the sound's clock as the animation frame begins, ``drawn_ms`` as it ends; ``clock_ms`` is
    the difference of the clocks alone. ``on_screen_ms`` is from what the browser shows, by its own stamps.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip, times = bursts(Path(folder))
        found = {"bursts": lips_of(browser, clip, times), "speech": lips_of(browser, SPEECH, None)}
    return found


def lips_of(browser: Browser, clip: Path, times: list[float] | None) -> dict[str, Any]:
    """Offsets of one clip."""
    with studio(browser, clip, size=(1000, 760)) as page:
        post(page, "edit", {"op": "settings", **STILL, **({"intensity": 0.0})})
        page.settle(1.0)
        page.ready()
        fps, mouth = mouth_curve(page)
        grid = np.arange(len(mouth)) / fps
        page.page.evaluate(WATCH, SIDE)
        stills = [still(page, float(grid[i])) for i in (mouth.argmin(), mouth.argmax())]
        page.page.evaluate("() => { window.watched.rows = []; }")
        play(page, float(grid[-1]) - 0.5, [])
        rows = page.page.evaluate("() => window.watched.rows")
        rows = [row for row in rows if row[-1]]
        pictures = np.stack([decoded(row[-1]) for row in rows])
        opening = projected(pictures, stills[0], stills[1])
        drawn, shown, sound = (np.array([row[i] for row in rows]) for i in (2, 3, 4))
        moving = np.r_[False, np.diff(sound) > 0]
        drawn, shown, sound, opening = drawn[moving], shown[moving], sound[moving], opening[moving]
        result = {
            "pictures": len(sound),
            "pictures_a_second": round(float(len(sound) / np.ptp(sound)), 1),
            "in_frame_ms": offset(sound, opening, grid, mouth),
            "drawn_ms": offset(drawn, opening, grid, mouth),
            "clock_ms": round(float(np.median(sound - shown)) * 1000, 1),
            "clock_p95_ms": round(float(np.quantile(abs(sound - shown), 0.95)) * 1000, 1),
            "correlation": round(best_correlation(sound, opening, grid, mouth), 3),
        }
        page.page.evaluate("() => { window.watched.take = false; window.watched.rows = []; }")
        result |= on_screen(page, grid, mouth, times)
    return result


def on_screen(page: StudioPage, grid: NDArray[Any], mouth: NDArray[Any], times: list[float] | None) -> dict[str, Any]:
    """The same from screenshots that the browser stamps when it shows them: drawing and compositing included."""
    shots: list[tuple[float, bytes]] = []
    box = page.page.locator("#stage-canvas").bounding_box()
    assert box is not None
    play(page, float(grid[-1]) - 0.5, shots)
    rows = np.array([row[1:3] for row in page.page.evaluate("() => window.watched.rows")])
    rows = rows[np.r_[False, np.diff(rows[:, 1]) > 0]]
    # The clock of the sound against that of the wall, where it runs.
    share, start = np.polyfit(rows[:, 0] - rows[0, 0], rows[:, 1], 1)
    at = np.array([share * (stamp - rows[0, 0]) + start for stamp, _ in shots])
    inside = (at > 0.3) & (at < grid[-1] - 0.3)
    area = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    pictures = np.stack(
        [
            np.asarray(Image.open(io.BytesIO(data)).convert("L").crop(area).resize((SIDE, SIDE)), float)
            for _, data in shots
        ]
    )[inside]
    at = at[inside]
    expected = np.interp(at, grid, mouth)
    opening = np.einsum("tyx,yx->t", pictures - pictures.mean(0), weight_of(pictures, expected))
    found: dict[str, Any] = {
        "screenshots": len(at),
        "screenshots_a_second": round(len(at) / float(np.ptp(at)), 1),
        "on_screen_ms": offset(at, opening, grid, mouth),
    }
    if times is not None:
        sound = np.zeros_like(grid)
        for onset in times:
            sound += np.exp(-0.5 * ((grid - onset - BURST / 2) / (BURST / 2.5)) ** 2)
        found["model_ms"] = offset(grid, mouth, grid, sound)
        found["sound_to_screen_ms"] = offset(at, opening, grid, sound)
    return found


def weight_of(pictures: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """(y, x) how each pixel goes with the opening."""
    return np.asarray(np.einsum("tyx,t->yx", pictures - pictures.mean(0), expected - expected.mean()))


def mouth_curve(page: StudioPage) -> tuple[float, NDArray[np.float64]]:
    """Frames a second and the mouth's opening, as the server exports them."""
    reply = page.page.request.get(page.url + "api/weights.bin?from=0&to=100000")
    rows = np.frombuffer(reply.body(), "<f4").reshape(-1, int(reply.headers["x-columns"]))
    return float(reply.headers["x-fps"]), rows[:, -1].astype(float)


def still(page: StudioPage, at: float) -> NDArray[np.float64]:
    """The small picture of the stage at a time, standing."""
    page.page.evaluate("(t) => { window.testSounds.find((s) => s.src).currentTime = t; }", at)
    page.settle(1.5)
    rows = page.page.evaluate("() => window.watched.rows.filter((row) => row[row.length - 1]).slice(-1)")
    assert rows, "the stage has not drawn"
    return decoded(rows[-1][-1])


def decoded(text: str) -> NDArray[np.float64]:
    """A small picture as it came from the page."""
    return np.frombuffer(base64.b64decode(text), np.uint8).astype(float)


def projected(pictures: NDArray[Any], closed: NDArray[Any], opened: NDArray[Any]) -> NDArray[np.float64]:
    """How far each picture is on the way from the closed to the opened mouth."""
    way = opened - closed
    return np.asarray((pictures - closed) @ way / (way @ way))


def play(page: StudioPage, seconds: float, shots: list[tuple[float, bytes]]) -> None:
    """Play from the start for so long; ``shots`` gets (wall clock, PNG) of what is on the screen, unless it is None."""
    session = page.context.new_cdp_session(page.page)

    def taken(event: dict[str, Any]) -> None:
        shots.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        with contextlib.suppress(PlaywrightError):  # the last ones, after it has ended
            session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    page.page.evaluate("() => { for (const sound of window.testSounds) sound.pause(); }")
    page.page.keyboard.press("Home")
    page.wait("window.studio.time === 0 && !window.studio.playing")
    casting = page.page.evaluate("() => !window.watched.take")
    if casting:
        session.on("Page.screencastFrame", taken)
        session.send("Page.startScreencast", {"format": "jpeg", "quality": 90})
    page.page.keyboard.press("Space")
    page.wait("window.studio.playing")
    page.wait(f"window.studio.time > {seconds} || !window.studio.playing", seconds + 60)
    page.page.evaluate("() => { for (const sound of window.testSounds) sound.pause(); }")
    if casting:
        session.send("Page.stopScreencast")
    session.detach()


def offset(at: NDArray[Any], seen: NDArray[Any], grid: NDArray[Any], truth: NDArray[Any]) -> float:
    """Milliseconds by which ``seen`` is late against ``truth``: where both correlate best."""
    lags = np.arange(-REACH, REACH, 0.001)
    scores = [np.corrcoef(seen, np.interp(at - lag, grid, truth))[0, 1] for lag in lags]
    return round(float(lags[int(np.argmax(scores))]) * 1000, 0)


def best_correlation(at: NDArray[Any], seen: NDArray[Any], grid: NDArray[Any], truth: NDArray[Any]) -> float:
    """How well both correlate at the best lag."""
    lags = np.arange(-REACH, REACH, 0.005)
    return max(float(np.corrcoef(seen, np.interp(at - lag, grid, truth))[0, 1]) for lag in lags)


def post(page: StudioPage, path: str, body: dict[str, Any]) -> None:
    """Ask the server something beside the page."""
    reply = page.page.request.post(page.url + f"api/{path}", data=body)
    assert reply.ok, reply.text()


# --- Edits.


def measure_edits(browser: Browser) -> dict[str, Any]:
    """Milliseconds from key or pointer to the picture, on clips of some lengths."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, clip in (
            ("18 s", SPEECH), ("1 min", tiled(Path(folder), 60)), ("5 min", tiled(Path(folder), 300))
        ):  # fmt: skip
            with studio(browser, clip) as page:
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
    with tempfile.TemporaryDirectory() as folder, studio(browser, tiled(Path(folder), 600)) as page:
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
        with studio(browser, SPEECH, size=size, scheme=scheme) as page:
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
    lines = ["| measured | is | asked |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
