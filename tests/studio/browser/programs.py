"""Studios and pages of a test, and the command line to compare them with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage, StudioServer

CLIP = (3.0, 9.0)
"""Seconds of the sample recording that most tests work on."""


@dataclass
class Desk:
    """Where a user works: a browser and a home.

    Attributes:
        browser: of Playwright.
        home: of the user.
        refusals: whether the page may be answered 4xx, which Chromium logs as an error of its own.
    """

    browser: Any
    home: Path
    refusals: bool = False
    servers: list[StudioServer] = field(default_factory=list)
    pages: list[StudioPage] = field(default_factory=list)

    def start(self, *arguments: str | Path, folder: Path | None = None) -> StudioServer:
        """Start a studio with these arguments."""
        from scripts.studio_page import StudioServer

        server = StudioServer(self.home, *arguments, folder=folder)
        self.servers.append(server)
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
        page.wait("window.studio && window.studio.document && window.studio.ready")
        return page

    def check(self) -> None:
        """Nothing has left the studio, and nobody has complained."""
        from scripts.studio_page import REFUSED

        for page in self.pages:
            own = {server.port for server in self.servers}
            foreign = [u for u in page.record.requests if all(u in page.record.foreign(port) for port in own)]
            assert foreign == []
            assert page.record.failures == []
            assert [line for line in page.record.console if not (self.refusals and line.startswith(REFUSED + "4"))] == []
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
