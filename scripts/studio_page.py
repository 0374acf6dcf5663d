"""The studio in a real Chromium, with a record of what it asks for and complains about.

The tests in ``tests/studio/browser``, ``make_studio_pictures.py`` and ``measure_studio.py`` drive the studio with it:
the real command in a home of its own, and Debian's Chromium, which draws WebGL in software and has a microphone that
plays a file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
SPEECH = SAMPLES / "four_moods.wav"
SOFTWARE_WEBGL = ("--ignore-gpu-blocklist", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL without a graphics card."""
NO_WEBGL = ("--disable-gpu", "--disable-3d-apis")
"""A browser that has none."""
QUIET = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
    "--no-first-run", "--disable-dev-shm-usage", "--force-color-profile=srgb",
)  # fmt: skip
"""Nothing of the browser's own on the network, the same colours everywhere."""
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""A microphone that needs no device and no question."""
WAIT = 60.0
"""Seconds for the studio to start, and for the page to show what there is."""
PROBED = """() => { const s = window.studio; if (!s) return "no probe"; const { weights, ...shown } = s.shown;
return JSON.stringify({ ready: s.ready, jobs: s.jobs, revision: s.state?.revision, shown, time: s.time }); }"""
"""What the page says of itself when something waited in vain."""
KEEP_SOUND = """
window.testSounds = [];
window.Audio = new Proxy(window.Audio, {
  construct(target, given) { const made = new target(...given); window.testSounds.push(made); return made; },
});
const soon = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (act) => soon((stamp) => {
  if (window.frameStamp !== stamp) {
    window.frameStamp = stamp;
    window.frameSound = window.testSounds.find((sound) => sound.src)?.currentTime ?? 0;
  }
  act(stamp);
});
"""
"""Keeps the page's sound, so that its own clock can be read; and where that is as an animation frame begins."""


def find_chromium() -> str | None:
    """Debian's Chromium, or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def chromium(playwright: Playwright, *flags: str, microphone: Path | None = None) -> Iterator[Browser]:
    """A browser without a window; ``microphone`` is a WAV that its microphone plays once."""
    sound = (f"--use-file-for-fake-audio-capture={microphone}%noloop",) if microphone else ()
    browser = playwright.chromium.launch(
        executable_path=find_chromium(),
        args=["--no-sandbox", *QUIET, *MICROPHONE, *sound, *(flags or SOFTWARE_WEBGL)],
    )
    try:
        yield browser
    finally:
        browser.close()


class StudioServer:
    """``sedtalker studio`` as a user starts it, in a home of its own.

    Args:
        home: of the user; state and cache are inside.
        arguments: of the command, after its name.
    """

    def __init__(self, home: Path, *arguments: str | Path, folder: Path | None = None):
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.log = home, home / "studio.log"
        command = [sys.executable, "-m", "sedtalker", "studio", *map(str, arguments), "--no-open", "--json"]
        if "--port" not in arguments:
            command += ["--port", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder or home, env=home_environment(home), stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        late = threading.Timer(WAIT, self.process.kill)
        late.start()
        said = ""
        while not said.rstrip().endswith("}") and (line := self.process.stdout.readline()):
            said += line
        late.cancel()
        if not said.rstrip().endswith("}"):
            self.kill()
            raise RuntimeError(f"the studio ended with {self.process.returncode}: {self.errors()[-3000:]}")
        self.url: str = json.loads(said)["url"]

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def path(self) -> str:
        """``/TOKEN/``."""
        return urlsplit(self.url).path

    def errors(self) -> str:
        """What it has written to stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """End it as Ctrl+C does; gives the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._close()
        return self.process.returncode

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def home_environment(home: Path) -> dict[str, str]:
    """The environment of a user whose home is ``home``."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment["HOME"] = str(home)
    environment["TMPDIR"] = str(home / "tmp")
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    for name, folder in (
        ("STATE", ".local/state"),
        ("CACHE", ".cache"),
        ("CONFIG", ".config"),
        ("DATA", ".local/share"),
    ):
        environment[f"XDG_{name}_HOME"] = str(home / folder)
    return environment


@dataclass
class Record:
    """What a page has asked for, and what went wrong in it."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Record all that happens in a page from now on."""
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.failures.append(f"{error.message}\n{error.stack}"))
        page.on("crash", lambda _: self.failures.append("the page crashed"))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console.append(f"{message.text} ({message.location.get('url')})")

    def foreign(self, ports: Iterable[int]) -> list[str]:
        """Requests that left the studios at these ports."""
        own = {f"{name}:{port}" for name in ("127.0.0.1", "localhost") for port in ports}
        inside = ("blob", "data", "about")
        return [u for u in self.requests if urlsplit(u).scheme not in inside and urlsplit(u).netloc not in own]


class StudioPage:
    """The studio's page, as a user works with it.

    Args:
        browser: to open it in.
        url: that the studio printed.
        size: width and height in CSS pixels.
        scheme: ``light`` or ``dark``.
        options: of the browser's context, as Playwright names them.
    """

    def __init__(
        self, browser: Browser, url: str, size: tuple[int, int] = (1280, 800), scheme: str = "dark", **options: Any
    ):
        options = {"accept_downloads": True, "permissions": ["microphone"], "locale": "en-GB", **options}
        viewport = {"width": size[0], "height": size[1]}
        self.context: BrowserContext = browser.new_context(viewport=viewport, color_scheme=scheme, **options)
        self.context.add_init_script(KEEP_SOUND)
        self.page = self.context.new_page()
        self.record = Record()
        self.record.watch(self.page)
        self.url = url
        self.page.goto(url)

    def read(self, expression: str) -> Any:
        """A value of ``window.studio``."""
        return self.page.evaluate(f"() => window.studio.{expression}")

    def ready(self, timeout: float = WAIT) -> None:
        """Wait until the page shows what the server has."""
        self.wait("window.studio && window.studio.ready", timeout)

    def wait(self, condition: str, timeout: float = WAIT) -> None:
        """Wait until an expression of the page is true."""
        try:
            self.page.wait_for_function(f"() => ({condition})", timeout=timeout * 1000, polling=50)
        except Exception as error:
            seen = self.page.evaluate("() => document.body.innerText")
            notes = "\n".join([*self.record.failures, *self.record.console])
            raise AssertionError(
                f"not within {timeout:.0f} s: {condition}\n{notes}\n{self.page.evaluate(PROBED)}\n{seen[:300]}"
            ) from error

    @property
    def segments(self) -> list[dict[str, Any]]:
        """Segments of the document."""
        return cast("list[dict[str, Any]]", self.read("document.segments"))

    @property
    def revision(self) -> int:
        """Grows with every edit."""
        return int(self.read("state.revision"))

    @contextmanager
    def changing(self, timeout: float = 30.0) -> Iterator[None]:
        """What is done inside changes the document; wait until that is shown."""
        before = self.revision
        yield
        self.wait(f"window.studio.state.revision > {before} && window.studio.ready", timeout)

    def x(self, seconds: float) -> float:
        """Where a time is in the timeline, in pixels of the page."""
        g = self.read("geometry")
        return float(g["left"] + (seconds - g["start"]) / (g["end"] - g["start"]) * (g["right"] - g["left"]))

    def y(self, lane: str, share: float = 0.5) -> float:
        """A height in a lane: of intensity its value, else 0 is the bottom and 1 the top."""
        found = self.read(f"geometry.lanes.{lane}")
        low, high = found.get("low", found["bottom"]), found.get("high", found["top"])
        return float(low + share * (high - low))

    def drag(self, *places: tuple[float, float], steps: int = 6) -> None:
        """Press at the first place, move through the others, let go at the last."""
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=steps)
        mouse.up()

    def seek(self, seconds: float) -> None:
        """Click into the waveform; then the cursor is there, within a pixel."""
        self.page.mouse.click(self.x(seconds), self.y("wave"))
        self.wait(f"Math.abs(window.studio.time - {seconds}) < 0.1")

    def drop(self, *files: Path) -> None:
        """Drop files onto the page, as from a file manager."""
        given = [{"name": file.name, "bytes": list(file.read_bytes())} for file in files]
        self.page.evaluate(
            """(files) => {
              const carried = new DataTransfer();
              for (const f of files) carried.items.add(new File([new Uint8Array(f.bytes)], f.name));
              const target = document.querySelector("main") ?? document.body;
              for (const kind of ["dragenter", "dragover", "drop"])
                target.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
            }""",
            given,
        )

    def save(self, path: Path, act: Any) -> Path:
        """The file that the browser downloads when ``act`` is called."""
        with self.page.expect_download(timeout=WAIT * 1000) as waiting:
            act()
        waiting.value.save_as(path)
        return path

    def settle(self, seconds: float = 0.3) -> None:
        """Let the page draw for a while."""
        self.page.wait_for_timeout(seconds * 1000)

    def close(self) -> None:
        """Close its tab and forget what it stored."""
        self.context.close()


@contextmanager
def open_studio(browser: Browser, clip: Path, **options: Any) -> Iterator[StudioPage]:
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
