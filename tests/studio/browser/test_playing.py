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
