"""Words on the page: subtitles are corrected, and undo takes it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

CUES = "WEBVTT\n\n00:00.300 --> 00:02.000\nhello my dear friend\n\n00:02.200 --> 00:04.000\nhow are you today\n"


def test_subtitles_are_corrected_and_undone(page: StudioPage, tmp_path: Path) -> None:
    path = tmp_path / "speech.vtt"
    path.write_text(CUES, encoding="utf-8")
    page.drop(path)
    page.wait("window.studio.state.words.length === 2")
    loaded = page.read("state.words")
    page.page.get_by_role("tab", name="Recording").click()
    box, correct = page.page.get_by_label("What is said"), page.page.get_by_text("Correct the words")
    box.fill("hello my old friend how are you today")
    correct.click()
    page.wait("window.studio.state.words[0]?.text === 'hello my old friend'")
    assert page.read("state.words[0].end") == loaded[0]["end"]
    assert page.read("state.words[1]") == loaded[1]
    page.page.evaluate("document.activeElement.blur()")
    page.page.keyboard.press("Control+z")
    page.wait("window.studio.state.words[0]?.text === 'hello my dear friend'")
    assert page.read("state.words") == loaded
    assert box.input_value() == "hello my dear friend how are you today"
    box.fill("")
    correct.click()
    page.wait("window.studio.state.words.length === 0")
    page.page.evaluate("document.activeElement.blur()")
    page.page.keyboard.press("Control+z")
    page.wait("window.studio.state.words.length === 2")
