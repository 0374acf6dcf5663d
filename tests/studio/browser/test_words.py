"""Words on the page: subtitles are corrected, undo takes it back, and tracks are not taken for words."""

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


def test_exported_tracks_are_tracks_again_and_the_dialog_offers_them(page: StudioPage, tmp_path: Path) -> None:
    words = page.read("state.words")
    for name, label, text in (
        ("take.srt", "disgust", "1\n00:00:00,500 --> 00:00:02,500\ndisgust:0.600 Hello\n\n"),
        ("take.txt", "fear", "0.500000\t2.500000\tfear:0.600\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        page.drop(tmp_path / name)
        page.wait(f"window.studio.document.segments.some((segment) => segment.label === '{label}')")
        assert page.read("state.words") == words
    page.page.get_by_role("tab", name="Recording").click()
    for button, endings in (("Load a track", {".srt", ".vtt", ".eaf", ".txt"}), ("Load words", {".srt", ".ctm"})):
        with page.page.expect_file_chooser() as chooser:
            page.page.get_by_role("button", name=button).click()
        accept = chooser.value.element.get_attribute("accept")
        assert accept is not None
        assert endings <= set(accept.split(","))


def test_words_of_another_recording_are_said_where_the_words_are(page: StudioPage, tmp_path: Path) -> None:
    path = tmp_path / "other.vtt"
    path.write_text("WEBVTT\n\n59:00.000 --> 59:02.000\nso it goes\n", encoding="utf-8")
    page.drop(path)
    page.wait("window.studio.state.words_note")
    page.page.get_by_role("tab", name="Recording").click()
    page.wait("document.body.innerText.includes('1 word. Lips do not follow the words: ')")
    assert "The lips follow them" not in page.page.locator("body").inner_text()
    assert page.page.locator("#toasts").get_by_text("Lips do not follow the words").count() == 1  # so in the log
