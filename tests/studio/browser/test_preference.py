"""Somebody answers the page of a blind comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scripts.test_preference import PREFERENCE, videos

pytestmark = pytest.mark.browser


def test_answers_are_those_of_the_keys(browser: Any, tmp_path: Path) -> None:
    before, after = videos(tmp_path)
    PREFERENCE.make(before, after, tmp_path / "t.html")
    page = browser.new_page(accept_downloads=True)
    page.goto((tmp_path / "t.html").as_uri())
    shown = [page.eval_on_selector_all("video", "all => all.map(v => v.src)")]
    page.keyboard.press("1")
    shown.append(page.eval_on_selector_all("video", "all => all.map(v => v.src)"))
    page.keyboard.press("2")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "answers.csv")
    page.close()
    lines = (tmp_path / "answers.csv").read_text().splitlines()[1:]
    where = {"a": before, "b": after}
    for line, pair, picked in zip(lines, shown, (0, 1), strict=True):
        name, at_left, chosen = line.split(",")
        assert PREFERENCE._as_url(where[at_left] / f"{name}.mp4") == pair[0]
        assert PREFERENCE._as_url(where[chosen] / f"{name}.mp4") == pair[picked]
