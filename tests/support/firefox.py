"""A real Firefox, driven by WebDriver BiDi at its own WebSocket, with what it asked for and complained about.

Playwright drives a Firefox of its own only, and geckodriver is no Debian package. The window stands on an invisible
screen (Xvfb), as Firefox gives no WebGL without one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFERENCES = {
    "browser.download.folderList": 2,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
}
"""Downloads go to the folder that is named beside them; the microphone needs no device and no question."""
WAIT = 120.0
"""Seconds for anything to happen."""
KEYS = {"Control": "\ue009", "Shift": "\ue008", "Enter": "\ue007", "Tab": "\ue004", "Home": "\ue011"}
"""Keys without a character, as WebDriver writes them."""


def lacks() -> str:
    """What is missing to drive Firefox; empty: nothing."""
    if not (shutil.which("firefox-esr") or shutil.which("firefox")):
        return "no Firefox: apt install firefox-esr"
    return "" if shutil.which("Xvfb") else "no invisible screen: apt install xvfb"


@contextmanager
def screen() -> Iterator[str]:
    """An X server without a monitor; gives its name."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1100x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.kill()
        server.wait()


class Firefox:
    """A tab of a running Firefox.

    Args:
        socket: where it takes commands.
        downloads: the folder that it saves to.
    """

    def __init__(self, socket: Any, downloads: Path):
        self.socket = socket
        self.downloads = downloads
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.count = 0
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        # The first tab leaves the focus to the address.
        self.tab = self.send("browsingContext.create", type="tab")["context"]

    def send(self, method: str, **parameters: Any) -> Any:
        """The answer to a command; what happens meanwhile is recorded."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(WAIT))).get("id") != self.count:
            self._note(message)
        assert message["type"] == "success", f"{method}: {message}"
        return message["result"]

    def _note(self, event: dict[str, Any]) -> None:
        given = event["params"]
        if event.get("method") == "network.beforeRequestSent":
            self.asked.append(given["request"]["url"])
        elif given.get("level") == "error":
            self.complaints.append(given["text"])

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """Load a page in a window of this size."""
        self.send("browsingContext.setViewport", context=self.tab, viewport={"width": width, "height": height})
        self.send("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def _run(self, expression: str) -> Any:
        found = self.send(
            "script.evaluate",
            expression=expression,
            target={"context": self.tab},
            awaitPromise=True,
            userActivation=False,
        )
        assert found["type"] == "success", f"{expression}: {found['exceptionDetails']['text']}"
        return found["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript, as JSON."""
        return json.loads(self._run(f"(async () => JSON.stringify(await ({expression}) ?? null))()")["value"])

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        ends = time.monotonic() + WAIT
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < ends, (
                f"not {condition}: {self.complaints} {self.evaluate('document.body.innerText')}"
            )
            time.sleep(0.05)

    def find(self, selector: str) -> dict[str, Any]:
        """An element, as commands name it."""
        return {"sharedId": self._run(f"document.querySelector({json.dumps(selector)})")["sharedId"]}

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        place = {"x": 0, "y": 0, "origin": {"type": "element", "element": self.find(selector)}}
        self._run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{ block: 'nearest' }})")
        self.drag(place)

    def drag(self, *places: dict[str, Any]) -> None:
        """Press the mouse at the first place, move it through the others, and let go."""
        first, *others = ({"type": "pointerMove", "duration": 50, **place} for place in places)
        acts = [first, {"type": "pointerDown", "button": 0}, *others, {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": "mouse", "actions": acts})

    def press(self, keys: str) -> None:
        """Press keys at once, such as ``Control+z``."""
        values = [KEYS.get(key, key) for key in keys.split("+")]
        acts = [{"type": "keyDown", "value": value} for value in values]
        acts += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._act({"type": "key", "id": "keyboard", "actions": acts})

    def _act(self, source: dict[str, Any]) -> None:
        self.send("input.performActions", context=self.tab, actions=[source])

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file in the file dialog of a field."""
        self.send("input.setFiles", context=self.tab, element=self.find(selector), files=[str(file)])

    def saved(self, name: str) -> Path:
        """A download of this name, when it is complete."""
        ends = time.monotonic() + WAIT
        path = self.downloads / name
        while not path.is_file() or not path.stat().st_size or list(self.downloads.glob("*.part")):
            assert time.monotonic() < ends, f"no {name}: {sorted(self.downloads.iterdir())}"
            time.sleep(0.05)
        return path


@contextmanager
def running(folder: Path, **preferences: Any) -> Iterator[Firefox]:
    """A Firefox with a profile of its own in a new folder."""
    from websockets.sync.client import connect

    profile, downloads = folder / "profile", folder / "downloads"
    for each in (profile, downloads):
        each.mkdir(parents=True)
    wanted = {**PREFERENCES, "browser.download.dir": str(downloads), **preferences}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    program = shutil.which("firefox-esr") or "firefox"
    command = [program, "--profile", str(profile), "--no-remote", "--remote-debugging-port", "0", "about:blank"]
    with screen() as display:
        environment = {**os.environ, "DISPLAY": display, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"}
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stderr is not None
            found = next(filter(None, (re.search(r"BiDi listening on (ws://\S+)", line) for line in process.stderr)))
            with connect(f"{found[1]}/session", max_size=None) as socket:
                yield Firefox(socket, downloads)
        finally:
            process.kill()
            process.communicate()
