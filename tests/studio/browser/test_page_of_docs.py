"""Every command of docs/studio.md runs, and its keys are those of the page."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.studio.browser.programs import SHOWN, Desk, asked, sedtalker, until
from tests.test_readme import commands

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "studio.md"


@pytest.fixture(scope="module")
def folder(shared_desk: Desk, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page speaks of; the project is one that the studio saved."""
    made = tmp_path_factory.mktemp("files")
    shutil.copy(clip, made / "speech.wav")
    shutil.copy(ROOT / "data" / "samples" / "head.obj", made)
    server = shared_desk.start("speech.wav", folder=made)
    until(lambda: asked(server.url + "api/state")["document"])
    asked(server.url + "api/project", {"path": "take.sedproject"})
    return made


@pytest.mark.parametrize("words", commands(PAGE), ids=lambda words: shlex.join(words)[10:70])
def test_every_command_runs(words: list[str], folder: Path, shared_desk: Desk) -> None:
    if words[1] != "studio":
        sedtalker(folder, shared_desk.home, *words[1:], "--no-video", "--force")
        return
    server = shared_desk.start(*words[2:], folder=folder)
    begun = len(words) > 2
    until(lambda: (asked(server.url + "api/state")["document"] is not None) == begun, 120)
    assert server.stop() == 0


def test_its_keys_are_those_of_the_help_sheet(page: StudioPage) -> None:
    page.page.keyboard.press("?")
    shown = page.page.get_by_role("dialog", name="Keyboard").inner_text()
    section = PAGE.read_text(encoding="utf-8").split("## Keys")[1].split("##")[0]
    for key in re.findall(r"`([A-Z?\[\]\\,.])`", section):
        assert key in shown, key
    page.page.keyboard.press("Escape")
    page.wait(SHOWN)
