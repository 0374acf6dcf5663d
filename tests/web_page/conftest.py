"""The built page behind a static server, and a real Chromium; the face is computed by ``web/tests/fake_face.js``.

``make test-studio`` asks for them (SEDTALKER_STUDIO=1: what is missing fails); otherwise such tests skip.
"""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.static_server import served
from tests.studio.browser.conftest import browser, firefox, missing, playwright

__all__ = ["browser", "firefox", "missing", "playwright"]
WAIT = 300.0
"""Seconds for anything to happen."""
ROOT = Path(__file__).parents[2]


class Page:
    """The page in a browser."""

    def __init__(self, page: Any, url: str):
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self) -> Page:
        """Load it; gives it when the head is there."""
        self.page.goto(self.url)
        self.until("page.faced > 0")
        return self

    def until(self, condition: str, seconds: float = WAIT) -> None:
        """Wait until an expression of JavaScript is true; the page's policy forbids Playwright's own way."""
        ends = time.monotonic() + seconds
        while not self.page.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < ends, f"not {condition}: {self.problem or self.page.inner_text('body')}"
            time.sleep(0.05)

    def give(self, name: str, data: bytes, kind: str = "audio/wav") -> None:
        """Choose a file in the file dialog."""
        self.page.set_input_files("#file", files=[{"name": name, "mimeType": kind, "buffer": data}])

    def weight(self, shape: str) -> float:
        """Weight of a target of the head as it is drawn."""
        row = f"page.stage.row[page.stage.described.targets.indexOf('{shape}')]"
        return float(self.page.evaluate(row))

    @property
    def problem(self) -> str:
        return str(self.page.inner_text("#problem"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with a stand-in for the networks; gives its URL."""
    from scripts.build_web import NETWORKS, WEB, build

    models = tmp_path_factory.mktemp("models")
    for name in NETWORKS:
        (models / name).write_bytes(b"stands in")
    (models / "model.json").write_text(json.dumps({"format": "sedtalker-models"}), encoding="utf-8")
    folder = tmp_path_factory.mktemp("web") / "site"
    try:
        build(folder, models, WEB / "tests" / "fake_face.js")
    except urllib.error.URLError as error:
        missing(f"onnxruntime-web could not be fetched: {error}")
    with served(folder) as url:
        yield url


@pytest.fixture
def page(browser: Any, site: str, tmp_path: Path) -> Iterator[Page]:
    """The page, opened; at the end it has asked for nothing elsewhere and logged no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = Page(context.new_page(), site).open()
    yield opened
    context.close()
    assert opened.complaints == []
    assert [url for url in opened.asked if not url.startswith((site, "blob:", "data:"))] == []
