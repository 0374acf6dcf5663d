"""Work is kept: a project that is saved and opened again, and what is left when the server is killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.studio.browser.programs import GONE, REFUSED, SHOWN, Desk, asked, sedtalker, until
from tests.support.accessibility import faults

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser


def edit(page: StudioPage) -> None:
    """An edit and a setting."""
    page.page.mouse.click(page.x(page.segments[0]["start"] + 0.1), page.y("emotion"))
    with page.changing():
        page.page.keyboard.press("3" if page.segments[0]["label"] != "sad" else "2")
    with page.changing():
        page.page.get_by_role("checkbox", name="Blinks").click()


def save_project(page: StudioPage, name: str) -> None:
    page.page.keyboard.press("Control+s")
    field = page.page.get_by_role("dialog").get_by_role("textbox")
    field.fill(name)
    field.press("Enter")
    page.wait("!window.studio.state.project.dirty && window.studio.state.project.path")


def saved(desk: Desk, clip: Path, folder: Path) -> StudioPage:
    """A page whose edited recording is saved as ``take.sedproject`` in a new folder."""
    folder.mkdir()
    shutil.copy(clip, folder)
    page = desk.open(desk.start("speech.wav", folder=folder))
    page.wait(SHOWN)
    edit(page)
    save_project(page, "take.sedproject")
    return page


def test_a_project_is_saved_opened_and_animated(desk: Desk, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    page = saved(desk, clip, folder)
    document, history = page.read("document"), page.read("state.can_undo")
    assert history
    held = json.loads((folder / "take.sedproject").read_text())
    assert held["audio"]["path"] == "speech.wav"
    exported = page.page.request.post(page.url + "api/export", data={"formats": ["glb"]})
    assert exported.ok
    assert page.page.title().startswith("take.sedproject")

    again = desk.open(desk.start("take.sedproject", folder=folder))
    again.wait(SHOWN)
    assert again.read("document.segments") == document["segments"]
    assert again.read("document.settings") == document["settings"]
    assert again.read("document.intensity") == document["intensity"]

    sedtalker(folder, desk.home, "animate", "--project", "take.sedproject", "--no-video", "-o", "cli")
    page.page.get_by_role("tab", name="Export").click()
    link = page.page.locator(".downloads a").first
    link.wait_for(timeout=60_000)
    glb = page.save(tmp_path / "studio.glb", link.click)
    made = next((folder / "cli").glob("*.glb"))
    assert made.read_bytes() == glb.read_bytes()


def test_a_project_dropped_on_the_page_is_opened(desk: Desk, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    page = saved(desk, clip, folder)
    document = page.read("document")
    asked(page.url + "api/edit", {"op": "reset"})
    page.wait("!window.studio.document.edited && window.studio.ready")
    page.drop(folder / "take.sedproject")
    answer(page, "Discard")
    page.wait("window.studio.document.edited && window.studio.ready")
    assert page.read("document.segments") == document["segments"]


def test_a_project_and_its_recording_are_dropped_together(desk: Desk, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    document = saved(desk, clip, folder).read("document")
    desk.servers.pop().stop()
    for file in folder.iterdir():
        file.rename(tmp_path / file.name)
    folder.rmdir()
    desk.expected = GONE
    other = desk.open(desk.start(folder=desk.home))
    other.ready()
    recording = next(tmp_path.glob("*.wav"))
    other.drop(recording, tmp_path / "take.sedproject")
    other.wait(SHOWN)
    assert other.read("document.segments") == document["segments"]
    assert other.read("state.audio.name") == recording.name


def answer(page: StudioPage, choice: str) -> None:
    """What becomes of edits that are not saved."""
    page.page.get_by_role("dialog", name="Save your edits?").get_by_role("button", name=choice).click()


def test_another_recording_asks_what_becomes_of_edits(desk: Desk, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    shutil.copy(clip, other)
    kept = desk.home / "kept.sedproject"
    page = desk.studio(clip)
    edit(page)
    document = page.read("document")
    page.drop(other)
    question = page.page.get_by_role("dialog", name="Save your edits?")
    question.wait_for()
    assert question.get_by_role("button", name="Save").evaluate("(button) => button === document.activeElement")
    assert faults(page.page) == []
    page.page.keyboard.press("Escape")
    page.drop(other)
    answer(page, "Cancel")
    page.drop(other)  # saved by keys alone, but under no name
    question.wait_for()
    page.page.keyboard.press("Enter")
    page.page.get_by_role("dialog", name="Save the project").wait_for()
    page.page.keyboard.press("Escape")
    page.settle(1.0)
    assert page.read("jobs") == []
    assert (page.read("document"), page.read("state.audio.name")) == (document, "speech.wav")
    assert page.read("state.can_undo")

    page.drop(other)
    answer(page, "Save")
    field = page.page.get_by_role("dialog", name="Save the project").get_by_role("textbox")
    field.fill(str(kept))
    field.press("Enter")
    page.wait("window.studio.state.audio.name === 'other.wav' && window.studio.ready")
    held = json.loads(kept.read_text())["document"]["segments"]
    assert [s["label"] for s in held] == [s["label"] for s in document["segments"]]

    edit(page)
    page.drop(clip)
    answer(page, "Discard")
    page.wait("window.studio.state.audio.name === 'speech.wav' && window.studio.ready")
    with page.changing():  # an edit that is undone is none to save
        page.page.keyboard.press("6")
    with page.changing():
        page.page.keyboard.press("Control+z")
    page.drop(other)
    page.wait("window.studio.state.audio.name === 'other.wav' && window.studio.ready")


def test_work_is_recovered_after_a_crash(desk: Desk, clip: Path) -> None:
    desk.expected = (*GONE, REFUSED)
    page = desk.studio(clip)
    edit(page)
    document = page.read("document")
    state = desk.home / ".local" / "state" / "sedtalker"
    until(lambda: any(path.is_file() for path in state.rglob("*")), 10)
    page.settle(1.5)  # autosave waits for up to a second
    killed = desk.servers.pop()
    killed.kill()
    page.page.get_by_text("server does not answer").wait_for(timeout=30_000)

    again = desk.open(desk.start("--port", str(killed.port)))
    page.page.get_by_text("address is of an earlier start").wait_for(timeout=30_000)  # the page says where it is
    again.ready()
    again.page.get_by_role("button", name="Recover it").click()
    again.wait(SHOWN)
    assert again.read("document.segments") == document["segments"]
    assert again.read("document.settings") == document["settings"]


def test_a_clean_end_leaves_nothing_to_recover(desk: Desk, clip: Path) -> None:
    desk.expected = GONE
    page = desk.studio(clip)
    edit(page)
    save_project(page, str(desk.home / "kept.sedproject"))
    assert desk.servers[0].stop() == 0
    again = desk.open(desk.start())
    again.ready()
    assert again.read("state.recovery") is None


def test_a_discarded_recovery_is_gone(desk: Desk, clip: Path) -> None:
    desk.expected = GONE
    page = desk.studio(clip)
    edit(page)
    page.settle(1.5)
    desk.servers.pop().kill()
    again = desk.open(desk.start())
    again.ready()
    again.page.get_by_role("button", name="Discard it").click()
    until(lambda: asked(again.url + "api/state")["recovery"] is None)
    assert again.read("state.audio") is None


@pytest.mark.parametrize(
    "what", ["{", '{"format": "sedproject", "version": 99}', '{"format": "other"}', "\x00\x01", "[1, 2]"]
)
def test_a_broken_project_is_said_in_one_line(page: StudioPage, shared_desk: Desk, tmp_path: Path, what: str) -> None:
    shared_desk.expected = (REFUSED,)
    document = page.read("document")
    broken = tmp_path / "broken.sedproject"
    broken.write_text(what)
    page.drop(broken)
    said = page.page.get_by_role("alert").filter(visible=True)
    said.first.wait_for()
    assert "\n" not in said.first.inner_text().strip()
    assert "Traceback" not in said.first.inner_text()
    page.ready()
    assert page.read("document") == document
