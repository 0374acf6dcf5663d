"""The pictures of docs/studio.md: the studio in Chromium, dark, light, with fine-grained emotions, on a phone.

    python scripts/make_studio_pictures.py [--only dark,phone]

The sample clip, with its own track loaded and one stretch of intensity drawn. Writes docs/images/studio_*.webp.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from scripts.studio_page import ROOT, SAMPLES, StudioPage, StudioServer, chromium

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 150_000
"""Largest size of a picture, bytes."""
LARGEST = (1360, 900)
"""Pixels of each picture, at most."""
MOMENT = 6.5
"""Seconds at which the clip stands: in its happy part."""


def edit(page: StudioPage) -> None:
    """Load the clip's own track, and draw intensity over one segment."""
    page.drop(SAMPLES / "four_moods.emotion.json")
    page.wait("window.studio.document.segments.length > 4 && window.studio.ready")
    page.page.keyboard.press("d")
    chosen = next(row for row in page.segments if row["label"] == "surprise")
    start, length = chosen["start"], chosen["end"] - chosen["start"]
    places = [(page.x(start + share * length), page.y("intensity", v)) for share, v in DRAWN]
    with page.changing():
        page.drag(*places, steps=8)
    page.page.reload()
    page.wait("window.studio && window.studio.document && window.studio.ready")


DRAWN = ((0.05, 0.3), (0.25, 0.55), (0.4, 0.85), (0.6, 0.5), (0.8, 0.75), (0.97, 0.2))
"""Intensity drawn over a segment: share of its length, and value."""


def stand(page: StudioPage) -> None:
    """Stop at the moment, with the segment there chosen, and wait until it is drawn crisply."""
    page.page.keyboard.press("Escape")
    page.page.mouse.click(page.x(MOMENT), page.y("emotion"))
    page.page.mouse.click(page.x(MOMENT), page.y("wave"))
    page.page.mouse.move(5, 5)
    page.ready()
    page.settle(2.0)


def dark(browser: Browser, url: str) -> bytes:
    """The whole window."""
    return window(browser, url, "dark", lambda page: None)


def light(browser: Browser, url: str) -> bytes:
    """The whole window in light, with formats to export."""
    return window(browser, url, "light", lambda page: page.page.get_by_role("tab", name="Export").click())


def finer(browser: Browser, url: str) -> bytes:
    """The whole window, with rows of fine-grained emotions."""

    def find(page: StudioPage) -> None:
        page.page.get_by_role("tab", name="Fine-grained emotions").click()
        button = page.page.get_by_role("button", name="Find fine-grained emotions")
        if button.is_visible():
            button.click()
        page.wait("window.studio.state.finer.curves.length && window.studio.ready")
        page.settle(1.0)

    return window(browser, url, "dark", find)


def window(browser: Browser, url: str, scheme: str, then: Callable[[StudioPage], None]) -> bytes:
    """A desktop's window."""
    page = StudioPage(browser, url, size=(1360, 850), scheme=scheme)
    page.wait("window.studio && window.studio.document && window.studio.ready")
    if not page.read("document.edited"):
        edit(page)
    stand(page)
    then(page)
    page.settle(0.5)
    return shot(page)


def phone(browser: Browser, url: str) -> bytes:
    """A phone's window, with another face."""
    page = StudioPage(
        browser, url, size=(390, 844), scheme="dark", device_scale_factor=2, has_touch=True, is_mobile=True
    )
    page.wait("window.studio && window.studio.document && window.studio.ready")
    reply = page.page.request.post(url + "api/face", data={"name": "amara"})
    assert reply.ok
    page.wait("window.studio.state.face.name === 'amara' && window.studio.ready")
    stand(page)
    page.page.evaluate("() => scrollTo(0, 0)")
    page.settle(2.0)
    return shot(page)


def shot(page: StudioPage) -> bytes:
    """What is seen, as PNG."""
    picture: bytes = page.page.screenshot()
    page.close()
    return picture


def save(picture: bytes, path: Path) -> None:
    """As WebP, as good as fits."""
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail(LARGEST)
        for quality in (90, 85, 80, 70, 60):
            image.convert("RGB").save(path, quality=quality, method=6)
            if path.stat().st_size < MAX_BYTES:
                break
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Take them one after another from one studio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="dark,light,phone,finer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright, chromium(playwright) as browser:
        server = StudioServer(Path(home), SAMPLES / "four_moods.wav")
        for take in (dark, light, phone, finer):
            if take.__name__ in arguments.only.split(","):
                save(take(browser, server.url), IMAGES / f"studio_{take.__name__}.webp")
        server.stop()


if __name__ == "__main__":
    main()
