"""Playing in the studio: loops, and the keys that set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser


def test_a_loop_to_the_end_of_the_recording_goes_on(page: StudioPage) -> None:
    page.seek(5.5)  # of six seconds
    page.page.click("#loop")
    assert page.read("region") == {"start": 0, "end": 6, "loop": True}
    page.page.click("#play")
    page.wait("window.studio.time > 5.5")
    page.wait("window.studio.time < 3")
    assert page.read("playing")
    page.page.click("#play")


def test_brackets_that_need_altgr_or_option_set_the_loop(page: StudioPage) -> None:
    press = "(keys) => dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...keys }))"
    page.seek(1.0)
    page.page.evaluate(press, {"key": "[", "ctrlKey": True, "altKey": True, "modifierAltGraph": True})
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.evaluate(press, {"key": "]", "altKey": True})
    region = page.read("region")
    assert (region["start"], region["end"]) == (pytest.approx(1.0, abs=0.1), pytest.approx(2.0, abs=0.1))


def test_a_drag_of_some_pixels_leaves_no_loop_in_which_nothing_plays(page: StudioPage) -> None:
    page.seek(1.0)
    page.page.click("#loop")
    x, y = page.x(2.0), page.y("wave")
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 6, y, steps=3)  # it snaps to the cursor, where the drag began
    page.page.mouse.up()
    assert page.read("region") == {"start": 0, "end": 6, "loop": True}
    page.page.click("#play")
    page.wait("window.studio.time > 2.3")
    page.page.click("#play")


FINGERS = """(points) => {
  const area = document.getElementById("lanes-over");
  area.setPointerCapture = () => {};
  for (const [type, id, x, y] of points) {
    const finger = { pointerId: id, pointerType: "touch", clientX: x, clientY: y, bubbles: true };
    area.dispatchEvent(new PointerEvent(type, finger));
  }
}"""


def test_fingers_beside_the_first_leave_the_region(page: StudioPage) -> None:
    page.seek(1.0)
    page.page.click("#loop")
    before, x, y = page.read("region"), page.x(2.0), page.y("wave")
    down, move, up = "pointerdown", "pointermove", "pointerup"
    page.page.evaluate(FINGERS, [(down, 11, x, y), (move, 11, x + 60, y), (down, 12, x + 200, y)])
    assert page.read("region") == before
    page.page.evaluate(FINGERS, [(down, 13, x + 90, y), (move, 13, x + 190, y)])
    assert page.read("region") == before
    page.page.evaluate(FINGERS, [(up, finger, x, y) for finger in (13, 12, 11)])
    assert page.read("region") == before


def test_canvases_follow_a_screen_of_more_pixels(page: StudioPage) -> None:
    wide = page.page.evaluate("document.getElementById('lanes').width")
    made = "({ Quality }) => (window.quality = new Quality(false)).update()"
    page.page.evaluate(f"import('./static/js/stage/quality.js').then({made})")
    session = page.context.new_cdp_session(page.page)
    size = page.page.viewport_size or {}
    metrics = {**size, "deviceScaleFactor": 2, "mobile": False}
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    page.wait(f"document.getElementById('lanes').width === {2 * wide}", 5)
    assert page.page.evaluate("window.quality.update()")  # of the head, with a graphics card
    strip = "document.querySelector('.overview-strip')"
    page.wait(f"{strip}.width === 2 * {strip}.clientWidth", 5)
