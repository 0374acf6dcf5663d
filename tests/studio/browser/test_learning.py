"""Segments are labelled by hand on the page, the diarizer learns them, the others follow, and undo goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studio.browser.programs import Desk, asked

pytestmark = pytest.mark.browser


def test_learn_from_my_corrections(desk: Desk, clip: Path) -> None:
    page = desk.studio(clip)
    button = page.page.get_by_role("button", name="Learn from my corrections")
    duration = page.read("state.duration")
    for share in (0.3, 0.5, 0.7):
        page.seek(share * duration)
        with page.changing():
            page.page.keyboard.press("s")
    assert not button.is_visible()
    labels = page.read("state.labels")
    for share, label in ((0.4, "happy"), (0.6, "sad")):
        page.page.mouse.click(page.x(share * duration), page.y("emotion"))
        with page.changing():
            page.page.keyboard.press(str(labels.index(label) + 1))
    corrected = page.segments
    assert button.is_visible()
    button.click()
    page.wait("window.studio.state.document.segments.some((s) => s.base_label) && window.studio.ready")
    page.page.wait_for_function("(before) => JSON.stringify(window.studio.document.segments) !== before",
                                arg=page.page.evaluate("(s) => JSON.stringify(s)", corrected))  # fmt: skip
    learned = page.segments
    for share, label in ((0.4, "happy"), (0.6, "sad")):
        assert [s["label"] for s in learned if s["start"] <= share * duration < s["end"]] == [label]
    assert asked(page.url + "api/state")["document"]["segments"] == learned
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert [(s["start"], s["label"]) for s in page.segments] == [(s["start"], s["label"]) for s in corrected]
