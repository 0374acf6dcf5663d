"""The microphone: a recording made on the page, and the head that speaks along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studio.browser.conftest import opened
from tests.studio.browser.programs import SHOWN, Desk

pytestmark = pytest.mark.browser


@pytest.fixture
def talking(playwright: Any, clip: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose microphone plays the clip."""
    from scripts.studio_page import chromium

    with chromium(playwright, microphone=clip) as browser, opened(browser, tmp_path / "home") as desk:
        yield desk


def test_a_recording_from_the_microphone(talking: Desk) -> None:
    page = talking.open(talking.start())
    page.ready()
    page.page.get_by_role("button", name="Record from the microphone").click()
    page.settle(3.0)
    page.page.get_by_role("button", name="Stop and analyse").click()
    page.wait(SHOWN)
    assert 2.0 < page.read("state.duration") < 8.0
    sound = page.page.request.get(page.url + "api/peaks?bins=200").body()
    assert np.abs(np.frombuffer(sound, "<f4")).max() > 0.05  # not silence


def test_the_head_speaks_along(talking: Desk) -> None:
    page = talking.open(talking.start())
    page.ready()
    page.page.get_by_role("tab", name="Live").click()
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.wait("window.studio.live && window.studio.live.rows > 30")
    first = page.read("shown.weights")
    page.settle(1.0)
    assert page.read("shown.weights") != first
    delay = page.read("live.delay_ms")
    assert 0 < delay < 20_000
    shown = page.page.locator(".live-delay b").inner_text()
    assert shown.isdigit()
    page.page.get_by_role("button", name="Stop", exact=True).click()
    page.wait("window.studio.live === null")


KEPT = """() => {
  window.given = [];
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((soon) => setTimeout(soon, 500));
    const stream = await real(wanted);
    window.given.push(...stream.getTracks());
    return stream;
  };
}"""
"""The browser asks half a second long; the tracks that it gave are kept."""
UNPLUGGED = """() => { for (const track of window.given) { track.stop(); track.dispatchEvent(new Event("ended")); } }"""
"""What a page sees where a microphone is unplugged, or is allowed no longer."""


def test_a_microphone_that_goes_ends_the_recording(talking: Desk) -> None:
    page = talking.open(talking.start())
    page.ready()
    page.page.evaluate(KEPT)
    button = page.page.get_by_role("button", name="Record from the microphone")
    button.focus()
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Enter")  # impatiently, while the browser asks
    page.wait("window.given.length && document.querySelector('.record time').textContent >= '00:02'")
    assert page.page.evaluate("() => window.given.length") == 1
    page.page.evaluate(UNPLUGGED)
    page.page.get_by_text("The microphone has gone").wait_for()
    page.wait(SHOWN)
    assert page.read("state.duration") > 1.0
    assert button.is_visible()
    assert page.page.evaluate("() => window.given[0].readyState") == "ended"


def test_a_microphone_that_goes_ends_live_speech(talking: Desk) -> None:
    page = talking.open(talking.start())
    page.ready()
    page.page.evaluate(KEPT)
    page.page.get_by_role("tab", name="Live").click()
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.wait("window.studio.live && window.studio.live.rows > 10")
    page.page.evaluate(UNPLUGGED)
    page.page.get_by_text("The microphone has gone").wait_for()
    page.wait("window.studio.live === null")
    assert page.page.get_by_role("button", name="Start", exact=True).is_enabled()


SOCKETS = """() => {
  window.sockets = [];
  window.WebSocket = class extends WebSocket { constructor(url) { super(url); window.sockets.push(this); } };
}"""
"""The page's WebSockets are kept."""


def test_live_speech_that_ends_while_the_browser_asks_lets_the_microphone_go(talking: Desk) -> None:
    page = talking.open(talking.start())
    page.ready()
    page.page.evaluate(KEPT)
    page.page.evaluate(SOCKETS)
    asks = "() => { const real = navigator.mediaDevices.getUserMedia; window.asking = 0; "
    asks += "navigator.mediaDevices.getUserMedia = (wanted) => { window.asking += 1; return real(wanted); }; }"
    page.page.evaluate(asks)
    page.page.get_by_role("tab", name="Live").click()
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.wait("window.asking === 1")
    page.page.evaluate("() => window.sockets.at(-1).close()")
    page.page.get_by_text("The live link was closed").wait_for()
    assert page.page.evaluate("() => window.given.map((track) => track.readyState)") == ["ended"]
    assert page.page.get_by_role("button", name="Start", exact=True).is_enabled()


def test_without_permission_it_is_said(desk: Desk) -> None:
    page = desk.open(desk.start(), permissions=[])
    page.ready()
    page.page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia =
          () => Promise.reject(new DOMException("no", "NotAllowedError")); }"""
    )
    page.page.get_by_role("button", name="Record from the microphone").click()
    said = page.page.locator("#toasts [role=alert]").first
    said.wait_for()
    assert "microphone" in said.inner_text().lower()
