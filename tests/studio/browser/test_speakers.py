"""Two speakers in a real browser: lanes, edits of each, renaming, swapping, merging, undo, a project and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.studio.browser.programs import REFUSED, Desk
from tests.studio.browser.test_projects import save_project
from tests.support.accessibility import faults

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

TURNS = [(0.0, 2.6, "ann"), (2.9, 2.9, "bob")]
"""Start, length and name in the clip."""
SHOWN = "window.studio && window.studio.state?.speakers?.length && window.studio.ready"
"""The page shows the speakers, and nothing is under way."""


@pytest.fixture(scope="module")
def rttm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("turns") / "who.rttm"
    lines = [f"SPEAKER speech 1 {start} {length} <NA> <NA> {who} <NA> <NA>\n" for start, length, who in TURNS]
    path.write_text("".join(lines))
    return path


def speakers(page: StudioPage) -> list[dict[str, Any]]:
    return list(page.read("state.speakers"))


def names(page: StudioPage) -> list[str]:
    return [speaker["name"] for speaker in speakers(page)]


def active(page: StudioPage) -> str:
    (name,) = [speaker["name"] for speaker in speakers(page) if speaker["active"]]
    return str(name)


def first_labels(page: StudioPage) -> dict[str, str]:
    return {speaker["name"]: speaker["segments"][0]["label"] for speaker in speakers(page)}


def test_two_speakers_are_edited(desk: Desk, clip: Path, rttm: Path, tmp_path: Path) -> None:
    desk.expected = (REFUSED,)
    page = desk.open(desk.start(clip, "--speakers", rttm))
    page.wait(SHOWN, 200)
    assert [(s["name"], s["face"]) for s in speakers(page)] == [("ann", "builtin"), ("bob", "amara")]
    heights = page.read("geometry.lanes")
    assert heights["wave"]["bottom"] <= heights["speaker0"]["top"] < heights["emotion"]["top"]
    assert heights["intensity"]["bottom"] <= heights["speaker1"]["top"] < heights["other1"]["top"]

    # an edit of ann, a click into bob's lanes, an edit of bob
    labels = first_labels(page)
    ann, bob = ("3" if labels[name] != "sad" else "4" for name in ("ann", "bob"))
    page.page.mouse.click(page.x(0.3), page.y("emotion"))
    with page.changing():
        page.page.keyboard.press(ann)
    face = page.read("state.face.name")
    with page.changing():
        page.page.mouse.click(page.x(3.5), page.y("other1"))
    assert active(page) == "bob"
    assert page.read("state.face.name") != face
    assert page.page.get_by_role("listbox", name="Emotion segments of bob").count() == 1
    page.page.mouse.click(page.x(0.3), page.y("emotion"))
    with page.changing():
        page.page.keyboard.press(bob)
    edited = first_labels(page)
    assert all(edited[name] != labels[name] for name in edited)

    # by keys, then renamed and swapped in the panel
    with page.changing():
        page.page.keyboard.press("p")
    assert active(page) == "ann"
    field = page.page.get_by_role("textbox", name="Name")
    for wrong in ("a/b", "bob"):  # no name, and another's
        field.fill(wrong)
        field.press("Enter")
        page.wait("document.querySelector('#speaker-name').value === 'ann'")
        assert names(page) == ["ann", "bob"]
    assert page.page.locator("#toasts [role=alert]").count() == 2
    for _ in range(2):
        page.page.locator("#toasts").get_by_role("button", name="Close").first.click()
    field.fill("Anna")
    with page.changing():
        field.press("Enter")
    assert names(page) == ["Anna", "bob"]
    with page.changing():
        page.page.get_by_role("button", name="Swap with bob").click()
    assert first_labels(page) == {"Anna": edited["bob"], "bob": edited["ann"]}
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert first_labels(page) == {"Anna": edited["ann"], "bob": edited["bob"]}
    assert faults(page.page) == []

    # everything is kept in a project and opened again
    save_project(page, str(tmp_path / "talk.sedproject"))
    held = json.loads((tmp_path / "talk.sedproject").read_text())
    assert held["version"] == 2
    again = desk.open(desk.start(tmp_path / "talk.sedproject"), scheme="light")
    again.wait(SHOWN, 200)
    assert speakers(again) == speakers(page)
    assert faults(again.page) == []

    # files of everybody
    page.page.get_by_role("tab", name="Export").click()
    for name in ("mp4", "glb"):  # what is chosen at first
        page.page.locator(f".formats input[value='{name}']").uncheck()
    page.page.locator(".formats input[value='track.json']").check()
    page.page.get_by_role("checkbox", name="All speakers").check()
    page.page.get_by_role("button", name="Export", exact=True).click()
    page.page.locator(".downloads a").first.wait_for(timeout=60_000)
    files = page.page.locator(".downloads a span").all_inner_texts()
    assert files == ["speech.Anna.emotion.json", "speech.bob.emotion.json", "speech.rttm"]

    # one speaker of two, and back
    page.page.get_by_role("tab", name="Recording").click()
    with page.changing(120):
        page.page.get_by_role("button", name="Merge into bob").click()
    assert names(page) == ["bob"]
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert names(page) == ["Anna", "bob"]


def test_speakers_are_found_on_a_phone_from_a_dropped_file(desk: Desk, clip: Path, rttm: Path) -> None:
    page = desk.studio(clip, size=(390, 844))
    assert page.read("state.speakers") == []
    page.drop(rttm)
    page.wait(SHOWN, 200)
    assert names(page) == ["ann", "bob"]
    assert page.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert faults(page.page) == []
    page.page.get_by_role("group", name="Speakers").get_by_role("button", name="bob").click()
    page.wait("window.studio.state.speakers[1].active && window.studio.ready")
