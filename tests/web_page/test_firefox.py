"""The page in a real Firefox: a file in, the head talks, keys work, and what it saves is what Chromium saves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.firefox import Firefox
from tests.web_page.conftest import Page
from tests.web_page.test_page import downloaded, speech

pytestmark = pytest.mark.browser
JAW = "page.stage.row[page.stage.described.targets.indexOf('jawOpen')]"


def test_a_file_moves_the_head_and_is_saved_as_in_chromium(
    firefox: Firefox, page: Page, site: str, tmp_path: Path
) -> None:
    data = speech()
    given = tmp_path / "a talk.wav"
    given.write_bytes(data)
    firefox.open(site)
    firefox.until("window.page?.faced > 0")
    firefox.choose("#file", given)
    firefox.until("page.animation && document.activeElement.id === 'play'")
    firefox.evaluate("page.most = 0, setInterval(() => (page.most = Math.max(page.most, JAW)), 30)".replace("JAW", JAW))
    firefox.click("#play")
    firefox.until("page.frame.time > 1 && page.most > 0.2")
    firefox.until("document.getElementById('play').textContent === 'Play'")
    firefox.press("Tab")
    firefox.press("Tab")
    firefox.press("Tab")
    assert firefox.evaluate("document.activeElement.id") == "seek"
    firefox.press("Home")
    firefox.until("page.frame.time === 0")
    assert firefox.evaluate("document.getElementById('problem').textContent") == ""

    page.give(given.name, data)
    page.until("page.animation")
    for button in ("#glb", "#csv"):
        firefox.click(button)
        name, path = downloaded(page, button, tmp_path)
        assert firefox.saved(name).read_bytes() == path.read_bytes()
    assert [url for url in firefox.asked if not url.startswith((site, "blob:", "data:"))] == []
