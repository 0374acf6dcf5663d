"""The studio's lips against its sound, in the page's own frames and on the screen; for ``measure_studio.py``."""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from scripts.studio_page import SPEECH, StudioPage, open_studio
from sedtalker import Animator, Face

STILL = {"head": False, "blinks": False, "gaze": False}
"""Settings under which nothing moves but what speech and emotion move."""
SIDE = 96
"""Pixels of a side of the small pictures that the page takes of its stage."""
BURST = 0.3
"""Seconds of a vowel in the clip with known openings."""
REACH = 0.3
"""Seconds of offset that are looked at."""
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
    with open_studio(browser, clip, size=(1000, 760)) as page:
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
