"""What the page exports is what the command line makes of the saved track, byte for byte; renders can be left alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sedtalker.emotion.track import EmotionTrack
from tests.studio.browser.programs import SHOWN, Desk, asked, sedtalker, until

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser


def choose_formats(page: StudioPage, *names: str) -> None:
    """Open the tab of exports and tick these formats."""
    page.page.get_by_role("tab", name="Export").click()
    panel = page.page.get_by_role("tabpanel", name="Export")
    for box in panel.get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") in names)


def export(page: StudioPage, folder: Path, *names: str) -> dict[str, Path]:
    """Export these formats; gives the files that the browser downloaded, by their names."""
    choose_formats(page, *names)
    panel = page.page.get_by_role("tabpanel", name="Export")
    panel.get_by_role("button", name="Export").click()
    links = panel.locator(".downloads a")
    links.first.wait_for(timeout=120_000)
    folder.mkdir(exist_ok=True)
    found = {}
    for link in links.all():
        name = str(link.get_attribute("download"))
        found[name] = page.save(folder / name, link.click)
    return found


def edit(page: StudioPage) -> None:
    """Some edits and a setting, as a user makes them."""
    first = page.segments[0]
    page.seek((first["start"] + first["end"]) / 2)
    with page.changing():
        page.page.keyboard.press("s")
    page.page.mouse.click(page.x(first["start"] + 0.1), page.y("emotion"))
    with page.changing():
        page.page.keyboard.press("2" if first["label"] != "happy" else "3")
    slider = page.page.get_by_role("slider", name="Expressivity")
    slider.focus()
    for _ in range(5):
        with page.changing():
            slider.press("ArrowRight")
    slider.blur()


def test_exports_equal_those_of_the_command_line(page: StudioPage, clip: Path, tmp_path: Path) -> None:
    edit(page)
    settings = page.read("document.settings")
    assert settings["expressivity"] == pytest.approx(1.05)
    made = export(page, tmp_path / "studio", "glb", "arkit", "track.json")
    page.page.reload()
    page.wait(SHOWN)
    kept = page.page.locator(".downloads a").evaluate_all("(links) => links.map((link) => link.download)")
    assert kept == list(made)
    track = next(path for name, path in made.items() if name.endswith(".emotion.json"))
    glb = next(path for name, path in made.items() if name.endswith(".glb"))
    csv = next(path for name, path in made.items() if name.endswith(".csv"))
    shutil.copy(clip, tmp_path)  # the file names its recording, relative to itself
    sedtalker(
        tmp_path, tmp_path / "home", "animate", clip.name, "--emotion", track,
        "--expressivity", settings["expressivity"], "--no-video", "--to", "glb,arkit", "-o", "cli",
    )  # fmt: skip
    ours, theirs = (description(path)["asset"]["extras"] for path in (glb, tmp_path / "cli" / "speech.glb"))
    assert ours == theirs
    assert (tmp_path / "cli" / "speech.glb").read_bytes() == glb.read_bytes()
    assert (tmp_path / "cli" / "speech.arkit.csv").read_bytes() == csv.read_bytes()
    EmotionTrack.load(track).save(tmp_path / "again.emotion.json")
    assert (tmp_path / "again.emotion.json").read_bytes() == track.read_bytes()


def test_an_unedited_track_equals_that_of_the_command_line(page: StudioPage, clip: Path, tmp_path: Path) -> None:
    made = export(page, tmp_path / "studio", "track.json")
    sedtalker(tmp_path, tmp_path / "home", "diarize", clip, "-o", "cli.emotion.json")
    assert (tmp_path / "cli.emotion.json").read_bytes() == next(iter(made.values())).read_bytes()


def description(glb: Path) -> dict[str, Any]:
    """The JSON of a GLB, which is read more easily where two differ."""
    data = glb.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    found: dict[str, Any] = json.loads(data[20 : 20 + length])
    return found


def test_what_is_reloaded_is_what_was_edited(page: StudioPage) -> None:
    edit(page)
    document = page.read("document")
    page.page.reload()
    page.wait(SHOWN)
    assert page.read("document") == document
    assert page.read("state.can_undo")


def test_a_saved_track_can_be_loaded_again(page: StudioPage, tmp_path: Path) -> None:
    edit(page)
    before = [(s["start"], s["end"], s["label"]) for s in page.segments]
    track = next(iter(export(page, tmp_path / "studio", "track.json").values()))
    asked(page.url + "api/edit", {"op": "reset"})
    page.wait("!window.studio.document.edited && window.studio.ready")
    unedited = [s["label"] for s in page.segments]
    page.drop(track)
    page.wait("window.studio.document.segments[0].label !== window.studio.state.labels[0] && window.studio.ready")
    # Segments of one label that touch are one in a track.
    joined = [row for i, row in enumerate(before) if i == 0 or row[2] != before[i - 1][2]]
    until(lambda: [s["label"] for s in page.segments] == [row[2] for row in joined])
    assert [s["start"] for s in page.segments] == pytest.approx([row[0] for row in joined], abs=0.03)
    loaded = page.segments
    for key, labels in (("Control+z", unedited), ("Control+Shift+z", [s["label"] for s in loaded])):
        with page.changing():
            page.page.keyboard.press(key)
        assert [s["label"] for s in page.segments] == labels


def video_files(home: Path) -> list[str]:
    """What there is of videos below a home."""
    return sorted(str(path) for path in home.rglob("*") if path.is_file() and re.search(r"\.mp4|video", path.name))


def start_video(page: StudioPage, size: str = "1080") -> None:
    """Begin to render a video, and wait until it is under way."""
    choose_formats(page, "mp4")
    page.page.get_by_label("Video", exact=True).select_option(size)
    page.page.get_by_role("tabpanel", name="Export").get_by_role("button", name="Export").click()
    page.wait("window.studio.jobs.some((job) => job.kind === 'export' && job.done > 0)", 120)


def test_a_render_is_cancelled_and_leaves_nothing(page: StudioPage, shared_desk: Desk) -> None:
    before = video_files(shared_desk.home)
    start_video(page)
    page.page.get_by_role("tabpanel", name="Export").get_by_role("button", name="Cancel").click()
    page.wait("window.studio.jobs.length === 0")
    assert page.page.locator(".downloads a").count() == 0
    assert video_files(shared_desk.home) == before
    page.page.keyboard.press("Escape")
    with page.changing():
        page.page.keyboard.press("6")  # everything goes on


def test_a_tab_closed_in_the_middle_of_a_render(page: StudioPage, shared_desk: Desk) -> None:
    start_video(page, "512")
    page.page.close()
    other = shared_desk.open(shared_desk.servers[0])
    other.wait("window.studio && window.studio.document")
    other.page.get_by_role("tab", name="Export").click()
    other.wait("window.studio.jobs.length === 0", 240)
    state: dict[str, Any] = asked(other.url + "api/state")
    assert state["jobs"] == []
    assert state["document"] is not None
    with other.changing():
        other.page.keyboard.press("5")


def test_a_video_has_picture_and_sound(page: StudioPage, tmp_path: Path) -> None:
    import av

    page.page.get_by_role("tab", name="Export").click()
    page.page.get_by_label("Video", exact=True).select_option("256")
    made = export(page, tmp_path / "studio", "mp4")
    with av.open(str(next(iter(made.values())))) as video:
        assert {stream.type for stream in video.streams} == {"video", "audio"}
        assert float(video.duration or 0) / av.time_base == pytest.approx(6.0, abs=0.2)
        assert video.streams.video[0].width == 256
