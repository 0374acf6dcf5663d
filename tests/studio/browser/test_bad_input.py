"""What goes wrong is said on the page in a line, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from tests.studio.browser.programs import REFUSED, SHOWN, Desk, asked

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser


def broken(folder: Path, name: str) -> Path:
    """A file of that name with nothing in it that the name promises."""
    path = folder / name
    if name == "silent.wav":
        soundfile.write(path, np.zeros(0, np.float32), 16000)
    elif name == "empty.wav":
        path.write_bytes(b"")
    else:
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


NAMES = [
    "noise.wav", "empty.wav", "silent.wav", "noise.mp3", "noise.obj", "noise.glb", "noise.ply", "noise.stl",
    "noise.sedface", "noise.vtt", "noise.rttm", "noise.csv", "noise.json", "noise.txt", "letter.pdf",
]  # fmt: skip
"""Files that somebody may drop."""


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_file_that_is_nothing_is_said(page: StudioPage, shared_desk: Desk, tmp_path: Path, name: str) -> None:
    shared_desk.expected = (REFUSED,)
    with page.changing():
        page.page.keyboard.press("6")
    document, face = page.read("document"), page.read("state.face")
    page.drop(broken(tmp_path, name))
    if name.endswith((".wav", ".mp3")):
        page.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    said = page.page.locator("#toasts [role=alert]").first
    said.wait_for(timeout=60_000)
    text = said.locator("p").inner_text().strip()
    assert text
    assert "\n" not in text
    assert not any(word in text for word in ("Traceback", "Error:", "terminal says more", str(shared_desk.home)))
    page.wait("window.studio.ready")
    assert page.read("document") == document
    assert page.read("state.face") == face
    assert "Traceback" not in shared_desk.servers[0].errors()


def test_without_webgl_the_rest_works(playwright: Any, shared_desk: Desk, shared_server: Any) -> None:
    from scripts.studio_page import NO_WEBGL, chromium

    with chromium(playwright, *NO_WEBGL) as poor:
        page = shared_desk.fresh(shared_server, browser=poor)
        assert not page.read("webgl")
        message = page.page.locator("#stage-message")
        assert message.is_visible()
        assert "WebGL" in message.inner_text()
        with page.changing():
            page.page.keyboard.press("5")
        with page.changing():
            page.page.keyboard.press("Control+z")
        page.page.keyboard.press("Space")
        page.wait("window.studio.playing && window.studio.time > 0.3")
        page.page.keyboard.press("Space")
        assert page.page.get_by_role("tab", name="Export").is_visible()
        # three.js says that there is none; Chromium too
        shared_desk.expected = ("THREE.WebGLRenderer",)
        shared_desk.check_pages()


def test_without_a_recording_the_page_invites(desk: Desk) -> None:
    page = desk.open(desk.start())
    page.ready()
    assert page.page.get_by_role("button", name="Choose a file").first.is_visible()
    for key in ("Space", "s", "m", "1", "Control+z", "r", ",", "[", "c", "End"):
        page.page.keyboard.press(key)
    assert page.page.locator("#toasts [role=alert]").count() == 0


def test_a_recording_is_dropped_on_an_empty_page(desk: Desk, clip: Path) -> None:
    page = desk.open(desk.start())
    page.ready()
    page.drop(clip)
    page.wait(SHOWN)
    assert page.read("state.audio.name") == "speech.wav"
    assert page.read("state.duration") == pytest.approx(6.0, abs=0.05)


def test_what_belongs_together_is_dropped_together(desk: Desk, clip: Path, tmp_path: Path) -> None:
    desk.expected = (REFUSED,)
    track, other, bad = tmp_path / "track.csv", tmp_path / "other.wav", tmp_path / "broken.wav"
    track.write_text("start,end,label,intensity\n0,2,happy,0.8\n2,6,sad,0.7\n")
    shutil.copy(clip, other)
    bad.write_bytes(b"RIFF no more")
    page = desk.open(desk.start())
    page.ready()
    page.drop(track, clip)  # the track first, as a file manager may give them
    page.wait("window.studio.document?.segments.length === 2 && window.studio.ready")
    assert [s["label"] for s in page.segments] == ["happy", "sad"]
    asked(page.url + "api/undo", {})
    page.wait("window.studio.document.segments.length === 1 && window.studio.ready")

    page.drop(track, bad)  # of another recording, which cannot be read
    page.page.get_by_text("track.csv: not opened, because broken.wav was not.").wait_for()
    assert len(page.segments) == 1
    page.drop(clip, other)
    page.page.get_by_text("one recording or project can be open at a time").wait_for()
    assert page.read("state.audio.name") == clip.name


def test_a_dropped_mesh_is_registered(desk: Desk, clip: Path) -> None:
    page = desk.studio(clip)
    with page.changing():
        page.page.keyboard.press("4")
    labels = [s["label"] for s in page.segments]
    page.drop(Path(__file__).parents[3] / "data" / "samples" / "head.obj")
    page.wait("window.studio.state.face.kind !== 'builtin' && window.studio.ready", 240)
    face = page.read("state.face")
    assert face["vertices"] > 1000
    assert face["report"]["verdict"]
    assert [s["label"] for s in page.segments] == labels
    page.page.get_by_role("tab", name="Face").click()
    assert page.page.get_by_text("How well it was fitted").is_visible()
    page.page.get_by_role("button", name="Show and move").click()
    page.settle(1.0)

    keys, again = page.page.keyboard, page.page.get_by_role("button", name="Register again")
    page.page.locator("#stage-canvas").focus()
    for _ in range(100):
        if page.page.locator("#announce").inner_text() == "mouth_left":
            break
        keys.press("PageDown")
        page.settle(0.1)
    for _ in range(100):  # onto the hair, far from any mouth
        keys.press("Shift+ArrowUp")
    again.focus()
    keys.press("Enter")
    page.page.get_by_text("the landmarks make no face").wait_for(timeout=240_000)
    assert again.get_attribute("aria-disabled") == "false"  # what was moved is still there, to be mended
    page.page.get_by_role("button", name="Undo moves").click()
    assert again.get_attribute("aria-disabled") == "true"


def test_a_missing_file_and_a_missing_page(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 2: .*nothing\.wav"):
        desk.start(tmp_path / "nothing.wav")
