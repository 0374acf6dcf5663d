"""The files of the page: every import and every file that it names is there, nothing is fetched from elsewhere."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "sedtalker" / "studio" / "static"
OWN = sorted(STATIC.glob("js/**/*.js"))
LONGEST = 360
MOST_BYTES = 4_000_000


def test_the_page_names_files_that_are_there_and_one_inline_script() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:href|src)="(static/[^"#]+)"', page)
    assert len(named) > 5
    assert [name for name in named if not (STATIC.parent / name).is_file()] == []
    inline = re.findall(r"<script(?![^>]*src=)([^>]*)>", page)
    assert inline == [' type="importmap"']
    used = set(re.findall(r'"#icon-([a-z]+)"', page)) | {
        name for path in OWN for name in re.findall(r'icon\("([a-z]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert used <= set(re.findall(r'id="icon-([a-z]+)"', page))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_modules_are_short_and_import_what_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert text.startswith("/**")
    for source in re.findall(r'(?:^import|^export|^\}) .*?from "([^"]+)"', text, re.MULTILINE):
        if source.startswith("."):
            assert (path.parent / source).resolve().is_file(), source
        else:
            assert source == "three" or source.startswith("three/addons/"), source
    assert re.findall(r"https?://(?!www\.w3\.org)", text) == []
    assert not re.search(r"\beval\(|new Function", text)


def test_ids_that_modules_ask_for_are_in_the_page() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    asked = {name for path in OWN for name in re.findall(r'byId\("([^"]+)"\)', path.read_text(encoding="utf-8"))}
    assert len(asked) > 20
    assert {name for name in asked if f'id="{name}"' not in page} == set()


@pytest.mark.parametrize("sheet", sorted(STATIC.glob("css/*.css")), ids=lambda path: path.stem)
def test_handles_of_sliders_are_as_large_in_firefox(sheet: Path) -> None:
    rule = r"([^\s}][^{};]*?)::-%s \{[^}]*?width: (\d+)px; height: (\d+)px"
    text = sheet.read_text(encoding="utf-8")
    assert re.findall(rule % "moz-range-thumb", text) == re.findall(rule % "webkit-slider-thumb", text)


def test_the_wheel_grows_by_less_than_four_megabytes(tmp_path: Path) -> None:
    wheel = tmp_path / "files.zip"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in STATIC.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(STATIC))
    assert 100_000 < wheel.stat().st_size < MOST_BYTES
