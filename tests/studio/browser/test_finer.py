"""Fine-grained emotions and laughter on the page: found, chosen, followed by the cursor, downloaded, removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from sedtalker.emotion.track import Burst, EmotionTrack
from tests.studio.browser.programs import Desk, asked
from tests.studio.browser.test_exporting import export
from tests.support.accessibility import faults

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

CURVES = "window.studio.state.finer.curves.length"


@pytest.fixture
def own_page(desk: Desk, clip: Path) -> Any:
    """A page of a studio of its own: these tests change its track."""
    return desk.studio(clip)


def find(page: StudioPage) -> None:
    page.page.get_by_role("tab", name="Fine-grained emotions").click()
    page.page.get_by_role("button", name="Find fine-grained emotions").click()
    page.wait(f"{CURVES} === 30 && window.studio.ready")
    page.page.get_by_role("searchbox").or_(page.page.get_by_label("Search fine-grained emotions by name")).wait_for()


def drawn(page: StudioPage) -> list[str]:
    """Rows of fine-grained emotions in the timeline."""
    return [name.removeprefix("finer ") for name in page.read("geometry.lanes") if name.startswith("finer ")]


def listed(page: StudioPage) -> list[str]:
    """Kinds that the panel shows, in its order."""
    return [row.get_attribute("data-kind") or "" for row in page.page.locator(".finer:visible").all()]


def test_found_searched_chosen_and_followed(own_page: StudioPage) -> None:
    page = own_page
    before = page.read("document")
    assert drawn(page) == []
    find(page)
    assert page.read("document") == before
    assert page.read("state.can_undo") is False
    curves = page.read("state.finer.curves")
    strongest = [c["name"] for c in sorted(curves, key=lambda c: -c["peak"])]
    assert listed(page) == strongest
    assert drawn(page) == strongest[:3]

    page.page.get_by_label("Search fine-grained emotions by name").fill("surp")
    assert set(listed(page)) == {"positive surprise", "negative surprise"}
    page.page.get_by_role("checkbox", name="Draw negative surprise").check()
    assert "negative surprise" in drawn(page)
    page.page.get_by_label("Search fine-grained emotions by name").fill("no such kind")
    assert page.page.get_by_text("No kind has such a name.").is_visible()
    page.page.get_by_label("Search fine-grained emotions by name").fill("")
    for name in [n for n in strongest if n not in drawn(page)][:2]:
        page.page.get_by_role("checkbox", name=f"Draw {name}", exact=True).check()
    assert len(drawn(page)) == 6
    assert page.page.locator(".finer input:not(:checked)").first.is_disabled()
    lanes = page.read("geometry.lanes")
    assert lanes["mouth"]["bottom"] <= page.page.evaluate("innerHeight")

    at = 4.0
    page.seek(at)
    page.settle()
    rows = asked_rows(page)
    index = [c["name"] for c in curves].index(strongest[0])
    wanted = float(rows[round(at * 50)][index])
    said = page.page.locator(f'.finer[data-kind="{strongest[0]}"] output').inner_text()
    assert float(said) == pytest.approx(wanted, abs=0.02)
    head = page.page.locator(f'#lane-heads [data-lane="finer {strongest[0]}"] small').inner_text()
    assert float(head) == pytest.approx(wanted, abs=0.02)
    assert faults(page.page) == []

    page.page.get_by_role("button", name="Remove", exact=True).click()
    page.wait(f"{CURVES} === 0")
    assert page.page.get_by_role("button", name="Find fine-grained emotions").is_visible()
    assert drawn(page) == []


def asked_rows(page: StudioPage) -> Any:
    """The curves as the server has them."""
    import urllib.request

    import numpy as np

    with urllib.request.urlopen(page.url + "api/extras.bin", timeout=60) as answer:
        return np.frombuffer(answer.read(), "<f4").reshape(-1, int(answer.headers["X-Columns"]))


def test_they_are_downloaded_with_the_track_and_opened_again(own_page: StudioPage, tmp_path: Path) -> None:
    page = own_page
    find(page)
    saved = export(page, tmp_path / "out", "track.json")["speech.emotion.json"]
    assert len(EmotionTrack.load(saved).extras) == 30
    page.page.get_by_role("button", name="Remove", exact=True).click()
    page.wait(f"{CURVES} === 0")
    page.drop(saved)
    page.wait(f"{CURVES} === 30 && window.studio.ready")
    assert len(drawn(page)) == 3


def test_the_option_of_the_command_finds_them_at_once(desk: Desk, clip: Path) -> None:
    page = desk.studio(clip, "--fine")
    page.wait(f"{CURVES} === 30 && window.studio.ready")
    assert len(drawn(page)) == 3


def test_a_laugh_is_marked_removed_and_brought_back(own_page: StudioPage, clip: Path, tmp_path: Path) -> None:
    page = own_page
    sound = soundfile.info(clip)
    track = EmotionTrack.load(saved_track(page, tmp_path))
    bursts = (Burst(1.0, 2.2, "laugh", 0.9), Burst(4.0, 4.6, "other", 0.8))
    path = tmp_path / "laughs.emotion.json"
    replace(track, bursts=bursts, duration=sound.duration).save(path)
    with page.changing():
        page.drop(path)
    assert [b["kind"] for b in page.read("document.bursts")] == ["laugh", "other"]
    page.page.mouse.click(page.x(1.6), page.read("geometry.lanes.wave.bottom") - 8)
    menu = page.page.get_by_role("menu", name="Laugh")
    menu.wait_for()
    assert "1.00 to 2.20 s" in menu.inner_text()
    assert faults(page.page) == []
    with page.changing():
        menu.get_by_role("menuitem", name="No laugh: remove it").click()
    assert [b["kind"] for b in asked(page.url + "api/state")["document"]["bursts"]] == ["other"]
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert len(page.read("document.bursts")) == 2
    page.page.get_by_role("tab", name="Edit").click()
    row = page.page.get_by_role("button", name="Remove: Burst, 4.00 to 4.60 s")
    row.focus()
    with page.changing():
        page.page.keyboard.press("Enter")
    assert [b["kind"] for b in page.read("document.bursts")] == ["laugh"]
    page.page.get_by_role("button", name="Laugh 1.00 to 2.20 s", exact=True).click()
    page.wait("Math.abs(window.studio.time - 1.0) < 0.05")


def saved_track(page: StudioPage, folder: Path) -> Path:
    """The track of the page as a file."""
    return export(page, folder / "saved", "track.json")["speech.emotion.json"]
