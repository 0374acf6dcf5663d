"""Studios and pages of a test, and the command line to compare them with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage, StudioServer

CLIP = (3.0, 9.0)
"""Seconds of the sample recording that most tests work on."""
SHOWN = "window.studio && window.studio.document && window.studio.ready"
"""The page shows a recording, and nothing is under way."""


@dataclass
class Desk:
    """Where a user works: a browser and a home.

    Attributes:
        browser: of Playwright.
        home: of the user.
        settings: of a new document, once they are known.
        expected: beginnings of what Chromium itself may log as an error: answers of 4xx, a server that has gone.
    """

    browser: Any
    home: Path
    expected: tuple[str, ...] = ()
    settings: Any = None
    servers: list[StudioServer] = field(default_factory=list)
    pages: list[StudioPage] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)

    def start(self, *arguments: str | Path, folder: Path | None = None) -> StudioServer:
        """Start a studio with these arguments."""
        from scripts.studio_page import StudioServer

        server = StudioServer(self.home, *arguments, folder=folder)
        self.servers.append(server)
        self.ports.add(server.port)
        return server

    def open(self, server: StudioServer, browser: Any = None, **options: Any) -> StudioPage:
        """Open a studio's page."""
        from scripts.studio_page import StudioPage

        page = StudioPage(browser or self.browser, server.url, **options)
        self.pages.append(page)
        return page

    def studio(self, *arguments: str | Path, **options: Any) -> StudioPage:
        """Start a studio with a recording and open its page; gives it when the recording is shown."""
        page = self.open(self.start(*arguments), **options)
        page.wait(SHOWN)
        return page

    def fresh(self, server: StudioServer, **options: Any) -> StudioPage:
        """A page of a studio that has a recording; nothing is edited."""
        until(lambda: asked(server.url + "api/state")["document"])
        if self.settings is None:
            self.settings = asked(server.url + "api/state")["document"]["settings"]
        asked(server.url + "api/edit", {"op": "reset"})
        asked(server.url + "api/edit", {"op": "settings", "settings": self.settings})
        page = self.open(server, **options)
        page.wait(SHOWN)
        return page

    def check_pages(self) -> None:
        """No page has asked for anything elsewhere or complained; they are closed."""
        pages, self.pages = self.pages, []
        for page in pages:
            page.close()
        for page in pages:
            assert page.record.foreign(self.ports) == []
            assert page.record.failures == []
            said = [line for line in page.record.console if not line.startswith(self.expected)]
            assert [line for line in said if not TRIED_AGAIN.search(line)] == []
            assert len(said) <= MOST_TRIED_AGAIN, said

    def check(self) -> None:
        """Nothing has left the studio, and nobody has complained."""
        self.check_pages()
        for server in self.servers:
            server.stop()
            assert "Traceback" not in server.errors(), server.errors()

    def tidy(self) -> None:
        """Close and end everything."""
        for page in self.pages:
            page.close()
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()


REFUSED = "Failed to load resource: the server responded with a status of 4"
"""How Chromium reports an answer that the page expected and shows itself."""
TRIED_AGAIN = re.compile(r"status of 409 .*/api/(edit|undo|redo)\)$")
"""How it reports an edit of what had changed meanwhile, as by a job that ended: the page looks, and sends it again."""
MOST_TRIED_AGAIN = 2
"""Times that a page may do that in one test; one that always knows an old list would do it at every edit."""
GONE = ("WebSocket connection to", "Failed to load resource: net::ERR_")
"""How it reports a server that has ended."""


def asked(url: str, body: Any = None) -> Any:
    """A server's answer to a GET, or to a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def until(condition: Callable[[], Any], timeout: float = 60.0) -> None:
    """Wait until a function gives something true."""
    ends = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < ends, f"not within {timeout:.0f} s"
        time.sleep(0.05)


def sedtalker(folder: Path, home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a folder."""
    from scripts.studio_page import home_environment

    command = [sys.executable, "-m", "sedtalker", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=home_environment(home), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def seconds(page: StudioPage, pixels: float) -> float:
    """How long so many pixels of the timeline are."""
    g = page.read("geometry")
    return float(pixels * (g["end"] - g["start"]) / (g["right"] - g["left"]))
