"""The studio in a real Firefox: a recording plays, is edited by mouse and keys, undone, redone and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sedtalker.export.arkit import read_take
from tests.studio.browser.programs import SHOWN, Desk, asked
from tests.support.firefox import Firefox

pytestmark = pytest.mark.browser
PLACES = """(() => {
  const { left, right, start, end, lanes } = studio.geometry;
  const [longest] = studio.document.segments.toSorted((a, b) => b.end - b.start - (a.end - a.start));
  return [0.5, 0.6, 0.75].map((share) => {
    const time = longest.start + share * (longest.end - longest.start);
    const x = Math.round(left + ((time - start) / (end - start)) * (right - left));
    const place = ({ top, bottom }) => ({ x, y: Math.round((top + bottom) / 2) });
    return { wave: place(lanes.wave), emotion: place(lanes.emotion) };
  });
})()"""
"""Places at three moments of the longest segment, in two lanes."""
EXPORT = """(() => {
  const named = (kind, name) => [...document.querySelectorAll(kind)].find((each) => each.textContent === name);
  named("[role=tab]", "Export").click();
  const boxes = [...document.querySelectorAll(".formats input")];
  for (const box of boxes.filter(({ checked, value }) => checked !== (value === "arkit"))) box.click();
  named("button.primary", "Export").click();
})()"""
"""Asks for the ARKit weights alone."""


def edited(firefox: Firefox, url: str, act: Callable[[], None]) -> Any:
    """The document after an edit, as the page and the server have it."""
    before = firefox.evaluate("studio.state.revision")
    act()
    firefox.until(f"studio.ready && studio.state.revision > {before}")
    found = firefox.evaluate("studio.document")
    assert found == asked(url + "api/state")["document"]
    return found


def test_a_recording_plays_is_edited_and_exported(firefox: Firefox, clip: Path, tmp_path: Path) -> None:
    desk = Desk(None, tmp_path / "home")
    try:
        server = desk.start(clip)
        firefox.open(server.url)
        firefox.until(SHOWN)
        firefox.click("#play")
        firefox.until("studio.playing && studio.time > 0.3 && studio.shown.time > 0.3")
        firefox.click("#play")
        firefox.until("!studio.playing")

        first = firefox.evaluate("studio.document")
        middle, later, last = firefox.evaluate(PLACES)
        firefox.drag(middle["wave"])
        split = edited(firefox, server.url, lambda: firefox.press("s"))
        assert len(split["segments"]) == len(first["segments"]) + 1
        firefox.drag(last["emotion"])
        label = "3" if first["segments"][0]["label"] != "sad" else "2"
        labelled = edited(firefox, server.url, lambda: firefox.press(label))
        moved = edited(firefox, server.url, lambda: firefox.drag(middle["emotion"], later["emotion"]))
        assert [s["label"] for s in moved["segments"]] == [s["label"] for s in labelled["segments"]]
        assert moved["segments"] != labelled["segments"] != split["segments"]
        for expected in (labelled, split, first):
            assert edited(firefox, server.url, lambda: firefox.press("Control+z")) == expected
        assert edited(firefox, server.url, lambda: firefox.press("Control+Shift+z")) == split

        firefox.evaluate(EXPORT)
        firefox.until("document.querySelector('.downloads a')")
        firefox.click(".downloads a")
        name = firefox.evaluate("document.querySelector('.downloads a').download")
        assert len(read_take(firefox.saved(name)).times) > 100
        assert [url for url in firefox.asked if not url.startswith((server.url, "blob:", "data:"))] == []
        firefox.open("about:blank")  # a page whose server has ended complains
        server.stop()
        assert "Traceback" not in server.errors()
    finally:
        desk.tidy()
