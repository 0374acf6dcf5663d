"""The studio's real command and a real Chromium.

``make test-studio`` asks for them (SEDTALKER_STUDIO=1: what is missing fails); otherwise such tests skip. At the end of
every test no request has left the studio, the page has logged no error, and the server has written no traceback.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import soundfile

pytest.register_assert_rewrite("tests.studio.browser.programs")

from tests.studio.browser.programs import CLIP, Desk  # noqa: E402
from tests.support.firefox import Firefox, lacks, running  # noqa: E402


def missing(what: str) -> NoReturn:
    """Skip, or fail where the programs were asked for."""
    if os.environ.get("SEDTALKER_STUDIO"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """Playwright, where it and a Chromium are installed."""
    try:
        from playwright.sync_api import sync_playwright

        from scripts.studio_page import find_chromium
    except ImportError:
        missing("no Playwright: pip install playwright, or use make test-studio")
    if find_chromium() is None:
        missing("no Chromium: apt install chromium")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Any) -> Iterator[Any]:
    """A Chromium that draws WebGL in software."""
    from scripts.studio_page import chromium

    with chromium(playwright) as running:
        yield running


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    """A Firefox, where one is installed; at the end no page has logged an error."""
    if lacking := lacks():
        pytest.skip(lacking)
    with running(tmp_path / "firefox") as tab:
        yield tab
        tab.evaluate("null")  # what it said meanwhile has come before the answer
        assert tab.complaints == []


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of the sample recording."""
    start, end = CLIP
    samples, rate = soundfile.read(Path(__file__).parents[3] / "data" / "samples" / "four_moods.wav", dtype="float32")
    path = tmp_path_factory.mktemp("clip") / "speech.wav"
    soundfile.write(path, samples[int(start * rate) : int(end * rate)], rate)
    return path


@contextmanager
def opened(browser: Any, home: Path) -> Iterator[Desk]:
    """A desk that is checked and tidied at the end."""
    desk = Desk(browser, home)
    with ExitStack() as ends:
        ends.callback(desk.tidy)
        yield desk
        desk.check()


@pytest.fixture
def desk(browser: Any, tmp_path: Path) -> Iterator[Desk]:
    """Starts studios and opens pages; nothing is left of them."""
    with opened(browser, tmp_path / "home") as made:
        yield made


@pytest.fixture(scope="module")
def shared_desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for all tests of a file."""
    with opened(browser, tmp_path_factory.mktemp("shared") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def shared_server(shared_desk: Desk, clip: Path) -> Any:
    """A studio with the clip, for all tests of a file."""
    return shared_desk.start(clip)


@pytest.fixture
def page(shared_desk: Desk, shared_server: Any) -> Iterator[Any]:
    """A page of the shared studio, whose document is as it was at first."""
    yield shared_desk.fresh(shared_server)
    shared_desk.check_pages()
    shared_desk.expected = ()
