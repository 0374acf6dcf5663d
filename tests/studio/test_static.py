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


def test_ticked_boxes_stand_out_in_both_themes() -> None:
    """At 3 to 1; where the accent does not, WebKit draws boxes without a tick as those of the other theme."""
    controls, tokens = ((STATIC / "css" / f"{name}.css").read_text(encoding="utf-8") for name in ("controls", "tokens"))
    accents = set(re.findall(r"accent-color: var\(--([a-z-]+)\)", controls))
    assert accents
    for theme in re.findall(r"^:root.*?\{(.*?)\n\}", tokens, re.DOTALL | re.MULTILINE)[:2]:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", theme))
        for accent in accents:
            shades = sorted(luminance(colours[name]) for name in (accent, "panel"))
            assert (shades[1] + 0.05) / (shades[0] + 0.05) >= 3, colours[accent]


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG defines it."""
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_wheel_grows_by_less_than_four_megabytes(tmp_path: Path) -> None:
    wheel = tmp_path / "files.zip"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in STATIC.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(STATIC))
    assert 100_000 < wheel.stat().st_size < MOST_BYTES
